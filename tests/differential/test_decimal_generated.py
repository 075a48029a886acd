"""The reference on random worlds and scripts: its books balance at every step, and the generator reaches every corner."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest
from decimal_ledger import Parameters, Series, StepResult
from generate import MODELS, ORDER_TYPES, Case, Knobs, build_case, replay
from reference.inputs import exact, exact_context

TOLERANCE = Decimal(10) ** -40  # of the starting balance: what 120 digits leave after some thousand operations
CASES = 60


def broken_rules(case: Case, result: StepResult, closes: list[Decimal]) -> list[str]:
    start = exact(case.parameters.starting_balance)
    sells = [one for one in result.open_orders if one.locked_cash == 0]
    locked = {(one.order, one.quantity) for one in sells}
    held = sum((quantity * close for quantity, close in zip(result.positions, closes, strict=True)), Decimal(0))
    from_pnl = start + result.realized_pnl + result.unrealized_pnl - result.fees_paid
    rules = {
        "equity is start + realised + unrealised - fees": abs(result.equity - from_pnl) <= TOLERANCE * start,
        "equity is cash + locked + holdings": result.equity == result.cash + result.locked_cash + held,
        "cash is never negative": result.cash >= 0 and result.locked_cash >= 0,
        "locked cash is the sum of the orders' locks": abs(
            result.locked_cash - sum((one.locked_cash for one in result.open_orders), Decimal(0))
        )
        <= TOLERANCE * start,
        "no more is locked than held": all(
            0 <= part <= whole * (1 + TOLERANCE)
            for part, whole in zip(result.locked_positions, result.positions, strict=True)
        ),
        "locked holdings are those of the orders": bool(locked) == any(result.locked_positions),
        "a flat symbol has no entry": all(
            (entry == 0) == (quantity == 0)
            for entry, quantity in zip(result.average_entries, result.positions, strict=True)
        ),
        "every fee is a rate times the value": all(fill.fee in fees_of(case, fill) for fill in result.fills),
    }
    return [name for name, holds in rules.items() if not holds]


def fees_of(case: Case, fill: Any) -> list[Decimal]:
    value = fill.price * fill.quantity
    return [case.parameters.fee(rate, value) for rate in (case.parameters.taker, case.parameters.maker)]


def closes_of(case: Case, result: StepResult) -> list[Decimal]:
    return [exact(series.close[result.row]) for series in case.series]


@pytest.mark.parametrize("kind", ["orders", "actions"])
def test_the_books_balance_after_every_step_of_random_scripts(kind: str) -> None:
    for seed in range(CASES):
        case = build_case(seed, kind)
        with localcontext(exact_context()):
            for result in case.results:
                assert broken_rules(case, result, closes_of(case, result)) == [], f"seed {seed}, step {result.step}"


def test_the_check_of_the_books_catches_planted_defects() -> None:
    case = build_case(3)
    with localcontext(exact_context()):
        result = next(one for one in case.results if any(one.positions) and one.fills)
        closes = closes_of(case, result)
        cent = Decimal("0.01")
        for defect in (
            replace(result, fees_paid=result.fees_paid + cent),
            replace(result, cash=-result.cash - cent),
            replace(result, locked_cash=result.locked_cash + cent),
            replace(result, realized_pnl=result.realized_pnl - cent),
            replace(result, average_entries=[Decimal(0)] * len(closes)),
            replace(result, locked_positions=[2 * quantity + 1 for quantity in result.positions]),
            replace(result, fills=[replace(result.fills[0], fee=result.fills[0].fee + cent)]),
        ):
            assert broken_rules(case, defect, closes)


def test_limits_are_never_filled_worse_than_their_price() -> None:
    for seed in range(CASES):
        case = build_case(seed)
        requests = [request for entry in case.steps for request in entry["submit"]]
        for fill in (fill for result in case.results for fill in result.fills):
            if fill.leg or fill.type not in ("limit", "take_profit"):
                continue
            limit = exact(requests[fill.order]["price"])
            assert fill.price <= limit if fill.side == "buy" else fill.price >= limit


def test_nothing_fills_in_a_closed_candle() -> None:
    for seed in range(CASES):
        case = build_case(seed)
        assert not [f for r in case.results for f in r.fills if case.series[f.symbol].closed(f.row)]


def test_cancelling_everything_returns_every_lock() -> None:
    for seed in range(CASES):
        case = build_case(seed)
        assert case.episode is not None
        broker = case.episode.broker
        with localcontext(exact_context()):
            for order in list(broker.book):
                broker.cancel(order.order, order.leg)
        assert not broker.book and abs(broker.account.locked_cash) <= TOLERANCE * broker.account.starting_balance
        assert not any(broker.account.locked_positions)


def test_a_case_is_the_same_every_time_and_its_script_can_be_replayed() -> None:
    for kind in ("orders", "actions"):
        case = build_case(11, kind)
        assert replay(case) == case.results == build_case(11, kind).results


def test_results_before_a_cut_do_not_depend_on_candles_after_it() -> None:
    case = build_case(5)
    cut = case.start_row + 20

    def tripled(values: list[float]) -> list[float]:
        return values[:cut] + [3 * value for value in values[cut:]]

    changed = [
        Series(tripled(s.open), tripled(s.high), tripled(s.low), tripled(s.close), tripled(s.volume), s.gap)
        for s in case.series
    ]
    other = replay(replace(case, series=changed))
    assert other[:20] == case.results[:20] and other[20:] != case.results[20:]


def test_the_generator_reaches_every_type_leg_model_and_reason() -> None:
    fills: Counter[tuple[str, str, str]] = Counter()
    reasons: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for seed in range(2 * CASES):
        case = build_case(seed)
        seen.update([case.model, f"at {case.parameters.fill_at}"])
        seen.update({"capped"} if case.parameters.max_volume_share else set())
        seen.update({"free"} if case.parameters.fee_rate == 0 else set())
        for result in case.results:
            fills.update((fill.side, fill.type, fill.leg) for fill in result.fills)
            reasons.update(rejection.reason for rejection in result.rejects)
            seen.update(
                f"{'full' if f.model_slippage == case.parameters.slippage.ceiling else 'part'}" for f in result.fills
            )
    for side in ("buy", "sell"):
        assert all(fills[side, kind, ""] >= 10 for kind in ORDER_TYPES)
    assert fills["sell", "stop_loss", "stop"] >= 10 and fills["sell", "take_profit", "take"] >= 10
    assert all(seen[model] >= 5 for model in MODELS)
    assert all(seen[name] >= 10 for name in ("at close", "at next_open", "capped", "free", "full", "part"))
    expected = {"insufficient_balance", "insufficient_position", "min_notional", "invalid_quantity", "invalid_price"}
    assert expected | {"market_closed"} <= set(reasons)


def test_knobs_hold_what_they_name() -> None:
    knobs = Knobs(steps=5, symbols=2, model="none", fill_at="close", balance=1e10, fee_rate=0.0, volume_share=False)
    for seed in range(5):
        parameters: Parameters = (case := build_case(seed, knobs=knobs)).parameters
        assert (len(case.series), case.model, parameters.fill_at) == (2, "none", "close")
        assert (parameters.starting_balance, parameters.fee_rate, parameters.max_volume_share) == (1e10, 0.0, None)
        assert len(case.results) == 5
