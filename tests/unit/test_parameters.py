"""What NumPy computed is a number like any other, wherever a component or an environment takes one."""

import abc
import dataclasses
import inspect
import pickle
import traceback
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from small_worlds import random_candles, small_env
from tradeready_gym.actions import ContinuousOrder, HoldBuySell, TargetPosition
from tradeready_gym.agents import feature_digest
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import (
    FeeSchedule,
    FixedSlippage,
    MarginAccount,
    SimulatedExchange,
    VolumeShareSlippage,
    stochastic_exchange,
)
from tradeready_gym.features import parse_feature
from tradeready_gym.features.indicators import RelativeStrengthIndex
from tradeready_gym.market import Instrument
from tradeready_gym.parameters import plain
from tradeready_gym.rewards import CustomReward, SharpeReward

WORLD = random_candles(80)
SAME: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = [
    (HoldBuySell, {"position_size": np.float64(0.5)}, {"position_size": 0.5}),
    (ContinuousOrder, {"position_size": np.float32(0.5)}, {"position_size": 0.5}),
    (TargetPosition, {"positions": [np.float64(0.0), np.int64(1)]}, {"positions": (0.0, 1)}),
    (SharpeReward, {"window": np.int64(20)}, {"window": 20}),
    (FixedSlippage, {"fraction": np.float64(0.001)}, {"fraction": 0.001}),
    (VolumeShareSlippage, {"maximum": np.float32(0.5)}, {"maximum": 0.5}),
    (FeeSchedule, {"rate": np.float32(0.5), "minimum": np.int64(1)}, {"rate": 0.5, "minimum": 1}),
    (MarginAccount, {"leverage": np.float32(2.0), "funding_hours": np.int32(8)}, {"leverage": 2.0, "funding_hours": 8}),
    (Instrument, {"symbol": "A", "lot_size": np.float64(0.1)}, {"symbol": "A", "lot_size": 0.1}),
    (RelativeStrengthIndex, {"period": np.int64(9)}, {"period": 9}),
]


@pytest.mark.parametrize(("kind", "given", "meant"), SAME, ids=lambda one: getattr(one, "__name__", ""))
def test_a_component_of_numpy_numbers_is_that_of_plain_ones(
    kind: Callable[..., Any], given: dict[str, Any], meant: dict[str, Any]
) -> None:
    made, wanted = kind(**given), kind(**meant)
    assert (made, repr(made), hash(made)) == (wanted, repr(wanted), hash(wanted))
    assert pickle.loads(pickle.dumps(made)) == wanted == dataclasses.replace(made, **given)


def test_a_feature_of_numpy_numbers_can_be_saved_and_told_apart() -> None:
    nine: Any = np.int64(9)
    assert feature_digest(RelativeStrengthIndex(nine)) == feature_digest(parse_feature("rsi_9")) != ""


def test_a_component_still_says_which_arguments_it_takes() -> None:
    class Bare(CustomReward):
        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            return 0.0

    assert str(inspect.signature(SharpeReward)) == "(window: int = 50) -> None"
    assert list(inspect.signature(SimulatedExchange).parameters)[:2] == ["data", "symbols"]
    assert not inspect.signature(Bare).parameters
    with pytest.raises(TypeError, match="unexpected keyword argument 'windw'"):
        SharpeReward(windw=3)  # type: ignore[call-arg]


def test_exchanges_and_environments_take_them() -> None:
    costs: dict[str, Any] = {
        "fee_rate": np.float32(0.5), "starting_balance": np.int64(500), "max_volume_share": np.float64(0.5),
        "max_open_orders": np.int64(3),
    }  # fmt: skip
    exchange = SimulatedExchange(WORLD, **costs)
    assert (exchange.fee_rate, exchange.starting_balance, exchange.max_open_orders) == (0.5, 500.0, 3)
    paths: dict[str, Any] = {"paths": np.int64(2), "bars": np.int32(60), "seed": np.int64(1)}
    assert len(stochastic_exchange("gbm", **paths).load()) == 2
    numbers: dict[str, Any] = {
        "lookback_window": np.int64(3), "episode_length": np.int32(9), "max_loss": np.float32(0.5),
        "steps_per_action": np.int64(2),
    }  # fmt: skip
    env = small_env(WORLD, **numbers)
    assert (env.engine.spec.lookback_window, type(env.engine.spec.episode_length)) == (3, int)
    assert len(env.reset(seed=0)[0]) == env.observation_space.shape[0]  # type: ignore[index]
    many = TradingVectorEnvironment(num_envs=np.int64(2), data=WORLD, interpreted=True, **numbers)  # type: ignore[arg-type]
    assert many.reset(seed=0)[0].shape[0] == 2


def test_truth_values_are_no_numbers_and_wrong_numbers_are_refused_as_before() -> None:
    with pytest.raises(ConfigurationError, match="lookback_window must be an integer of at least 1; got 0"):
        TradingEnvironment(data=WORLD, lookback_window=np.int64(0))
    with pytest.raises(ConfigurationError, match="paths must be an integer of at least 1; got True"):
        stochastic_exchange("gbm", paths=np.True_, bars=60)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"lookback_window must be an integer .* got 3\.0"):
        TradingEnvironment(data=WORLD, lookback_window=np.float64(3.0))


def test_what_is_not_a_number_is_left_as_it_is() -> None:
    class Notes(CustomReward):
        def __init__(self, notes: list[Any]) -> None:
            self.notes = notes

        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            return 0.0

    mine: list[Any] = [1, "two"]
    array = np.arange(3)
    assert Notes(mine).notes is mine
    assert plain(array) is array
    assert plain(np.datetime64("2021-01-01")) == np.datetime64("2021-01-01")
    assert plain((np.int64(1), [np.True_, "x"])) == (1, [True, "x"])
    assert [type(item) for item in plain([np.float32(0.5), np.bool_(0)])] == [float, bool]


Kind = TypeVar("Kind")


@runtime_checkable
class Windowed(Protocol):
    window: int


class Paid(CustomReward):
    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        return 0.0


class OwnMeta(abc.ABCMeta):
    pass


@dataclasses.dataclass(frozen=True)
class OfProtocol(Paid, Windowed):
    window: int = 3


class ProtocolFirst(Windowed, Paid):
    def __init__(self, window: int = 3) -> None:
        self.window = window


class OfGeneric(Paid, Generic[Kind]):
    def __init__(self, window: Kind) -> None:
        self.window = window


class OfAnotherMeta(Paid, metaclass=OwnMeta):
    def __init__(self, window: int) -> None:
        self.window = window


class OfPydantic(BaseModel, Paid):
    model_config = ConfigDict(frozen=True)
    window: int = 3


class PydanticLast(Paid, BaseModel):
    window: int = 3


@dataclasses.dataclass(frozen=True, slots=True)
class WithSlots(Paid):
    window: int = 3

    def __post_init__(self) -> None:
        require_int(self.window)


def require_int(window: object) -> None:
    if type(window) is not int:
        raise TypeError("the fields are plain before they are looked at")


class Guard:
    window: int

    def __post_init__(self) -> None:
        require_int(self.window)


@dataclasses.dataclass
class OfMixin(Guard, Paid):
    window: int = 3


class Named:
    def __init__(self, label: str) -> None:
        self.label = label


@dataclasses.dataclass
class BesideAnInit(Named, Paid):
    window: int = 3

    def __post_init__(self) -> None:
        super().__init__(f"of {self.window}")


MIXED: list[Callable[..., Any]] = [
    OfProtocol, ProtocolFirst, OfGeneric, OfAnotherMeta, OfPydantic, PydanticLast, WithSlots, OfMixin, BesideAnInit,
]  # fmt: skip


@pytest.mark.parametrize("kind", MIXED, ids=lambda kind: kind.__name__)
def test_a_component_may_be_something_else_as_well_and_trades(kind: Callable[..., Any]) -> None:
    made = kind(window=np.int64(5))
    again = pickle.loads(pickle.dumps(made))
    assert (type(made.window), made.window, type(again), again.window) == (int, 5, type(made), 5)
    assert list(inspect.signature(kind).parameters) == ["window"]
    env = small_env(WORLD, reward_scheme=made)
    env.reset(seed=0)
    assert env.step(0)[1] == 0.0


def test_what_else_it_is_keeps_its_own_rules() -> None:
    assert isinstance(OfProtocol(), Windowed)
    assert OfGeneric[int](np.int64(4)).window == 4  # type: ignore[arg-type]
    assert BesideAnInit(np.int64(4)).label == "of 4"  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="valid integer"):
        OfPydantic(window="much")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="abstract"):
        type("Unfinished", (CustomReward, BaseModel), {"__module__": __name__})()


def test_a_wrong_argument_is_shown_where_it_was_given() -> None:
    with pytest.raises(
        TypeError, match=r"ProtocolFirst\.__init__\(\) got an unexpected keyword argument 'windw'"
    ) as caught:
        ProtocolFirst(windw=3)  # type: ignore[call-arg]
    frames = traceback.extract_tb(caught.tb)
    assert [frame.name for frame in frames][1:] == ["with_plain_arguments"]
