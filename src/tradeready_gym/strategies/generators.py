"""The global random generators that PyTorch and Stable-Baselines3 draw from: borrowed, and given back as they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def generator_state() -> dict[str, Any]:
    """The state of PyTorch's generator on the processor and of NumPy's global one."""
    import torch

    return {"torch": torch.get_rng_state().numpy().copy(), "numpy": np.random.get_state()}


def set_generator_state(state: dict[str, Any]) -> None:
    """Continue from what `generator_state` gave."""
    import torch

    torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
    np.random.set_state(state["numpy"])


@contextmanager
def borrowed_generators() -> Iterator[None]:
    """Whatever is seeded or drawn inside, outside nobody notices."""
    before = generator_state()
    try:
        yield
    finally:
        set_generator_state(before)
