"""Slippage models by hand, and the draws that belong to a place and not to an order of asking."""

import functools
import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
from numba import njit

from foreign_slippage import Capped, Compiled
from small_worlds import candles_of, play, random_candles, small_env
from tradeready_gym.engine.cache import is_ours
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import (
    SLIPPAGE_MODELS,
    CustomSlippage,
    FixedSlippage,
    HalfSpreadSlippage,
    NoSlippage,
    SimulatedExchange,
    SquareRootSlippage,
    UniformSlippage,
    VolumeShareSlippage,
    make_slippage,
)
from tradeready_gym.exchanges.draws import uniform
from tradeready_gym.exchanges.slippage import bounded_fraction, bounded_slippage
from tradeready_gym.kernel import kernel
from tradeready_gym.orders import Order


def fraction(
    model: Any, value: float = 1_000.0, volume: float = 1e6, volatility: float = 0.02, draw: float = 0.5
) -> float:
    return float(model.kernel(value, volume, volatility, draw, np.array(model.parameters)))


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (NoSlippage(), 0.0),
        (FixedSlippage(0.002), 0.002),
        (HalfSpreadSlippage(0.002), 0.001),
        (UniformSlippage(0.004), 0.002),
        (VolumeShareSlippage(), 0.0001),
        (VolumeShareSlippage(factor=2.0), 0.002),
        (VolumeShareSlippage(factor=1e6), 0.10),
        (SquareRootSlippage(), 0.02 * math.sqrt(1e-3)),
        (SquareRootSlippage(coefficient=1e6), 0.10),
        (SquareRootSlippage(coefficient=1e-9), 0.0001),
    ],
)
def test_models_return_the_documented_fraction(model: Any, wanted: float) -> None:
    assert fraction(model) == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("model", [VolumeShareSlippage(), SquareRootSlippage()])
def test_a_day_without_volume_costs_the_maximum(model: Any) -> None:
    assert fraction(model, volume=0.0) == 0.10


def test_the_environment_uses_the_volume_of_the_last_visible_day() -> None:
    candles = random_candles(80)
    env = small_env(candles, slippage=VolumeShareSlippage(factor=100.0))
    env.reset(seed=0)
    row = int(env.engine.state.accounts["row"][0])
    close, volume = candles.close[0, row - 24 : row], candles.volume[0, row - 24 : row]

    (fill,) = env.step(1)[4]["filled_orders"]

    wanted = 100.0 * 1_000.0 / float((close * volume).sum())
    assert 0.0001 < wanted < 0.10
    assert fill["slippage_pct"] == pytest.approx(100.0 * wanted)
    assert fill["price"] == pytest.approx(candles.open[0, row] * (1.0 + wanted))


def test_the_value_of_a_sell_is_that_of_what_is_held() -> None:
    candles = candles_of(np.full(40, 100.0))
    env = small_env(candles, slippage=VolumeShareSlippage(factor=1_000.0, maximum=0.5))

    sells = [f for o in play(env, [1, 2])[1:] for f in o[4]["filled_orders"] if f["side"] == "sell"]

    held = sells[0]["quantity"]
    assert sells[0]["slippage_pct"] == pytest.approx(100.0 * 1_000.0 * held * 100.0 / (24 * 100.0 * 1_000.0))


def test_slippage_moves_the_price_against_the_order() -> None:
    env = small_env(candles_of(np.full(40, 100.0)), slippage=0.01)
    prices = [f["price"] for o in play(env, [1, 2])[1:] for f in o[4]["filled_orders"]]

    assert prices == pytest.approx([101.0, 99.0])


def test_draws_differ_by_step_and_seed_and_come_again() -> None:
    def drawn(seed: int) -> list[float]:
        env = small_env(candles_of(np.full(40, 100.0)), slippage="uniform")
        return [f["slippage_pct"] for o in play(env, [1, 2] * 5, seed)[1:] for f in o[4]["filled_orders"]]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 10
    assert all(0.0 <= share <= 0.1 for share in drawn(1))


def test_a_draw_is_a_function_of_its_place() -> None:
    with np.errstate(over="ignore"):
        places = [
            (seed, episode, step, stream, index)
            for seed in (0, 7)
            for episode in (0, 1)
            for step in (0, 5)
            for stream in (1, 2)
            for index in (0, 3)
        ]
        one = {place: uniform(np.uint64(place[0]), *place[1:]) for place in places}
        other = {place: uniform(np.uint64(place[0]), *place[1:]) for place in reversed(places)}

    assert one == other
    assert len(set(one.values())) == len(places)
    assert all(0.0 <= value < 1.0 for value in one.values())


def test_draws_are_uniform() -> None:
    with np.errstate(over="ignore"):
        values = np.array([uniform(np.uint64(3), 0, step, 1, 0) for step in range(20_000)])
    counts = np.histogram(values, bins=20, range=(0.0, 1.0))[0]

    # chi square with 19 degrees of freedom: 43.8 is exceeded once in a thousand seeds
    assert float(((counts - 1_000.0) ** 2 / 1_000.0).sum()) < 43.8
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


def test_a_python_model_is_asked_with_the_arguments_of_a_kernel_and_clipped() -> None:
    asked = []

    class Curious(CustomSlippage):
        def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
            asked.append((value, quote_volume, volatility, draw))
            return 5.0

    env = small_env(candles_of(np.full(40, 100.0)), slippage=Curious())
    (fill,) = play(env, [1])[-1][4]["filled_orders"]

    assert fill["slippage_pct"] == 10.0
    value, volume, volatility, draw = asked[0]
    assert [value, volume, volatility] == pytest.approx([1_000.0, 24 * 100.0 * 1_000.0, 0.0])
    assert 0.0 <= draw < 1.0


@pytest.mark.parametrize(("given", "model"), [(None, NoSlippage()), (0.0, NoSlippage()), (0.01, FixedSlippage(0.01))])
def test_fractions_and_nothing_are_models(given: Any, model: Any) -> None:
    assert make_slippage(given) == model


@pytest.mark.parametrize(
    "build",
    [
        lambda: FixedSlippage(-0.1),
        lambda: FixedSlippage(1.0),
        lambda: HalfSpreadSlippage(float("nan")),
        lambda: UniformSlippage(2.0),
        lambda: VolumeShareSlippage(factor=-1.0),
        lambda: VolumeShareSlippage(minimum=0.2, maximum=0.1),
        lambda: SquareRootSlippage(maximum=1.5),
    ],
)
def test_impossible_models_are_refused(build: Any) -> None:
    with pytest.raises(ConfigurationError):
        build()


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'uniform'"):
        make_slippage("uniforms")


class Counting(CustomSlippage):
    """A stateful model: each quote is dearer than the one before."""

    def __init__(self) -> None:
        self.quotes = 0

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        self.quotes += 1
        return 0.0001 * self.quotes

    def reset(self) -> None:
        self.quotes = 0


def test_each_account_has_a_stateful_model_of_its_own_that_forgets_at_reset() -> None:
    vector = TradingVectorEnvironment(data=random_candles(60), slippage=Counting(), num_envs=3, lookback_window=2)
    for _ in range(2):
        vector.reset(seed=0)
        assert vector.step(np.ones(3, np.int64))[4]["filled_orders"]["slippage"].tolist() == [0.0001] * 3
    shared = SimulatedExchange(random_candles(60), slippage=Counting())
    for env in [TradingEnvironment(shared, lookback_window=2) for _ in range(2)]:
        env.reset(seed=0)
        assert env.step(1)[4]["filled_orders"][0]["slippage_pct"] == pytest.approx(0.01)


class Says(CustomSlippage):
    """Says what it was given to say."""

    def __init__(self, fraction: Any) -> None:
        self.said = fraction

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        said: float = self.said
        return said


@pytest.mark.parametrize("said", [math.nan, math.inf, None, "a", "0.01", True, [0.01], 1j])
def test_a_model_that_says_no_number_is_refused_by_name(said: Any) -> None:
    env = small_env(candles_of(np.full(40, 100.0)), slippage=Says(said))
    env.reset(seed=0)
    with pytest.raises(
        ConfigurationError, match=r"0\.001 for 0\.1 %; Says\.fraction returned .* for value=1000\.0"
    ) as found:
        env.step(1)
    assert f"returned {said!r} for" in str(found.value)


@pytest.mark.parametrize(("said", "percent"), [(-0.1, 0.0), (1.5, 10.0), (np.float32(0.5), 10.0), (np.array(0.0), 0.0)])
def test_a_model_can_neither_pay_the_trader_nor_take_more_than_its_maximum(said: Any, percent: float) -> None:
    env = small_env(candles_of(np.full(40, 100.0)), slippage=Says(said))
    (fill,) = play(env, [1])[-1][4]["filled_orders"]
    assert fill["slippage_pct"] == percent


@functools.cache
def compiled(slippage: Any) -> Any:
    return njit(lambda value, numbers: slippage(value, 1e6, 0.02, 0.5, numbers))


@dataclass(frozen=True)
class Borrowed(Capped):
    """A kernel of ours, with a number that no model of ours has."""

    said: float
    kernel = staticmethod(cast("Any", FixedSlippage.kernel))

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.said,)


@pytest.mark.parametrize("kind", [Compiled, Borrowed])
@pytest.mark.parametrize(("said", "wanted"), [(-0.5, 0.0), (0.05, 0.05), (1.5, 0.1)])
def test_a_kernel_of_somebody_else_is_bounded_like_plain_python(kind: Any, said: float, wanted: float) -> None:
    model = kind(said)
    bounded, numbers = bounded_slippage(model)
    assert bounded is not None
    drive = compiled(bounded)
    assert [ask(1_000.0, np.array(numbers)) for ask in (drive, drive.py_func)] == [wanted, wanted]
    assert bounded_fraction(model, said, 1_000.0, 1e6, 0.02) == wanted
    # nothing is compiled anew for other numbers, and the step must not take it for ours
    assert bounded is bounded_slippage(kind(0.02))[0]
    assert not is_ours(bounded)


@pytest.mark.parametrize("said", [math.nan, math.inf])
def test_a_kernel_of_somebody_else_that_says_no_number_is_refused_by_name(said: float) -> None:
    bounded, numbers = bounded_slippage(Compiled(said))
    drive = compiled(bounded)
    for ask in (drive, drive.py_func):
        with pytest.raises(ConfigurationError, match="the kernel _first_of_two returned NaN or an infinity"):
            ask(1.0, np.array(numbers))


def test_a_kernel_of_somebody_else_is_asked_about_nothing_where_the_quantity_is_impossible() -> None:
    bounded, numbers = bounded_slippage(ByValue())
    assert bounded is not None
    assert bounded(math.nan, 1e6, 0.02, 0.5, np.array(numbers)) == 0.0


@kernel
def _by_value(value: float, quote_volume: float, volatility: float, draw: float, parameters: Any) -> float:
    return value / quote_volume


@dataclass(frozen=True)
class ByValue(Capped):
    kernel = staticmethod(_by_value)

    @property
    def parameters(self) -> tuple[float, ...]:
        return ()


@pytest.mark.parametrize("model", [make() for make in SLIPPAGE_MODELS.values()])
def test_a_model_of_ours_is_not_wrapped(model: Any) -> None:
    kernel_of_step, numbers = bounded_slippage(model)
    assert kernel_of_step is model.kernel
    assert numbers == model.parameters


@pytest.mark.parametrize(("said", "price"), [(-0.5, 100.0), (0.5, 110.0)])
def test_an_order_of_a_person_meets_somebody_elses_kernel_bounded(said: float, price: float) -> None:
    exchange = SimulatedExchange(candles_of(np.full(60, 100.0)), slippage=Compiled(said), fee_rate=0.0)
    exchange.reset(start="2024-01-02T06:00:00Z")
    (answer,) = exchange.submit([Order("BTCUSDT", "buy", 1.0)])
    assert answer["price"] == pytest.approx(price)


def test_a_maximum_that_is_no_fraction_is_refused_when_the_exchange_is_made() -> None:
    class TakesEverything(Says):
        maximum = 1.5

    with pytest.raises(
        ConfigurationError, match=r"the maximum of TakesEverything must be a fraction in \[0, 1\).* got 1.5"
    ):
        make_slippage(TakesEverything(0.0))
