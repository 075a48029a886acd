"""An agent at work: a trained strategy, a live feed, and the folder of its deployment (`live.deployments`)."""

import contextlib
import gc
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import StoreError, TradeReadyError
from tradeready_gym.live import Feed, FeedEnded, FeedHealth, JournaledFeed
from tradeready_gym.live.decisions import FILE as DECISIONS
from tradeready_gym.live.decisions import DecisionLog
from tradeready_gym.live.deployments import ORDERS, Deployment, write_json
from tradeready_gym.live.expectation import Watch
from tradeready_gym.live.full_disk import refusal_of, refusals_in_words, write_over
from tradeready_gym.live.lock import held
from tradeready_gym.live.risk import AgentLimits, DailyLoss
from tradeready_gym.market.replayer import DAY_MICROSECONDS
from tradeready_gym.market.timeframe import format_time
from tradeready_gym.orders import Order
from tradeready_gym.registration import REGISTERED, make_live_environment
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.experiment import Experiment, find_folder
from tradeready_gym.strategies.loading import load_agent
from tradeready_gym.strategies.situation import Situation
from tradeready_gym.tracking import clock

_POLL_SECONDS = 0.25
_PATIENCE = 10.0  # seconds to wait for a price at which to sell
COMPACT_BYTES = (
    1024 * 1024
)  # what is written into the journal until the account as it is takes its place: days of minutes
_LOGGED = (
    "equity", "decision_delay_ms", "quote_moved_pct", "bid_ask", "missed_candles", "passed_candles", "gap", "filled_orders",
    "refused_by_limits",
)  # fmt: skip
_COUNTS = ("stale_times", "stale_candles", "refused_by_limits")
_log = logging.getLogger(__name__)
_PAST = {"data", "start_time", "end_time", "episode_length", "timeframe", "pairs", "track_training", "render_mode"}


def open_agent(deployment: Deployment, feed: Feed) -> tuple[LiveTradingEnv, TradingStrategy]:
    """The live environment of the run's composition, on this feed, and the agent.

    Raises:
        ConfigurationError: the agent was made for other observations, actions or candles (`mismatch.refuse_mismatch`).
        StoreError: the run, or this session's journal, cannot be read.
    """
    folder = find_folder(deployment.run)
    experiment = Experiment.load(folder)
    strategy = load_agent(experiment.folder_of(folder, deployment.seed), allow=deployment.allow)
    given = {name: value for name, value in experiment.arguments.items() if name not in _PAST}
    features = given.get("observation_features") or ()
    if not all(isinstance(feature, str) for feature in features) or isinstance(features, Mapping):
        given["observation_features"] = strategy.feature_pipeline  # as they were fitted
    environment = make_live_environment(
        pairs=deployment.symbols,
        timeframe=deployment.timeframe,
        feed=feed,
        journal=deployment.folder / "session.journal",
        action_scheme=given.pop("action_scheme", REGISTERED[experiment.environment]["action_scheme"]),
        limits=AgentLimits.from_plain(deployment.limits).of_orders,
        **{"track_training": False} | given | dict(deployment.arguments),
    )
    strategy.check(environment)
    return environment, strategy


def work(deployment: Deployment, feed: Feed, *, steps: int | None = None) -> dict[str, Any]:
    """Trade until somebody stops it, the kill switch does, the account is ruined or the feed ends; the last status.

    `steps` ends it after so many decisions; it can be resumed.

    Raises:
        ConfigurationError: another process works for this deployment; and as `open_agent` does.
        StoreError: as `open_agent` does; and the disk takes no more (`live.full_disk`).
    """
    with refusals_in_words(deployment), held(deployment.folder):
        (deployment.folder / "control").unlink(missing_ok=True)
        environment, strategy = open_agent(deployment, feed)
        worker = _Worker(deployment, environment, strategy)
        try:
            return worker.run(steps)
        except KeyboardInterrupt:
            worker.take_back()
            worker.say("stopped")
            raise
        except BaseException as error:
            worker.fail(error)
            raise
        finally:
            worker.environment.close()


class _Worker:
    def __init__(self, deployment: Deployment, environment: LiveTradingEnv, strategy: TradingStrategy) -> None:
        self._deployment, self.environment, self._strategy = deployment, environment, strategy
        self._order: str | None = None
        self._interrupted, self._awake = threading.Event(), threading.Event()
        environment.interrupted = self._interrupted
        self._decisions = DecisionLog(deployment.folder)
        limits = AgentLimits.from_plain(deployment.limits)
        self._most_missed, self._missed = limits.max_missed_candles, 0
        seconds = limits.stale_after_seconds
        self._stale_after = environment.feed.timeframe.microseconds if seconds is None else int(seconds * 1e6)
        self._journal = deployment.folder / "session.journal"
        self._compact_at = COMPACT_BYTES
        # of a day on which it was stopped or killed, the rest is the same day
        before = deployment.status
        # without a status that says it, the day that is begins with the first of its candles that the journal has
        self._judged: int | None = before.get("judged")
        known = (None, 0.0) if self._judged is None else (int(before["day"]), float(before["day_equity"]))
        self._loss = DailyLoss(deployment.daily_loss_pct, *known)
        self._counts = {name: int(before.get(name, 0)) for name in _COUNTS}
        self._info: dict[str, Any] = {}
        self._watch_equity = Watch(deployment.folder, environment.feed.timeframe.microseconds)
        self._verdict: dict[str, Any] | None = None
        self._saying = threading.Lock()
        self._said: dict[str, Any] = {}

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
            self._awake.set()
            watcher.join()

    def _trade(self, steps: int | None) -> dict[str, Any]:
        # what was killed before it was told is told now
        recovered = self.environment.recover(self._note)
        if recovered is None and self._decisions.newest_slot is not None:
            raise StoreError(
                f"{self._journal} has no account, and the decisions beside it go on until {self._decisions.newest_slot}: it was lost "
                f"or emptied. Put a copy of it back, or `tradeready live remove {self._deployment.name}` and deploy the agent again"
            )
        observation, self._info = recovered or self.environment.reset(seed=self._deployment.account_seed)
        self._watch_equity.begin(self.environment.clock_time, float(self._info["equity"]))
        if self._lost_too_much():
            return self._end(flat=True, state="killed")
        self.say("running")
        taken = 0
        while steps is None or taken < steps:
            if self._order is not None:
                return self._end(flat=self._order == "flatten", state="stopped")
            passed = self._let_pass_while_stale()
            if self._order is not None:
                continue
            if passed is not None:
                observation, self._info = passed
            else:
                observation = self._decide(observation)
                taken += 1
            self._verdict = self._watch_equity.see(self.environment.clock_time, float(self._info["equity"]))
            self.say("running")
            if "episode_metrics" in self._info:
                return self.say("ruined")
            if self._lost_too_much():
                return self._end(flat=True, state="killed")
            if self._most_missed is not None and self._missed >= self._most_missed:
                slow = f"too slow: {self._missed} candles closed before its decisions came, one after the other"
                return self._end(flat=True, state="stopped", why=slow)
            self._compact_if_large()
        return self.say("stopped")

    def _decide(self, observation: Any) -> Any:
        environment = self.environment
        action = self._strategy.decide(Situation(_batch(observation), environment.engine))[0]
        slot = environment.clock_time
        observation, reward, _, _, self._info = environment.step(action)
        self._note(slot, action, reward, self._info)
        missed = int(self._info["missed_candles"])
        self._missed = self._missed + missed if missed else 0
        return observation

    def _let_pass_while_stale(self) -> tuple[Any, dict[str, Any]] | None:
        environment, waited = self.environment, False
        while self._order is None and environment.feed.now() - environment.clock_time >= self._stale_after:
            if not waited:
                waited = True
                self._counts["stale_times"] += 1
            passed = environment.catch_up()
            if passed is not None:
                self._counts["stale_candles"] += passed[1]["missed_candles"]
                return passed
            self.say("running", stale=True)
            time.sleep(_POLL_SECONDS)
        return None

    def _compact_if_large(self) -> None:
        size = self._journal.stat().st_size
        if size < self._compact_at:
            return
        # what fails now is tried again when the journal has grown
        self._compact_at = size + COMPACT_BYTES
        self._decisions.sync()
        try:
            self.environment = self.environment.compacted()
            self._compact_at = self._journal.stat().st_size + COMPACT_BYTES
            gc.collect()  # environment and exchange know one another; their arrays would wait for the collector for days
        except (OSError, ValueError, TradeReadyError):  # such as a record that would be too long
            _log.exception("the journal of %s could not be compacted", self._deployment.name)

    def _end(self, *, flat: bool, state: str, why: str | None = None) -> dict[str, Any]:
        self._awake.set()
        self.take_back()
        if not flat:
            return self.say(state)
        exchange = self.environment.exchange
        for order in exchange.open_orders:
            exchange.cancel(order["order_id"])
        refused = self._sell_everything()
        begin = clock.monotonic()
        # between two candles a price may be missing for a moment
        while any(reason == "market_closed" for _, reason in refused) and clock.monotonic() - begin < _PATIENCE:
            time.sleep(_POLL_SECONDS)
            refused = self._sell_everything()
        said = "; ".join(f"{symbol}: {reason}" for symbol, reason in refused)
        problem = "; ".join(filter(None, (why, f"not everything could be sold ({said})" if refused else ""))) or None
        return self.say(state if state == "killed" or refused else "flat", problem=problem)

    def take_back(self) -> None:
        """Withdraw what waits for a candle: nothing happens behind the back of whoever stopped it."""
        feed = self.environment.feed
        if not (isinstance(feed, JournaledFeed) and feed.recovering):
            self.environment.withdraw()

    def _sell_everything(self) -> list[tuple[str, str]]:
        exchange = self.environment.exchange
        sides = [(symbol, held) for symbol, held in exchange.portfolio.items() if held]
        orders = [Order(symbol, "sell" if held > 0.0 else "buy", abs(held)) for symbol, held in sides]
        answers = exchange.submit(orders) if orders else []
        return [(answer["symbol"], answer["reason"]) for answer in answers if answer["status"] != "filled"]

    def _lost_too_much(self) -> bool:
        clock, curve = self.environment.clock_time, self.environment.exchange.performance
        clocks = (
            clock + (curve["row"] - curve["row"][-1]).astype(np.int64) * self.environment.feed.timeframe.microseconds
        )
        # each candle that has closed since, also those that passed without a decision; the newest again, to be killed again
        since = clock // DAY_MICROSECONDS * DAY_MICROSECONDS - 1 if self._judged is None else self._judged
        new, self._judged = clocks > min(since, clock - 1), clock
        lost = [self._loss.see(*at) for at in zip(clocks[new].tolist(), curve["equity"][new].tolist(), strict=True)]
        return any(lost)

    def _watch(self, done: threading.Event) -> None:
        control = self._deployment.folder / "control"
        while not done.wait(_POLL_SECONDS):
            with contextlib.suppress(OSError):  # a full disk must not keep it from hearing what it is asked for
                self._tell_of_the_feed()
            try:
                order = control.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                continue
            if order in ORDERS:
                self._order = order
                self._interrupted.set()  # whoever waits for a candle wakes up
                # one who sells needs the feed's prices
                if order == "stop" or not self._awake.wait(_PATIENCE):
                    self.environment.feed.close()
                return

    def _tell_of_the_feed(self) -> None:
        # whoever waits for a candle says nothing, and a feed that is away brings none
        with self._saying:
            if self._said.get("state") != "running":
                return
            health = _plain(self.environment.feed.health)
            if health["state"] != self._said["feed"]["state"]:
                self._write(self._said | {"feed": health, "updated_at": clock.now()})

    def _note(self, slot: int, action: Any, reward: float, info: dict[str, Any]) -> None:
        engine = self.environment.engine
        line = {
            "slot": format_time(slot),
            "action": np.asarray(action).tolist(),
            "meaning": engine.spec.action_scheme.describe(action, engine.symbols),
            "reward": reward,
            **{name: info[name] for name in _LOGGED if name in info},
        }
        try:
            new = self._decisions.add(line)
        except OSError as error:
            error.filename = error.filename or str(self._deployment.folder / DECISIONS)
            raise
        if new:
            self._counts["refused_by_limits"] += len(info.get("refused_by_limits", ()))

    def fail(self, error: BaseException) -> None:
        refusal = refusal_of(self._deployment, error)
        problem = f"{type(error).__name__}: {error}" if refusal is None else str(refusal)
        try:
            self.say("failed", problem=problem)
        except OSError as second:
            # what cannot be written down must not hide what has happened
            _log.error("the status of %s could not be written: %s", self._deployment.name, second)
            known = {name: value for name, value in self._deployment.status.items() if name != "alive"}
            ended = {"state": "failed", "pid": os.getpid(), "updated_at": clock.now(), "problem": problem}
            write_over(self._deployment.folder / "status.json", known | ended)

    def say(self, state: str, problem: str | None = None, *, stale: bool = False) -> dict[str, Any]:
        environment = self.environment
        status: dict[str, Any] = {"state": state, "pid": os.getpid(), "updated_at": clock.now(), "problem": problem}
        status |= {"stale": stale, "limits": dict(self._deployment.limits), **self._counts}
        if environment.begun:
            exchange = environment.exchange
            start = exchange.starting_balance
            status |= {
                "virtual_time": format_time(environment.clock_time),
                "fills": exchange.fill_at,
                "step": self._info.get("step", 0),
                "equity": exchange.net_worth,
                "roi_pct": 100.0 * (exchange.net_worth / start - 1.0),
                "cash": exchange.balance,
                "positions": dict(exchange.portfolio),
                "open_orders": len(exchange.open_orders),
                "judged": self._judged,
                "day": self._loss.day,
                "day_equity": self._loss.equity,
            }
        if self._verdict is not None:
            status["expectation"] = self._verdict
        status["feed"] = _plain(environment.feed.health)
        with self._saying:
            self._write(status)
        return status

    def _write(self, status: dict[str, Any]) -> None:
        write_json(self._deployment.folder / "status.json", status)
        self._said = status


def _plain(health: FeedHealth) -> dict[str, Any]:
    return asdict(health) | {"state": health.state.value}


def _batch(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: value[None] for name, value in observation.items()}
    return observation[None]
