"""Rules that learn nothing: whoever learns has to beat them, on the same environment and at the same costs."""

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.holdings import baseline_environment, says_all_and_nothing
from tradeready_gym.strategies.native import NativeEnvironment
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.strategies.targets import actions_towards

_SMALLEST_TRADE = (
    0.001  # of the equity: who is matched in turnover must not be kept from trading as little as the other
)
_BOUGHT = 0.95  # of what is wanted: the rest is rounding, costs, and prices that moved on
_SPENT = 0.02  # of the equity in cash: there is nothing left to buy with


class Rule(TradingStrategy):
    """A strategy that wants shares of the equity, and says so in any action scheme.

    Where the environment's scheme cannot say "everything" and "nothing" (orders, shorts only), it is played with `Holdings`
    on the same market, exchange and clock.
    """

    _has: npt.NDArray[np.bool_] | None = None

    def played_on(self, environment: NativeEnvironment, count: int) -> TradingVectorEnvironment:
        if says_all_and_nothing(environment.engine.spec.action_scheme):
            return super().played_on(environment, count)
        return baseline_environment(environment, count)

    @abc.abstractmethod
    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        """The share of the equity that each of N accounts should have of each of S symbols, (N, S); NaN leaves a symbol."""

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return actions_towards(self.targets(situation), situation)

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        self._has = None

    def _wait_for_changes(self, targets: npt.NDArray[np.float64], situation: Situation) -> npt.NDArray[np.float64]:
        # of several symbols, what is held and wanted is left alone, whatever its share has become
        if targets.shape[1] == 1:
            return targets
        weights, wanted = situation.weights, targets > 0.0
        has = np.zeros(targets.shape, np.bool_) if self._has is None else self._has
        # once it was bought: a candle may fill a part of an order only
        bought = (weights >= _BOUGHT * targets) | ((weights > 0.0) & (situation.cash_share < _SPENT)[:, None])
        self._has = wanted & (bought | (has & (weights > 0.0) & ~situation.starts[:, None]))
        return np.where(self._has, np.nan, targets)


class BuyAndHold(Rule):
    """Buys with all the cash as fast as the actions allow, equal parts of several symbols, and never sells."""

    @property
    def name(self) -> str:
        return "Buy and hold"

    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        symbols = len(situation.symbols)
        wanted = np.full((situation.count, symbols), 1.0 / symbols)
        if symbols > 1:  # of the others nothing is sold for it
            wanted = np.minimum(wanted, situation.weights + np.maximum(situation.cash_share, 0.0)[:, None])
        targets = self._wait_for_changes(wanted, situation)
        # what has been bought is left alone also where interest and funding make it more than all
        targets[situation.weights.sum(axis=1) > 1.0] = np.nan
        return targets


class Flat(Rule):
    """Never buys anything."""

    @property
    def name(self) -> str:
        return "Flat"

    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        return np.zeros((situation.count, len(situation.symbols)))


class MovingAverageCross(Rule):
    """Holds a symbol while the mean of its last `fast` closes is above that of its last `slow` ones.

    Stays out until `slow` closes are visible. Several symbols get equal parts of the equity.

    Raises:
        ConfigurationError: not 1 <= fast < slow.
    """

    def __init__(self, fast: int = 20, slow: int = 50, environment: Any = None) -> None:
        if not 1 <= fast < slow:
            raise ConfigurationError(f"the averages need 1 <= fast < slow candles; got fast={fast!r}, slow={slow!r}")
        self.fast, self.slow = fast, slow
        super().__init__(environment)

    def _shown(self) -> dict[str, Any]:
        return {"fast": self.fast, "slow": self.slow}

    @property
    def name(self) -> str:
        return f"MA cross {self.fast}/{self.slow}"

    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        closes = situation.closes(self.slow)
        # a comparison with NaN, which stands for candles that are not there, is false
        above = closes[:, :, -self.fast :].mean(axis=2) > closes.mean(axis=2)
        return self._wait_for_changes(above / len(situation.symbols), situation)


class RSIReversal(Rule):
    """Buys a symbol that fell too far, and holds it until it has risen too far.

    Too far is a relative strength index of the last `period` changes of the close below `oversold`, or above `overbought`:
    100 x gains / (gains + losses), 50 where nothing moved. It is that of D. Cutler, with plain sums instead of J. W.
    Wilder's recursive averages, so that it is the same wherever the data begin. Several symbols get equal parts of the equity.

    Raises:
        ConfigurationError: not period >= 2, or not 0 <= oversold < overbought <= 100.
    """

    def __init__(
        self, period: int = 14, oversold: float = 30.0, overbought: float = 70.0, environment: Any = None
    ) -> None:
        if isinstance(period, bool) or not isinstance(period, int) or period < 2:
            raise ConfigurationError(f"period must be a number of candles of at least 2; got {period!r}")
        if not 0.0 <= oversold < overbought <= 100.0:
            raise ConfigurationError(
                f"the limits need 0 <= oversold < overbought <= 100; got oversold={oversold!r}, overbought={overbought!r}"
            )
        self.period, self.oversold, self.overbought = period, float(oversold), float(overbought)
        self._wants: npt.NDArray[np.bool_] | None = None
        super().__init__(environment)

    def _shown(self) -> dict[str, Any]:
        return {"period": self.period, "oversold": self.oversold, "overbought": self.overbought}

    @property
    def name(self) -> str:
        return f"RSI reversal {self.period} ({self.oversold:g}/{self.overbought:g})"

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        super().begin(environment, seed)
        self._wants = None

    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        changes = np.diff(situation.closes(self.period + 1), axis=2)
        gains, losses = np.maximum(changes, 0.0).sum(axis=2), np.maximum(-changes, 0.0).sum(axis=2)
        moved = gains + losses > 0.0  # a comparison with NaN, which stands for candles that are not there, is false
        strength = np.where(moved, 100.0 * gains / np.where(moved, gains + losses, 1.0), 50.0)
        before = np.zeros(strength.shape, np.bool_) if self._wants is None else self._wants
        held = before & ~situation.starts[:, None] & (strength <= self.overbought)
        self._wants = held | (strength < self.oversold)
        return self._wait_for_changes(self._wants / strength.shape[1], situation)


class RandomTrader(Rule):
    """Trades without looking. `RandomTrader.like(evaluation, environment)` holds and trades as much as somebody else did.

    With probability `redraw` at each step and for each symbol it draws anew what it wants: with probability `invested` the
    share `size` of the equity (of the symbol's equal part), else nothing. Episodes with different seeds draw differently.

    `holdings`, float64 (K, S), replace `invested` and `size`: what it draws is one of these rows, shares of the equity that may be
    below 0 (short) or above 1 (borrowed), for all symbols at once. Traders side by side draw from different parts of them. Of
    `choices` rows drawn it takes the one that is furthest from what it held, for somebody who goes to and fro.

    Raises:
        ConfigurationError: a number outside [0, 1], holdings of another shape or that are not finite, or choices below 1.
    """

    def __init__(
        self,
        redraw: float = 0.02,
        invested: float = 0.5,
        size: float = 1.0,
        environment: Any = None,
        *,
        holdings: Sequence[Sequence[float]] | npt.NDArray[np.float64] | None = None,
        choices: int = 1,
    ) -> None:
        for name, value in (("redraw", redraw), ("invested", invested), ("size", size)):
            if not 0.0 <= value <= 1.0:
                raise ConfigurationError(f"{name} must be in [0, 1]; got {value!r}")
        if isinstance(choices, bool) or not isinstance(choices, int) or choices < 1:
            raise ConfigurationError(f"choices must be an integer of at least 1; got {choices!r}")
        self.redraw, self.invested, self.size, self.choices = float(redraw), float(invested), float(size), choices
        self.holdings = None if holdings is None else np.array(holdings, np.float64)
        if self.holdings is not None and not (self.holdings.ndim == 2 and self.holdings.size > 0):
            raise ConfigurationError(f"holdings must have the shape (K, symbols); got {self.holdings.shape}")
        if self.holdings is not None and not np.isfinite(self.holdings).all():
            raise ConfigurationError("holdings must be finite shares of the equity; some are NaN or infinite")
        self._draws = np.random.default_rng(0)
        self._wants: npt.NDArray[Any] | None = None
        super().__init__(environment)

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "redraw": self.redraw,
            "invested": self.invested,
            "size": self.size,
            "choices": self.choices,
        }
        if self.holdings is not None:
            shown["holdings"] = "<{} x {}>".format(*self.holdings.shape)
        return shown

    @property
    def name(self) -> str:
        return "Random"

    @classmethod
    def like(cls, evaluation: Evaluation, environment: Any, *, seeds: int = 20) -> "RandomTrader":
        """A random trader that holds what the evaluated strategy held, long or short, as often, and has its turnover.

        The turnover is that of the mean of `seeds` episodes on the same environment, to within 3 per cent if that can be met;
        `strategies.matching` says how, and what cannot be.
        """
        from tradeready_gym.strategies.matching import random_traders_like

        return random_traders_like(evaluation, environment, seeds=seeds)[0]

    def check(self, environment: NativeEnvironment) -> None:
        symbols = len(environment.engine.symbols)
        if self.holdings is not None and self.holdings.shape[1] != symbols:
            raise ConfigurationError(
                f"these random traders hold {self.holdings.shape[1]} symbols, the environment has {symbols}; "
                f"make them for it: RandomTrader.like(evaluation, environment)"
            )

    def played_on(self, environment: NativeEnvironment, count: int) -> TradingVectorEnvironment:
        if self.holdings is None:
            return super().played_on(environment, count)
        return baseline_environment(environment, count, threshold=_SMALLEST_TRADE)

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        super().begin(environment, seed)
        self._draws = np.random.default_rng(seed)
        self._wants = None

    def targets(self, situation: Situation) -> npt.NDArray[np.float64]:
        if self.holdings is not None:
            return self._drawn_holdings(situation.count, self.holdings)
        shape = (situation.count, len(situation.symbols))
        drawn = self._draws.random(shape) < self.invested
        if self._wants is None:
            self._wants = drawn
        else:
            again = self._draws.random(shape) < self.redraw
            self._wants = np.where(again, drawn, self._wants)
        targets = np.where(self._wants, self.size / len(situation.symbols), 0.0)
        return self._wait_for_changes(targets, situation)

    def _drawn_holdings(self, count: int, holdings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # always as many draws, so that traders who redraw a little more often do the same and a little more
        again = self._draws.random(count) < self.redraw
        # one from each of so many parts of the rows: what they hold on average is not left to luck, nor to how few they are
        parts = self._draws.permuted(np.tile(np.arange(count)[:, None], self.choices), axis=0)
        places = ((parts + self._draws.random(parts.shape)) * (len(holdings) / count)).astype(np.int64)
        rows = holdings[np.minimum(places, len(holdings) - 1)]  # the end of the last part may round up
        if self._wants is None:
            self._wants = rows[:, 0].copy()
            return self._wants
        distance = np.abs(rows - self._wants[:, None]).sum(axis=2)
        furthest = rows[np.arange(count), distance.argmax(axis=1)]
        self._wants = np.where(again[:, None], furthest, self._wants)
        return np.where(again[:, None], furthest, np.nan)
