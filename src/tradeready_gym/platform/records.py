"""What deployments have written down, as somebody reads it who does not trust the disk.

A process replaces its files as a whole, so what is wrong in one of them was not written by it.
"""

import functools
import logging
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from tradeready_gym.errors import StoreError
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.expectation import CURVE, curve_of
from tradeready_gym.platform.errors import Unavailable

_log = logging.getLogger(__name__)


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="allow")

    side: str
    since: int
    candles: int


class _Status(BaseModel):
    model_config = ConfigDict(extra="allow")

    state: str
    alive: bool
    problem: str | None = None
    virtual_time: str = ""
    step: int = 0
    equity: float = 0.0
    roi_pct: float = 0.0
    cash: float = 0.0
    positions: dict[str, float] = {}
    open_orders: int = 0
    stale: bool = False
    stale_candles: int = 0
    refused_by_limits: int = 0
    expectation: _Verdict | None = None

    @model_validator(mode="after")
    def is_whole(self) -> "_Status":
        needed = {"virtual_time", "step", "roi_pct", "cash", "positions", "open_orders"}
        if "equity" in self.model_fields_set and not needed <= self.model_fields_set:
            raise ValueError("an account that trades says more of itself")
        return self


class _Curve(BaseModel):
    begin: int
    base: float
    points: list[tuple[int, float]]


_STATUS, _CURVE = TypeAdapter(_Status), TypeAdapter(_Curve)


def load(directory: Path, name: str) -> Deployment:
    """The deployment of this name, whose status can be read.

    Raises:
        Unavailable: DATA_DAMAGED: its card or its status cannot be read; the message says what to do.
    """
    try:
        found = Deployment.load(name, directory)
    except StoreError as error:
        raise _damaged(
            name, "card.json", error, "Put a copy of it back, or move the folder away and deploy the agent again"
        ) from error
    require_status(found)
    return found


def owner_of(directory: Path, name: str) -> str | None:
    """The account of a deployment whose card can be read; None if nobody can tell, or if the command line deployed it."""
    try:
        return Deployment.load(name, directory).owner
    except StoreError:
        return None


def require_status(found: Deployment) -> None:
    """Check the status that a deployment last said.

    Raises:
        Unavailable: DATA_DAMAGED: it cannot be read.
    """
    try:
        _STATUS.validate_python(found.status, strict=False)
    except (StoreError, ValidationError) as error:
        raise _damaged(
            found.name,
            "status.json",
            error,
            "A process that is at work writes it anew with its next candle; else remove this file, and resume the deployment",
        ) from error


def curve(found: Deployment) -> dict[str, Any]:
    """The equity that a deployment has seen (see `curve_of`); empty before its first candle.

    Raises:
        Unavailable: DATA_DAMAGED: it cannot be read.
    """
    seen = curve_of(found.folder)
    try:
        if seen and not _CURVE.validate_python(seen).points:
            raise ValueError("there are no points")
    except ValueError as error:
        raise _damaged(
            found.name,
            CURVE,
            error,
            "Stop the deployment, remove this file and resume it: the curve begins anew, the account goes on",
        ) from error
    return seen


def _damaged(name: str, file: str, error: Exception, what_to_do: str) -> Unavailable:
    _say_once(name, file, str(error))
    return Unavailable(
        f"the deployment {name} cannot be read: live/{name}/{file} below TRADEREADY_HOME is damaged. {what_to_do}",
        code="DATA_DAMAGED",
        deployment_id=name,
        file=file,
    )


@functools.lru_cache(maxsize=256)
def _say_once(name: str, file: str, error: str) -> None:
    # pages ask for their list again and again
    _log.error("live/%s/%s is damaged: %s", name, file, error)
