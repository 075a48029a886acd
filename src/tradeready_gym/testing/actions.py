"""Is an action scheme sound?"""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.actions import AccountView, ActionScheme, CustomActionScheme
from tradeready_gym.actions.base import require_orders
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.exchanges.desk import order_record
from tradeready_gym.ledger import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.market.replayer import CANDLE_DTYPE
from tradeready_gym.orders import ORDER_DTYPE, Order
from tradeready_gym.testing.environments import check_in_environments
from tradeready_gym.testing.kernels import require_equal, run_compiled
from tradeready_gym.testing.markets import hard_markets

_SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
_CASES = 60
_STEPS = 60
_MASKED = 4


def check_action_scheme(scheme: ActionScheme, *, seed: int = 0) -> None:
    """Check that a scheme turns every action of its space into orders that an exchange can read, not more than it declares;
    that it is deterministic, forgets at reset, and that copies of it are independent; that a masked action does nothing; that
    it can say in words what an action asks for; that a kernel gives the same bits compiled and interpreted, and changes nothing
    of the account, except that it may free everything that rests.

    It is asked about corners of its space, with and without cash and positions, and put through whole episodes in several
    markets, where `check_trading_env` looks on and a vector environment must equal single ones. A scheme is checked with
    one symbol, and a compiled one with three, or with what it does not refuse; the episodes are those of the most symbols.

    Raises:
        CheckFailed: the first finding.
        ConfigurationError: `scheme` is no action scheme, or refuses both one and three symbols.
    """
    if not isinstance(scheme, ActionScheme):
        raise ConfigurationError(f"check_action_scheme needs an ActionScheme object; got {scheme!r}")
    counts = _counts_of(scheme)
    for count in counts:
        symbols = _SYMBOLS[:count]
        cases = _Cases(scheme, symbols, seed)
        first = _orders(scheme, cases)
        if [o.tobytes() for o in _orders(scheme, cases)] != [o.tobytes() for o in first]:
            raise CheckFailed(
                f"{scheme!r} must make the same orders of the same action; the second time it made others"
            )
        if not isinstance(scheme, CustomActionScheme):
            _check_kernel(scheme, cases, first)
        _check_masks(scheme, symbols, seed)
    check_in_environments(scheme, _SYMBOLS[: counts[-1]], seed, action_scheme=scheme, fee_rate=0.001)


def _counts_of(scheme: ActionScheme) -> list[int]:
    # a scheme in plain Python often names the one symbol, and never says that it knows no more
    counts = [1] if isinstance(scheme, CustomActionScheme) else [1, len(_SYMBOLS)]
    accepted = [count for count in counts if _accepts(scheme, count)]
    if not accepted:
        scheme.check(len(_SYMBOLS))
    return accepted or [len(_SYMBOLS)]


def _accepts(scheme: ActionScheme, count: int) -> bool:
    try:
        scheme.check(count)
    except ConfigurationError:
        return False
    return True


class _Cases:
    """Actions, and the accounts that they are taken on: without a position, without cash, with both, with next to nothing."""

    def __init__(self, scheme: ActionScheme, symbols: tuple[str, ...], seed: int) -> None:
        generator = np.random.Generator(np.random.PCG64(seed))
        count = len(symbols)
        self.symbols = symbols
        self.space = scheme.action_space(count)
        self.actions = list(_corners(self.space, seed))
        cases = len(self.actions)
        self.positions = np.zeros((cases, count), POSITION_DTYPE)
        self.positions["quantity"] = np.where(
            generator.random((cases, count)) < 0.5, 0.0, generator.random((cases, count))
        )
        self.positions["average_entry"] = 100.0
        self.candles = np.zeros((cases, count), CANDLE_DTYPE)
        self.candles["close"] = np.exp(generator.normal(4.0, 2.0, (cases, count)))
        self.accounts = np.zeros(cases, ACCOUNT_DTYPE)
        self.accounts["starting_balance"] = 10_000.0
        self.accounts["cash"] = generator.choice([0.0, 1e-6, 1.0, 1e4], cases)
        self.accounts["locked_cash"] = generator.choice([0.0, 0.0, 500.0], cases)
        self.positions["locked"] = self.positions["quantity"] * generator.choice([0.0, 0.0, 0.5], (cases, count))
        locked = (self.accounts["locked_cash"] > 0.0) | (self.positions["locked"] > 0.0).any(axis=1)
        self.accounts["resting"] = locked
        self.accounts["position_value"] = (self.positions["quantity"] * self.candles["close"]).sum(axis=1)
        money = self.accounts["cash"] + self.accounts["locked_cash"]
        self.accounts["equity"] = np.maximum(money + self.accounts["position_value"], 1e-9)


def _corners(space: spaces.Space[Any], seed: int) -> Iterator[Any]:
    space.seed(seed)
    if isinstance(space, spaces.Discrete):
        yield from (np.int64(space.start + k) for k in range(int(space.n)))
    elif isinstance(space, spaces.MultiDiscrete):
        yield from (space.start, space.start + space.nvec - 1)
    elif isinstance(space, spaces.Box):
        yield from (space.low, space.high, (space.low + space.high) / 2, np.zeros(space.shape, space.dtype))
    for _ in range(_CASES):
        yield space.sample()


def _orders(scheme: ActionScheme, cases: _Cases) -> list[npt.NDArray[Any]]:
    room = scheme.orders_per_action(len(cases.symbols))
    made = (
        _python_orders(scheme, cases) if isinstance(scheme, CustomActionScheme) else _kernel_orders(scheme, cases, room)
    )
    for k, orders in enumerate(made):
        where = f"{scheme!r} for action {cases.actions[k]!r}"
        words = scheme.describe(cases.actions[k], cases.symbols)
        if not (isinstance(words, str) and words):
            raise CheckFailed(f"describe() of {where} must say in words what it asks for; got {words!r}")
        if len(orders) > room:
            raise CheckFailed(f"{where} makes {len(orders)} orders; orders_per_action declares {room}")
        for order in orders:
            quantity = float(order["quantity"])
            if not 0 <= order["symbol"] < len(cases.symbols):
                raise CheckFailed(f"{where} names a symbol that the exchange does not have; it has {cases.symbols}")
            if order["side"] not in (-1, 1):
                raise CheckFailed(f"{where} makes an order of side {order['side']}; 1 buys and -1 sells")
            if not ((math.isfinite(quantity) and quantity > 0.0) or order["whole"] == 1):
                raise CheckFailed(f"{where} makes an order of {quantity!r}; a quantity must be positive and finite")
            _check_prices(order, where)
            if not scheme.rests and (order["kind"] != 0 or order["stop_price"] != 0.0 or order["take_price"] != 0.0):
                raise CheckFailed(
                    f"{where} makes an order that rests, or one with a bracket; a scheme that does so says `rests = True`"
                )
    return made


def _check_prices(order: Any, where: str) -> None:
    kind, price = int(order["kind"]), float(order["price"])
    stop, take = float(order["stop_price"]), float(order["take_price"])
    if kind not in (0, 1, 2, 3):
        raise CheckFailed(f"{where} makes an order of kind {kind}; 0 market, 1 limit, 2 stop_loss, 3 take_profit")
    if kind != 0 and not (math.isfinite(price) and price > 0.0):
        raise CheckFailed(f"{where} makes an order that rests at {price!r}; a price must be positive and finite")
    if not (math.isfinite(stop) and math.isfinite(take) and stop >= 0.0 and take >= 0.0):
        raise CheckFailed(
            f"{where} makes a bracket of {stop!r} and {take!r}; prices are positive and finite, 0 for none"
        )
    if stop > 0.0 and take > 0.0 and order["side"] * (take - stop) <= 0.0:
        raise CheckFailed(f"{where} makes a bracket that encloses nothing: stop {stop!r}, take-profit {take!r}")


def _python_orders(scheme: CustomActionScheme, cases: _Cases) -> list[npt.NDArray[Any]]:
    own = copy.deepcopy(scheme)
    own.reset()
    made = []
    for k, action in enumerate(cases.actions):
        view = AccountView(cases.symbols, cases.accounts[k], cases.positions[k], cases.candles[k])
        records = [order_record(order, cases.symbols) for order in _said(own, action, view)]
        made.append(np.array([np.asarray(record).item() for record in records], ORDER_DTYPE))
    return made


def _said(scheme: CustomActionScheme, action: Any, view: AccountView) -> list[Order]:
    try:
        return require_orders(scheme, action, scheme.orders(action, view))
    except ConfigurationError as error:
        raise CheckFailed(str(error)) from error


def _kernel_orders(scheme: ActionScheme, cases: _Cases, room: int) -> list[npt.NDArray[Any]]:
    if scheme.kernel is None:
        raise CheckFailed(
            f"{scheme!r} needs a kernel, or derive it from CustomActionScheme to write it in plain Python"
        )
    # a place more than declared, so that one order too many is a finding and not an IndexError
    made, counts = _empty(cases, room + 1)
    accounts, positions, candles = (r.copy() for r in (cases.accounts, cases.positions, cases.candles))
    _driver(scheme.kernel)(
        _numbers(cases),
        *(records.view(np.recarray) for records in (accounts, positions, candles, made)),
        np.array(scheme.parameters, float),
        counts,
    )
    for k in range(len(cases.actions)):
        same = candles[k].tobytes() == cases.candles[k].tobytes() and _left_alone(
            cases.accounts[k], cases.positions[k], accounts[k], positions[k]
        )
        if not same:
            raise CheckFailed(
                f"{scheme!r} for action {cases.actions[k]!r} changes the account or the market; a kernel writes orders, and "
                f"may free what rests with cancel_resting"
            )
    return [orders[: counts[k]] for k, orders in enumerate(made)]


def _left_alone(account: Any, positions: Any, after: Any, positions_after: Any) -> bool:
    freed, free_positions = account.copy(), positions.copy()
    freed["cash"], freed["locked_cash"], freed["resting"] = account["cash"] + account["locked_cash"], 0.0, 0
    free_positions["locked"] = 0.0
    found = (after.tobytes(), positions_after.tobytes())
    return found in ((account.tobytes(), positions.tobytes()), (freed.tobytes(), free_positions.tobytes()))


def _check_kernel(scheme: ActionScheme, cases: _Cases, interpreted: list[npt.NDArray[Any]]) -> None:
    made, counts = _empty(cases, scheme.orders_per_action(len(cases.symbols)) + 1)
    parameters = np.array(scheme.parameters, float)
    records = [r.copy() for r in (cases.accounts, cases.positions, cases.candles)]
    run_compiled(scheme, _driver, _numbers(cases), *records, made, parameters, counts)
    orders = [row[: counts[k]] for k, row in enumerate(made)]
    require_equal(scheme, interpreted, orders, lambda k: f"action {cases.actions[k]!r}")


def _empty(cases: _Cases, room: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    return np.zeros((len(cases.actions), room), ORDER_DTYPE), np.zeros(len(cases.actions), np.int64)


def _numbers(cases: _Cases) -> npt.NDArray[np.float64]:
    return np.array([np.asarray(action, np.float64).reshape(-1) for action in cases.actions])


def _driver(act: Callable[..., int]) -> Callable[..., None]:
    def drive(
        actions: Any, accounts: Any, positions: Any, candles: Any, made: Any, parameters: Any, counts: Any
    ) -> None:
        for k in range(len(actions)):
            counts[k] = act(actions[k], accounts[k], positions[k], candles[k], made[k], parameters, positions.shape[1])

    return drive


def _check_masks(scheme: ActionScheme, symbols: tuple[str, ...], seed: int) -> None:
    candles = hard_markets(symbols, seed)["a random market with gaps"]
    env = TradingEnvironment(data=candles, action_scheme=scheme, lookback_window=2, interpreted=True)
    space = env.action_space
    if not isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return
    choices = [int(space.n)] if isinstance(space, spaces.Discrete) else space.nvec.tolist()
    generator = np.random.Generator(np.random.PCG64(seed))
    env.reset(seed=seed)
    space.seed(seed)
    for step in range(_STEPS):
        masks = env.action_masks()
        parts = _mask_parts(masks, choices)
        if not parts:
            raise CheckFailed(
                f"action_masks of {scheme!r} must be bool of shape ({sum(choices)},) with at least one True among each of "
                f"{choices}; got {masks!r}"
            )
        for action in _masked_actions(parts, generator, isinstance(space, spaces.Discrete)):
            if _submitted_and_filled(env, action):
                raise CheckFailed(f"{scheme!r} masks action {action} at step {step}, which nevertheless is filled")
        _, _, terminated, truncated, _ = env.step(space.sample())
        if terminated or truncated:
            return


def _mask_parts(masks: Any, choices: list[int]) -> list[npt.NDArray[np.bool_]]:
    if masks.shape != (sum(choices),) or masks.dtype != np.bool_:
        return []
    parts = np.split(masks, np.cumsum(choices)[:-1])
    return parts if all(part.any() for part in parts) else []


def _masked_actions(parts: list[npt.NDArray[np.bool_]], generator: np.random.Generator, single: bool) -> list[Any]:
    # of one space every masked action, some where there are many; of several, all of them masked at once
    masked = [np.flatnonzero(~part) for part in parts]
    if single:
        chosen = masked[0]
        return list(chosen if len(chosen) <= _MASKED else generator.choice(chosen, _MASKED, replace=False))
    return [np.array([generator.choice(m) for m in masked])] if all(len(m) for m in masked) else []


def _submitted_and_filled(env: TradingEnvironment, action: Any) -> bool:
    # what rested before may fill, and its legs, whatever the action
    first = int(env.engine.state.accounts[0]["next_order_id"])
    fills = copy.deepcopy(env).step(action)[4]["filled_orders"]
    return bool(fills) and all(fill["order_id"] >= first for fill in fills)
