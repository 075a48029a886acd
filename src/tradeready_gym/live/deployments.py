"""What is deployed, in a folder each: read by whoever wants to know, written by the process that trades.

TRADEREADY_HOME/live/NAME/card.json         what was deployed
                          session.journal   every decision, order and candle, before its effect
                          decisions.jsonl   one line a decision, for people; older ones in decisions-SLOT.jsonl
                          status.json       how it is now
                          control           what somebody asked of it: stop or flatten
                          expectation.json  what its backtest lets expect
                          equity.json       its equity beside that, thinned
                          log.txt           what its process said
                          lock              held by the process that trades, so that there is one
"""

import json
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.live.decisions import read_decisions
from tradeready_gym.live.lock import held, is_held
from tradeready_gym.live.risk import AgentLimits

STATES = ("starting", "running", "stopped", "flat", "killed", "ruined", "feed ended", "failed")
ORDERS = ("stop", "flatten")
_LOG_BYTES = 16_384
_NOT_WRITTEN = ("directory",)
_FIGURES = ("equity", "roi_pct", "cash", "step", "open_orders")


@dataclass(frozen=True)
class Deployment:
    """What is at work, or was.

    `run` is the experiment's folder, `seed` which of its agents. `feed` says where candles come from, in words.
    `daily_loss_pct` is the kill switch: a loss of so much of the day's first equity (UTC) sells everything and ends it. `limits`
    are those of `AgentLimits`, by name: none by default, but for decisions by what was seen a candle ago.
    `allow` names the mismatches that the agent accepts, as its `load` does. `owner` is the account of a platform that deployed
    it, `training_run` the run that the agent came out of. `directory` is where deployments are kept, `live` under
    `TRADEREADY_HOME` by default.
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
    limits: Mapping[str, Any] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    owner: str | None = None
    training_run: str | None = None
    directory: Path | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name or not all(letter.isalnum() or letter in "-_." for letter in self.name) or self.name[0] == ".":
            raise ConfigurationError(f"a deployment's name has letters, digits, '-', '_' and '.'; got {self.name!r}")
        if not 0.0 < self.daily_loss_pct <= 100.0:
            raise ConfigurationError(f"daily_loss_pct must be in (0, 100]; got {self.daily_loss_pct!r}")
        AgentLimits.from_plain(self.limits)

    @property
    def folder(self) -> Path:
        """Where it is written down."""
        return (self.directory or deployments_directory()) / self.name

    def save(self) -> None:
        """Write down what is deployed; a folder that is taken must hold the same."""
        if (self.folder / "card.json").exists():
            known = Deployment.load(self.name, self.directory)
            if known != self:
                raise ConfigurationError(
                    f"{self.folder} holds another deployment ({known}); choose another name, or resume that one"
                )
        values = {name: value for name, value in asdict(self).items() if name not in _NOT_WRITTEN}
        write_json(self.folder / "card.json", values)

    @classmethod
    def load(cls, name: str, directory: Path | None = None) -> Self:
        """The deployment of this name.

        Raises:
            StoreError: there is none, and the message lists those that there are; or its card is damaged.
        """
        path = (directory or deployments_directory()) / name / "card.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            tuples = {"symbols": tuple(values["symbols"]), "allow": tuple(values.get("allow", ()))}
            return cls(**values | tuples | {"directory": directory})
        except FileNotFoundError as error:
            known = ", ".join(deployment_names(directory)) or "none yet"
            raise StoreError(f"no deployment {name!r} in {path.parent.parent}; there are: {known}") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path} is damaged ({error}). Put a copy of it back, or move its folder away and deploy the agent again"
            ) from error

    @property
    def status(self) -> dict[str, Any]:
        """How it is, as it said last; `alive` says whether its process still is there.

        A process that trades holds the lock of its folder, which nothing but its end lets go; one that is starting is known by
        its number only.

        Raises:
            StoreError: what it said is damaged.
        """
        path = self.folder / "status.json"
        try:
            status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            return {"state": "never started", "alive": False, "problem": None}
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        if not _is_status(status):
            raise _damaged(path, "it has other fields than a deployment's")
        state = status["state"]
        alive = state in {"starting", "running"} and is_held(self.folder)
        return status | {"alive": alive or (state == "starting" and _is_alive(status.get("pid")))}

    @property
    def log(self) -> str:
        """The end of what its process said: at most 16 KiB; empty if it said nothing."""
        try:
            with open(self.folder / "log.txt", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _LOG_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def remove(self) -> None:
        """Throw away its folder, with its account, journal and log; the name is free again.

        Raises:
            ConfigurationError: it is at work; stop it first.
        """
        if self.status["alive"]:
            raise ConfigurationError(f"{self.name} is at work; `tradeready live stop {self.name}` first")
        if self.folder.is_symlink():
            raise ConfigurationError(f"{self.folder} is a link; remove by hand what it points to")
        with held(self.folder):
            # without its card it is none any more, whatever happens next
            (self.folder / "card.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder)

    def ask(self, order: str) -> None:
        """Ask the process to `stop`, or to `flatten`: sell everything, then stop.

        Raises:
            ConfigurationError: there is no process to ask.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"a deployment can be asked to {' or '.join(ORDERS)}; got {order!r}")
        if not self.status["alive"]:
            raise ConfigurationError(f"{self.name} is not running ({self.status['state']}); {self._instead(order)}")
        write_text(self.folder / "control", order)

    def _instead(self, order: str) -> str:
        positions = self.status.get("positions") or {}
        if order == "stop":
            return "there is nobody to ask"
        if not positions and not self.status.get("open_orders"):
            return "it holds nothing, and there is nobody to ask"
        holds = ", ".join(f"{quantity:.6g} {symbol}" for symbol, quantity in positions.items()) or "resting orders"
        return (
            f"it still holds {holds}, and only its process can sell them: `tradeready live resume {self.name} --background`, then "
            f"`tradeready live flatten {self.name}`"
        )


def deployments_directory() -> Path:
    """Where deployments are kept: `live` under `TRADEREADY_HOME`."""
    return Path(os.environ.get("TRADEREADY_HOME") or "~/.tradeready").expanduser().absolute() / "live"


def deployment_names(directory: Path | None = None) -> list[str]:
    """Those of all deployments, also of damaged ones; folders that hold none are left out."""
    return sorted(card.parent.name for card in (directory or deployments_directory()).glob("*/card.json"))


def list_deployments(directory: Path | None = None) -> list[Deployment]:
    """All of them, by name. `directory` is `live` under `TRADEREADY_HOME` by default.

    Raises:
        StoreError: a card is damaged; load those of `deployment_names` one by one to get at the others.
    """
    return [Deployment.load(name, directory) for name in deployment_names(directory)]


def decisions_of(deployment: Deployment, last: int) -> list[dict[str, Any]]:
    """The newest decisions, oldest first: `last` of them, or as many as the newest 256 KiB of the log hold."""
    return read_decisions(deployment.folder, last)


def _is_status(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("state"), str):
        return False
    positions, feed = found.get("positions", {}), found.get("feed", {})
    if not isinstance(positions, dict) or not isinstance(feed, dict):
        return False
    figures = [*(found.get(name, 0) for name in _FIGURES), *positions.values()]
    return all(isinstance(figure, int | float) for figure in figures)


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} is damaged ({why}). A process that is at work writes it anew with its next candle; else remove this file, and "
        f"resume the deployment"
    )


def _is_alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file as a whole, or leave the old one."""
    write_text(path, json.dumps(values, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, or leave the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)  # a disk that is full needs its room
        error.filename, error.filename2 = str(path), None
        raise
