"""Rules that learn nothing: whoever learns has to beat them, on the same environment and at the same costs."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.native import native_environment
from tradeready_gym.strategies.performance import Evaluation, Performance
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.strategies.targets import actions_towards

_ROUNDS = 8
_CLOSE_ENOUGH = 0.03
_ALL = 0.95  # somebody who holds this much when in holds everything, but for what rounding and costs leave


class BuyAndHold(TradingStrategy):
    """Buys with all the cash as fast as the actions allow, equal parts of several symbols, and never sells."""

    @property
    def name(self) -> str:
        return "Buy and hold"

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        symbols = len(situation.symbols)
        targets = np.full((situation.count, symbols), 1.0 / symbols)
        if symbols > 1:  # what has been bought is left alone, whatever its share becomes
            targets[situation.weights.sum(axis=1) > 0.0] = np.nan
        return actions_towards(targets, situation)


class Flat(TradingStrategy):
    """Never buys anything."""

    @property
    def name(self) -> str:
        return "Flat"

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return actions_towards(np.zeros((situation.count, len(situation.symbols))), situation)


class MovingAverageCross(TradingStrategy):
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

    @property
    def name(self) -> str:
        return f"MA cross {self.fast}/{self.slow}"

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        closes = situation.closes(self.slow)
        # a comparison with NaN, which stands for candles that are not there, is false
        above = closes[:, :, -self.fast :].mean(axis=2) > closes.mean(axis=2)
        targets = above / len(situation.symbols)
        return actions_towards(_wait_for_changes(targets, situation.weights), situation)


class RSIReversal(TradingStrategy):
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

    @property
    def name(self) -> str:
        return f"RSI reversal {self.period} ({self.oversold:g}/{self.overbought:g})"

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        self._wants = None

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        changes = np.diff(situation.closes(self.period + 1), axis=2)
        gains, losses = np.maximum(changes, 0.0).sum(axis=2), np.maximum(-changes, 0.0).sum(axis=2)
        moved = gains + losses > 0.0  # a comparison with NaN, which stands for candles that are not there, is false
        strength = np.where(moved, 100.0 * gains / np.where(moved, gains + losses, 1.0), 50.0)
        before = np.zeros(strength.shape, np.bool_) if self._wants is None else self._wants
        held = before & ~situation.starts[:, None] & (strength <= self.overbought)
        self._wants = held | (strength < self.oversold)
        targets = self._wants / strength.shape[1]
        return actions_towards(_wait_for_changes(targets, situation.weights), situation)


class RandomTrader(TradingStrategy):
    """Trades without looking. `RandomTrader.like(evaluation, environment)` trades and holds as much as somebody else did.

    With probability `redraw` at each step and for each symbol it draws anew what it wants: with probability `invested` the
    share `size` of the equity (of the symbol's equal part), else nothing. Episodes with different seeds draw differently.

    Raises:
        ConfigurationError: a number outside [0, 1].
    """

    def __init__(self, redraw: float = 0.02, invested: float = 0.5, size: float = 1.0, environment: Any = None) -> None:
        for name, value in (("redraw", redraw), ("invested", invested), ("size", size)):
            if not 0.0 <= value <= 1.0:
                raise ConfigurationError(f"{name} must be in [0, 1]; got {value!r}")
        self.redraw, self.invested, self.size = float(redraw), float(invested), float(size)
        self._draws = np.random.default_rng(0)
        self._wants: npt.NDArray[np.bool_] | None = None
        super().__init__(environment)

    @property
    def name(self) -> str:
        return "Random"

    @classmethod
    def like(cls, evaluation: Evaluation, environment: Any, *, seeds: int = 20) -> Self:
        """A random trader that is invested as often and as much as the evaluated strategy, and has its turnover.

        The turnover is that of the mean of `seeds` episodes on the same environment, to within 3 per cent if that can be met:
        somebody who is always invested trades without ever getting out, which this trader does not. Who is short is met by
        somebody who is long as often and as much.
        """
        native = native_environment(environment)
        wanted = float(np.nanmean(evaluation.metric("turnover")))
        invested = float(np.clip(np.nanmean(evaluation.metric("exposure")), 0.0, 1.0))
        weight = float(np.mean([_mean_held(episode) for episode in evaluation.episodes]))
        size = min(weight / invested, 1.0) if invested > 0.0 else 0.0
        size = 1.0 if size > _ALL else size
        per_year = native.engine.market.periods_per_year / native.engine.spec.candles_per_action
        changes = 2.0 * invested * (1.0 - invested) * size * per_year
        redraw = min(wanted / changes, 1.0) if changes > 0.0 else 0.0
        best, distance = cls(redraw, invested, size, native), np.inf
        for _ in range(_ROUNDS if redraw > 0.0 else 0):
            trader = cls(redraw, invested, size, native)
            found = float(trader.evaluate(episodes=seeds).metric("turnover").mean())
            if abs(found / wanted - 1.0) < distance:
                best, distance = trader, abs(found / wanted - 1.0)
            if found <= 0.0 or distance < _CLOSE_ENOUGH or (redraw == 1.0 and found < wanted):
                break
            redraw = min(redraw * wanted / found, 1.0)
        return best

    def begin(self, environment: TradingVectorEnvironment, seed: int) -> None:
        self._draws = np.random.default_rng(seed)
        self._wants = None

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        shape = (situation.count, len(situation.symbols))
        drawn = self._draws.random(shape) < self.invested
        if self._wants is None:
            self._wants = drawn
        else:
            again = self._draws.random(shape) < self.redraw
            self._wants = np.where(again, drawn, self._wants)
        targets = np.where(self._wants, self.size / len(situation.symbols), 0.0)
        return actions_towards(_wait_for_changes(targets, situation.weights), situation)


def _mean_held(episode: Performance) -> float:
    # either way: the weight of who is short is negative
    held = np.abs(episode.position_value[1:] / episode.net_worth[1:])
    return float(held.mean()) if len(held) else 0.0


def _wait_for_changes(targets: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # of several symbols, what is held and wanted is left alone, whatever its share has become
    if targets.shape[1] == 1:
        return targets
    return np.where((targets > 0.0) & (weights > 0.0), np.nan, targets)
