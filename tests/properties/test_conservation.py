"""Section 3 of the contract on random orders: money is neither made nor lost, and a lock is freed as exactly as it was taken."""

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from defects import DEFECTS
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Idle

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market import Candles, Instrument
from tradeready_gym.orders import Order

START = 10_000.0
HISTORY, STEPS = 24, 12
SYMBOLS = ("ONE", "TWO")
HOUR = 3_600_000_000
SLACK = 1e-12 * START  # what binary rounding may leave of nothing


@dataclass(frozen=True)
class Instruction:
    """One thing that a person does: an order, sized by what there is, or a cancellation."""

    symbol: int
    side: str
    kind: str
    share: float
    distance: float
    stop: float | None
    take: float | None
    cancels: int | None


INSTRUCTIONS = st.builds(
    Instruction,
    symbol=st.integers(0, 1),
    side=st.sampled_from(("buy", "sell")),
    kind=st.sampled_from(("market", "limit", "stop_loss", "take_profit")),
    share=st.sampled_from((1e-12, 0.01, 0.3, 0.5, 1.0, 1.0, 1.5)),
    distance=st.floats(-0.04, 0.04),
    stop=st.none() | st.floats(0.9, 0.999),
    take=st.none() | st.floats(1.001, 1.1),
    cancels=st.none() | st.integers(0, 5),
)
SCRIPTS = st.lists(st.lists(INSTRUCTIONS, max_size=3), min_size=STEPS, max_size=STEPS)
WORLDS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 20),
        "fee_rate": st.sampled_from((0.0, 0.001, 0.02)),
        "maker_fee_rate": st.sampled_from((None, 0.0, 0.03)),
        "max_volume_share": st.sampled_from((None, 0.001, 0.1)),
        "lots": st.booleans(),
        "fill_at": st.sampled_from(("next_open", "close")),
    }
)


def candles_of(seed: int) -> Candles:
    rng = np.random.default_rng(seed)
    shape = (2, HISTORY + STEPS)
    close = np.array([[100.0], [0.02]]) * np.exp(np.cumsum(rng.normal(0.0, 0.02, shape), axis=1))
    first = np.concatenate([close[:, :1], close[:, :-1]], axis=1) * np.exp(rng.normal(0.0, 0.01, shape))
    high = np.maximum(first, close) * np.exp(rng.exponential(0.01, shape))
    low = np.minimum(first, close) * np.exp(-rng.exponential(0.01, shape))
    volume = rng.exponential(1e6, shape) / close * (rng.random(shape) > 0.1)
    times = 1_735_689_600_000_000 + HOUR * np.arange(shape[1], dtype=np.int64)
    return Candles.from_arrays(SYMBOLS, "1h", times, first, high, low, close, volume)


def environment_of(world: dict[str, Any], interpreted: bool = False) -> TradingEnvironment:
    lots = {"ONE": Instrument("ONE", lot_size=0.001), "TWO": Instrument("TWO", lot_size=1.0)}
    environment = TradingEnvironment(
        None,
        Idle(),
        "drawdown_penalty",
        ("balance",),
        data=candles_of(world["seed"]),
        starting_balance=START,
        fee_rate=world["fee_rate"],
        maker_fee_rate=world["maker_fee_rate"],
        max_volume_share=world["max_volume_share"],
        fill_at=world["fill_at"],
        instruments=lots if world["lots"] else None,
        lookback_window=1,
        max_loss=1.0,
        interpreted=interpreted,
    )
    environment.reset(seed=1)
    return environment


def order_of(one: Instruction, environment: TradingEnvironment) -> Order:
    account, symbol = environment.engine.state.accounts[0], SYMBOLS[one.symbol]
    close = float(environment.engine.rows[account.row - 1][one.symbol]["close"])
    price = close * (1.0 + one.distance)
    held = environment.exchange.portfolio.get(symbol, 0.0)
    quantity = one.share * (held if one.side == "sell" and held else environment.exchange.balance / price)
    return Order(
        symbol,
        one.side,
        quantity,
        one.kind,
        None if one.kind == "market" else price,
        price * one.stop if one.stop and one.side == "buy" else None,
        price * one.take if one.take and one.side == "buy" else None,
    )


def bytes_of(environment: TradingEnvironment) -> tuple[bytes, ...]:
    """Everything that a rejection must leave as it is."""
    state = environment.engine.state
    money = ("cash", "locked_cash", "realized_pnl", "fees_paid", "resting", "trades", "round_trips")
    resting = int(state.accounts[0].resting)
    parts = [np.array([state.accounts[0][name] for name in money]), state.positions[0], state.book[0, :resting]]
    return tuple(np.ascontiguousarray(part).tobytes() for part in parts)


def check_books(environment: TradingEnvironment) -> None:
    account, positions = environment.engine.state.accounts[0], environment.engine.state.positions[0]
    closes = environment.engine.rows[account.row - 1]["close"]
    value = 0.0
    for j in range(2):
        value += positions[j].quantity * closes[j]
    assert abs(account.equity - (account.cash + account.locked_cash + value)) <= SLACK
    expected = START + account.realized_pnl + account.unrealized_pnl - account.fees_paid
    assert abs(account.equity - expected) <= 1e-9 * START
    assert account.cash >= 0.0 and account.locked_cash >= 0.0
    check_locks(environment, closes)


def check_locks(environment: TradingEnvironment, closes: Any) -> None:
    account, positions = environment.engine.state.accounts[0], environment.engine.state.positions[0]
    orders = environment.exchange.open_orders
    assert abs(account.locked_cash - sum(one["locked"] for one in orders if one["side"] == "buy")) <= SLACK
    for j, symbol in enumerate(SYMBOLS):
        sells = [one for one in orders if one["side"] == "sell" and one["symbol"] == symbol]
        # the legs of one bracket share one lock
        locks = {one["parent_id"] or f"order {one['order_id']}": one["quantity"] for one in sells}
        assert abs(positions[j].locked - sum(locks.values())) * closes[j] <= SLACK
        assert positions[j].quantity >= 0.0 and positions[j].locked >= 0.0
        assert (positions[j].locked - positions[j].quantity) * closes[j] <= SLACK
        assert (positions[j].average_entry == 0.0) == (positions[j].quantity == 0.0)


def cancel(environment: TradingEnvironment, number: int) -> None:
    account = environment.engine.state.accounts[0]
    (order,) = [one for one in environment.exchange.open_orders if one["order_id"] == number]
    cash, locked = float(account.cash), float(account.locked_cash)
    assert environment.exchange.cancel(number)
    freed = order["locked"] if order["side"] == "buy" else 0.0
    assert account.cash == cash + freed and abs(locked - account.locked_cash - freed) <= SLACK
    check_books(environment)


def play(environment: TradingEnvironment, one: Instruction) -> None:
    if one.cancels is not None:
        resting = environment.exchange.open_orders
        if resting:
            cancel(environment, resting[one.cancels % len(resting)]["order_id"])
        return
    before = bytes_of(environment)
    (answer,) = environment.exchange.submit([order_of(one, environment)])
    assert (answer["status"] in ("rejected", "cancelled")) == (bytes_of(environment) == before)
    check_books(environment)


def play_all(environment: TradingEnvironment, script: list[list[Instruction]]) -> int:
    """The script, and at its end a cancellation of whatever rests; returns the number of fills."""
    account, positions = environment.engine.state.accounts[0], environment.engine.state.positions[0]
    for instructions in script:
        for one in instructions:
            play(environment, one)
        environment.step(0)
        check_books(environment)
    for order in environment.exchange.open_orders:
        cancel(environment, order["order_id"])
    assert account.locked_cash == 0.0 and not positions["locked"].any()
    return int(account.trades)


def random_script(seed: int) -> list[list[Instruction]]:
    random = Random(seed)

    def one() -> Instruction:
        side, kind = (
            random.choice(("buy", "buy", "sell")),
            random.choice(("market", "limit", "stop_loss", "take_profit")),
        )
        cancels = random.choice((None, None, None, 0, 1))
        stop, take = random.choice((None, 0.97)), random.choice((None, 1.03))
        return Instruction(
            random.randrange(2),
            side,
            kind,
            random.choice((0.2, 0.5, 1.0)),
            random.gauss(0.0, 0.02),
            stop,
            take,
            cancels,
        )

    return [[one() for _ in range(random.randrange(4))] for _ in range(STEPS)]


@settings(max_examples=150, deadline=None)
@given(world=WORLDS, script=SCRIPTS)
def test_money_is_conserved_and_locks_are_freed_exactly(world: dict[str, Any], script: list[list[Instruction]]) -> None:
    play_all(environment_of(world), script)


WORLD: dict[str, Any] = {"fee_rate": 0.02, "maker_fee_rate": 0.0, "max_volume_share": None, "lots": False}


def test_the_checks_of_the_books_meet_trades() -> None:
    worlds = [{**WORLD, "seed": seed, "fill_at": "next_open"} for seed in range(25)]
    assert sum(play_all(environment_of(world), random_script(world["seed"])) for world in worlds) > 100


@pytest.mark.parametrize(
    "name",
    [
        "the_average_entry_includes_the_fee",
        "equity_forgets_what_is_locked",
        "a_cancelled_order_keeps_its_lock",
        "what_a_better_fill_leaves_of_a_lock_is_lost",
        "the_legs_of_a_bracket_lock_twice",
        "the_rest_of_a_capped_order_is_cancelled_but_keeps_its_lock",
    ],
)
def test_the_checks_of_the_books_see_a_planted_defect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    DEFECTS[name].plant(monkeypatch)
    with pytest.raises(AssertionError):
        for seed in range(10):
            world = {**WORLD, "seed": seed, "fill_at": "next_open", "max_volume_share": 0.001}
            play_all(environment_of(world, interpreted=True), random_script(seed))
