"""Kernels that others wrote run in the step of many accounts at once as they do in the general one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from lockstep_twins import COMMON, actions_of, assert_same_episodes, twins
from tradeready_gym.actions import ActionScheme, market_order
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import CheckFailed
from tradeready_gym.kernel import kernel
from tradeready_gym.orders import REJECT_NAMES
from tradeready_gym.rewards import RewardScheme, WeightedSum
from tradeready_gym.testing import check_action_scheme


@kernel
def by_the_wick(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    share = 0.0
    for number in parameters[1:]:
        share += number
    share /= len(parameters) - 1
    candle = candles[0]
    if (candle.high - candle.low) / candle.open * action[-1] > parameters[0]:
        return market_order(orders, 0, 0, 1, share * account.equity / candle.close, 0)
    if len(action) == 1 and positions[0].quantity > 0.0 and candle.volume < 1500.0:
        return market_order(orders, 0, 0, -1, 0.5 * positions[0].quantity, 0)
    return 0


@dataclass(frozen=True)
class ByTheWick(ActionScheme):
    """Buys after a wide candle, sells half after a quiet one."""

    kernel = staticmethod(by_the_wick)
    parameters = (0.004, 0.1, 0.2, 0.3)
    rests = False

    def action_space(self, symbols: int) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)


@kernel
def moving_sum(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    memory[1:] = memory[:-1].copy()
    memory[0] = (equity - previous_equity) * parameters[-1]
    total = 0.0
    for k in range(len(memory)):
        total += memory[k] / (k + 1.0)
    return float(total + memory[-1] - account.fees_paid * parameters[:1].sum())


@dataclass(frozen=True)
class MovingSum(RewardScheme):
    """What was earned lately."""

    kernel = staticmethod(moving_sum)
    parameters = (0.001, 0.01)
    memory_size = 5


@kernel
def remembers_last(previous_equity: float, equity: float, account: Any, memory: Any, parameters: Any) -> float:
    memory[-1] += equity - previous_equity
    return float(memory[-1])


@dataclass(frozen=True)
class RemembersLast(RewardScheme):
    """What was earned since the beginning, in its last number."""

    kernel = staticmethod(remembers_last)
    memory_size = 3


@kernel
def after_a_loss(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    # what was paid for the last step is forgotten when the next one is decided
    if account.reward < 0.0:
        return market_order(orders, 0, 0, -1, 0.0, 1)
    return market_order(orders, 0, 0, 1, 0.1 * account.equity / candles[0].close, 0)


@kernel
def by_items(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    held = 0.0
    for j in range(len(positions)):
        held += positions[j]["quantity"]
    if held > 0.0:
        return market_order(orders, 0, 0, -1, held, 0)
    return market_order(orders, 0, 0, 1, 0.1 * account["equity"] / candles[0]["close"], 0)


@kernel
def priced(action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int) -> int:
    # a market order has no price; one that is written there all the same is told with the refusal
    made = market_order(orders, 0, 0, 1, 1e-12 * account.equity, 0)
    orders[0].price = candles[0].close
    return made


@dataclass(frozen=True)
class Always(ActionScheme):
    """What its kernel does, whatever the action."""

    rests = False
    orders_each: int = 1

    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders_per_action(self, symbols: int) -> int:
        return self.orders_each


@dataclass(frozen=True)
class AfterALoss(Always):
    """Sells after a loss, else buys."""

    kernel = staticmethod(after_a_loss)


@dataclass(frozen=True)
class ByItems(Always):
    """Buys and sells, and reads its records as items."""

    kernel = staticmethod(by_items)


@dataclass(frozen=True)
class Priced(Always):
    """Asks for nearly nothing, at a price."""

    kernel = staticmethod(priced)


def test_kernels_of_others_may_do_with_arrays_and_candles_what_one_does_with_them() -> None:
    parts: dict[str, Any] = {"action_scheme": ByTheWick(), "reward_scheme": MovingSum()}
    assert_same_episodes(twins(19, **parts, episode_length=30), 70)
    pair = twins(11, **parts)
    assert_same_episodes(pair, 30)
    sides = {
        int(side) for action in actions_of(pair[0], 30, 1) for side in pair[0].step(action)[4]["filled_orders"]["side"]
    }
    assert sides == {-1, 1}


OF_OTHERS_AND_OURS = WeightedSum([("simple_profit", 1.0), (RemembersLast(), 0.5), ("pnl", 1.0)])


# what decides by its reward has the reward of the next test: two steps of these kernels are compiled, and not four
@pytest.mark.parametrize(
    ("scheme", "reward"),
    [(AfterALoss(), OF_OTHERS_AND_OURS), (ByItems(), "log_return"), (Priced(), "log_return")],
    ids=lambda part: type(part).__name__,
)
def test_a_scheme_of_others_sees_and_writes_what_it_does_in_the_general_step(scheme: ActionScheme, reward: Any) -> None:
    assert_same_episodes(twins(action_scheme=scheme, reward_scheme=reward), 30)


def test_a_reward_of_others_within_a_sum_of_ours_counts_its_memory_from_the_end() -> None:
    assert_same_episodes(twins(9, action_scheme=AfterALoss(), reward_scheme=OF_OTHERS_AND_OURS), 30)


# ---- a scheme that does not keep its word ----


@kernel
def bracketed(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    if positions[0].quantity > 0.0 or action[0] == 0.0:
        return market_order(orders, 0, 0, 1, 0.1 * account.equity / candles[0].close, 0)
    made = market_order(orders, 0, 0, 1, 0.1 * account.equity / candles[0].close, 0)
    orders[0].stop_price = 0.5 * candles[0].close
    orders[0].take_price = 2.0 * candles[0].close
    return made


@dataclass(frozen=True)
class Bracketed(Always):
    """Buys with two exits at first, and says that nothing of it rests."""

    kernel = staticmethod(bracketed)


def test_a_bracket_of_a_scheme_that_never_rests_is_refused_and_nothing_is_bought_without_its_stop() -> None:
    pair = twins(9, action_scheme=Bracketed())
    assert_same_episodes(pair, 1)
    for env in pair:
        env.reset(seed=0)
        infos = env.step(np.ones(9, np.int64))[4]
        assert len(infos["filled_orders"]) == 0
        assert infos["rejected_orders"]["env"].tolist() == list(range(9))


def test_brackets_and_orders_side_by_side_leave_the_records_of_the_general_step() -> None:
    assert_same_episodes(twins(21, action_scheme=Bracketed(), episode_length=9), 50)


def test_the_conformance_suite_finds_a_scheme_that_rests_and_denies_it() -> None:
    with pytest.raises(CheckFailed, match="rests = True"):
        check_action_scheme(Bracketed())


def test_a_scheme_of_two_orders_an_action_gets_the_general_step() -> None:
    engines = [TradingVectorEnvironment(**COMMON, num_envs=2, action_scheme=Bracketed(n)).engine for n in (1, 2)]

    assert [engine.lockstep for engine in engines] == [True, False]


# ---- a scheme that writes what is no order ----


@kernel
def misdirected(
    action: Any, account: Any, positions: Any, candles: Any, orders: Any, parameters: Any, symbols: int
) -> int:
    made = market_order(orders, 0, int(parameters[0]), int(parameters[1]), 0.1 * account.equity / candles[0].close, 0)
    orders[0].kind = int(parameters[2])
    if len(orders) > 1:
        made = market_order(orders, made, 0, 1, 0.1 * account.equity / candles[0].close, 0)
    return made


@dataclass(frozen=True)
class Misdirected(Always):
    """An order for a symbol, a side and of a kind; where there is room for two, a good one after it."""

    kernel = staticmethod(misdirected)
    symbol: int = 0
    side: int = 1
    kind: int = 0

    @property
    def parameters(self) -> tuple[float, ...]:
        return float(self.symbol), float(self.side), float(self.kind)


FAULTS = [
    (Misdirected(symbol=9), "unknown_symbol"),
    (Misdirected(symbol=-1), "unknown_symbol"),
    (Misdirected(side=0), "invalid_quantity"),
    (Misdirected(kind=77), "invalid_quantity"),
]


@pytest.mark.parametrize(("scheme", "reason"), FAULTS)
def test_what_is_no_order_is_refused_by_name_in_every_environment(scheme: Misdirected, reason: str) -> None:
    single = TradingEnvironment(**COMMON, action_scheme=scheme)
    single.reset(seed=0)
    for _ in range(3):
        info = single.step(1)[4]
        assert [reject["reason"] for reject in info["rejected_orders"]] == [reason]
        assert (info["filled_orders"], info["equity"]) == ([], 10_000.0)
    pair = twins(9, action_scheme=scheme)
    assert_same_episodes(pair, 5)
    rejects = pair[0].step(np.ones(9, np.int64))[4]["rejected_orders"]
    assert [REJECT_NAMES[int(code)] for code in rejects["reason"]] == [reason] * 9


@pytest.mark.parametrize("interpreted", [False, True])
@pytest.mark.parametrize(("scheme", "reason"), FAULTS[:1])
def test_an_order_after_it_is_executed(scheme: Misdirected, reason: str, interpreted: bool) -> None:
    two = replace(scheme, orders_each=2)
    env = TradingVectorEnvironment(**COMMON, num_envs=2, action_scheme=two, interpreted=interpreted)
    env.reset(seed=0)
    infos = env.step(np.ones(2, np.int64))[4]

    assert [REJECT_NAMES[int(code)] for code in infos["rejected_orders"]["reason"]] == [reason] * 2
    assert infos["filled_orders"]["env"].tolist() == [0, 1]
    assert infos["filled_orders"]["side"].tolist() == [1, 1]
