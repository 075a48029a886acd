"""What an episode can be played again from."""

import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# an episode of a million steps with eight numbers each
_LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """What an episode is played from: its actions, shape (steps, ...), the time of its first decision in microseconds,
    and the number of the episode under its seed (which draws of a random slippage depend on)."""

    actions: npt.NDArray[Any]
    start_time: int
    episode: int = 0

    def pack(self) -> bytes:
        """As bytes: a header line of JSON and a `.npy` file, deflated."""
        head = json.dumps({"start_time": self.start_time, "episode": self.episode}).encode() + b"\n"
        body = io.BytesIO()
        np.save(body, self.actions, allow_pickle=False)
        return zlib.compress(head + body.getvalue())

    @classmethod
    def unpack(cls, packed: bytes) -> "Kept":
        """The same from those bytes; raises `ValueError` for any others."""
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(packed, _LARGEST_BYTES)
        except zlib.error as error:
            raise ValueError(f"actions must be packed by `Kept.pack`; {error}") from error
        head, _, body = plain.partition(b"\n")
        if inflater.unconsumed_tail or not body:
            raise ValueError(f"actions must unpack to a header and at most {_LARGEST_BYTES:,} bytes")
        found = json.loads(head)
        actions = np.load(io.BytesIO(body), allow_pickle=False)
        return cls(actions, int(found["start_time"]), int(found["episode"]))


def compact_actions(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in the smallest type that holds every one of them exactly."""
    for kind in (np.int8, np.int16, np.float32):
        smaller = actions.astype(kind)
        if np.array_equal(smaller, actions):
            return smaller
    return actions
