"""The compiled engine and the independent Decimal ledger, on the same random candles and scripts: every number of every step."""

import functools

import pytest
from adapter import agreed_case, environment_of
from decimal_ledger import Episode
from generate import ORDER_TYPES, Knobs
from reference import rewards
from sweeps import SWEEPS, Tally, run_sweep

CASES = 20
REASONS = (
    "insufficient_balance",
    "insufficient_position",
    "min_notional",
    "invalid_quantity",
    "invalid_price",
    "unknown_symbol",
    "market_closed",
)
REWARDS = ("pnl", "log_return", "sharpe", "sortino", "drawdown_penalty", "composite")


@functools.cache
def tally_of(name: str) -> Tally:
    return run_sweep(SWEEPS[name], range(CASES))


@functools.cache
def tally_of_all() -> Tally:
    total = Tally()
    for name in SWEEPS:
        total.add(tally_of(name))
    return total


@pytest.mark.parametrize("name", SWEEPS)
def test_the_engine_agrees_with_the_decimal_ledger(name: str) -> None:
    tally = tally_of(name)
    assert tally.differences == []
    assert tally.counts["cases"] == CASES and tally.counts["fills"] > CASES


def test_the_sweeps_have_met_every_kind_of_fill_every_reason_and_every_reward() -> None:
    fills = [f"fill {side} {kind}" for side in ("buy", "sell") for kind in ORDER_TYPES]
    fills += ["fill sell stop_loss of a bracket", "fill sell take_profit of a bracket"]
    for name in [*fills, *(f"reject {one}" for one in REASONS), *(f"reward {one}" for one in REWARDS)]:
        assert tally_of_all().counts[name] >= 20, name


def test_the_agreement_is_a_thousand_times_closer_than_the_contract_asks() -> None:
    for name in ("equity", "available_cash", "locked_cash", "position", "realized_pnl", "fees_paid", "fill quantity"):
        assert 0.0 < tally_of_all().worst[name] < 1e-12


def test_an_action_for_three_candles_is_that_action_and_two_that_hold() -> None:
    for seed in range(10):
        case = agreed_case(seed, "actions", Knobs(scheme="hold_buy_sell", model="volume_share", steps=30, ruin=False))
        actions = [entry["action"] for entry in case.steps[::3]]
        episode = Episode(case.series, start_row=case.start_row, parameters=case.parameters)
        results = [episode.step(action=one) for action in actions for one in (action, 0, 0)]
        environment = environment_of(case, reward="sharpe", steps_per_action=3, interpreted=True)
        start, paid = case.parameters.starting_balance, rewards.sharpe(episode.curve)
        for k, action in enumerate(actions):
            _, reward, _, _, info = environment.step(action)
            told = results[3 * k : 3 * k + 3]
            assert info["equity"] == pytest.approx(float(told[-1].equity), rel=1e-12, abs=1e-12 * start)
            assert [one["order_id"] for one in info["filled_orders"]] == [f.number for one in told for f in one.fills]
            assert reward == pytest.approx(float(sum(paid[3 * k : 3 * k + 3])), abs=1e-9)
