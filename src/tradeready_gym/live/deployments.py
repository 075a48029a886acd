"""What is deployed, in a folder each: read by whoever wants to know, written by the process that trades.

TRADEREADY_HOME/live/NAME/card.json         what was deployed
                          session.journal   every decision, order and candle, before its effect
                          decisions.jsonl   one line a decision, for people
                          status.json       how it is now
                          control           what somebody asked of it: stop or flatten
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tradeready_gym.errors import ConfigurationError, StoreError

STATES = ("running", "stopped", "flat", "killed", "ruined", "feed ended", "failed")
ORDERS = ("stop", "flatten")
_TAIL_BYTES = 262_144


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
        write_json(self.folder / "card.json", asdict(self))

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
        write_text(self.folder / "control", order)


def deployments_directory() -> Path:
    """Where deployments are kept: `live` under `TRADEREADY_HOME`."""
    return Path(os.environ.get("TRADEREADY_HOME") or "~/.tradeready").expanduser().absolute() / "live"


def list_deployments() -> list[Deployment]:
    """All of them, by name; folders that hold none are left out."""
    return [Deployment.load(card.parent.name) for card in sorted(deployments_directory().glob("*/card.json"))]


def decisions_of(deployment: Deployment, last: int) -> list[dict[str, Any]]:
    """The newest decisions, oldest first: `last` of them, or as many as the newest 256 KiB of the log hold."""
    try:
        with open(deployment.folder / "decisions.jsonl", "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().splitlines()[int(size > _TAIL_BYTES) :]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[-last:] if line.endswith(b"}")]


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
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
