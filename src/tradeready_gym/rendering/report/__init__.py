"""One self-contained page about an evaluation: opens offline, prints well, needs no script."""

from tradeready_gym.rendering.report.data import Curve, Report, ReportFill
from tradeready_gym.rendering.report.page import render_report

__all__ = ["Curve", "Report", "ReportFill", "render_report"]
