"""The compiled step and the interpreted one give the same bits, whoever wrote the components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import RAW, assert_same, drawn, play, random_candles
from tradeready_gym.actions import AccountView, ActionScheme, CustomActionScheme, HoldBuySell, market_order
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env
from tradeready_gym.exchanges import CustomSlippage, SlippageModel
from tradeready_gym.kernel import kernel
from tradeready_gym.market import Instrument
from tradeready_gym.orders import Order
from tradeready_gym.rewards import CustomReward, RewardScheme

CANDLES = random_candles(90, gaps=True)
PAIRS = random_candles(90, ("AAAUSDT", "BBBUSDT", "CCCUSDT"), gaps=True)
COMMON: dict[str, Any] = {"lookback_window": 3, "feature_pipeline": RAW}
# every set of functions costs seconds to compile, so that these four stand for all (the conformance suites compile each kernel)
COMPOSITIONS: dict[str, dict[str, Any]] = {
    "hold, buy, sell": {"data": CANDLES},
    "continuous": {"data": CANDLES, "action_scheme": "continuous", "fill_at": "close", "steps_per_action": 2},
    "portfolio": {"data": PAIRS, "action_scheme": "portfolio", "max_volume_share": 0.001},
    "drawn slippage": {"data": CANDLES, "slippage": "uniform", "reward_scheme": "sharpe", "episode_length": 20},
}


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
def test_compiled_and_interpreted_episodes_agree_to_the_bit(name: str) -> None:
    arguments = {**COMMON, **COMPOSITIONS[name]}
    compiled, interpreted = TradingEnvironment(**arguments), TradingEnvironment(**arguments, interpreted=True)
    actions = drawn(compiled, 90)

    for seed in (0, None, 5):
        assert_same(play(compiled, actions, seed), play(interpreted, actions, seed))


def test_resting_orders_and_filters_agree_to_the_bit() -> None:
    instruments = {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.001, tick_size=0.05, min_notional=1.0)}
    arguments: dict[str, Any] = {**COMMON, "data": CANDLES, "instruments": instruments, "maker_fee_rate": 0.0002}
    played = []
    for interpreted in (False, True):
        env = TradingEnvironment(**arguments, interpreted=interpreted)
        env.reset(seed=0)
        outcomes: list[Any] = []
        for step in range(60):
            close = round(float(env.engine.rows["close"][env.engine.state.accounts["row"][0] - 1, 0]) / 0.05) * 0.05
            orders = [
                Order(
                    "BTCUSDT",
                    "buy",
                    3.0,
                    type="limit",
                    price=close - 0.3,
                    stop_price=close - 4.0,
                    take_price=close + 0.6,
                ),
                Order("BTCUSDT", "buy", 2.0, type="stop_loss", price=close + 1.0),
                Order("BTCUSDT", "sell", 1.0, type="limit", price=close + 0.5),
                Order("BTCUSDT", "sell", 1.5, type="stop_loss", price=close - 2.0),
            ]
            outcomes.append(env.exchange.submit(orders if step % 5 == 0 else orders[step % 4 :][:1]))
            outcomes.append(env.step((0, 1, 0, 2)[step % 4]))
        played.append(outcomes)

    assert_same(played[0], played[1])
    types = {fill["type"] for outcome in played[0][1::2] for fill in outcome[4]["filled_orders"]}
    assert types == {"market", "limit", "stop_loss", "take_profit"}


# ---- a user's own compiled components ----


@kernel
def all_in_or_out(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    if action[0] > parameters[0]:
        return market_order(orders, 0, 0, 1, account.cash / candles[0].close, 0)
    if positions[0].quantity > 0.0:
        return market_order(orders, 0, 0, -1, 0.0, 1)
    return 0


@dataclass(frozen=True)
class AllInOrOut(ActionScheme):
    """Everything above a threshold, nothing below."""

    threshold: float = 0.25
    kernel = staticmethod(all_in_or_out)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.threshold,)

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)


@kernel
def impatient(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    memory[0] = 0.0 if account.fills > 0 else memory[0] + 1.0
    return float((equity - previous_equity) / account.starting_balance - parameters[0] * memory[0])


@dataclass(frozen=True)
class Impatient(RewardScheme):
    """Return on the start, less something for every idle step."""

    cost: float = 1e-4
    kernel = staticmethod(impatient)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.cost,)

    @property
    def memory_size(self) -> int:
        return 1


@kernel
def wide_when_wild(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return float(min(parameters[0] * volatility * draw, parameters[1]))


@dataclass(frozen=True)
class WideWhenWild(SlippageModel):
    """A drawn share of the day's volatility."""

    kernel = staticmethod(wide_when_wild)
    uses_last_day = True
    uses_volatility = True

    @property
    def parameters(self) -> tuple[float, ...]:
        return (0.05, self.maximum)

    @property
    def maximum(self) -> float:
        return 0.02


class PlainAllInOrOut(CustomActionScheme):
    """The same in plain Python."""

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def orders(self, action: Any, account: AccountView) -> Sequence[Order]:
        (symbol,) = account.symbols
        if action[0] > 0.25:
            # a person's order is rejected whole where a scheme's is cut: leave room for the fee and the slippage
            return [Order(symbol, "buy", 0.9 * account.cash / account.closes[symbol])]
        held = account.quantities[symbol]
        return [Order(symbol, "sell", held)] if held > 0.0 else []


class PlainImpatient(CustomReward):
    """The same in plain Python, in ten lines."""

    def __init__(self) -> None:
        self.idle = 0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.idle = 0 if info["filled_orders"] else self.idle + 1
        return (curr_equity - prev_equity) / 10_000.0 - 1e-4 * self.idle

    def reset(self) -> None:
        self.idle = 0


class PlainWideWhenWild(CustomSlippage):
    """The same in plain Python."""

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return min(0.05 * volatility * draw, 0.02)


OWN: dict[str, Any] = {
    **COMMON,
    "data": CANDLES,
    "action_scheme": AllInOrOut(),
    "reward_scheme": Impatient(),
    "slippage": WideWhenWild(),
}


def test_a_users_own_kernels_are_compiled_and_agree_with_themselves_interpreted() -> None:
    compiled, interpreted = TradingEnvironment(**OWN), TradingEnvironment(**OWN, interpreted=True)
    actions = drawn(compiled, 60)

    assert not compiled.engine.python_parts
    assert_same(play(compiled, actions), play(interpreted, actions))
    check_trading_env(compiled)


@pytest.mark.parametrize(
    "python",
    [{"reward_scheme": PlainImpatient()}, {"slippage": PlainWideWhenWild()}],
    ids=["reward", "slippage"],
)
def test_a_component_in_plain_python_equals_its_compiled_twin(python: dict[str, Any]) -> None:
    compiled = TradingEnvironment(**OWN, interpreted=True)
    mixed = TradingEnvironment(**{**OWN, **python}, interpreted=True)
    actions = drawn(compiled, 60)

    assert_same(play(compiled, actions), play(mixed, actions))


def test_everything_in_plain_python_runs_compiled_interpreted_and_in_a_vector() -> None:
    plain = {
        **OWN,
        "action_scheme": PlainAllInOrOut(),
        "reward_scheme": PlainImpatient(),
        "slippage": PlainWideWhenWild(),
    }
    compiled, interpreted = TradingEnvironment(**plain), TradingEnvironment(**plain, interpreted=True)
    vector = TradingVectorEnvironment(num_envs=2, **plain, interpreted=True)
    actions = drawn(compiled, 60)
    one = play(compiled, actions, seed=1)

    assert_same(one, play(interpreted, actions, seed=1))
    many = play(vector, [np.array([action, action]) for action in actions], seed=0)
    for a, b in zip(one[1:], many[1 : len(one)], strict=True):
        assert (a[1], a[4]["equity"]) == (b[1][1], b[4]["equity"][1])
        assert_same(a[0], b[0][1].copy())


def test_position_size_is_data_and_not_code() -> None:
    small, large = (TradingEnvironment(**COMMON, data=CANDLES, action_scheme=HoldBuySell(size)) for size in (0.1, 0.7))

    assert small.engine.advance is large.engine.advance or small.engine._fused is large.engine._fused
    assert play(large, [1])[-1][4]["position_value"] == pytest.approx(
        7 * play(small, [1])[-1][4]["position_value"], rel=0.01
    )
