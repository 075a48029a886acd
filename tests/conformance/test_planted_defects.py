"""The conformance suites catch what they are for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from tradeready_gym.actions import (
    AccountView,
    CustomActionScheme,
    HoldBuySell,
    PerAssetDiscrete,
    TargetPosition,
    market_order,
)
from tradeready_gym.errors import CausalityError, CheckFailed, ConfigurationError
from tradeready_gym.exchanges import CustomSlippage, FixedSlippage, SlippageModel
from tradeready_gym.features import Feature
from tradeready_gym.features import feature as with_warmup
from tradeready_gym.features.custom import custom_feature
from tradeready_gym.kernel import kernel
from tradeready_gym.orders import Order
from tradeready_gym.rewards import CustomReward, RewardScheme
from tradeready_gym.testing import check_action_scheme, check_feature, check_reward, check_slippage

# ---- rewards ----


class Honest(CustomReward):
    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        return math.tanh((curr_equity - prev_equity) / 100.0)


class Divides(CustomReward):
    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        return math.inf if prev_equity == 0.0 else curr_equity / prev_equity


class NeverResets(CustomReward):
    def __init__(self) -> None:
        self.best = 0.0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.best = max(self.best, curr_equity)
        return curr_equity / self.best - 1.0


class SharesItsMemory(CustomReward):
    paid: list[float] = []

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.paid.append(curr_equity - prev_equity)
        return sum(self.paid[-3:])


class ReturnsText(CustomReward):
    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        return "0.1"  # type: ignore[return-value]


@kernel
def _counts_beyond_64_bits(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    product = 1
    for _ in range(50):
        product = product * 3
    return float(product % 7)


@dataclass(frozen=True)
class DiffersWhenCompiled(RewardScheme):
    kernel = staticmethod(_counts_beyond_64_bits)


@kernel
def _formats(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    return float(f"{equity:.2f}")


@dataclass(frozen=True)
class DoesNotCompile(RewardScheme):
    kernel = staticmethod(_formats)


@dataclass(frozen=True)
class HasNoKernel(RewardScheme):
    pass


def test_an_honest_reward_in_plain_python_passes() -> None:
    check_reward(Honest(), bound=1.0)


@pytest.mark.parametrize(
    ("reward", "words"),
    [
        (Divides(), "finite"),
        (NeverResets(), "whatever was played before|equal the single environment"),
        (SharesItsMemory(), "the same for the same episode"),
        (ReturnsText(), "finite numbers"),
        (DiffersWhenCompiled(), "same bits compiled and interpreted"),
        (DoesNotCompile(), "must compile"),
        (HasNoKernel(), "derive it from CustomReward"),
    ],
)
def test_an_unsound_reward_is_caught(reward: RewardScheme, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check_reward(reward)


def test_a_reward_beyond_its_bound_is_caught() -> None:
    with pytest.raises(CheckFailed, match="within 0.5"):
        check_reward(Honest(), bound=0.5)


# ---- action schemes ----


class BuyOne(CustomActionScheme):
    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return [Order(account.symbols[0], "buy", 0.5 * account.equity / account.closes[account.symbols[0]])] * int(
            action
        )


class MakesTooMany(BuyOne):
    def orders_per_action(self, symbols: int) -> int:
        return 1

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return [*super().orders(1, account), *super().orders(1, account)]


class CountsAcrossEpisodes(BuyOne):
    def __init__(self) -> None:
        self.count = 0

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        self.count += 1
        return super().orders(1, account) if self.count > 20 else []


class BuysNothing(BuyOne):
    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return [Order("AAAUSDT", "buy", math.nan)]


class BuysTheMoon(BuyOne):
    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        return [Order("MOON", "buy", 1.0)]


class MasksWhatWorks(HoldBuySell):
    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Any:
        masks = super().action_masks(cash, equity, quantities)
        masks[:, 1] = False
        return masks


class MasksInTheWrongShape(HoldBuySell):
    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Any:
        return np.ones((len(cash), 2), np.bool_)


@kernel
def _writes_beyond(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    count = market_order(orders, 0, 0, 1, 1.0, 0)
    return market_order(orders, count, 0, 1, 1.0, 0)


@dataclass(frozen=True)
class KernelMakesTooMany(HoldBuySell):
    kernel = staticmethod(_writes_beyond)


@kernel
def _pays_itself(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    account.cash += 1.0
    return 0


@dataclass(frozen=True)
class PaysItself(HoldBuySell):
    kernel = staticmethod(_pays_itself)


@kernel
def _rests_at_nothing(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    count = market_order(orders, 0, 0, 1, 1.0, 0)
    orders[0].kind = 1
    return count


@dataclass(frozen=True)
class RestsAtNothing(HoldBuySell):
    kernel = staticmethod(_rests_at_nothing)


class Brackets(BuyOne):
    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        close = account.closes[account.symbols[0]]
        return [Order(account.symbols[0], "buy", 1.0, stop_price=1.1 * close, take_price=0.9 * close)]


class SaysNothing(HoldBuySell):
    def describe(self, action: Any, symbols: Sequence[str] = ()) -> str:
        return ""


class MasksBuysOfEach(PerAssetDiscrete):
    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Any:
        masks = super().action_masks(cash, equity, quantities)
        masks[:, np.arange(masks.shape[1]) % 5 == 2] = False
        return masks


class MasksAWholePart(PerAssetDiscrete):
    def action_masks(self, cash: Any, equity: Any, quantities: Any) -> Any:
        masks = super().action_masks(cash, equity, quantities)
        masks[:, :20] = False
        return masks


def test_a_scheme_in_plain_python_passes() -> None:
    check_action_scheme(BuyOne())


def test_a_scheme_with_parameters_of_its_own_passes() -> None:
    check_action_scheme(TargetPosition(positions=(0.0, 0.25, 0.5, 1.0), threshold=0.2))


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (MakesTooMany(), "makes 2 orders; orders_per_action declares 1"),
        (CountsAcrossEpisodes(), "whatever was played before"),
        (BuysNothing(), "positive and finite"),
        (BuysTheMoon(), "a symbol that the exchange does not have"),
        (MasksWhatWorks(), "nevertheless is filled"),
        (MasksInTheWrongShape(), "at least one True"),
        (KernelMakesTooMany(), "makes 2 orders"),
        (PaysItself(), "changes the account or the market"),
        (RestsAtNothing(), "rests at 0.0"),
        (Brackets(), "encloses nothing"),
        (SaysNothing(), "must say in words"),
        (MasksBuysOfEach(), "nevertheless is filled"),
        (MasksAWholePart(), "at least one True among each"),
    ],
)
def test_an_unsound_scheme_is_caught(scheme: Any, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check_action_scheme(scheme)


# ---- slippage ----


class HalfTheDraw(CustomSlippage):
    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return 0.01 * draw


class ByValueAlone(CustomSlippage):
    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return value / 1e6


class Forgetful(CustomSlippage):
    def __init__(self) -> None:
        self.asked = 0

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        self.asked += 1
        return min(1e-6 * self.asked, 0.05)


class NotANumber(CustomSlippage):
    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return math.nan if quote_volume == 0.0 else 0.0


class SaysNothingAtAll(CustomSlippage):
    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return None  # type: ignore[return-value]


@kernel
def _helps_the_trader(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return -0.001


@dataclass(frozen=True)
class HelpsTheTrader(FixedSlippage):
    kernel = staticmethod(_helps_the_trader)


@dataclass(frozen=True)
class TakesEverything(FixedSlippage):
    @property
    def maximum(self) -> float:
        return 1.0


def test_a_model_in_plain_python_passes() -> None:
    check_slippage(HalfTheDraw())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ByValueAlone(), r"from 0 to its maximum 0\.1"),
        (Forgetful(), "a function of its arguments"),
        (NotANumber(), "returns nan"),
        (SaysNothingAtAll(), "must return a number; for value 0.0, .* it returns None"),
        (HelpsTheTrader(), "returns -0.001"),
        (TakesEverything(), r"a fraction in \[0, 1\)"),
    ],
)
def test_an_unsound_model_is_caught(model: SlippageModel, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check_slippage(model)


def test_what_is_no_component_is_refused() -> None:
    checks: list[Any] = [check_reward, check_action_scheme, check_slippage]
    for check in checks:
        with pytest.raises(ConfigurationError, match="object; got 'pnl'"):
            check("pnl")


# ---- features ----


def rolling_mean(values: Any, bars: int = 5) -> Any:
    sums = np.convolve(values, np.ones(bars) / bars)[: len(values)]
    return np.where(np.arange(len(values)) < bars - 1, np.nan, sums)


def ratio_to_mean(candles: Any) -> Any:
    return candles.close / rolling_mean(candles.close) - 1.0


def tomorrow(candles: Any) -> Any:
    return np.append(candles.close[1:] / candles.close[:-1] - 1.0, 0.0)


def divides_by_volume(candles: Any) -> Any:
    return candles.close / candles.volume


def too_long(candles: Any) -> Any:
    return np.zeros(len(candles) + 1)


def draws(candles: Any) -> Any:
    return np.random.default_rng().random(len(candles))


def dollars(candles: Any) -> Any:
    # the square of a price of 1e7 is fine, the exponential is not
    return np.exp(np.minimum(candles.close, 1e4)) - 1.0


def smoothed(candles: Any) -> Any:
    level = np.empty(len(candles))
    level[0] = candles.close[0]
    for k in range(1, len(level)):
        level[k] = 0.99 * level[k - 1] + 0.01 * candles.close[k]
    return candles.close / level - 1.0


@dataclass(frozen=True)
class Bounded(Feature):
    name: str = "bounded"
    warmup_bars = 0
    low = 0.0
    high = 1.0

    def compute(self, candles: Any, symbol_index: int) -> Any:
        return candles.close[symbol_index][:, None]


@dataclass(frozen=True)
class MixesSymbols(Feature):
    name: str = "mixes"
    warmup_bars = 0

    def compute(self, candles: Any, symbol_index: int) -> Any:
        return (candles.close[symbol_index] / candles.close[0] - 1.0)[:, None]


class NoValue(Feature):
    name = "no value"
    warmup_bars = 0

    def compute(self, candles: Any, symbol_index: int) -> Any:
        return candles.close[symbol_index][:, None]


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow")
@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (custom_feature(tomorrow), "looks ahead"),
        (custom_feature(divides_by_volume), "must be finite after its warm-up of 0 candles"),
        (custom_feature(ratio_to_mean), "must be finite after its warm-up of 0 candles"),
        (custom_feature(too_long), "must return one row per candle"),
        (custom_feature(draws), "same numbers for the same candles"),
        (custom_feature(dollars), "must live at prices around 1e\\+07"),
        (with_warmup(warmup_bars=3)(smoothed), "differs by .* standard deviations after its warm-up of 3"),
        (Bounded(), "must stay within its bounds from 0.0 to 1.0"),
        (MixesSymbols(), "must be the same of a symbol whether or not others are there"),
        (NoValue(), "must equal its copies"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_unsound_feature_is_caught(feature: Feature, message: str) -> None:
    with pytest.raises((CheckFailed, CausalityError, ConfigurationError), match=message):
        check_feature(feature)


def test_a_sound_function_passes() -> None:
    check_feature(with_warmup(warmup_bars=4)(ratio_to_mean))
