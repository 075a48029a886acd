"""Self-contained pages about an evaluation or a walk-forward: each opens offline, prints well, needs no script."""

from tradeready_gym.rendering.report.data import Curve, Report, ReportFill
from tradeready_gym.rendering.report.folds import FoldReport, FoldSpans, render_fold_report
from tradeready_gym.rendering.report.page import render_report

__all__ = ["Curve", "FoldReport", "FoldSpans", "Report", "ReportFill", "render_fold_report", "render_report"]
