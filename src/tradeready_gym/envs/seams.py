"""The step with a component in plain Python: it runs in its phase alone, the other phases stay compiled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tradeready_gym.actions import AccountView
from tradeready_gym.actions.base import require_orders
from tradeready_gym.engine import ACT, FILL, PAY, QUOTE, Engine
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges.desk import order_record
from tradeready_gym.exchanges.execution import UNKNOWN_SYMBOL, record_reject
from tradeready_gym.exchanges.quoting import quote, quote_liquidations
from tradeready_gym.orders import Order


def act(engine: Engine, i: int, action: Any) -> None:
    """Turn one environment's action into pending orders."""
    if engine.python_scheme:
        account = engine.state.accounts[i]
        if account.reported == 1:
            account.fills = account.rejects = account.reported = 0
        newest = engine.rows[account.row - 1]
        view = AccountView(engine.symbols, account, engine.state.positions[i], newest)
        _write_orders(engine, i, require_orders(engine.schemes[i], action, engine.schemes[i].orders(action, view)))
    engine.advance(engine.world, NOTHING, NO_REPORT, i, i + 1, ACT)


def trade(engine: Engine, i: int, pay_python: Callable[[int], Any]) -> None:
    """Quote and fill candle by candle until the action's candles are over, and pay for all but the last.

    The last candle is paid after the observation (`pay`), so that a Python reward sees its info.
    """
    account = engine.state.accounts[i]
    for candle in range(engine.spec.candles_per_action):
        if candle:
            pay(engine, i, pay_python)
        quote_phase(engine, i)
        fill(engine, i)
        if account.done:
            break


def quote_phase(engine: Engine, i: int) -> None:
    """Write the slippage of one environment's orders."""
    if engine.python_slippage:
        quote_orders(engine, i)
    else:
        engine.advance(engine.world, NOTHING, NO_REPORT, i, i + 1, QUOTE)


def fill(engine: Engine, i: int) -> None:
    """Trade one environment's orders against the candle that begins at its clock."""
    engine.advance(engine.world, NOTHING, NO_REPORT, i, i + 1, FILL)


def pay(engine: Engine, i: int, pay_python: Callable[[int], Any]) -> None:
    """Add the reward of the candle that was filled last to the step's, and to the episode's."""
    account = engine.state.accounts[i]
    if not engine.python_reward:
        engine.advance(engine.world, NOTHING, NO_REPORT, i, i + 1, PAY)
        if engine.foreign_reward and not math.isfinite(account.reward):
            refuse_reward(engine, i, float(account.reward))
        return
    reward = pay_python(i)
    if isinstance(reward, bool) or not isinstance(reward, int | float | np.number) or not math.isfinite(reward):
        refuse_reward(engine, i, reward, f"{type(engine.rewards[i]).__name__}.compute returned")
    account.reward += float(reward)
    account.reward_sum += float(reward)


def refuse_reward(engine: Engine, i: int, reward: Any, said: str = "") -> None:
    """A reward of others is no number: half a step is no step. `said` names who paid it, if not the reward scheme."""
    account = engine.state.accounts[i]
    where = f" in sub-environment {i}" if engine.environments > 1 else ""
    raise ConfigurationError(
        f"a reward must be a finite number; {said or f'{engine.spec.reward_scheme!r} paid'} {reward!r}{where} for equity "
        f"{float(account.previous_equity)!r} -> {float(account.equity)!r}. Mend the reward and reset()"
    )


def _write_orders(engine: Engine, i: int, wanted: list[Order]) -> None:
    account, room = engine.state.accounts[i], engine.state.orders.shape[1]
    if len(wanted) > room:
        raise ConfigurationError(
            f"{type(engine.schemes[i]).__name__} made {len(wanted)} orders for one action; it declares room for {room} "
            f"in orders_per_action"
        )
    count = 0
    for order in wanted:
        record = order_record(order, engine.symbols)
        if record.symbol < 0:
            record.order_id = account.next_order_id
            account.next_order_id += 1
            record_reject(account, record, engine.state.rejects[i], UNKNOWN_SYMBOL)
            continue
        engine.state.orders[i][count] = record
        count += 1
    account.pending = count


def quote_orders(engine: Engine, i: int) -> None:
    """Ask the slippage model in plain Python for every order of one environment."""
    account = engine.state.accounts[i]
    newest = engine.rows.view(np.recarray)[account.row - 1]
    model, parameters = engine.slippages[i], engine.parameters[1]
    pending = [engine.state.orders[i][k] for k in range(int(account.pending))]
    resting = [engine.state.book[i][k] for k in range(int(account.resting))]
    for order in pending + resting:
        order.slippage = quote(model, parameters, account, order, newest[order.symbol])
    if engine.spec.exchange.account is not None:
        quote_liquidations(model, parameters, account, engine.state.positions[i], engine.state.orders[i], newest)


NOTHING = np.zeros(0, np.float32)
NO_REPORT = np.zeros((0, 0))
