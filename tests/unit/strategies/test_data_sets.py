"""Of several data sets each is judged, by everybody, and none is hidden behind the median."""

import json
from typing import Any

import numpy as np
import pytest

from small_worlds import trend_env as market
from tradeready_gym.cli.tables import sets_table
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.evaluation import curve_moments
from tradeready_gym.exchanges import stochastic_exchange
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.rendering.report import render_report
from tradeready_gym.strategies import BuyAndHold, MovingAverageCross, data_sets, pages
from tradeready_gym.strategies import card as card_module
from tradeready_gym.strategies.card import result_card
from tradeready_gym.strategies.comparison import Comparison, compare
from tradeready_gym.strategies.data_sets import by_data_set, seeds_of_sets, set_of_seed
from tradeready_gym.strategies.learned import whole_span
from tradeready_gym.strategies.pages import comparison_report, rows_of_sets, sets_words
from tradeready_gym.strategies.sensitivity import cost_sensitivity
from tradeready_gym.strategies.trace import trace
from tradeready_gym.strategies.trials import trial_of

WORLDS = [trend(bars=bars, seed=seed) for seed, bars in enumerate((150, 220, 300))]


def judged(worlds: list[Candles] | None = None, **changes: Any) -> tuple[TradingEnvironment, Comparison]:
    # many accounts play many episodes: interpreted, that is twenty times as long
    env = market(data=WORLDS if worlds is None else worlds, **{"interpreted": False, **changes})
    return env, compare([MovingAverageCross(3, 9), MovingAverageCross(2, 20)], env, random_seeds=4)


def test_the_seed_of_a_data_set_plays_it() -> None:
    env = market(data=WORLDS)
    seeds = seeds_of_sets(env.engine)
    for seed, candles in zip(seeds, WORLDS, strict=True):
        env.reset(seed=seed)
        assert _seen(env) == candles.close[0, :3].tolist()
    assert [set_of_seed(seed, 3) for seed in seeds] == [0, 1, 2]
    assert seeds_of_sets(market().engine) == (0,)
    for seed in range(8):  # seeds of others are known, too
        env.reset(seed=seed)
        assert _seen(env) == WORLDS[set_of_seed(seed, 3)].close[0, :3].tolist()


def _seen(env: TradingEnvironment) -> list[float]:
    closes: list[float] = env.exchange.candles.close[0, :3].tolist()
    return closes


def test_everybody_plays_each_data_set_as_if_it_were_alone() -> None:
    env, comparison = judged(fee_rate=0.002)
    for place, candles in enumerate(WORLDS):
        alone_in = market(data=candles, fee_rate=0.002, interpreted=False)
        alone = compare([MovingAverageCross(3, 9)], alone_in, random_seeds=4)
        for mine, theirs in zip(
            (comparison.agents[0], *comparison.baselines[:3]), (alone.agents[0], *alone.baselines[:3]), strict=True
        ):
            played = by_data_set(mine, env.engine)[place]
            assert played is not None
            assert np.array_equal(played.episodes[0].net_worth, theirs.episodes[0].net_worth)
            assert played.episodes[0].metrics == theirs.episodes[0].metrics
    traders = by_data_set(comparison.random[0], env.engine)
    assert [len(one.episodes) for one in traders if one is not None] == [2, 2, 2]  # 4 seeds, and so many more


def test_the_card_and_the_page_have_a_row_for_each_and_the_median() -> None:
    env, comparison = judged()
    card = result_card(comparison, env)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    returns = [one["agents"][0]["metrics"]["roi_pct"] for one in card["data_sets"]]
    assert returns == comparison.agents[0].metric("roi_pct").tolist()
    assert len(set(returns)) == 3
    assert card["agents"][0]["metrics"]["roi_pct"] == np.median(returns)
    assert len(card["spans"]["played"]) == 3
    assert [one["data_set"][:6] for one in card["data_sets"]] == ["1 of 3", "2 of 3", "3 of 3"]
    assert WORLDS[1].source in card["data_sets"][1]["data_set"]
    # the random traders are those of both agents
    assert [one["baselines"][3]["episodes"] for one in card["data_sets"]] == [4, 4, 4]
    (first, rows), *others = rows_of_sets(comparison, env.engine)
    assert first.startswith("1 of 3: ")
    middle = np.median([agent.metric("roi_pct")[0] for agent in comparison.agents])
    assert rows[0]["strategy"] == "data set 1: median of 2 seeds" and rows[0]["return %"] == f"{middle:.1f}"
    assert rows[1]["return %"] == f"{comparison.buy_and_hold.metric('roi_pct')[0]:.1f}"
    assert len(others) == 2
    traced = trace(MovingAverageCross(3, 9), env, seed=seeds_of_sets(env.engine)[0])
    report = comparison_report("x", comparison, env, traced, card, sets_words(env.engine))
    assert np.array_equal(traced.equity, report.curves[0].equity)
    page = render_report(report)
    assert "data set 3: Buy and hold" in page
    assert "medians over 3 data sets; the first is drawn" in page
    table = sets_table(comparison, env.engine)
    assert table is not None and table.row_count == 6


def test_one_data_set_has_no_rows_of_its_own() -> None:
    env = market()
    comparison = compare([BuyAndHold()], env, random_seeds=2)
    assert result_card(comparison, env)["data_sets"] == []
    assert not rows_of_sets(comparison, env.engine) and not sets_words(env.engine)
    assert sets_table(comparison, env.engine) is None
    assert comparison.agents[0].curve is comparison.agents[0].episodes[0].net_worth


def test_ratios_are_those_of_an_account_that_plays_one_after_the_other_and_overlaps_are_named() -> None:
    env, comparison = judged()
    episodes = comparison.agents[0].episodes
    returns = np.concatenate([np.diff(one.net_worth) / one.net_worth[:-1] for one in episodes])
    curve = comparison.agents[0].curve
    assert len(curve) == len(returns) + 1
    assert np.diff(curve) / curve[:-1] == pytest.approx(returns, abs=1e-12)
    trial = trial_of(comparison.agents[0], env.engine, "mine")
    assert trial is not None and trial.sharpe is not None
    assert trial.sharpe * 60.0 == pytest.approx(curve_moments(curve).sharpe, rel=1e-9)
    assert (trial.start, trial.end) == (whole_span(env.engine).start, whole_span(env.engine).end)
    assert "counted more than once" in sets_words(env.engine)[0]
    apart = TradingEnvironment(
        data=[WORLDS[0].between(None, int(WORLDS[0].times[70])), WORLDS[0].between(int(WORLDS[0].times[70]), None)],
        feature_pipeline=["returns"], lookback_window=2, interpreted=True,
    )  # fmt: skip
    assert "counted more than once" not in sets_words(apart.engine)[0]


def test_a_lucky_data_set_does_not_make_an_agent_ahead() -> None:
    # whoever is ahead in one set of three is not ahead; the first alone would say so
    rising, falling = np.linspace(100.0, 150.0, 120), np.linspace(100.0, 60.0, 120)
    worlds = [_priced(closes) for closes in (rising, falling, falling)]
    env = market(data=worlds)
    comparison = compare([BuyAndHold()], env, random_seeds=3)
    assert comparison.agents[0].metric("roi_pct")[0] > 20.0
    assert comparison.ahead_of(comparison.flat) == 0
    assert comparison.agents[0].median("roi_pct") < -20.0


def test_costs_are_multiplied_in_every_data_set_and_paths_are_data_sets() -> None:
    env = market(data=WORLDS, fee_rate=0.002)
    played = cost_sensitivity(MovingAverageCross(3, 9), env, multiples=(0.0, 1.0))
    assert [len(one.episodes) for one in played.values()] == [3, 3]
    assert (played[0.0].metric("roi_pct") > played[1.0].metric("roi_pct")).all()
    paths = TradingEnvironment(
        exchange=stochastic_exchange("gbm", paths=4, bars=60, seed=0), feature_pipeline=["returns"], lookback_window=2,
        interpreted=True,
    )  # fmt: skip
    assert len(compare([BuyAndHold()], paths, random_seeds=4).agents[0].episodes) == 4


def test_of_more_paths_than_memory_takes_the_first_are_played_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (data_sets, pages, card_module):
        monkeypatch.setattr(module, "MOST_SETS", 2)
    env, comparison = judged()
    assert [len(one.episodes) for one in comparison.agents] == [2, 2]
    assert len(result_card(comparison, env)["data_sets"]) == len(rows_of_sets(comparison, env.engine)) == 2
    assert sets_words(env.engine)[0].startswith("The first 2 of 3 data sets, each played once")


def _priced(closes: Any) -> Candles:
    like, price = trend(bars=120, seed=0), np.asarray(closes)[None]
    return Candles.from_arrays("BTCUSDT", like.timeframe, like.times, price, price, price, price, like.volume)
