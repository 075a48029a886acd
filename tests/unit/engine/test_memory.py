"""Memory does not grow with episodes."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.tracking.recording import WRITE_BYTES
from tradeready_gym.wrappers import FeatureEngineeringWrapper, NormalizationWrapper

COMMON: dict[str, Any] = {
    "lookback_window": 2,
    "feature_pipeline": RAW,
    "episode_length": 3,
    "slippage": "uniform",
    "reward_scheme": "sharpe",
}


@pytest.fixture
def growth() -> Iterator[Callable[[Callable[[int], None], int], int]]:
    """Bytes that are held after `count` more rounds of something that is warm already."""

    def measure(rounds: Callable[[int], None], count: int) -> int:
        # what is compiled and imported here would take several times as long while it is traced
        rounds(1)
        tracemalloc.start()
        rounds(count // 4)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        rounds(count)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    yield measure
    tracemalloc.stop()


def episodes(env: Any) -> Callable[[int], None]:
    def play(count: int) -> None:
        for _ in range(count):
            env.reset()
            for action in (1, 0, 2):
                env.step(action)

    return play


@pytest.mark.parametrize("wrapped", [False, True])
def test_many_short_episodes_hold_no_more_memory_than_a_few(growth: Any, wrapped: bool) -> None:
    env: Any = TradingEnvironment(data=random_candles(80), **COMMON)
    if wrapped:
        env = NormalizationWrapper(FeatureEngineeringWrapper(env))

    assert growth(episodes(env), 1_000) < 20_000


def test_tracking_episodes_holds_no_more_memory_either(growth: Any) -> None:
    env = TradingEnvironment(data=random_candles(80), track_training=True, **COMMON)

    # what waits for its record is less than WRITE_BYTES; 100 bytes held of every episode would be more
    assert growth(episodes(env), 5_000) < WRITE_BYTES + 100_000
    env.close()


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_many_steps_of_a_vector_hold_no_more_memory_than_a_few(growth: Any, mode: str) -> None:
    env = TradingVectorEnvironment(data=random_candles(80), num_envs=4, num_threads=2, autoreset_mode=mode, **COMMON)
    env.reset(seed=0)

    def steps(count: int) -> None:
        for _ in range(count):
            env.step(np.array([1, 0, 2, 1]))

    assert growth(steps, 2_000) < 20_000
    env.close()


def test_orders_of_a_person_between_two_steps_do_not_pile_up(growth: Any) -> None:
    from tradeready_gym.orders import Order

    env = TradingEnvironment(data=random_candles(80), interpreted=True, **COMMON)

    def play(count: int) -> None:
        for _ in range(count):
            env.reset()
            env.exchange.submit([Order("BTCUSDT", "buy", 0.1), Order("BTCUSDT", "buy", 1.0, type="limit", price=1.0)])
            env.step(0)

    assert growth(play, 200) < 20_000
