"""What the training routes take and answer."""

import base64
import json
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypedDict

from tradeready_gym.platform import clock
from tradeready_gym.platform.errors import Invalid, TooLarge
from tradeready_gym.tracking.messages import REASON_LENGTH

CONFIG_BYTES = 65_536
_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_LATEST = 253_402_300_799_000_000  # the end of the year 9999

Status = Literal["running", "completed", "failed", "cancelled"]
RunId = Annotated[uuid.UUID, Field(description="a UUID, which the client chooses")]
Metric = Annotated[float, Field(ge=-1e100, le=1e100, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=_INT32)]
Number = Annotated[int, Field(ge=1, le=_INT32, description="counts from 1 within the run")]
Seed = Annotated[int, Field(ge=-_INT64 - 1, le=_INT64)]


def _decodable(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"it must be base64: {error}") from error
    return text


Packed = Annotated[
    str,
    AfterValidator(_decodable),
    Field(
        max_length=4_000_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$", description="what the episode is played from, base64"
    ),
]
Session = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]


def _microseconds(moment: datetime) -> int:
    found = clock.from_datetime(moment)
    if not 0 <= found <= _LATEST:
        raise ValueError(f"a time must be between 1970 and 9999; got {moment.isoformat()}")
    return found


Moment = Annotated[datetime, AfterValidator(_microseconds)]


class RunRequest(BaseModel):
    """A run that begins. `config.strategy_label` names it."""

    run_id: RunId
    config: dict[str, Any] = {}
    strategy_id: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] | None = None

    def checked_config(self) -> dict[str, Any]:
        """The configuration, which can be kept as JSON. Raises `Invalid`."""
        try:
            size = len(json.dumps(self.config, allow_nan=False, ensure_ascii=False).encode("utf-8"))
        except ValueError as error:
            raise Invalid(
                f"config must be plain JSON without NaN, infinity or half a surrogate pair: {error}", field="config"
            ) from error
        if size > CONFIG_BYTES:
            raise Invalid(f"config may have {CONFIG_BYTES:,} bytes; got {size:,}", field="config")
        return self.config


class EpisodeReport(BaseModel):
    """An episode that has ended."""

    episode_number: Number
    session_id: Session | None = None
    roi_pct: Metric | None = None
    sharpe_ratio: Metric | None = None
    max_drawdown_pct: Metric | None = None
    total_trades: Count | None = None
    reward_sum: Metric | None = None
    length: Count | None = None
    seed: Seed | None = None
    kept: Packed | None = None
    created_at: Moment | None = None

    def columns(self) -> dict[str, list[Any] | None]:
        """The one episode as columns."""
        return {name: [value] for name, value in self}


class EpisodeColumns(BaseModel):
    """Episodes as columns, a value an episode each; None for what no episode has."""

    episode_number: list[Number]
    session_id: list[Session | None] | None = None
    roi_pct: list[Metric | None] | None = None
    sharpe_ratio: list[Metric | None] | None = None
    max_drawdown_pct: list[Metric | None] | None = None
    total_trades: list[Count | None] | None = None
    reward_sum: list[Metric | None] | None = None
    length: list[Count | None] | None = None
    seed: list[Seed | None] | None = None
    kept: list[Packed | None] | None = None
    created_at: list[Moment | None] | None = None


class EpisodeBatch(BaseModel):
    """Many episodes at once."""

    columns: EpisodeColumns

    def checked(self, limit: int) -> dict[str, list[Any] | None]:
        """The columns, all of one length. Raises `Invalid`, and `TooLarge` for more episodes than `limit`."""
        columns: dict[str, list[Any] | None] = dict(self.columns)
        count = len(self.columns.episode_number)
        if count > limit:
            raise TooLarge(
                f"a batch may have {limit:,} episodes; got {count:,}. Send them in several",
                code="BATCH_TOO_LARGE",
                limit=limit,
            )
        uneven = {name: len(column) for name, column in columns.items() if column is not None and len(column) != count}
        if uneven:
            raise Invalid(
                f"every column needs one value for each of the {count} episodes; found {uneven}", field="columns"
            )
        return columns


class Completion(BaseModel):
    """How a run has ended, and why."""

    status: Literal["completed", "failed", "cancelled"] = "completed"
    reason: Annotated[str, Field(max_length=REASON_LENGTH, pattern=r"^[^\x00]*$")] | None = None


class AggregateStats(BaseModel):
    """Figures of a run's episodes so far; what no episode has is null."""

    total_episodes: int
    avg_roi_pct: float | None
    best_roi_pct: float | None
    worst_roi_pct: float | None
    avg_sharpe: float | None
    best_sharpe: float | None
    avg_max_drawdown_pct: float | None
    avg_reward_sum: float | None
    best_reward_sum: float | None
    avg_total_trades: float | None


class EpisodeMetrics(TypedDict, total=False):
    """Metrics that an episode has; those that it lacks are left out."""

    roi_pct: float
    sharpe_ratio: float
    max_drawdown_pct: float
    reward_sum: float
    total_trades: int


class RunView(BaseModel):
    """A run; `episodes_total` is what its configuration plans, null where it does not say, as is the `reason` of its end."""

    run_id: str
    status: Status
    config: dict[str, Any]
    episodes_total: int | None
    episodes_completed: int
    started_at: str
    completed_at: str | None
    reason: str | None
    strategy_id: str | None
    strategy_label: str
    updated_at: str
    aggregate_stats: AggregateStats


class ReportedRun(RunView):
    """A run after episodes were reported. `episodes_known` were there already by their numbers, and stay as they came first;
    `episodes_differing` names those of them that came with other figures or another seed, 100 at most.
    """

    episodes_added: int
    episodes_known: int
    episodes_differing: list[int]


class EpisodeView(BaseModel):
    """An episode."""

    episode_number: int
    session_id: str | None
    seed: int | None
    length: int | None
    metrics: EpisodeMetrics
    created_at: str


class LearningCurve(BaseModel):
    """Two metrics over the episodes, in 1,000 points at most."""

    roi_pct: list[float]
    reward_sum: list[float] | None


class RunDetail(RunView):
    """A run with its first 1,000 episodes; `/runs/{id}/episodes` has all of them in pages."""

    learning_curve: LearningCurve
    episodes: list[EpisodeView]


class EpisodeList(BaseModel):
    """A page of episodes; `total` counts all that match."""

    episodes: list[EpisodeView]
    total: int
    limit: int
    offset: int


class CurveView(BaseModel):
    """A metric by episode, raw and as the trailing mean over `window` episodes."""

    episode_numbers: list[int]
    raw_values: list[float]
    smoothed_values: list[float]
    metric: str
    window: int
    episodes_total: int


class ComparedRun(BaseModel):
    """A run among others."""

    run_id: str
    status: Status
    episodes_completed: int
    aggregate_stats: AggregateStats
    started_at: str
    completed_at: str | None
    strategy_label: str


class Comparison(BaseModel):
    """Runs in the order in which they were asked for; unknown ones are left out."""

    runs: list[ComparedRun]


class Label(BaseModel):
    """A label, and how many runs have it."""

    strategy_label: str
    runs: int


class LabelList(BaseModel):
    """The account's labels in the order of the alphabet; `total` counts all of them."""

    labels: list[Label]
    total: int
