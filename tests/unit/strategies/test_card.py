"""The result card and its page say what was played, and nothing that was not."""

import json
from typing import Any

import numpy as np
import pytest

from small_worlds import trend_env as market
from tradeready_gym.actions import ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.evaluation import deflated_sharpe, return_moments
from tradeready_gym.exchanges import CustomSlippage, MarginAccount, SimulatedExchange, VolumeShareSlippage
from tradeready_gym.market import Instrument
from tradeready_gym.market.worlds import trend
from tradeready_gym.rendering.report import render_report
from tradeready_gym.strategies import BuyAndHold, Flat, MovingAverageCross
from tradeready_gym.strategies.card import result_card
from tradeready_gym.strategies.comparison import Comparison, compare
from tradeready_gym.strategies.details import details_of
from tradeready_gym.strategies.learned import Learned
from tradeready_gym.strategies.pages import (
    COLUMNS,
    DETAILS,
    comparison_report,
    costs_in_words,
    details_rows,
    turnover_words,
)
from tradeready_gym.strategies.performance import Evaluation, Performance
from tradeready_gym.strategies.sensitivity import cost_sensitivity, costs_scaled
from tradeready_gym.strategies.trace import count_actions, trace
from tradeready_gym.strategies.trials import Trial, trial_of

_MAY_BE_LARGE = {
    "roi_pct",
    "total_trades",
    "turnover",
    "fees_paid",
    "annual_return_pct",
    "round_trips",
    "slippage_paid",
}


def compared(**changes: Any) -> tuple[TradingEnvironment, Comparison]:
    env = market(**changes)
    return env, compare([MovingAverageCross(3, 9), BuyAndHold()], env, random_seeds=2)


def test_a_card_is_json_and_has_what_a_sceptic_asks_for() -> None:
    env, comparison = compared(fee_rate=0.002)
    trials = [trial_of(agent, env.engine, str(k)) for k, agent in enumerate(comparison.agents)]
    known = [t for t in trials if t is not None]
    card = result_card(comparison, env, seeds=(3, 4), trials=known, command="tradeready evaluate x")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["environment"]["fee_rate"] == 0.002
    assert card["spans"]["in_sample"] is False
    assert card["spans"]["played"] == card["spans"]["evaluation"]
    drawn, window = compared(episode_length=10)
    first, last = window.agents[0].episodes[0].time[[0, -1]]
    assert result_card(window, drawn)["spans"]["played"] == [f"{first.astype('M8[s]')}Z .. {last.astype('M8[s]')}Z"]
    assert card["fills"] == {"convention": "next_open", "optimistic": False}
    assert card["trials"]["count"] == 2
    assert card["command"] == "tradeready evaluate x"
    assert {"python", "numpy", "numba", "tradeready-gym"} <= set(card["versions"])
    equity = comparison.agents[0].episodes[0].net_worth
    expected = deflated_sharpe(
        return_moments(np.diff(equity) / equity[:-1]), [t.sharpe * 60.0 for t in known if t.sharpe is not None]
    )
    assert card["agents"][0]["deflated_sharpe"] == pytest.approx(expected, rel=1e-12)


def test_the_card_and_the_words_have_every_cost_not_the_rate_alone() -> None:
    # a rate of 0 is not free where each fill costs five, and interest runs
    exchange = SimulatedExchange(
        trend(bars=60, seed=0),
        fee_rate={"rate": 0.0, "maker_rate": 0.0002, "per_trade": 5.0, "minimum": 7.0},
        slippage="none",
        max_volume_share=0.05,
        account=MarginAccount(annual_borrow_rate=0.1),
        instruments={"BTCUSDT": Instrument("BTCUSDT", min_notional=10.0)},
    )
    env = TradingEnvironment(
        exchange=exchange, feature_pipeline=["returns"], lookback_window=2, interpreted=True, max_loss=0.5
    )
    said = result_card(compare([Flat()], env, random_seeds=1), env)["environment"]
    assert said["fees"] == {"rate": 0.0, "maker_rate": 0.0002, "per_trade": 5.0, "minimum": 7.0}
    assert (said["max_volume_share"], said["max_loss"]) == (0.05, 0.5)
    assert "min_notional=10.0" in said["instruments"]["BTCUSDT"]
    assert costs_in_words(exchange) == [
        "fee 0.00% of each fill (0.02% of what rested) and 5 for each, at least 7",
        "no slippage",
        "at most 0.05 of the volume of a candle",
        "interest 10.00% a year on what is borrowed",
    ]
    funded = SimulatedExchange(trend(bars=60, seed=0), account=MarginAccount(funding_rate=0.0001))
    assert costs_in_words(funded)[-1] == "funding 0.0100% each 8 hours"


def test_the_card_and_the_page_have_what_the_fills_and_the_curve_say() -> None:
    env, comparison = compared(fee_rate=0.002, slippage="fixed")
    card = result_card(comparison, env)
    mine = MovingAverageCross(3, 9)
    traced = trace(mine, env)
    metrics = card["agents"][0]["metrics"]
    paid = np.sum(traced.fills["fee"])
    slipped = [
        fill["quantity"] * abs(fill["price"] - fill["price"] / (1.0 + fill["side"] * fill["slippage"]))
        for fill in traced.fills
    ]
    assert len(traced.fills) > 4
    assert sum(slipped) > 0.0
    assert metrics["fees_paid"] == pytest.approx(paid, rel=1e-12)
    assert metrics["slippage_paid"] == pytest.approx(sum(slipped), rel=1e-9)
    assert metrics["costs_pct"] == pytest.approx(100.0 * (paid + sum(slipped)) / traced.equity[0], rel=1e-9)
    # a spot account that buys once and sells once: flat to flat is every second fill
    rows = traced.fills["row"]
    held = [close - begin for begin, close in zip(rows[::2], rows[1::2], strict=False)]
    assert metrics["mean_holding_bars"] == pytest.approx(np.mean(held))
    growth = traced.equity[-1] / traced.equity[0]
    years = (len(traced.equity) - 1) / 8766.0
    assert metrics["annual_return_pct"] == pytest.approx(100.0 * (growth ** (1.0 / years) - 1.0), rel=1e-9)
    rows_of = details_rows(card, env.engine)
    assert [row["strategy"] for row in rows_of[1:3]] == ["Buy and hold", "Buy and hold"]
    assert rows_of[0]["held, days"] == f"{np.mean(held) / 24.0:,.1f}"
    assert rows_of[3] | {"strategy": ""} == dict.fromkeys(rows_of[3], "-") | {
        "strategy": "", "a year %": "0.0", "volatility %": "0.0", "longest DD, days": "0",
        "round trips": "0", "slippage": "0", "fees and slippage %": "0.0",
    }  # fmt: skip
    page = render_report(comparison_report("x", comparison, env, traced, card))
    assert f"<td>{metrics['slippage_paid']:,.0f}</td>" in page
    assert "profit factor" in page


def test_every_account_keeps_its_own_fills() -> None:
    env = market(fee_rate=0.002)
    traders = compare([Flat(), MovingAverageCross(3, 9)], env, random_seeds=3).random[1]
    for seed, episode in enumerate(traders.episodes):
        assert episode.fills is not None
        assert len(episode.fills) == episode.metrics["total_trades"]
        assert set(episode.fills["env"].tolist()) <= {seed}
        assert episode.fills["fee"].sum() == pytest.approx(episode.metrics["fees_paid"], rel=1e-9)
    assert sum(len(episode.fills) for episode in traders.episodes if episode.fills is not None) > 6


def test_an_account_whose_episode_is_over_gets_no_fills_of_the_next() -> None:
    worlds = [trend(bars=bars, seed=0) for bars in (150, 300)]
    played = MovingAverageCross(3, 9).evaluate(market(data=worlds), episodes=6)
    assert len({len(episode) for episode in played.episodes}) == 2
    for episode in played.episodes:
        assert episode.fills is not None
        assert len(episode.fills) == episode.metrics["total_trades"]
        assert len(episode.fills) > 2


def test_an_account_that_was_worth_nothing_has_no_details() -> None:
    equity = np.array([100.0, 0.0, 0.0])
    broke = Performance(np.arange(3).astype("datetime64[us]"), equity, equity, 0.0 * equity, {})
    alive = Performance(np.arange(3).astype("datetime64[us]"), equity + 1.0, equity, equity, {})
    found = [details_of(Evaluation("x", (), False, played), 8766.0) for played in ((broke,), (broke, alive))]
    assert set(found[0].values()) == {None}
    assert found[1]["longest_drawdown"] == 2.0


def test_more_trials_make_the_same_result_less_believable() -> None:
    env, comparison = compared()
    span = env.engine.times
    mine = trial_of(comparison.agents[1], env.engine, "mine")
    assert mine is not None
    noise = np.random.default_rng(0).normal(0.0, 0.002, 50)
    others = [Trial("BTCUSDT", int(span[0]), int(span[-1]), str(k), float(x)) for k, x in enumerate(noise)]
    alone, among = (
        result_card(comparison, env, trials=trials)["agents"][1]["deflated_sharpe"]
        for trials in ([mine], [mine, *others])
    )
    assert among < alone


def test_nothing_is_deflated_by_trials_that_nobody_counted() -> None:
    env, comparison = compared()
    unknown = result_card(comparison, env)["agents"][1]
    assert unknown["deflated_sharpe"] is None and unknown["probabilistic_sharpe"] > 0.5
    others = [Trial("BTCUSDT", 0, 1, str(k), sharpe) for k, sharpe in enumerate([0.001, -0.002])]
    equity = comparison.agents[1].episodes[0].net_worth
    moments = return_moments(np.diff(equity) / equity[:-1])
    expected = deflated_sharpe(moments, [0.06, -0.12, moments.sharpe])
    found = result_card(comparison, env, trials=others)["agents"][1]["deflated_sharpe"]
    assert found == pytest.approx(expected, rel=1e-12)


def test_another_price_anywhere_is_another_hash() -> None:
    worlds = (compared(data=trend(bars=300, seed=seed)) for seed in (0, 1))
    one, other = (result_card(comparison, env) for env, comparison in worlds)
    assert one["data"]["sha256"] != other["data"]["sha256"]
    assert one["data"]["candles"] == other["data"]["candles"] == 300


def test_the_card_says_what_the_baselines_were_played_with_and_how_well_random_traders_match() -> None:
    env, comparison = compared()
    card = result_card(comparison, env)
    assert [one["name"] for one in card["baselines"]] == ["Buy and hold", "Flat", "MA cross 20/50", "Random"]
    assert all(one["action_scheme"].startswith("Holdings(") for one in card["baselines"])
    assert card["agents"][0]["action_scheme"] == repr(env.engine.spec.action_scheme)
    assert [one["agent"] for one in card["random_traders"]] == [agent.strategy for agent in comparison.agents]
    for one, agent in zip(card["random_traders"], comparison.agents, strict=True):
        assert one["turnover"] == agent.metric("turnover")[0]
        assert one["turnover_ratio"] == pytest.approx(1.0, abs=0.1)
    said = turnover_words(card["random_traders"])
    assert said.startswith("Their turnover is ") and " times its own; on average " in said
    match = {"turnover_ratio": 0.984, "mean_weight": 0.75, "traders_mean_weight": 0.70}
    met = "Their turnover is 0.98 times its own; on average 70% of their equity was invested, and 75% of its own."
    assert turnover_words([match]) == met
    missed = turnover_words([match, {**match, "traders_mean_weight": 0.6}])
    assert "60% to 70% of their equity" in missed
    assert missed.endswith("NOT MATCHED: a part of the difference between them is the market's.")
    assert turnover_words([{"turnover_ratio": None}]) == "It never traded, and neither did they."
    assert "on average 0% of their equity was invested, and 0% of its own." in turnover_words(
        [match | {"mean_weight": -0.0004, "traders_mean_weight": 0.0004}]
    )


def test_the_tiles_are_medians_of_the_seeds_and_say_so() -> None:
    env = market()
    comparison = compare([MovingAverageCross(3, 9), BuyAndHold(), MovingAverageCross(2, 20)], env, random_seeds=2)
    card = result_card(comparison, env)
    traced = trace(comparison_agent(), env)
    facts = {name: (value, said) for name, value, said in comparison_report("x", comparison, env, traced, card).facts}
    median = float(np.median([agent.metric("roi_pct")[0] for agent in comparison.agents]))
    assert facts["Return"][0] == f"{median:+.1f} %"
    assert "median of 3 seeds; buy and hold" in facts["Return"][1]
    assert "median of 3 seeds; mean by 95 %" in facts["Sharpe ratio"][1]
    alone = compare([MovingAverageCross(3, 9)], env, random_seeds=2)
    one = comparison_report("x", alone, env, traced, result_card(alone, env))
    assert one.facts[0][2].startswith("MA cross 3/9; buy and hold")
    assert "bootstrap over time" in one.facts[1][2]
    assert one.facts[2][2].startswith("0 trials;")


def test_money_on_the_page_has_its_currency_and_large_numbers_their_commas() -> None:
    env, comparison = compared(fee_rate=0.002, starting_balance=10_000_000.0)
    report = comparison_report("x", comparison, env, trace(MovingAverageCross(3, 9), env), result_card(comparison, env))
    fees = comparison.agents[0].median("fees_paid")
    assert fees > 100_000.0
    assert report.rows[0]["fees, USDT"] == f"{fees:,.0f}"
    assert set(report.details[0]) >= {"slippage, USDT"}
    assert "USDT" in report.facts[-1][2]
    large = [form.format(1_234_567.0) for _, name, form in (*COLUMNS, *DETAILS) if name in _MAY_BE_LARGE]
    assert len(large) == len(_MAY_BE_LARGE)
    assert all(text.startswith("1,234,567") for text in large)


def test_a_choice_by_a_validation_span_is_counted_on_the_card_and_the_page() -> None:
    env, comparison = compared()
    chooser = MovingAverageCross(3, 9)
    validation = market(data=trend(bars=200, seed=9))
    for _ in range(7):
        chooser.mark_learned(validation, looks=1)
    card = result_card(comparison, env, learned=chooser.learned)
    (lesson,) = chooser.learned
    assert card["spans"]["selection"] == [{"span": str(lesson.span), "evaluations": 7}]
    assert card["spans"]["training"] == []
    assert Learned.from_plain(json.loads(json.dumps(lesson.as_plain()))) == lesson
    badges = comparison_report("x", comparison, env, trace(chooser, env), card).badges
    assert ("chosen by 7 evaluations on a validation span", "plain") in badges
    chooser.mark_learned(validation)  # and was trained there, too
    assert [one.looks for one in chooser.learned] == [7, 0]
    none = result_card(comparison, env)
    assert none["spans"]["selection"] == []


def test_an_agent_that_never_trades_has_no_ratio_and_still_a_page() -> None:
    env = market()
    comparison = compare([Flat()], env, random_seeds=2)
    card = result_card(comparison, env)
    assert card["agents"][0]["deflated_sharpe"] is None
    assert card["agents"][0]["sharpe_interval"] is None
    page = render_report(comparison_report("Flat", comparison, env, trace(Flat(), env), card))
    assert "it never traded" in page
    assert "It did not trade." in page
    assert "1 seed: an anecdote" in page


def test_optimistic_fills_are_written_on_the_page_and_the_card() -> None:
    env, comparison = compared(fill_at="close")
    card = result_card(comparison, env)
    assert card["fills"]["optimistic"] is True
    assert all(agent.optimistic and "OPTIMISTIC" in repr(agent) for agent in comparison.agents)
    page = render_report(comparison_report("x", comparison, env, trace(comparison_agent(), env), card))
    assert "optimistic fills" in page


def comparison_agent() -> MovingAverageCross:
    return MovingAverageCross(3, 9)


def test_a_trace_is_the_episode_that_was_evaluated() -> None:
    env = market(fee_rate=0.002)
    episode = comparison_agent().evaluate(env, seed=4).episodes[0]
    traced = trace(comparison_agent(), env, seed=4)
    assert traced.equity.tolist() == episode.net_worth.tolist()
    assert traced.times.tolist() == episode.time.astype(np.int64).tolist()
    assert len(traced.fills) == episode.metrics["total_trades"]
    assert traced.rewards.sum() == pytest.approx(episode.metrics["cumulative_reward"])
    assert (np.diff(traced.fill_times) > 0).all()


def test_actions_are_counted_by_what_they_mean() -> None:
    assert count_actions(np.array([0, 1, 1, 2]), HoldBuySell()) == {"hold": 1, "buy": 2, "sell": 1}
    targets = TargetPosition((-1.0, 0.0, 1.0))
    assert count_actions(np.array([0, 1, 1, 2]), targets) == {"-1": 1, "0": 2, "1": 1}
    counted = count_actions(np.array([[-1.0], [0.99], [1.0]]), ContinuousOrder())
    assert (counted["-1"], counted["+0.75"], sum(counted.values())) == (1, 2, 3)
    assert count_actions(np.zeros((2, 3)), PortfolioWeights(), 3) == {}


def test_more_costs_leave_less_and_none_leave_the_most() -> None:
    env = market(fee_rate=0.001, slippage=VolumeShareSlippage(minimum=0.0005))
    found = cost_sensitivity(comparison_agent(), env)
    roi = [found[times].metric("roi_pct")[0] for times in (0.0, 1.0, 2.0, 4.0)]
    assert roi == sorted(roi, reverse=True)
    assert len(set(roi)) == 4
    assert found[0.0].metric("fees_paid")[0] == 0.0
    assert roi[1] == comparison_agent().evaluate(env).metric("roi_pct")[0]
    assert env.engine.spec.exchange.fee_rate == 0.001


def test_funding_is_the_markets_and_not_multiplied_and_the_card_says_so() -> None:
    # a broker who takes four times the fees does not make longs pay shorts four times as much
    env = market(account=MarginAccount(funding_rate=0.001), fee_rate=0.002, slippage="none")
    assert env.exchange.with_costs(4.0).account == MarginAccount(funding_rate=0.001, liquidation_fee=0.02)
    once, fourfold = (cost_sensitivity(BuyAndHold(), env)[times].episodes[0] for times in (1.0, 4.0))
    paid = [float(one.metrics["fees_paid"] or 0.0) for one in (once, fourfold)]
    assert paid[1] / paid[0] == pytest.approx(4.0, rel=0.01)
    # what the fee does not explain, a position that is smaller by it, is far from three more times the funding
    funding = 0.001 * np.sum(once.position_value[8::8])
    assert once.net_worth[-1] - fourfold.net_worth[-1] - (paid[1] - paid[0]) == pytest.approx(0.0, abs=0.1 * funding)
    card = result_card(compare([Flat()], env, random_seeds=1), env)
    assert card["costs_scaled"] == {"scaled": ["fees", "slippage", "liquidation fee"], "left": ["funding"]}
    assert costs_scaled(market(account="margin").exchange) == {
        "scaled": ["fees", "slippage", "interest", "liquidation fee"], "left": [],
    }  # fmt: skip
    assert costs_scaled(market().exchange) == {"scaled": ["fees", "slippage"], "left": []}


def test_interest_is_a_cost_and_a_model_that_does_not_scale_is_named() -> None:
    env = market(account=MarginAccount(annual_borrow_rate=0.1))
    assert env.exchange.with_costs(4.0).account == MarginAccount(annual_borrow_rate=0.4, liquidation_fee=0.02)

    class Own(CustomSlippage):
        def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
            return 0.001

    with pytest.raises(ConfigurationError, match=r"Own does not say what 2 times"):
        cost_sensitivity(Flat(), market(slippage=Own()), multiples=(2.0,))
    for wrong in ((), (-1.0,)):
        with pytest.raises(ConfigurationError, match="at least 0"):
            cost_sensitivity(Flat(), market(), multiples=wrong)
