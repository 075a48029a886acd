"""Does a strategy keep its word?"""

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import CheckFailed, ConfigurationError, TradeReadyError
from tradeready_gym.market import Candles, Timeframe, parse_time
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.performance import Performance

_BARS, _CUT, _LOOKBACK = 260, 180, 4
_TOLERANCE = 1e-9
_LOOSE = 1e-3  # a network computes a batch of another size in another order
_EXPECTED = ("step", "time", "net_worth", "balance", "position_value")

# what another process is asked to do: load, play, and say what it did
_PROGRAM = """
import importlib, pickle, sys
sys.path[:] = {path!r}
strategy = importlib.import_module({module!r})
for name in {name!r}.split("."):
    strategy = getattr(strategy, name)
with open({folder!r} + "/environment.pickle", "rb") as file:
    environment = pickle.load(file)
played = strategy.load({folder!r} + "/kept", environment).run(steps={steps}, testing=True)
with open({folder!r} + "/played.pickle", "wb") as file:
    pickle.dump((played.action, played.net_worth), file)
"""


def check_strategy(
    make: Callable[[Any], TradingStrategy],
    *,
    train_steps: int = 64,
    play_steps: int = 30,
    draws: bool = False,
    new_process: bool = True,
    **composition: Any,
) -> None:
    """Check that a strategy keeps the contract of `TradingStrategy`: `make(environment)` gives a new one, untrained.

    `train` and `run(steps=...)` do the same each time; what learns says where (`learned`), and its figures from there are
    in-sample, from elsewhere not. `run(testing=True)` learns nothing, moves no statistic and does the same each time, whatever
    was played before and however many episodes are played side by side. The frame has a row per step, and its actions, played
    again, earn its net worth. What is saved acts the same when it is loaded, in a process of its own too. What cannot be
    played is a named error, also where it is set as `strategy.environment`, and changes nothing.

    Args:
        make: `MyStrategy`, or a function that gives it its arguments; nothing that it makes may write into the journal.
        train_steps: steps to train for. Of a learner, as few as it takes to learn something.
        play_steps: decisions of each episode.
        draws: it draws numbers for all accounts at once, so that an episode depends on how many are played.
        new_process: also load what is saved in another process, which takes a few seconds. Its class must be in a module.
        composition: arguments of the environments, such as `action_scheme="continuous"`.

    Raises:
        CheckFailed: the first finding.
        ConfigurationError: `make` makes no strategy.
    """
    training = _environment(composition, end_time=_time(_CUT))
    held_out = _environment(composition, start_time=_time(_CUT))
    strategy, twin = _made(make, training), _made(make, training)
    _check_untrained(strategy, held_out, play_steps)
    known = _plays(strategy, held_out, play_steps)
    for one in (strategy, twin):
        _check_frame(one, one.run(steps=train_steps), training)
    _check_learned(strategy, known, training, held_out, play_steps)
    played = _Player(strategy, held_out, play_steps)
    _require_same(played.first, _Player(twin, held_out, play_steps).first, "two that were trained alike must act alike")
    _check_frame(strategy, played.first, held_out, play_steps)
    _check_testing(strategy, played, training, draws)
    _check_kept(strategy, played, new_process)
    _check_refusals(strategy, played, composition)


class _Player:
    """A strategy, and how it plays a held-out environment."""

    def __init__(self, strategy: TradingStrategy, environment: TradingEnvironment, steps: int) -> None:
        self.environment, self.steps = environment, steps
        known = _lessons(strategy)
        self.first = self.play(strategy)
        _require_nothing_learned(strategy, known)

    def play(self, strategy: TradingStrategy) -> Performance:
        strategy.environment = self.environment
        return strategy.run(steps=self.steps, testing=True)


def _check_untrained(strategy: TradingStrategy, environment: TradingEnvironment, steps: int) -> None:
    try:
        strategy.evaluate(environment, steps=steps)
    except TradeReadyError:
        return  # it has to learn first, and says so
    except Exception as error:
        raise CheckFailed(
            f"{_named(strategy)} must play before it has learned, or raise a named error (NotFitted); it raised {error!r}"
        ) from error


def _plays(strategy: TradingStrategy, environment: TradingEnvironment, steps: int) -> Performance | None:
    try:
        return strategy.evaluate(environment, steps=steps).episodes[0]
    except TradeReadyError:
        return None


def _check_learned(
    strategy: TradingStrategy,
    untrained: Performance | None,
    training: TradingEnvironment,
    held_out: TradingEnvironment,
    steps: int,
) -> None:
    inside, outside = (strategy.evaluate(one, steps=steps) for one in (training, held_out))
    learns = bool(strategy.learned)
    _require(
        inside.in_sample == learns and not outside.in_sample,
        f"{_named(strategy)}: what it has learned from is in-sample and nothing else is; learned is {strategy.learned}, "
        f"in_sample is {inside.in_sample} there and {outside.in_sample} elsewhere",
    )
    if not learns and untrained is not None:
        what = f"{_named(strategy)} has learned something, since it acts otherwise than before: train() must add to learned"
        _require_same(untrained, outside.episodes[0], what)


def _check_frame(
    strategy: TradingStrategy, played: Performance, environment: TradingEnvironment, steps: int | None = None
) -> None:
    names, rows = tuple(played.columns), {name: len(column) for name, column in played.columns.items()}
    _require(
        set(_EXPECTED) <= set(names), f"the frame needs the columns {', '.join(_EXPECTED)}; it has {', '.join(names)}"
    )
    found, wanted = set(rows.values()), len(played) if steps is None else steps + 1
    _require(
        found == {wanted} and wanted > 1, f"the frame needs a row per step and one before them, {wanted}; it has {rows}"
    )
    times = np.diff(played.time.astype("datetime64[us]").astype(np.int64))
    _require(bool((times > 0).all()), "the frame's times must increase from row to row")
    start = environment.engine.spec.exchange.starting_balance
    _require(
        float(played.net_worth[0]) == start, f"an episode begins with {start}; it begins with {played.net_worth[0]}"
    )
    if played.action is None:
        return
    engine = strategy.played_on(environment, 1)
    engine.reset(seed=0)
    for row in range(1, len(played)):
        space = engine.single_action_space
        action = np.asarray(played.action[row]).reshape(space.shape).astype(space.dtype)
        equity = engine.step(action[None])[4]
        equity = equity.get("final_info", equity)["equity"][0]
        _require(
            bool(abs(equity - played.net_worth[row]) <= _TOLERANCE * start),
            f"the actions of the frame, played again, must earn its net worth; at step {row} they earn {equity!r}, the frame "
            f"says {played.net_worth[row]!r}",
        )


def _check_testing(strategy: TradingStrategy, played: _Player, training: TradingEnvironment, draws: bool) -> None:
    known = _lessons(strategy)
    what = f"{_named(strategy)} must do the same each time that it is tested"
    _require_same(played.first, played.play(strategy), what)
    strategy.evaluate(training, steps=played.steps // 2)
    _require_same(
        played.first,
        played.play(strategy),
        f"{what}, whatever it has played before: begin() forgets, and nothing is fitted",
    )
    strategy.run(steps=played.steps, episodes=2, testing=True)
    several = strategy.evaluate(played.environment, episodes=3, steps=played.steps).episodes
    _require(len(several) == 3, f"evaluate(episodes=3) must give three episodes; it gives {len(several)}")
    if not draws:
        said = f"{_named(strategy)} must decide for an account by that account alone, however many there are"
        for one in several:
            _require_same(played.first, one, said, _LOOSE)
    _require_same(played.first, played.play(strategy), what)
    _require_nothing_learned(strategy, known)


def _lessons(strategy: TradingStrategy) -> Any:
    return tuple(strategy.learned), getattr(strategy, "trained_steps", None)


def _require_nothing_learned(strategy: TradingStrategy, known: Any) -> None:
    has = _lessons(strategy)
    _require(has == known, f"{_named(strategy)} must learn nothing from being tested; it had {known}, it has {has}")


def _check_kept(strategy: TradingStrategy, played: _Player, new_process: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept"
        try:
            strategy.save(kept)
        except ConfigurationError:
            return  # it does not say how, by name
        loaded = type(strategy).load(kept, played.environment)
        said = f"{_named(strategy)} must act the same after save() and load()"
        _require_same(played.first, played.play(loaded), said)
        _require(
            loaded.learned == strategy.learned,
            f"{_named(strategy)} must still say where it has learned after load(); it says {loaded.learned}",
        )
        _check_testing(loaded, played, played.environment, draws=True)
        if new_process:
            actions, worth = _in_new_process(strategy, played, Path(folder))
            same = _equal(played.first.action, actions, 0.0) and _equal(played.first.net_worth, worth, 0.0)
            _require(same, f"{said}, also in a process of its own; there it acts otherwise")


def _in_new_process(strategy: TradingStrategy, played: _Player, folder: Path) -> Any:
    kind = type(strategy)
    _require(kind.__module__ != "__main__", f"{_named(strategy)} must be in a module that another process can import")
    (folder / "environment.pickle").write_bytes(pickle.dumps(played.environment))
    program = _PROGRAM.format(
        path=sys.path, module=kind.__module__, name=kind.__qualname__, folder=str(folder), steps=played.steps
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    _require(
        done.returncode == 0, f"{_named(strategy)} must load and play in a process of its own; it says {done.stderr}"
    )
    return pickle.loads((folder / "played.pickle").read_bytes())


def _check_refusals(strategy: TradingStrategy, played: _Player, composition: dict[str, Any]) -> None:
    learns = bool(strategy.learned)
    others: dict[str, Any] = {"no environment": object()}
    if learns:
        shape = {**composition, "lookback_window": composition.get("lookback_window", _LOOKBACK) + 1}
        features = {**composition, "feature_pipeline": ["momentum_3", "position"]}
        others |= {"a longer window": _environment(shape), "other features": _environment(features)}
    before = strategy.environment
    for what, other in others.items():
        try:
            strategy.environment = other
        except ConfigurationError:
            pass
        except Exception as error:
            raise CheckFailed(
                f"{_named(strategy)} must refuse {what} as its environment by a ConfigurationError; it raised {error!r}"
            ) from error
        else:
            raise CheckFailed(f"{_named(strategy)} must refuse {what} as its environment: check() lets it through")
        kept = _environment_of(strategy) is before
        _require(kept, f"{_named(strategy)} must keep its environment when it refuses {what}")
    _require_same(played.first, played.play(strategy), f"{_named(strategy)} must play as before after a refusal")


def _made(make: Callable[[Any], TradingStrategy], environment: TradingEnvironment) -> TradingStrategy:
    strategy = make(environment)
    if not isinstance(strategy, TradingStrategy):
        raise ConfigurationError(f"check_strategy needs what makes a TradingStrategy; it made {strategy!r}")
    if _environment_of(strategy) is None:  # a function may have forgotten to set it
        strategy.environment = environment
    return strategy


def _environment_of(strategy: TradingStrategy) -> Any:
    try:
        return strategy.environment
    except ConfigurationError:
        return None


def _environment(composition: dict[str, Any], **span: Any) -> TradingEnvironment:
    usual: dict[str, Any] = {
        "data": _market(),
        "action_scheme": "target_position",
        "reward_scheme": "log_return",
        "feature_pipeline": ["returns", "position"],
        "lookback_window": _LOOKBACK,
        "interpreted": True,
        "track_training": False,
    }
    return TradingEnvironment(**{**usual, **composition, **span})


def _market() -> Candles:
    random = np.random.Generator(np.random.PCG64(0))
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, _BARS)))
    opening = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opening, close) * 1.002, np.minimum(opening, close) * 0.998
    times = parse_time("2024-01-01T00:00:00Z") + np.arange(_BARS, dtype=np.int64) * Timeframe.parse("1h").microseconds
    volume = np.exp(random.normal(7.0, 1.0, _BARS))
    return Candles.from_arrays("BTCUSDT", "1h", times, opening, high, low, close, volume, source="testing")


def _time(row: int) -> int:
    return parse_time("2024-01-01T00:00:00Z") + row * Timeframe.parse("1h").microseconds


def _require_same(one: Performance, other: Performance, what: str, tolerance: float = 0.0) -> None:
    same = _equal(one.action, other.action, tolerance) and _equal(one.net_worth, other.net_worth, tolerance)
    _require(same, f"{what}; the actions or the net worth of one episode are not those of the other")


def _equal(one: npt.NDArray[Any] | None, other: npt.NDArray[Any] | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    if one.shape != other.shape:
        return False
    if tolerance == 0.0:
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))


def _named(strategy: TradingStrategy) -> str:
    return type(strategy).__name__


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise CheckFailed(claim)
