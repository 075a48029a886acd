"""The agents at work of each account: who may see them, and who may start, stop, flatten and resume them.

An agent works in a process of its own, the one of `tradeready deploy`, and outlives the server; what is at work is read from the
folders below `HOME/live`. What the command line deployed on this machine belongs to the first account.
"""

import contextlib
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tradeready_gym.errors import ConfigurationError, TradeReadyError
from tradeready_gym.live.bundles import TrainedAgent, agent_of_run, rehearsal_of
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.feeds import check_feed, replay_parts
from tradeready_gym.live.processes import start
from tradeready_gym.platform import records
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import accounts
from tradeready_gym.platform.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from tradeready_gym.platform.settings import Settings
from tradeready_gym.platform.training import runs

NAME_LENGTH = 64
FEEDS = ("binance", "replay")


class Deployments:
    """What is deployed below `settings.home`.

    Args:
        starter: starts the process of a deployment.
    """

    def __init__(
        self, settings: Settings, database: Database, starter: Callable[[Deployment], object] | None = None
    ) -> None:
        self._settings, self._database, self.starter = settings, database, starter or start
        self._lock = threading.Lock()

    @property
    def directory(self) -> Path:
        """Where deployments are kept."""
        return self._settings.home / "live"

    @property
    def allowed(self) -> bool:
        """Whether this server starts agents."""
        return self._settings.deployments

    def of(self, caller: Principal) -> list[Deployment]:
        """Those of the caller's account, by name; for an agent's key those of agents that came out of that agent's runs."""
        first, mine = self._first_account(), []
        for name in self._names():
            # what is damaged is named by `damaged`, and holds no other up
            with contextlib.suppress(Unavailable):
                found = records.load(self.directory, name)
                if (found.owner or first) == caller.account_id:
                    mine.append(found)
        if caller.key_agent_id is None or not mine:
            return mine
        with self._database.read() as connection:
            asked = [found.training_run for found in mine if found.training_run is not None]
            own = {row.id for row in runs.several(connection, caller.account_id, asked, caller.key_agent_id)}
        return [found for found in mine if found.training_run in own]

    def damaged(self, caller: Principal) -> list[str]:
        """The names of those of the account whose files cannot be read; no key of an agent is told of them.

        Where it cannot be told whose one is, it is the first account's.
        """
        if caller.key_agent_id is not None:
            return []
        first, found = self._first_account(), [name for name in self._names() if not self._can_be_read(name)]
        return [name for name in found if (records.owner_of(self.directory, name) or first) == caller.account_id]

    def find(self, caller: Principal, name: str) -> Deployment:
        """The account's deployment of this name.

        Raises:
            NotFound: it has none.
            Unavailable: DATA_DAMAGED: its files cannot be read; the message says what to do.
        """
        for found in self.of(caller):
            if found.name == name:
                return found
        if name in self.damaged(caller):
            return records.load(self.directory, name)
        raise NotFound(f"there is no deployment {name}", code="DEPLOYMENT_NOT_FOUND", deployment_id=name)

    def agent_of(self, caller: Principal, run_id: str) -> TrainedAgent | None:
        """The agent that came out of the account's run and is kept on this machine; None if there is none."""
        with self._database.read() as connection:
            runs.find(connection, caller.account_id, run_id)
        return agent_of_run(self._settings.home / "models", run_id)

    def deploy(
        self,
        caller: Principal,
        run_id: str,
        *,
        feed: str,
        speed: float | None,
        name: str | None,
        daily_loss_pct: float,
        limits: Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Let the agent of a run trade: at real prices (`binance`), or `speed` times as fast on recorded ones (`replay`).

        `limits` are those of `AgentLimits`.

        Raises:
            NotFound: the account has no such run, or no agent of it is kept here.
            Forbidden: this server starts no agents, or the key is an agent's.
            Conflict: the name is taken, or too many agents are at work.
            BadRequest: the name is none, a limit is out of its domain, there are no candles to rehearse on, or the venue does
                not trade what the agent does.
        """
        self._require_allowed(caller)
        agent = self.agent_of(caller, run_id)
        if agent is None:
            raise NotFound(
                f"no agent of the run {run_id} is kept on this server; `tradeready train` keeps it below {{HOME}}/models",
                code="AGENT_BUNDLE_NOT_FOUND",
                run_id=run_id,
            )
        try:
            where = "binance" if feed == "binance" else rehearsal_of(agent, speed)
        except (TradeReadyError, OSError) as error:
            raise BadRequest(f"the candles that it learned from are not here: {error}", code="NO_DATA") from error
        try:
            check_feed(where, agent.symbols, agent.timeframe)
        except TradeReadyError as error:
            raise BadRequest(str(error), code="INVALID_DEPLOYMENT") from error
        with self._lock:
            self._require_room(caller)
            made = self._made(caller, agent, where, name, daily_loss_pct, dict(limits or {}))
            made.save()
            self.starter(made)
        return made

    def ask(self, caller: Principal, name: str, order: str) -> Deployment:
        """Ask a process to `stop`, or to `flatten`: sell everything, then stop.

        Raises:
            NotFound: the account has no such deployment.
            Conflict: there is no process to ask.
        """
        found = self.find(caller, name)
        self._require_account(caller)
        try:
            found.ask(order)
        except TradeReadyError as error:
            raise Conflict(str(error), code="DEPLOYMENT_NOT_RUNNING") from error
        return found

    def resume(self, caller: Principal, name: str) -> Deployment:
        """Go on where its journal ends, in another process.

        Raises:
            NotFound: the account has no such deployment.
            Forbidden: this server starts no agents, or the key is an agent's.
            Conflict: it is running, or too many agents are at work.
        """
        found = self.find(caller, name)
        self._require_account(caller)
        self._require_allowed(caller)
        with self._lock:
            if found.status["alive"]:
                raise Conflict(f"{name} is running already", code="DEPLOYMENT_RUNNING")
            self._require_room(caller)
            self.starter(found)
        return found

    def remove(self, caller: Principal, name: str) -> None:
        """Throw a deployment away that is not at work; its name is free again.

        Raises:
            NotFound: the account has no such deployment.
            Conflict: it is at work.
        """
        found = self.find(caller, name)
        self._require_account(caller)
        with self._lock:
            try:
                found.remove()
            except TradeReadyError as error:
                raise Conflict(str(error), code="DEPLOYMENT_RUNNING") from error

    def free_name(self, wanted: str) -> str:
        """A name that no deployment of this machine has: this one, else with a number behind it."""
        plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in wanted).strip("-")
        plain = plain[:NAME_LENGTH] or "agent"
        name, number = plain, 1
        while (self.directory / name).exists():
            number += 1
            name = f"{plain}-{number}"
        return name

    # ---- inside ----

    def _names(self) -> list[str]:
        return sorted(card.parent.name for card in self.directory.glob("*/card.json"))

    def _can_be_read(self, name: str) -> bool:
        try:
            records.load(self.directory, name)
        except Unavailable:
            return False
        return True

    def _made(
        self,
        caller: Principal,
        agent: TrainedAgent,
        feed: str,
        name: str | None,
        daily_loss_pct: float,
        limits: dict[str, Any],
    ) -> Deployment:
        chosen = self.free_name(agent.label) if name is None else name
        if (self.directory / chosen).exists():
            raise Conflict(f"the name {chosen} is taken; choose another", code="DEPLOYMENT_EXISTS")
        try:
            return Deployment(
                name=chosen,
                run=str(agent.folder),
                seed=agent.seed,
                symbols=agent.symbols,
                timeframe=agent.timeframe,
                feed=feed,
                daily_loss_pct=daily_loss_pct,
                limits=limits,
                owner=caller.account_id,
                training_run=agent.run_id,
                directory=self.directory,
            )
        except ConfigurationError as error:
            raise BadRequest(str(error), code="INVALID_DEPLOYMENT") from error

    def _first_account(self) -> str | None:
        with self._database.read() as connection:
            return connection.scalar(select(accounts.c.id).order_by(accounts.c.created_at, accounts.c.id).limit(1))

    def _require_account(self, caller: Principal) -> None:
        if caller.agent_id is not None:
            raise Forbidden("an agent's key moves that agent's paper account only; use a key of the account")

    def _require_allowed(self, caller: Principal) -> None:
        self._require_account(caller)
        if not self.allowed:
            raise Forbidden("this server starts no agents (it runs with --no-deployments)", code="DEPLOYMENTS_OFF")

    def _require_room(self, caller: Principal) -> None:
        most = self._settings.limits.running_agents
        running = [found.name for found in self.of(caller) if found.status["alive"]]
        if len(running) >= most:
            raise Conflict(
                f"{len(running)} agents are at work, and {most} at most may be; stop one", code="TOO_MANY_DEPLOYMENTS"
            )


def view_of(found: Deployment) -> dict[str, Any]:
    """How a deployment is, for people and programs: `state` is `dead` where a process has ended without a word."""
    status = found.status
    dead = status["state"] in {"starting", "running"} and not status["alive"]
    troubled = dead or status["state"] == "failed"
    return {
        "card": found,
        "status": status,
        "state": "dead" if dead else status["state"],
        "alive": status["alive"],
        "feed": _feed_in_words(found.feed),
        "log": "\n".join(found.log.strip().splitlines()[-20:]) if troubled else "",
    }


def _feed_in_words(feed: str) -> str:
    if not feed.startswith("replay:"):
        return "real prices of Binance" if feed == "binance" else feed
    try:
        data, start, speed = replay_parts(feed)
    except ConfigurationError:
        return feed
    fast = "as fast as it decides" if speed is None else f"{speed:,.0f} times as fast"
    return f"rehearsal on {Path(data).name} from {start[:10]}, {fast}"


def run_id_of(text: str) -> str:
    """A run's id as it is kept.

    Raises:
        NotFound: it is none.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(f"there is no training run {text}", code="TRAINING_RUN_NOT_FOUND") from error
