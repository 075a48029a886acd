"""What an episode can be played again from."""

import functools
import io
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# an episode of a million steps with eight numbers each
_LARGEST_BYTES = 64 * 1024 * 1024
_LITTLE_BYTES = 4096
_COMPACT = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.float32))


@dataclass(frozen=True)
class Kept:
    """What an episode is played from: its actions, shape (steps, ...), the time of its first decision in microseconds,
    and the number of the episode under its seed (which draws of a random slippage depend on)."""

    actions: npt.NDArray[Any]
    start_time: int
    episode: int = 0

    def pack(self) -> bytes:
        """As bytes: a header line of JSON and a `.npy` file of the smallest type that holds the actions, deflated."""
        actions = np.ascontiguousarray(compact_actions(self.actions))
        head = b'{"start_time": %d, "episode": %d}\n' % (self.start_time, self.episode)
        # for little, a compressor of 3 KB: making the usual one of 256 KB takes longer than compressing
        small = actions.nbytes < _LITTLE_BYTES
        deflater = zlib.compressobj(1, zlib.DEFLATED, 10, 1) if small else zlib.compressobj()
        parts = (head, _npy_header(actions.dtype.str, actions.shape), actions.tobytes())
        return deflater.compress(b"".join(parts)) + deflater.flush()

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


@functools.lru_cache(256)
def _npy_header(kind: str, shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": kind, "fortran_order": False, "shape": shape})
    return header.getvalue()


def compact_actions(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in the smallest type that holds every one of them exactly."""
    if actions.dtype in _COMPACT:
        return actions
    for kind in _COMPACT:
        smaller = actions.astype(kind)
        if (smaller == actions).all():
            return smaller
    return actions
