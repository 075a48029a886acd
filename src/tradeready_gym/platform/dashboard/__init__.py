"""The pages that people look at: `/training`, `/backtest`, `/data`, `/settings`, and the login before them."""

from tradeready_gym.platform.dashboard.routes import add_to

__all__ = ["add_to"]
