"""The scale of observations: fixed before training, from the span that is trained on."""

import numpy as np

from tradeready_gym.engine import Engine


def observation_scale(engine: Engine) -> tuple[list[float], list[float]]:
    """Offset and scale of every number of a flat observation: mean and deviation over the engine's own spans.

    A column of the window counts what observations of these spans can show of it, each symbol for itself. The account
    scalars have scales of their own: shares lie in [0, 1], and unrealised profit is measured by what prices move in ten windows.
    """
    symbols, lookback = len(engine.symbols), engine.spec.lookback_window
    table = engine.table.reshape(symbols, -1, engine.pipeline.width) if engine.pipeline.width else None
    offsets, scales = [], []
    rows = np.concatenate([np.arange(s["first_row"] - lookback, s["end_row"]) for s in engine.segments])
    if table is not None:
        seen = table[:, rows].astype(np.float64)
        deviation = seen.std(axis=1)
        shape = (symbols, lookback, engine.pipeline.width)
        offsets = np.broadcast_to(seen.mean(axis=1)[:, None], shape).ravel().tolist()
        scales = np.broadcast_to(np.where(deviation > 0.0, deviation, 1.0)[:, None], shape).ravel().tolist()
    closes = np.log(engine.rows["close"][rows])
    typical_move = float(np.std(np.diff(closes, axis=0))) * (10 * lookback) ** 0.5
    for name in engine.pipeline.account_features:
        wide = symbols if name == "position" else 1
        share = name != "unrealized_pnl"
        offsets += [0.5 if share else 0.0] * wide
        scales += [0.5 if share else (typical_move or 1.0)] * wide
    return offsets, scales
