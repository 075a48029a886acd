"""What figures are to be read with is said beside them, in words."""

import json
from typing import Any

import numpy as np
import pytest

from small_worlds import trend_env as market
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.exchanges import FeeSchedule
from tradeready_gym.features import (
    Column,
    CustomFeature,
    Feature,
    HigherTimeframe,
    MovingAverage,
    PercentChange,
    StandardScaler,
    TALib,
    WarmupMask,
)
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import martingale, trend
from tradeready_gym.strategies import BuyAndHold, Flat, MovingAverageCross, Situation, TradingStrategy
from tradeready_gym.strategies.card import result_card
from tradeready_gym.strategies.cautions import cautions_of, changes_since, changes_words, given_columns
from tradeready_gym.strategies.comparison import compare
from tradeready_gym.strategies.pages import comparison_report, luck_words, shares_words
from tradeready_gym.strategies.trace import trace


def with_signal(bars: int = 300) -> Candles:
    """Noise, with a column that has the next return: a look-ahead that no check of a feature can see."""
    plain = martingale(bars=bars, seed=0)
    ahead = np.append(np.diff(np.log(plain.close[0])), 0.0)
    prices = (plain.open, plain.high, plain.low, plain.close, plain.volume)
    return Candles.from_arrays(
        plain.symbols, plain.timeframe, plain.times, *prices, columns={"signal": ahead, "unused": 0.0 * ahead}
    )


class Cheat(TradingStrategy):
    """Holds while the data's own column is above zero."""

    def decide(self, situation: Situation) -> Any:
        return (situation.observations[:, -2] > 0.0).astype(np.int64)


def leaky() -> TradingEnvironment:
    return TradingEnvironment(
        data=with_signal(), action_scheme="target_position", feature_pipeline=["signal", "position"], lookback_window=2,
        interpreted=True,
    )  # fmt: skip


def test_a_column_that_looks_ahead_wins_everything_and_the_card_says_what_was_taken_on_trust() -> None:
    env = leaky()
    comparison = compare([Cheat()], env, random_seeds=2)
    card = result_card(comparison, env)
    assert comparison.agents[0].metric("roi_pct")[0] > 50.0  # on noise
    (said,) = card["cautions"]
    assert said["short"] == "column signal taken on trust"
    assert said["said"].startswith("NOT CHECKED: the column signal comes with the data.")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    badges = comparison_report("x", comparison, env, trace(Cheat(), env), card).badges
    assert ("column signal taken on trust", "bad") in badges


class Smoothed(MovingAverage):
    """Somebody's own, made from one of ours."""


MINE = CustomFeature("mine", lambda candles: candles.close * 1.0)


def scaled(feature: Feature) -> Feature:
    data = with_signal(60)
    return StandardScaler(feature).fit(data, int(data.times[0]), int(data.times[30]))


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ("signal", ("signal",)),
        (MovingAverage(5, source="signal"), ("signal",)),
        (HigherTimeframe(WarmupMask([MovingAverage(3, source="signal")]), "4h"), ("signal",)),
        (TALib("SMA", inputs=("signal",), timeperiod=3), ("signal",)),
        (scaled(PercentChange()), ()),
        (scaled(Column("signal")), ("signal",)),
        ("returns", ()),
        (MINE, ("signal", "unused")),
        (MovingAverage(5, source=MINE), ("signal", "unused")),
        (Smoothed(5), ("signal", "unused")),
        (scaled(WarmupMask([MINE])), ("signal", "unused")),
    ],
    ids=[
        "itself",
        "through another feature",
        "through three",
        "through TA-Lib",
        "scaled, none of them",
        "scaled",
        "none of them",
        "a function, which may read all",
        "an average of it",
        "a class of their own",
        "a scaled mask of it",
    ],
)
def test_only_the_columns_that_the_agent_may_see_are_named(feature: Any, named: tuple[str, ...]) -> None:
    env = TradingEnvironment(
        data=with_signal(60), feature_pipeline=[feature, "position"], lookback_window=2, interpreted=True
    )
    assert given_columns(env.engine) == named


def test_what_nobody_charged_is_called_free_and_what_somebody_did_is_not() -> None:
    def said(**costs: Any) -> list[str]:
        env = market(data=trend(bars=60, seed=0), **costs)
        return [one["short"] for one in cautions_of(env.engine)]

    assert said(fee_rate=0.0, slippage="none") == ["free: neither fees nor slippage"]
    for costs in (
        {"fee_rate": 0.001, "slippage": "none"},
        {"fee_rate": 0.0, "slippage": "fixed"},
        {"fee_rate": FeeSchedule(0.0, per_trade=1.0), "slippage": "none"},
    ):
        assert said(**costs) == []


def test_who_only_holds_is_neither_ahead_nor_behind_by_a_rounding_and_has_no_timing() -> None:
    class Holder(BuyAndHold):
        pass

    env = TradingEnvironment(
        data=martingale(bars=300, seed=1), action_scheme="target_position", feature_pipeline=["returns"], lookback_window=2,
        interpreted=True,
    )  # fmt: skip
    result = compare([Holder(), MovingAverageCross(3, 9), Flat()], env, random_seeds=6)
    assert result.agents[0].episodes[0].metrics["roi_pct"] != result.random[0].episodes[0].metrics["roi_pct"]
    assert result.ahead_of_random[0] == 0.5
    assert result.without_timing == (True, False, False)
    alone = compare([Holder()], env, random_seeds=2)
    assert alone.ahead_of(alone.buy_and_hold) == 0
    assert shares_words([0.5]) == "50%"
    assert shares_words([0.0, 0.1, 0.2, 0.9, 1.0, 0.3]) == "25% (the median of 6 seeds; 0% to 100%)"


def test_a_single_trial_says_that_others_may_exist_elsewhere() -> None:
    # a lucky seed of twenty that is judged under another home looks like the only one
    said = luck_words(0.97, 1)
    assert said.startswith("0.97 after 1 trial on this market and time. Luck alone would rarely do this.")
    assert said.endswith("No other trial is known on this machine: if there were any elsewhere, it is less.")
    assert "No other trial" not in luck_words(0.97, 2)


def test_what_is_not_as_it_was_in_training_is_named_with_both_values() -> None:
    trained = {"fee_rate": 0.0, "data": "a.csv", "lookback_window": 5}
    judged = {"fee_rate": 0.002, "data": "a.csv", "lookback_window": 5, "slippage": "none"}
    changes = changes_since(trained, judged)
    assert changes == {
        "fee_rate": {"trained": 0.0, "judged": 0.002},
        "slippage": {"trained": None, "judged": "none"},
    }
    assert changes_words(changes) == [
        "NOT AS IT WAS TRAINED: fee_rate was 0.0 and is 0.002; slippage was the default and is none."
    ]
    assert changes_words(changes_since(trained, trained)) == []
    assert changes_since(trained, trained | {"slippage": "volume_share", "starting_balance": 10_000}) == {}
    assert changes_since(trained | {"slippage": "none"}, trained) == {"slippage": {"trained": "none", "judged": None}}
    env = market(data=trend(bars=60, seed=0))
    comparison = compare([BuyAndHold()], env, random_seeds=1)
    card = result_card(comparison, env, changes=changes)
    badges = comparison_report("x", comparison, env, trace(BuyAndHold(), env), card).badges
    assert ("judged with other arguments than it was trained with", "bad") in badges
