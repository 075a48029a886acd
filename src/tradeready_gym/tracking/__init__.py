"""What happened, kept: training runs and their episodes in a local journal under `TRADEREADY_HOME/runs`."""

from tradeready_gym.tracking.bridges import Bridge, MLflowBridge, TensorBoardBridge, WeightsAndBiasesBridge
from tradeready_gym.tracking.kept import Kept, compact_actions
from tradeready_gym.tracking.pending import Delivery, deliver_pending
from tradeready_gym.tracking.platform import check_platform, platform_url
from tradeready_gym.tracking.runs import Run, RunSummary, list_runs, read_run, runs_directory
from tradeready_gym.tracking.tracker import TrackingWarning, TrainingTracker

__all__ = [
    "Bridge",
    "Delivery",
    "Kept",
    "MLflowBridge",
    "Run",
    "RunSummary",
    "TensorBoardBridge",
    "TrackingWarning",
    "TrainingTracker",
    "WeightsAndBiasesBridge",
    "check_platform",
    "compact_actions",
    "deliver_pending",
    "list_runs",
    "platform_url",
    "read_run",
    "runs_directory",
]
