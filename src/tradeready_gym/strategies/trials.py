"""Every look at a span is a trial. They are counted here, so that nobody has to be believed about how many there were.

The best of many strategies that know nothing looks good. The deflated Sharpe ratio (D. H. Bailey and M. Lopez de Prado,
Journal of Portfolio Management 40, 2014) allows for it, if it is told every trial: `tradeready evaluate`, `compare` and
`walk-forward`, and `strategies.tune`, write each into a journal under `TRADEREADY_HOME/trials`; what was tried on the same
market and time is read from there.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine import Engine
from tradeready_gym.engine.cache import home
from tradeready_gym.errors import StoreError
from tradeready_gym.evaluation.stretches import central_sums, returns_by_stretch
from tradeready_gym.market import Span
from tradeready_gym.strategies.learned import whole_span
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.tracking import clock, journal

_FILE = "trials.journal"
_KIND = "trial"
# how worlds and `synthetic` end what they call themselves, and how `stochastic` does, also as a part of merged candles
_SIMULATED = re.compile(r"(\(seed=\d+\)|, seed=\d+, path=\d+)(, |$)")


@dataclass(frozen=True)
class Trial:
    """One strategy on one span of one market.

    `sharpe` is the Sharpe ratio per second's root (per period, divided by the root of the period's seconds), so that
    timeframes can be compared, and None for who never traded: that was a trial, too. `agent` identifies what was tried:
    looking twice at the same is one trial. `market` is what `market_of` says.
    """

    market: str
    start: int
    end: int
    agent: str
    sharpe: float | None
    label: str = ""


class TrialStore:
    """The trials of this machine, or of `directory`."""

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.path = (home() / "trials" if directory is None else Path(directory)) / _FILE

    def __repr__(self) -> str:
        return f"TrialStore({str(self.path.parent)!r})"

    def record(self, trials: Sequence[Trial]) -> None:
        """Append trials; those that are there already change nothing when they are read.

        Raises:
            StoreError: the file cannot be written.
        """
        records = [{"message": _KIND, "at": clock.now(), **asdict(trial)} for trial in trials]
        try:
            journal.append(self.path, b"".join(map(journal.encode, records)), sync=True)
        except OSError as error:
            raise StoreError(
                f"trials cannot be kept in {self.path}: {error}; results without them are not deflated"
            ) from error

    def known(self, market: str, span: Span, also: Iterable[Trial] = ()) -> tuple[Trial, ...]:
        """The trials on a market with a symbol of this one whose span overlaps, and those of `also`; each agent once a span,
        in the order in which they were first made."""
        kept = journal.read(self.path).records if self.path.exists() else ()
        names = set(Trial.__dataclass_fields__)
        found: dict[tuple[str, int, int], Trial] = {}
        for record in kept:
            if record.get("message") != _KIND or not names <= set(record):
                continue
            trial = Trial(**{name: record[name] for name in names})
            if _overlap(trial.market, market) and trial.start < span.end and span.start < trial.end:
                found.setdefault((trial.agent, trial.start, trial.end), trial)
        for trial in also:
            found.setdefault((trial.agent, trial.start, trial.end), trial)
        return tuple(found.values())


def trial_of(evaluation: Evaluation, engine: Engine, agent: str, label: str = "") -> Trial | None:
    """The trial that an evaluation is, its episodes one after the other; None if it has less than two steps."""
    return trial_of_curve(evaluation.curve, engine, whole_span(engine), agent, label)


def trial_of_curve(equity: Any, engine: Engine, span: Span, agent: str, label: str = "") -> Trial | None:
    """The trial of an equity curve, float64[steps + 1], that was played on a span of the engine's market."""
    curve = np.asarray(equity, np.float64)
    # who is ruined has tried until then
    ends = np.flatnonzero(curve <= 0.0)[:1] + 1
    curve = curve[: int(ends[0])] if len(ends) else curve
    if len(curve) < 3:
        return None
    sums = central_sums(lambda: returns_by_stretch(curve))
    deviation = (sums.second / (sums.number - 1)) ** 0.5
    sharpe = sums.mean / deviation / step_seconds(engine) ** 0.5 if deviation > 0.0 else None
    return Trial(market_of(engine), span.start, span.end, agent, sharpe, label)


def step_seconds(engine: Engine) -> float:
    """Seconds between two decisions."""
    return engine.market.timeframe.microseconds * engine.spec.candles_per_action / 1e6


def market_of(engine: Engine) -> str:
    """What two engines have in common that play the same market, whatever their timeframe or where its candles lie.

    The symbols, which exist once, wherever real candles come from; and for simulated ones the process, its seed and its path
    (of several paths the first).
    """
    source = engine.market.candles.source
    simulated = source if _SIMULATED.search(source) else ""
    return "/".join(engine.symbols) + (f" {simulated}" if simulated else "")


def agent_of(path: Path) -> str:
    """What identifies a saved agent: the hash of its files."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def per_period(trials: Sequence[Trial], seconds: float) -> npt.NDArray[np.float64]:
    """Sharpe ratios per period of `seconds`, float64[number of trials]; NaN for who never traded."""
    ratios = [np.nan if trial.sharpe is None else trial.sharpe for trial in trials]
    return np.asarray(np.array(ratios, np.float64) * seconds**0.5)


def _overlap(one: str, other: str) -> bool:
    # a portfolio has seen each of its symbols; what is simulated exists once a seed
    (mine, _, source), (theirs, _, its_source) = one.partition(" "), other.partition(" ")
    return source == its_source and not set(mine.split("/")).isdisjoint(theirs.split("/"))
