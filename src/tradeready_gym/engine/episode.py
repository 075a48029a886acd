"""Where an episode begins."""

from typing import Any

import numpy as np

from tradeready_gym.exchanges.draws import START_STREAM, uniform
from tradeready_gym.kernel import cold_kernel
from tradeready_gym.ledger.spot import open_account
from tradeready_gym.ledger.statistics import reset_statistics


@cold_kernel
def start_episode(account: Any, positions: Any, memory: Any, segments: Any, settings: Any) -> None:
    """The next episode of this environment: a fresh account, and a start drawn from (seed, episode) alone."""
    account.episode += 1
    place = 0
    if segments.shape[0] > 1:
        place = int(uniform(np.uint64(account.seed), account.episode, 0, START_STREAM, 0) * segments.shape[0])
    segment = segments[place]
    first = segment.first_row
    last = segment.end_row
    if settings.episode_length > 0:
        starts = segment.end_row - settings.episode_length - first + 1
        first += int(uniform(np.uint64(account.seed), account.episode, 0, START_STREAM, 1) * starts)
        last = first + settings.episode_length
    open_at(account, positions, memory, first, last, segment.data_end_row, settings.symbols)


@cold_kernel
def open_at(account: Any, positions: Any, memory: Any, first: int, last: int, data_end: int, symbols: int) -> None:
    """A fresh account at row `first`, for an episode that ends before row `last`."""
    account.row = first
    account.start_row = first
    account.end_row = last
    account.data_end_row = data_end
    account.done = 0
    account.reward = 0.0
    account.next_order_id = 1
    account.pending = 0
    account.resting = 0
    account.fills = 0
    account.rejects = 0
    account.reported = 1
    open_account(account, positions, symbols)
    reset_statistics(account)
    for k in range(memory.shape[0]):
        memory[k] = 0.0
