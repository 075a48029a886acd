"""What an agent may do: an action scheme turns one action and the account into orders."""

import abc
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.kernel import kernel
from tradeready_gym.orders import Order
from tradeready_gym.parameters import PlainArguments

Mask = npt.NDArray[np.bool_]


class ActionScheme(PlainArguments):
    """A frozen dataclass with its parameters and a kernel

        act(action, account, positions, candles, orders, parameters, symbols) -> number of orders

    where `action` is float64 of shape (action width,), not contiguous, `candles[j].close` is the last visible close of symbol j, and the
    orders are written with `market_order`, or with the kernels of `actions/resting.py`. Sells are executed before buys, then
    in the order in which they were written. Of the account a kernel changes nothing, except that `cancel_resting` frees locks.
    """

    kernel: ClassVar[Callable[..., int] | None] = None

    rests: ClassVar[bool] = True
    """Whether its orders may rest in the book or carry a bracket. A scheme of market orders says False: thousands of accounts
    then need no book."""

    def __add__(self, other: "ActionScheme") -> "ActionScheme":
        """The actions of both, those of `other` after one's own: `JoinedActions`."""
        from tradeready_gym.actions.joined import JoinedActions

        return JoinedActions((self, other)) if isinstance(other, ActionScheme) else NotImplemented

    @abc.abstractmethod
    def action_space(self, symbols: int) -> spaces.Space[Any]:
        """The space of one action for `symbols` symbols."""

    @property
    def parameters(self) -> tuple[float, ...]:
        """The scheme's numbers, in the order in which its kernel reads them."""
        return ()

    @property
    def position_range(self) -> tuple[float, float]:
        """The lowest and the highest share of the equity that the scheme asks for; below 0 or above 1 needs a margin account."""
        return (0.0, 1.0)

    def check(self, symbols: int) -> None:
        """Raise `ConfigurationError` if the scheme cannot trade this many symbols."""

    def orders_per_action(self, symbols: int) -> int:
        """The most orders that one action can become."""
        return symbols

    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Mask | None:
        """Which actions can do something: bool (N, actions) for cash (N,), equity (N,), quantities (N, S).

        A `MultiDiscrete` space has `sum(nvec)` columns, the choices of its first part first. None where the space is not
        discrete. `cash` is what is not locked; an action that frees locked cash first is not masked for want of it.
        """
        return None

    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        """What a legal action asks for, in plain words; `symbols` are the names to use."""
        return f"action {action}"


class CustomActionScheme(ActionScheme):
    """Base of plain Python schemes: write `action_space` and `orders`.

    Its orders are those of a person: a quantity that the account cannot afford is rejected whole, not cut.
    """

    def orders_per_action(self, symbols: int) -> int:
        return 8 * symbols

    @abc.abstractmethod
    def orders(self, action: Any, account: "AccountView") -> Sequence[Order]:
        """The orders for this action, [] for none; `account` is what may be known at the decision.

        Anything else raises `ConfigurationError` in the step.
        """

    def reset(self) -> None:
        """Forget the episode; called at every reset."""


def require_orders(scheme: CustomActionScheme, action: Any, orders: Any) -> list[Order]:
    """What `scheme.orders` returned for an action, as a list.

    Raises:
        ConfigurationError: it is no sequence of `Order`, or one of them has something else where a name or a number belongs.
    """
    who = f"{type(scheme).__name__}.orders"
    if isinstance(orders, str) or not isinstance(orders, Iterable):
        raise ConfigurationError(
            f"{who} must return a sequence of Order, [] for none; for action {action!r} it returned {orders!r}"
        )
    made = list(orders)
    for place, order in enumerate(made):
        if not isinstance(order, Order):
            raise ConfigurationError(
                f"{who} must return a sequence of Order, [] for none; for action {action!r}, place {place} of it holds {order!r}"
            )
        for name, right in _fields_of(order).items():
            if not right:
                raise ConfigurationError(
                    f"{who} must give each Order a symbol by name, a quantity, and prices that are numbers or None; for action "
                    f"{action!r} the {name} is {getattr(order, name)!r} in {order!r}"
                )
    return made


def _fields_of(order: Order) -> dict[str, bool]:
    prices = {name: getattr(order, name) for name in ("price", "stop_price", "take_price")}
    return {
        "symbol": isinstance(order.symbol, str),
        "quantity": _is_amount(order.quantity),
        **{name: price is None or _is_amount(price) for name, price in prices.items()},
        "cut": isinstance(order.cut, bool | int | np.bool_),
    }


def _is_amount(value: Any) -> bool:
    # whatever becomes a number: NumPy's and torch's scalars, a Decimal
    return hasattr(value, "__float__") and not getattr(value, "shape", ())


class AccountView:
    """The account at the decision, for plain Python schemes: numbers by name, all of them from the visible past."""

    __slots__ = ("cash", "closes", "equity", "position_value", "quantities", "step", "symbols", "unrealized_pnl")

    def __init__(self, symbols: tuple[str, ...], account: Any, positions: Any, candles: Any) -> None:
        self.symbols = symbols
        self.cash = float(account["cash"])
        self.equity = float(account["equity"])
        self.position_value = float(account["position_value"])
        self.unrealized_pnl = float(account["unrealized_pnl"])
        self.step = int(account["row"] - account["start_row"])
        self.quantities = {s: float(positions[j]["quantity"]) for j, s in enumerate(symbols)}
        self.closes = {s: float(candles[j]["close"]) for j, s in enumerate(symbols)}


@kernel
def market_order(orders: Any, count: int, symbol: int, side: int, quantity: float, whole: int) -> int:
    """Write one market order that is cut to what the account affords; returns the new count.

    `whole` sells everything that is held of the symbol, and cancels its resting sells first.
    """
    if not (quantity > 0.0 or whole == 1) or count >= orders.shape[0]:
        return count
    order = orders[count]
    order.symbol = symbol
    order.side = side
    order.kind = 0
    order.quantity = quantity
    order.price = 0.0
    order.stop_price = 0.0
    order.take_price = 0.0
    order.sized = 1
    order.whole = whole
    return count + 1


def require_share(name: str, value: float) -> None:
    """Raise `ConfigurationError` unless `value` is in (0, 1]."""
    if not (isinstance(value, int | float) and math.isfinite(value) and 0.0 < value <= 1.0):
        raise ConfigurationError(f"{name} must be a fraction in (0, 1], such as 0.1 for a tenth; got {value!r}")


def percent(share: float) -> str:
    """A share in words: 0.25 is `25 %`."""
    return f"{100.0 * share:.6g} %"


def name_of(symbols: Sequence[str], symbol: int) -> str:
    """The name of a symbol, or its number where no names are given."""
    return symbols[symbol] if symbol < len(symbols) else f"symbol {symbol}"


def require_one_symbol(scheme: ActionScheme, symbols: int) -> None:
    """Raise `ConfigurationError` if a scheme for one symbol is asked to trade several."""
    if symbols != 1:
        raise ConfigurationError(
            f"{type(scheme).__name__} trades one symbol, the exchange has {symbols}; use PortfolioWeights for several"
        )


# an account with less cash than this share of its equity can buy nothing that the exchange would accept
SPENDABLE = 1e-9
