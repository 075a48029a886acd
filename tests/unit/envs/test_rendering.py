"""Render modes of the environment."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from moviepy import VideoFileClip

from small_worlds import play, random_candles, small_env
from tradeready_gym.errors import ResetNeeded
from tradeready_gym.orders import Order


def test_ansi_is_a_text_with_the_time_and_the_equity() -> None:
    env = small_env(random_candles(60), render_mode="ansi")
    info = play(env, [1, 0, 0])[-1][4]
    text = env.render()

    assert isinstance(text, str)
    assert "BTCUSDT" in text
    assert f"{info['equity']:,.2f}" in text


def test_rgb_array_keeps_its_size_through_a_whole_episode() -> None:
    env = small_env(random_candles(30, ("AAAUSDT", "BBBUSDT")), render_mode="rgb_array", action_scheme="portfolio")
    env.reset(seed=0)
    frames = [env.render()]
    for step in range(28):
        env.step(np.array([step % 2, 0.5]))
        if step % 9 == 0 or step == 27:
            frames.append(env.render())

    assert {(frame.shape, frame.dtype.name) for frame in frames} == {(frames[0].shape, "uint8")}
    assert frames[0].shape[2] == 3
    assert not np.array_equal(frames[0], frames[-1])


def test_a_picture_shows_nothing_that_is_not_visible_yet() -> None:
    candles, other = random_candles(60), random_candles(60)
    pictures = []
    for market in (candles, other):
        env = small_env(market, render_mode="rgb_array")
        play(env, [1] * 20)
        pictures.append(env.render())
    assert np.array_equal(*pictures)

    from tradeready_gym.envs.twins import scrambled_twin

    env = small_env(candles, render_mode="rgb_array")
    twin = scrambled_twin(env, 22, seed=1)
    play(env, [1] * 20)
    play(twin, [1] * 20)
    assert np.array_equal(env.render(), twin.render())
    assert np.array_equal(pictures[0], env.render())
    env.step(0)
    twin.step(0)
    assert not np.array_equal(env.render(), twin.render())


def test_rendering_changes_nothing() -> None:
    plain, shown = small_env(random_candles(40)), small_env(random_candles(40), render_mode="rgb_array")
    plain.reset(seed=0)
    shown.reset(seed=0)
    for action in (1, 0, 2, 1):
        one, two = plain.step(action), shown.step(action)
        shown.render()
        assert one[0].tobytes() == two[0].tobytes() and one[1:] == two[1:]


def test_an_order_of_a_person_can_be_drawn_before_its_candle_is_there() -> None:
    env = small_env(random_candles(40), render_mode="rgb_array")
    env.reset(seed=0)
    env.exchange.submit([Order("BTCUSDT", "buy", 1.0)])

    assert env.render().dtype == np.uint8


def test_rendering_without_a_mode_warns_and_returns_nothing() -> None:
    env = small_env(random_candles(40))
    env.reset(seed=0)

    with pytest.warns(UserWarning, match="render_mode="):
        assert env.render() is None


def test_rendering_before_the_first_reset_says_so() -> None:
    with pytest.raises(ResetNeeded, match=r"before the first reset\(\)"):
        small_env(random_candles(40), render_mode="ansi").render()


def test_record_video_writes_a_film(tmp_path: Path) -> None:
    env: Any = gymnasium.wrappers.RecordVideo(
        small_env(random_candles(8), render_mode="rgb_array"),
        str(tmp_path / "films"),
        episode_trigger=lambda episode: True,
    )
    play(env, [1, 0, 2] * 9)
    env.close()

    (film,) = (tmp_path / "films").glob("*.mp4")
    with VideoFileClip(str(film)) as clip:
        assert clip.fps == 15
        # the reader counts from a rounded duration
        assert clip.n_frames in (6, 7)
        assert clip.size == [env.render().shape[1], env.render().shape[0]]


def test_closing_twice_is_harmless_and_an_episode_may_follow() -> None:
    env = small_env(random_candles(40), render_mode="rgb_array", track_training=True)
    env.close()
    env.close()
    assert len(play(env, [0, 0])) == 3
    env.close()
