"""What a picture of an environment shows: visible candles, fills and the equity of the episode."""

from collections.abc import Sequence

import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.orders import FILL_DTYPE
from tradeready_gym.rendering import Scene, SceneFill

SHOWN_CANDLES = 120


def scene_of(engine: Engine, fills: Sequence[bytes]) -> Scene:
    """The scene of a single environment at its clock; it holds nothing that is not visible yet."""
    account = engine.state.accounts[0]
    replayer, row = engine.segment_of(int(account.row) - 1)
    first = max(0, row + 1 - SHOWN_CANDLES)
    candles = replayer.candles
    shown = slice(first, row + 1)
    # of a live account that began before the candles that are kept, the curve begins with them
    begin = max(int(account.start_row), 1)
    history = engine.history[0, : int(account.row) - begin + 1]
    equity = history[:, 1]
    values = history[:, 3:].T
    # an order of a person may have been filled at the open of the candle that begins at the clock, which is not drawn yet
    return Scene(
        symbols=engine.symbols,
        timeframe=engine.market.timeframe.label,
        times=candles.times[shown],
        open=candles.open[:, shown],
        high=candles.high[:, shown],
        low=candles.low[:, shown],
        close=candles.close[:, shown],
        gaps=candles.gaps[:, shown],
        fills=[
            SceneFill(int(engine.times[fill["row"]]), int(fill["symbol"]), int(fill["side"]), float(fill["price"]))
            for fill in np.frombuffer(b"".join(fills[-4 * SHOWN_CANDLES :]), FILL_DTYPE)
        ],
        equity_times=engine.times[begin - 1 : account.row] + engine.market.timeframe.microseconds,
        equity=equity,
        position_share=np.divide(values, equity, out=np.zeros_like(values), where=equity > 0.0),
        starting_balance=engine.spec.exchange.starting_balance,
        title="OPTIMISTIC: fills at the close" if engine.spec.exchange.fill_at == "close" else "",
    )
