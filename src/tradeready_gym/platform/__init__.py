"""The server: accounts and keys, candles, backtest sessions, training runs, and the dashboard that shows them.

`create_app` (in `platform.app`) makes the ASGI application of a `Settings` record; `tradeready serve` runs it. Neither loads
the engine: sessions do, when the first one is stepped.
"""

from tradeready_gym.platform.settings import Limits, Settings

__all__ = ["Limits", "Settings"]
