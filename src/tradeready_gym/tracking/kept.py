"""What an episode can be played again from."""

import functools
import io
import json
import math
import re
import zlib
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

# an episode of a million steps with eight numbers each
_LARGEST_BYTES = 64 * 1024 * 1024
_LITTLE_BYTES = 4096
_LONGEST_HEAD = 200
_LATEST_TIME = 253_402_300_799_999_999  # the end of the year 9999, in microseconds
_LARGEST_EPISODE = 2**53
# a `.npy` header as `pack` writes it; numpy's own reader evaluates what it finds and makes room for what is claimed
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '([<>|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \((\d{1,9}(?:, \d{1,9}){0,7}),?\), \} *\n"
)
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
        if inflater.unconsumed_tail or not body or len(head) > _LONGEST_HEAD:
            raise ValueError(f"actions must unpack to a short header and at most {_LARGEST_BYTES:,} bytes")
        start_time, episode = _read_head(head)
        return cls(_read_npy(body), start_time, episode)


def _read_head(head: bytes) -> tuple[int, int]:
    try:
        found = json.loads(head)
    except ValueError as error:
        raise ValueError(f"actions must have a header of JSON; {error}") from error
    named = found if isinstance(found, dict) else {}
    start_time, episode = named.get("start_time"), named.get("episode")
    if not (_is_count(start_time, _LATEST_TIME) and _is_count(episode, _LARGEST_EPISODE)):
        raise ValueError(
            f"actions must have a header with a `start_time` in microseconds since 1970, before the year 10000, and the "
            f"number of an `episode`; found {head!r}"
        )
    return start_time, episode


def _is_count(value: Any, largest: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= largest


def _read_npy(body: bytes) -> npt.NDArray[Any]:
    header = _NPY.match(body)
    if header is None:
        raise ValueError("actions must be an array of numbers as `Kept.pack` writes it")
    shape = tuple(int(size) for size in header[2].split(b", "))
    claimed = math.prod(shape) * int(header[1][-1:])
    if not claimed or claimed != len(body) - header.end():
        raise ValueError(
            f"actions must be at least one, and all there; the array claims {claimed:,} bytes and has "
            f"{len(body) - header.end():,}"
        )
    return np.frombuffer(body, np.dtype(header[1].decode()), offset=header.end()).reshape(shape)


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
