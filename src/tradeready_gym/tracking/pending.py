"""Delivers what earlier processes have left in their journals."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tradeready_gym.errors import DataUnavailable
from tradeready_gym.tracking import clock
from tradeready_gym.tracking.courier import back_off, claims_of
from tradeready_gym.tracking.outbox import Outbox, digest_of, undelivered
from tradeready_gym.tracking.platform import Later, Platform, Refused, checked_key, platform_url
from tradeready_gym.tracking.runs import SUFFIX, runs_directory


@dataclass(frozen=True)
class Delivery:
    """What became of a run: the episodes that were sent, and why not all of them, or None."""

    run_id: str
    episodes: int
    problem: str | None


def deliver_pending(
    *,
    api_key: str,
    base_url: str | None = None,
    directory: str | os.PathLike[str] | None = None,
    run_ids: Iterable[str] = (),
    timeout_s: float = 60.0,
) -> list[Delivery]:
    """Send a platform what journals of the directory hold for it, whichever key they were recorded with.

    With `run_ids`, exactly these runs, also such as were recorded without a platform. A run that another process delivers
    now is left out. A platform that is away is tried again until `timeout_s` have passed; nothing is sent twice in effect.

    Raises:
        ConfigurationError: no address, or no key.
        DataUnavailable: there is no such run.
    """
    url, key, place = platform_url(base_url), checked_key(api_key), runs_directory(directory)
    chosen = [_outbox(place, str(run_id), url, digest_of(key)) for run_id in run_ids]
    platform, end = Platform(url, key), clock.monotonic() + timeout_s
    try:
        return [
            Delivery(outbox.run_id, outbox.episodes_sent, problem)
            for outbox in chosen or undelivered(place, url)
            if claims_of(place).take(outbox.run_id)
            for problem in (_deliver(outbox, platform, end),)
        ]
    finally:
        platform.close()


def _outbox(place: Path, run_id: str, url: str, digest: str) -> Outbox:
    path = place / f"{run_id}{SUFFIX}"
    if not path.is_file():
        raise DataUnavailable(f"no run {run_id!r}: there is no {path}. list_runs() shows the runs.")
    return Outbox.open(path, url, digest)


def _deliver(outbox: Outbox, platform: Platform, end: float) -> str | None:
    failures = 0
    while True:
        try:
            while outbox.deliver_part(platform):
                failures = 0
            return None
        except Refused as error:
            return f"refused: {error}"
        except Later as error:
            failures += 1
            pause = max(back_off(outbox.run_id, failures), error.wait_s)
            if clock.monotonic() + pause > end:
                return f"the platform is away: {error}"
            time.sleep(pause)
