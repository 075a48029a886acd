"""An episode as its actions, for whoever wants to play it again."""

import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.tracking import Kept

LONGEST = 200_000  # actions; a longer episode is recorded by its figures only


def kept_actions(engine: Engine, actions: bytes | bytearray) -> Kept | None:
    """What the single environment's finished episode can be played from; None if it is too long to keep.

    `actions` holds those of every step as the engine read them, float64, one after the other.
    """
    width = engine.actions.shape[1]
    table = np.frombuffer(bytes(actions), np.float64).reshape(-1, width)
    if not 0 < len(table) <= LONGEST:
        return None
    account = engine.state.accounts[0]
    start = int(engine.times[int(account.start_row)])
    # they are made small when the journal is written, many episodes at once
    return Kept(table[:, 0] if width == 1 else table, start, int(account.episode))
