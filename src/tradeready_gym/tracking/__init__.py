"""What happened, kept: training runs and their episodes in a local journal under `TRADEREADY_HOME/runs`."""

from tradeready_gym.tracking.runs import Run, RunSummary, list_runs, read_run, runs_directory
from tradeready_gym.tracking.tracker import TrackingWarning, TrainingTracker

__all__ = [
    "Run",
    "RunSummary",
    "TrackingWarning",
    "TrainingTracker",
    "list_runs",
    "read_run",
    "runs_directory",
]
