"""An episode as its actions, for whoever wants to play it again."""

import numpy as np
import numpy.typing as npt

from tradeready_gym.engine import Engine
from tradeready_gym.tracking import Kept

LONGEST = 200_000  # actions; a longer episode is recorded by its figures only
# of a vector environment: the first ones' episodes are kept, and of so many the best and the worst so far
ALWAYS_KEPT, WATCHED = 16, 256
_MOST_NUMBERS = 4_194_304  # 32 MiB; where the watched would take more, only the first ones are
_ROOM = 1024


def kept_actions(engine: Engine, actions: bytes | bytearray) -> Kept | None:
    """What the single environment's finished episode can be played from; None if it is too long to keep.

    `actions` holds those of every step as the engine read them, float64, one after the other.
    """
    width = engine.actions.shape[1]
    table = np.frombuffer(bytes(actions), np.float64).reshape(-1, width)
    if not 0 < len(table) <= LONGEST:
        return None
    return _kept(engine, 0, table)


class ActionLog:
    """What finished episodes of a vector environment can be played from: those of its first `ALWAYS_KEPT` sub-environments,
    and of the first `WATCHED` each that returned more, or less, than every one of theirs before.

    Memory is for twice the longest episode that runs, at most `LONGEST` actions each.
    """

    def __init__(self, engine: Engine) -> None:
        self.environments = min(engine.environments, WATCHED)
        self._steps = 0
        self._table = np.empty((_ROOM, self.environments, engine.actions.shape[1]))
        self._best, self._worst = -np.inf, np.inf

    def add(self, engine: Engine) -> None:
        """Take in the actions of a step, as the engine has read them."""
        if self._steps == len(self._table):
            self._make_room(engine)
        self._table[self._steps] = engine.actions[: self.environments]
        self._steps += 1

    def finished(
        self, engine: Engine, over: npt.NDArray[np.bool_], returns: npt.NDArray[np.float64]
    ) -> list[Kept | None] | None:
        """Of each environment in `over`, in their order, what it can be played from; None if that is nothing for all.

        `returns` is what each of them returned.
        """
        ended = np.flatnonzero(over)
        wanted = ended < ALWAYS_KEPT
        watched = np.flatnonzero(ended < self.environments)
        if len(watched):
            best, worst = watched[np.argmax(returns[watched])], watched[np.argmin(returns[watched])]
            if returns[best] > self._best:
                self._best, wanted[best] = returns[best], True
            if returns[worst] < self._worst:
                self._worst, wanted[worst] = returns[worst], True
        if not wanted.any():
            return None
        played = _played(engine)[ended].tolist()
        chosen = zip(ended.tolist(), played, wanted.tolist(), strict=True)
        return [self._episode(engine, i, steps) if keep else None for i, steps, keep in chosen]

    def _episode(self, engine: Engine, i: int, steps: int) -> Kept | None:
        if i >= self.environments or not 0 < steps <= self._steps:
            return None
        return _kept(engine, i, self._table[self._steps - steps : self._steps, i].copy())

    def _make_room(self, engine: Engine) -> None:
        # what runs stays; an episode that is longer than the room is not all here, and that is seen by its length
        running = min(int(_played(engine)[: self.environments].max()), self._steps, LONGEST)
        rows, width = max(_ROOM, 2 * running), self._table.shape[2]
        if rows * self.environments * width > _MOST_NUMBERS:
            self.environments = min(self.environments, ALWAYS_KEPT)
        table = np.empty((rows, self.environments, width))
        table[:running] = self._table[self._steps - running : self._steps, : self.environments]
        self._table, self._steps = table, running


def _kept(engine: Engine, i: int, actions: npt.NDArray[np.float64]) -> Kept:
    # they are made small when the journal is written, many episodes at once
    account = engine.state.accounts[i]
    start = int(engine.times[int(account.start_row)])
    return Kept(actions[:, 0] if actions.shape[1] == 1 else actions, start, int(account.episode))


def _played(engine: Engine) -> npt.NDArray[np.int64]:
    # actions of each environment's episode; the last one may have had fewer candles than the others
    accounts, each = engine.state.accounts, int(engine.settings["candles_per_action"][0])
    return -(-np.asarray(accounts["row"] - accounts["start_row"]) // each)
