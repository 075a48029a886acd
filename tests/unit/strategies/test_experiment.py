"""Experiments on disk, and strategies beside their baselines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError, StoreError, UnknownName
from tradeready_gym.market.worlds import martingale, trend
from tradeready_gym.strategies import BuyAndHold, Flat, MovingAverageCross
from tradeready_gym.strategies.comparison import compare
from tradeready_gym.strategies.experiment import Experiment, find_folder, unused_folder
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.matching import random_traders_like


def experiment(**changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "environment": "TradeReady-BTC-v0",
        "arguments": {"data": "sample", "timeframe": "1d", "lookback_window": 5, "interpreted": True},
    }
    return Experiment(**(settings | changes))


def market(**changes: Any) -> TradingEnvironment:
    settings: dict[str, Any] = {
        "data": trend(bars=300, seed=0),
        "feature_pipeline": ["returns", "position"],
        "action_scheme": "target_position",
        "lookback_window": 5,
        "slippage": "none",
        "interpreted": True,
    }
    return TradingEnvironment(**(settings | changes))


def test_without_an_end_the_last_thirty_per_cent_are_held_out() -> None:
    whole = spans_of(experiment().make().engine)[0]
    training = spans_of(experiment().training_environment().engine)[0]
    assert training.start == whole.start
    assert (training.end - training.start) / (whole.end - whole.start) == pytest.approx(0.7, abs=0.002)


def test_an_experiment_comes_back_as_it_was_saved_with_the_span_that_was_used(tmp_path: Path) -> None:
    saved = experiment(seeds=(0, 1), label="kept")
    span = spans_of(saved.training_environment().engine)[0]
    saved.save(tmp_path, trained_on=span)
    loaded = Experiment.load(tmp_path)
    assert (loaded.start, loaded.end) == (span.start_time, span.end_time)
    assert (loaded.seeds, loaded.label, loaded.arguments) == ((0, 1), "kept", saved.arguments)
    after = loaded.make(loaded.end)
    assert spans_of(after.engine)[0].start == span.end


def test_an_unknown_environment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'TradeReady-BTC-v0'"):
        experiment(environment="TradeReady-BTC")


def test_experiments_are_found_by_path_and_by_name_and_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    folder = unused_folder("my label")
    span = spans_of(experiment().training_environment().engine)[0]
    experiment().save(folder, trained_on=span)
    assert find_folder(folder) == find_folder("my-label") == folder
    assert unused_folder("my label").name == "my-label-2"
    with pytest.raises(StoreError, match="my-label"):
        find_folder("other")


def test_a_damaged_card_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text('{"environment": 3}')
    with pytest.raises(StoreError, match=r"experiment\.json"):
        Experiment.load(tmp_path)


def test_a_comparison_counts_who_was_ahead() -> None:
    agents = [MovingAverageCross(3, 10), Flat()]
    result = compare(agents, market(interpreted=False), random_seeds=4)
    returns = [agent.metric("roi_pct")[0] for agent in result.agents]
    hold = BuyAndHold().evaluate(market()).metric("roi_pct")[0]
    assert result.buy_and_hold.metric("roi_pct")[0] == hold
    assert result.ahead_of(result.buy_and_hold) == sum(value > hold for value in returns)
    assert len(result.random_traders.episodes) == 8
    assert result.ahead_of_random[1] == 0.5
    assert not result.in_sample


def test_random_traders_of_a_comparison_trade_as_much_as_their_agent() -> None:
    result = compare([MovingAverageCross(3, 10)], market(interpreted=False), random_seeds=6)
    wanted = result.agents[0].metric("turnover")[0]
    assert np.mean(result.random[0].metric("turnover")) == pytest.approx(wanted, rel=0.15)


def test_a_comparison_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        compare([], market())


def test_who_is_judged_plays_the_whole_span_also_where_training_plays_random_windows() -> None:
    windows = experiment(arguments={**experiment().arguments, "episode_length": 30})
    assert windows.training_environment().engine.spec.episode_length == 30
    judged = windows.make("2022-01-01T00:00:00Z", "2022-07-01T00:00:00Z", whole=True)
    assert len(Flat().evaluate(judged).episodes[0]) - 1 == 181


def test_random_traders_play_the_window_that_the_agent_played() -> None:
    # with no costs, who always holds does what those like it do, and nothing that another window would do
    candles = martingale(bars=3_000, seed=0)
    settings = {"episode_length": 100, "fee_rate": 0.0, "data": candles}
    for drawn in (market(**settings), market(**settings | {"data": [candles, martingale(bars=3_000, seed=1)]})):
        result = compare([BuyAndHold()], drawn, random_seeds=6)
        agent, sets = result.agents[0], len(drawn.engine.segments)
        begun = [episode.time[0] for episode in agent.episodes]
        assert len(begun) == sets  # a window of each data set
        for one in result.baselines:
            assert [episode.time[0] for episode in one.episodes] == begun * (len(one.episodes) // sets)
        assert result.random[0].metric("roi_pct") == pytest.approx(np.resize(agent.metric("roi_pct"), 6))


def test_several_episodes_are_met_by_random_traders_in_turn() -> None:
    drawn = market(episode_length=50, data=martingale(bars=3_000, seed=0))
    agent = BuyAndHold().evaluate(drawn, episodes=2, seed=7)
    traders = random_traders_like(agent, drawn, seeds=4)[1]
    assert [one.time[0] for one in traders.episodes] == 2 * [one.time[0] for one in agent.episodes]
    assert agent.seeds == (7, 8)
    assert traders.seeds == (7, 8, 7, 8)
