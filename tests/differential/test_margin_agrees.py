"""The compiled engine's margin account and the independent Decimal ledger, on the same random candles and scripts."""

import functools
from decimal import Decimal, localcontext

import pytest
from decimal_ledger import StepResult
from generate import ORDER_TYPES, Case, Knobs, build_case, replay
from reference.inputs import exact, exact_context
from sweeps import MARGIN_SWEEPS, Tally, run_sweep

CASES = 8
REASONS = (
    "insufficient_balance",
    "min_notional",
    "invalid_quantity",
    "invalid_price",
    "unknown_symbol",
    "market_closed",
)


@functools.cache
def tally_of(name: str) -> Tally:
    return run_sweep(MARGIN_SWEEPS[name], range(CASES))


@functools.cache
def tally_of_all() -> Tally:
    total = Tally()
    for name in MARGIN_SWEEPS:
        total.add(tally_of(name))
    return total


@pytest.mark.parametrize("name", MARGIN_SWEEPS)
def test_the_margin_account_agrees_with_the_decimal_ledger(name: str) -> None:
    tally = tally_of(name)
    assert tally.differences == []
    assert tally.counts["cases"] == CASES and tally.counts["fills"] > CASES


def test_the_sweeps_have_met_every_kind_of_fill_and_every_reason() -> None:
    sides = ("buy", "sell")
    fills = [f"fill {side} {kind}" for side in sides for kind in (*ORDER_TYPES, "liquidation")]
    fills += [f"fill {side} {kind} of a bracket" for side in sides for kind in ("stop_loss", "take_profit")]
    for name in [*fills, *(f"reject {one}" for one in REASONS)]:
        assert tally_of_all().counts[name] >= 10, name
    for name in ("paid interest", "paid funding", "received funding", "bankruptcy", "turn", "short"):
        assert tally_of_all().counts[name] >= 3, name


def test_the_agreement_is_a_hundred_times_closer_than_the_contract_asks() -> None:
    for name in (
        "equity",
        "available_cash",
        "position",
        "realized_pnl",
        "fees_paid",
        "financing_paid",
        "fill quantity",
    ):
        assert 0.0 < tally_of_all().worst[name] < 1e-11


# ---- the reference's own books ------------------------------------------------------------------------------------------


def broken_rules(case: Case, result: StepResult) -> list[str]:
    terms, start = case.parameters.margin, exact(case.parameters.starting_balance)
    assert terms is not None
    closes = [exact(series.close[result.row]) for series in case.series]
    held = sum((quantity * close for quantity, close in zip(result.positions, closes, strict=True)), Decimal(0))
    from_pnl = start + result.realized_pnl + result.unrealized_pnl - result.fees_paid
    from_pnl += result.bankruptcy_loss - result.financing_paid
    liquidated = any(fill.type == "liquidation" for fill in result.fills)
    legs = [one for one in result.open_orders if one.leg]
    rules = {
        "equity is start + PnL - fees - financing + bankruptcy": abs(result.equity - from_pnl) <= start * exact(1e-40),
        "equity is cash + positions": result.equity == result.cash + held,
        "nothing is locked": result.locked_cash == 0 and not any(result.locked_positions),
        "a liquidation leaves nothing": not liquidated or (not any(result.positions) and not result.open_orders),
        "a liquidation leaves no debt": not liquidated or result.cash >= 0,
        "a flat symbol has no entry": all(
            (entry == 0) == (quantity == 0)
            for entry, quantity in zip(result.average_entries, result.positions, strict=True)
        ),
        "legs only close": all((one.side == "sell") == (result.positions[one.symbol] > 0) for one in legs),
    }
    return [name for name, holds in rules.items() if not holds]


@pytest.mark.parametrize("kind", ["orders", "actions", "mixed"])
def test_the_books_of_the_reference_balance_after_every_step(kind: str) -> None:
    for seed in range(20):
        case = build_case(seed, kind, Knobs(margin=True))
        with localcontext(exact_context()):
            for result in case.results:
                assert broken_rules(case, result) == [], f"seed {seed}, step {result.step}"
        assert replay(case) == case.results
