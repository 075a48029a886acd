"""The live id under Gymnasium's own checker."""

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from test_parity import START, market

from tradeready_gym.envs.trading import ResetNeeded
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live import ReplayFeed


@pytest.mark.parametrize("flatten", [True, False])
def test_gymnasiums_checker_accepts_the_live_id_without_a_warning(flatten: bool) -> None:
    env = gym.make("TradeReady-Live-v0", feed=ReplayFeed(market(), START), track_training=False, flatten=flatten)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # it cannot be made twice from one feed, which is what rendering would be checked with
        check_env(env.unwrapped, skip_render_check=True)


def test_what_is_recovered_is_stepped_without_a_reset(tmp_path: Path) -> None:
    def made() -> Any:
        path = tmp_path / "session.journal"
        return gym.make("TradeReady-Live-v0", feed=ReplayFeed(market(), START), journal=path, track_training=False)

    env = made()
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(0)
    env.reset(seed=1)
    told = [env.step(action)[4]["equity"] for action in (1, 0, 2)]
    env.close()
    again = made()
    assert again.unwrapped.recover()[1]["equity"] == told[-1]
    assert again.step(0)[4]["step"] == 4
    again.close()


def test_more_than_one_pair_needs_a_scheme_of_its_own() -> None:
    feed = ReplayFeed(market(("BTCUSDT", "ETHUSDT")), START)
    with pytest.raises(ConfigurationError, match="Give action_scheme="):
        gym.make("TradeReady-Live-v0", pairs=["BTCUSDT", "ETHUSDT"], feed=feed)
    env = gym.make(
        "TradeReady-Live-v0", pairs=["BTCUSDT", "ETHUSDT"], feed=feed, action_scheme="portfolio", track_training=False
    )
    env.reset(seed=1)
    assert env.step(env.action_space.sample())[4]["equity"] > 0.0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pairs": ["ETHUSDT"]}, r"pairs=\['ETHUSDT'\] were asked for, and feed= brings \['BTCUSDT'\]"),
        ({"timeframe": "1m"}, "timeframe='1m' was asked for, and feed= brings candles of 1h"),
    ],
)
def test_a_feed_of_something_else_than_was_asked_for_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        gym.make("TradeReady-Live-v0", feed=ReplayFeed(market(), START), track_training=False, **asked)
    asked = {"pairs": "BTC/USDT", "timeframe": "1h"}
    env = gym.make("TradeReady-Live-v0", feed=ReplayFeed(market(), START), track_training=False, **asked)
    assert env.unwrapped.feed.symbols == ("BTCUSDT",)  # type: ignore[attr-defined]
