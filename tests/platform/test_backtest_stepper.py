"""Nobody waits for the compiler, and nobody can tell whether it was done."""

import threading
from typing import Any

import pytest
from backtest_calls import DAY, wild

from tradeready_gym.exchanges import SimulatedExchange, VolumeShareSlippage
from tradeready_gym.market import DataReplayer
from tradeready_gym.orders import Order
from tradeready_gym.platform.sessions import stepper
from tradeready_gym.platform.sessions.account import BacktestAccount
from tradeready_gym.platform.sessions.stepper import Stepper


def traded(steps: Stepper) -> BacktestAccount:
    """An account with a position, resting orders of every type, and 60 candles behind it."""
    candles = wild()
    account = BacktestAccount(SimulatedExchange(candles), DataReplayer(candles), DAY)
    account.stepper = steps
    price = float(account.newest[0]["close"])
    account.submit(Order("BTCUSDT", "buy", 20.0))
    for kind, factor in (("limit", 0.99), ("limit", 0.97), ("stop_loss", 1.01), ("take_profit", 0.98)):
        account.submit(Order("BTCUSDT", "buy", 5.0, kind, factor * price))
    account.submit(Order("BTCUSDT", "sell", 9.0, "stop_loss", 0.985 * price))
    for stretch in (1, 9, 50):
        account.advance(stretch)
    return account


def bits(account: BacktestAccount) -> tuple[bytes, ...]:
    state = account.state
    return (
        account.record.tobytes(), state.positions.tobytes(), account.curve.tobytes(), account.fills.tobytes(),
        account.resting.tobytes(),
    )  # fmt: skip


def kernel() -> Any:
    return VolumeShareSlippage().kernel


def test_a_step_does_not_wait_for_the_compiler_and_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, released = Stepper(kernel(), False), threading.Event()
    compile_it = busy._compile
    monkeypatch.setattr(busy, "_compile", lambda world: (released.wait(60.0), compile_it(world)))

    interpreted = traded(busy)

    assert busy._compiled is None
    assert len(interpreted.fills) > 3
    released.set()
    busy.wait(interpreted.world)
    compiled = traded(busy)
    assert busy._compiled is not None
    assert bits(compiled) == bits(interpreted)


def test_more_candles_than_python_steps_in_a_moment_wait_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepper, "_INTERPRETED_CANDLES", 49)
    steps = Stepper(kernel(), False)
    traded(steps)
    assert steps._compiled is not None


def test_a_compiler_that_fails_is_heard_where_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(stepper, "_INTERPRETED_CANDLES", 0)

    def fails(*_: Any) -> None:
        raise OSError("no room for compiled code")

    steps = Stepper(kernel(), False)
    monkeypatch.setattr(stepper, "fuse", fails)
    with pytest.raises(OSError, match="no room"):
        traded(steps)
