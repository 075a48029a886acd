"""Every look at a span is a trial. They are counted here, so that nobody has to be believed about how many there were.

The best of many strategies that know nothing looks good. The deflated Sharpe ratio (D. H. Bailey and M. Lopez de Prado,
Journal of Portfolio Management 40, 2014) allows for it, if it is told every trial: `tradeready evaluate` and `walk-forward`
write each into a journal under `TRADEREADY_HOME/trials`, and read from there what was tried on the same market and time.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.engine.cache import home
from tradeready_gym.errors import StoreError
from tradeready_gym.market import Span
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.performance import Evaluation
from tradeready_gym.tracking import clock, journal

_FILE = "trials.journal"
_KIND = "trial"
# markets that exist once: wherever the candles came from, they are the same
_SIMULATED = ("synthetic", "gbm", "fbm", "ornstein_uhlenbeck", "heston", "merton")


@dataclass(frozen=True)
class Trial:
    """One strategy on one span of one market.

    `sharpe` is the Sharpe ratio per second's root (per period, divided by the root of the period's seconds), so that
    timeframes can be compared; `agent` identifies what was tried: looking twice at the same is one trial.
    """

    market: str
    start: int
    end: int
    agent: str
    sharpe: float
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

    def known(self, market: str, span: Span) -> tuple[Trial, ...]:
        """The trials on this market whose span overlaps, each agent once, in the order in which they were first made."""
        if not self.path.exists():
            return ()
        names = set(Trial.__dataclass_fields__)
        found: dict[tuple[str, int, int], Trial] = {}
        for record in journal.read(self.path).records:
            if record.get("message") != _KIND or not names <= set(record):
                continue
            trial = Trial(**{name: record[name] for name in names})
            if trial.market == market and trial.start < span.end and span.start < trial.end:
                found.setdefault((trial.agent, trial.start, trial.end), trial)
        return tuple(found.values())


def trial_of(evaluation: Evaluation, engine: Engine, agent: str, label: str = "") -> Trial | None:
    """The trial that an evaluation is; None if it has no Sharpe ratio (it did nothing, or had less than two steps)."""
    equity = evaluation.episodes[0].net_worth
    returns = np.diff(equity) / equity[:-1] if len(equity) > 2 and (equity > 0.0).all() else np.zeros(0)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if not deviation > 0.0:
        return None
    seconds = engine.market.timeframe.microseconds * engine.spec.candles_per_action / 1e6
    span = spans_of(engine)[0]
    sharpe = float(returns.mean()) / deviation / seconds**0.5
    return Trial(market_of(engine), span.start, span.end, agent, sharpe, label)


def market_of(engine: Engine) -> str:
    """What two engines have in common that play the same market, whatever their timeframe or where its candles lie."""
    source = engine.market.candles.source
    simulated = source if source.startswith(_SIMULATED) or "(seed=" in source else ""
    return "/".join(engine.symbols) + (f" {simulated}" if simulated else "")


def agent_of(path: Path) -> str:
    """What identifies a saved agent: the hash of its files."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def per_period(trials: Sequence[Trial], seconds: float) -> Any:
    """Sharpe ratios per period of `seconds`, float64[number of trials]."""
    return np.array([trial.sharpe for trial in trials]) * seconds**0.5
