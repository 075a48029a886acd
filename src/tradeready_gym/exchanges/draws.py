"""Counter-based random numbers: a draw is a pure function of where it stands, not of how many were made before.

The mixer is SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
"""

import numpy as np

from tradeready_gym.kernel import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30 = np.uint64(30)
_S27 = np.uint64(27)
_S31 = np.uint64(31)
_S11 = np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0

SLIPPAGE_STREAM = 1
START_STREAM = 2
LIQUIDATION_STREAM = 4


@kernel
def mix(state: np.uint64, value: np.uint64) -> np.uint64:
    """Fold `value` into `state`; both are 64-bit and wrap around."""
    z = (state ^ value) + _GOLDEN
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@kernel
def uniform(seed: np.uint64, episode: int, step: int, stream: int, index: int) -> float:
    """A uniform draw from [0, 1) for this place: the same in every process, batch and thread."""
    z = mix(np.uint64(seed), np.uint64(episode))
    z = mix(z, np.uint64(step))
    z = mix(z, np.uint64(stream))
    z = mix(z, np.uint64(index))
    return float(z >> _S11) * _UNIT
