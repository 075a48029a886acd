"""An agent at work: a trained strategy, a live feed, and a folder in which everything that it does is written down.

TRADEREADY_HOME/live/NAME/card.json         what was deployed
                          session.journal   every decision, order and candle, before its effect
                          decisions.jsonl   one line a decision, for people
                          status.json       how it is now
                          control           what somebody asked of it: stop or flatten
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from tradeready_gym.engine.cache import home
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.live import Feed, FeedEnded
from tradeready_gym.market.timeframe import format_time
from tradeready_gym.orders import Order
from tradeready_gym.registration import REGISTERED, make_live_environment
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.experiment import Experiment, find_folder
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.tracking import clock

STATES = ("running", "stopped", "flat", "killed", "ruined", "feed ended", "failed")
ORDERS = ("stop", "flatten")
_POLL_SECONDS = 0.25
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Deployment:
    """What is at work, or was.

    `run` is the experiment's folder, `seed` which of its agents. `feed` says where candles come from, in words.
    `daily_loss_pct` is the kill switch: a loss of so much of the day's first equity (UTC) sells everything and ends it.
    """

    name: str
    run: str
    seed: int
    symbols: tuple[str, ...]
    timeframe: str
    feed: str
    account_seed: int = 0
    daily_loss_pct: float = 20.0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not all(letter.isalnum() or letter in "-_." for letter in self.name) or self.name[0] == ".":
            raise ConfigurationError(f"a deployment's name has letters, digits, '-', '_' and '.'; got {self.name!r}")
        if not 0.0 < self.daily_loss_pct <= 100.0:
            raise ConfigurationError(f"daily_loss_pct must be in (0, 100]; got {self.daily_loss_pct!r}")

    @property
    def folder(self) -> Path:
        """Where it is written down."""
        return deployments_directory() / self.name

    def save(self) -> None:
        """Write down what is deployed; a folder that is taken must hold the same."""
        if (self.folder / "card.json").exists():
            known = Deployment.load(self.name)
            if known != self:
                raise ConfigurationError(
                    f"{self.folder} holds another deployment ({known}); choose another name, or resume that one"
                )
        _write(self.folder / "card.json", asdict(self))

    @classmethod
    def load(cls, name: str) -> Self:
        """The deployment of this name.

        Raises:
            StoreError: there is none; the message lists those that there are.
        """
        path = deployments_directory() / name / "card.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**values | {"symbols": tuple(values["symbols"])})
        except FileNotFoundError as error:
            known = ", ".join(deployment.name for deployment in list_deployments()) or "none yet"
            raise StoreError(f"no deployment {name!r} in {deployments_directory()}; there are: {known}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    @property
    def status(self) -> dict[str, Any]:
        """How it is, as it said last; `alive` says whether its process still is there."""
        try:
            status: dict[str, Any] = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"state": "never started", "alive": False}
        return status | {"alive": status.get("state") == "running" and _is_alive(status.get("pid"))}

    def ask(self, order: str) -> None:
        """Ask the process to `stop`, or to `flatten`: sell everything, then stop.

        Raises:
            ConfigurationError: there is no process to ask.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"a deployment can be asked to {' or '.join(ORDERS)}; got {order!r}")
        if not self.status["alive"]:
            raise ConfigurationError(f"{self.name} is not running ({self.status['state']}); there is nobody to ask")
        _write_text(self.folder / "control", order)

    def open(self, feed: Feed) -> tuple[LiveTradingEnv, TradingStrategy]:
        """The live environment of the experiment's composition, on this feed, and the agent.

        Raises:
            ConfigurationError: the agent was made for other observations or actions.
            StoreError: the run, or this session's journal, cannot be read.
        """
        from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy

        folder = find_folder(self.run)
        experiment = Experiment.load(folder)
        strategy = StableBaselinesTradingStrategy.load(experiment.folder_of(folder, self.seed))
        given = {name: value for name, value in experiment.arguments.items() if name not in _PAST}
        environment = make_live_environment(
            pairs=self.symbols,
            timeframe=self.timeframe,
            feed=feed,
            journal=self.folder / "session.journal",
            action_scheme=given.pop("action_scheme", REGISTERED[experiment.environment]["action_scheme"]),
            **{"track_training": False} | given | dict(self.arguments),
        )
        strategy.check(environment)
        return environment, strategy

    def work(self, feed: Feed, *, steps: int | None = None) -> dict[str, Any]:
        """Trade until somebody stops it, the kill switch does, the account is ruined or the feed ends; the last status.

        `steps` ends it after so many decisions; it can be resumed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "control").unlink(missing_ok=True)
        environment, strategy = self.open(feed)
        worker = _Worker(self, environment, strategy)
        try:
            return worker.run(steps)
        except BaseException as error:
            worker.say("failed", problem=f"{type(error).__name__}: {error}")
            raise
        finally:
            environment.close()


def deployments_directory() -> Path:
    """Where deployments are kept: `live` under `TRADEREADY_HOME`."""
    return home() / "live"


def list_deployments() -> list[Deployment]:
    """All of them, by name; folders that hold none are left out."""
    return [Deployment.load(card.parent.name) for card in sorted(deployments_directory().glob("*/card.json"))]


class _Worker:
    def __init__(self, deployment: Deployment, environment: LiveTradingEnv, strategy: TradingStrategy) -> None:
        self._deployment, self._environment, self._strategy = deployment, environment, strategy
        self._order: str | None = None
        self._day, self._day_equity = -1, 0.0
        self._info: dict[str, Any] = {}

    def run(self, steps: int | None) -> dict[str, Any]:
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watcher.start()
        try:
            return self._trade(steps)
        except FeedEnded:
            if self._order is None:
                return self.say("feed ended")
            return self._end(flat=self._order == "flatten", state="stopped")
        finally:
            done.set()
            watcher.join()

    def _trade(self, steps: int | None) -> dict[str, Any]:
        environment = self._environment
        observation, self._info = environment.recover() or environment.reset(seed=self._deployment.account_seed)
        self.say("running")
        taken = 0
        while steps is None or taken < steps:
            if self._order is not None:
                return self._end(flat=self._order == "flatten", state="stopped")
            situation = Situation(_batch(observation), environment.engine)
            action = self._strategy.decide(situation)[0]
            slot = environment.clock_time
            observation, reward, terminated, truncated, self._info = environment.step(action)
            taken += 1
            self._log(slot, action, reward)
            self.say("running")
            if terminated or truncated:
                return self.say("ruined")
            if self._lost_too_much():
                return self._end(flat=True, state="killed")
        return self.say("stopped")

    def _end(self, *, flat: bool, state: str) -> dict[str, Any]:
        if not flat:
            return self.say(state)
        exchange = self._environment.exchange
        for order in exchange.open_orders:
            exchange.cancel(order["order_id"])
        sides = [(symbol, held) for symbol, held in exchange.portfolio.items() if held]
        orders = [Order(symbol, "sell" if held > 0.0 else "buy", abs(held)) for symbol, held in sides]
        answers = exchange.submit(orders) if orders else []
        refused = [f"{answer['symbol']}: {answer['reason']}" for answer in answers if answer["status"] != "filled"]
        problem = f"not everything could be sold ({'; '.join(refused)})" if refused else None
        return self.say(state if state == "killed" else "flat", problem=problem)

    def _lost_too_much(self) -> bool:
        day = self._environment.clock_time // _DAY
        equity = float(self._info["equity"])
        if day != self._day:
            self._day, self._day_equity = day, equity
        return equity <= self._day_equity * (1.0 - self._deployment.daily_loss_pct / 100.0)

    def _watch(self, done: threading.Event) -> None:
        control = self._deployment.folder / "control"
        while not done.wait(_POLL_SECONDS):
            try:
                order = control.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                continue
            if order in ORDERS:
                self._order = order
                self._environment.feed.close()  # whoever waits for a candle wakes up
                return

    def _log(self, slot: int, action: Any, reward: float) -> None:
        scheme = self._environment.engine.spec.action_scheme
        line = {
            "slot": format_time(slot),
            "action": np.asarray(action).tolist(),
            "meaning": scheme.describe(action, self._environment.engine.symbols),
            "reward": reward,
            **{
                name: self._info[name]
                for name in ("equity", "decision_delay_ms", "missed_candles", "gap", "filled_orders")
            },
        }
        with open(self._deployment.folder / "decisions.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def say(self, state: str, problem: str | None = None) -> dict[str, Any]:
        environment = self._environment
        status: dict[str, Any] = {"state": state, "pid": os.getpid(), "updated_at": clock.now(), "problem": problem}
        if environment.begun:
            exchange = environment.exchange
            start = exchange.starting_balance
            status |= {
                "virtual_time": format_time(environment.clock_time),
                "step": self._info.get("step", 0),
                "equity": exchange.net_worth,
                "roi_pct": 100.0 * (exchange.net_worth / start - 1.0),
                "cash": exchange.balance,
                "positions": dict(exchange.portfolio),
                "open_orders": len(exchange.open_orders),
            }
        health = asdict(environment.feed.health)
        status["feed"] = health | {"state": health["state"].value}
        _write(self._deployment.folder / "status.json", status)
        return status


_PAST = {"data", "start_time", "end_time", "episode_length", "timeframe", "pairs", "track_training", "render_mode"}


def _batch(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: value[None] for name, value in observation.items()}
    return observation[None]


def _is_alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _write(path: Path, values: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(values, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def decisions_of(deployment: Deployment, last: int) -> Iterator[dict[str, Any]]:
    """The newest `last` decisions, oldest first."""
    path = deployment.folder / "decisions.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines()[-last:]:
            yield json.loads(line)
