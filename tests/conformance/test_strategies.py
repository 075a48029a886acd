"""Our strategies keep the contract, and the suite catches strategies that do not."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym import strategies
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.strategies import (
    BuyAndHold,
    Flat,
    MovingAverageCross,
    RandomTrader,
    RSIReversal,
    Situation,
    StableBaselinesTradingStrategy,
    TradingStrategy,
)
from tradeready_gym.strategies.performance import Performance
from tradeready_gym.testing import check_strategy

Make = Callable[[Any], TradingStrategy]
NET = {"policy_kwargs": {"net_arch": [8]}}
BUFFER = {**NET, "buffer_size": 500, "learning_starts": 16, "batch_size": 8}
LEARNERS: dict[str, dict[str, Any]] = {
    "PPO": {**NET, "n_steps": 8},
    "A2C": {**NET, "n_steps": 4},
    "DQN": BUFFER,
    "SAC": BUFFER,
    "TD3": BUFFER,
    "MaskablePPO": {**NET, "n_steps": 8},
    "RecurrentPPO": {"n_steps": 8, "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}},
}


def learner(model: str) -> Make:
    return lambda environment: StableBaselinesTradingStrategy(
        environment, model, model_kwargs=LEARNERS[model], num_envs=4, window_bars=32, track_training=False
    )


RULES: dict[type, Make] = {
    BuyAndHold: BuyAndHold,
    Flat: Flat,
    MovingAverageCross: lambda environment: MovingAverageCross(3, 9, environment),
    RSIReversal: lambda environment: RSIReversal(5, environment=environment),
    RandomTrader: lambda environment: RandomTrader(0.2, environment=environment),
}
SCHEMES = ["target_position", "hold_buy_sell", "portfolio", "simple_orders"]


@pytest.mark.parametrize("model", LEARNERS)
def test_a_learner_of_stable_baselines_keeps_the_contract(model: str) -> None:
    scheme = "continuous" if model in ("SAC", "TD3") else "target_position"
    check_strategy(learner(model), action_scheme=scheme, new_process=model == "PPO")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rule_keeps_the_contract_with_every_kind_of_action(rule: type, scheme: str) -> None:
    check_strategy(RULES[rule], draws=rule is RandomTrader, action_scheme=scheme)


def test_every_strategy_of_the_package_is_under_the_suite() -> None:
    found: set[type] = set()
    for module in pkgutil.iter_modules(strategies.__path__):
        if module.name in ("rllib_learning", "rllib_state"):
            continue  # they need Ray; RLlibTradingStrategy is under the suite in tests/rllib
        for thing in vars(importlib.import_module(f"{strategies.__name__}.{module.name}")).values():
            if inspect.isclass(thing) and issubclass(thing, TradingStrategy) and not inspect.isabstract(thing):
                found.add(thing)
    own = {one for one in found if one.__module__.startswith("tradeready_gym.")}
    text = (Path(__file__).parents[1] / "rllib" / "test_in_one_process.py").read_text(encoding="utf-8")
    assert "check_strategy" in text
    assert own == {*RULES, StableBaselinesTradingStrategy, strategies.RLlibTradingStrategy}


def test_only_what_makes_strategies_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="needs what makes a TradingStrategy; it made 3"):
        check_strategy(lambda environment: 3)  # type: ignore[arg-type, return-value]


# ---- planted defects ----


class Momentum(TradingStrategy):
    """A sound learner: the sign of the returns that it has seen pay, which it keeps."""

    def __init__(self, environment: Any = None) -> None:
        self.sign: float | None = None
        self.lookback = 0
        super().__init__(environment)

    def check(self, environment: Any) -> None:
        found = (environment.engine.spec.lookback_window, environment.engine.pipeline.column_names)
        if self.sign is not None and found != (self.lookback, ("returns",)):
            raise ConfigurationError(f"this learned with another window; got {found}")

    def train(self, steps: int, **_: Any) -> None:
        closes = self.environment.engine.rows["close"][:steps, 0]
        moves = np.diff(np.log(closes))
        self.lookback = self.environment.engine.spec.lookback_window
        self.sign = float(np.sign((moves[1:] * moves[:-1]).sum()))
        self.mark_learned(self.environment)

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        if self.sign is None:
            raise ConfigurationError("train first")
        return np.asarray(self.sign * situation.observations[:, self.lookback - 1] > 0.0).astype(np.int64)

    def save(self, path: str | Path) -> Path:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        lessons = ";".join(str(lesson.as_plain()) for lesson in self.learned)
        (folder / "sign.txt").write_text(f"{self.sign}\n{self.lookback}\n{lessons}")
        return folder

    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        import ast

        from tradeready_gym.strategies.learned import Learned

        sign, lookback, lessons = (Path(path) / "sign.txt").read_text().split("\n")
        made = cls()
        made.sign, made.lookback = float(sign), int(lookback)
        made._learned = tuple(Learned.from_plain(ast.literal_eval(lesson)) for lesson in lessons.split(";"))
        if environment is not None:
            made.environment = environment
        return made


class LearnsWhileTested(Momentum):
    seen = 0

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        self.seen += 1
        return super().decide(situation) if self.seen // 97 % 2 else 1 - super().decide(situation)


class ForgetsNothing(Momentum):
    last = 0.0

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        decided = super().decide(situation)
        self.last = 0.9 * self.last + float(situation.observations[0, self.lookback - 1])
        return decided if self.last < 0.0 else 1 - decided


class MovesItsNormaliser(Momentum):
    mean = 0.0

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        newest = situation.observations[:, self.lookback - 1]
        self.mean = 0.5 * self.mean + 0.5 * float(newest.mean())
        return np.asarray(newest > self.mean).astype(np.int64)


class ActsAtRandom(Momentum):
    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return np.random.default_rng().integers(0, 2, situation.count)


class TrainsAtRandom(Momentum):
    def train(self, steps: int, **_: Any) -> None:
        super().train(steps)
        type(self).turn = -self.turn
        self.sign = self.turn

    turn = 1.0


class MixesAccounts(Momentum):
    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return np.asarray((super().decide(situation) + np.arange(situation.count)) % 2)


class HidesItsLessons(Momentum):
    def train(self, steps: int, **_: Any) -> None:
        super().train(steps)
        self._learned = ()

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        return np.zeros(situation.count, np.int64) if self.sign is None else super().decide(situation)

    def check(self, environment: Any) -> None:
        pass


class TakesAnything(Momentum):
    def check(self, environment: Any) -> None:
        pass


class ChokesOnTheWindow(Momentum):
    def check(self, environment: Any) -> None:
        if self.sign is not None and environment.engine.spec.lookback_window != self.lookback:
            raise IndexError("window")


class KeepsWhatItRefuses(Momentum):
    @property
    def environment(self) -> Any:
        return super().environment

    @environment.setter
    def environment(self, environment: Any) -> None:
        try:
            TradingStrategy.environment.fset(self, environment)  # type: ignore[attr-defined]
        except ConfigurationError:
            self._environment = None
            raise


class LosesItsSign(Momentum):
    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        made = super().load(path, environment)
        made.sign = -float(made.sign or 0.0)
        return made


class LosesItsLessons(Momentum):
    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        made = super().load(path, environment)
        made._learned = ()
        return made


class RemembersInThisProcessOnly(Momentum):
    kept: dict[str, float] = {}

    def save(self, path: str | Path) -> Path:
        self.kept[str(path)] = float(self.sign or 0.0)
        return super().save(path)

    @classmethod
    def load(cls, path: str | Path, environment: Any = None) -> Self:
        made = super().load(path, environment)
        made.sign = cls.kept.get(str(path), -float(made.sign or 0.0))
        return made


class LosesARow(Momentum):
    def run(self, *arguments: Any, **named: Any) -> Performance:
        played = super().run(*arguments, **named)
        return replace(played, reward=None if played.reward is None else played.reward[1:])


class EarnsMoreThanItDid(Momentum):
    def run(self, *arguments: Any, **named: Any) -> Performance:
        played = super().run(*arguments, **named)
        return replace(played, net_worth=played.net_worth * np.linspace(1.0, 1.01, len(played)))


class TrainsWhenTested(Momentum):
    def run(self, *arguments: Any, **named: Any) -> Performance:
        played = super().run(*arguments, **named)
        self.mark_learned(self.environment)
        return played


class FailsUntrained(Momentum):
    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        if self.sign is None:
            raise AttributeError("sign")
        return super().decide(situation)


DEFECTS: dict[type[Momentum], str] = {
    LearnsWhileTested: "the same each time|must act alike",
    ForgetsNothing: "whatever it has played before|the same each time|must act alike",
    MovesItsNormaliser: "whatever it has played before|the same each time|must act alike",
    ActsAtRandom: "must act alike",
    TrainsAtRandom: "two that were trained alike must act alike",
    MixesAccounts: "by that account alone",
    HidesItsLessons: r"train\(\) must add to learned",
    TakesAnything: "must refuse a longer window as its environment: check",
    ChokesOnTheWindow: "must refuse a longer window as its environment by a ConfigurationError; it raised IndexError",
    KeepsWhatItRefuses: "must keep its environment",
    LosesItsSign: r"must act the same after save\(\) and load\(\);",
    LosesItsLessons: "must still say where it has learned",
    RemembersInThisProcessOnly: "also in a process of its own",
    LosesARow: "a row per step and one before",
    EarnsMoreThanItDid: "played again, must earn its net worth",
    TrainsWhenTested: "in-sample and nothing else is|learn nothing from being tested",
    FailsUntrained: "or raise a named error",
}


def test_a_sound_learner_of_ones_own_passes() -> None:
    check_strategy(Momentum, train_steps=200)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.__name__)
def test_the_suite_sees_the_defect(defect: type[Momentum]) -> None:
    with pytest.raises(CheckFailed, match=DEFECTS[defect]):
        check_strategy(defect, train_steps=200, new_process=defect is RemembersInThisProcessOnly)
