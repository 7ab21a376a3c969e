"""The states of all generators of random numbers."""

import random
from typing import Any, Dict

import numpy
import torch
from thinc.api import get_current_ops

# Of Python's, numpy's and torch's generators, by name. As JSON its arrays are lists.
State = Dict[str, Any]


def random_state() -> State:
    """The states of the generators of this process that run on the CPU."""
    return {
        "python": random.getstate(),
        "numpy": numpy.random.get_state(),
        "torch": torch.get_rng_state(),
    }


def set_random_state(state: State) -> None:
    """Set them. state: As `random_state` returns it, or as it comes back from JSON."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, words, *rest = state["numpy"]
    numpy.random.set_state((kind, numpy.asarray(words, dtype="uint32"), *rest))
    torch.set_rng_state(torch.as_tensor(state["torch"], dtype=torch.uint8))


def seeded_state(seed: int) -> State:
    """The states that a seed gives."""
    return {
        "python": random.Random(seed).getstate(),
        "numpy": numpy.random.RandomState(seed).get_state(),
        "torch": torch.Generator().manual_seed(seed).get_state(),
    }


def gpu_state() -> Any:
    """The states of torch's generators on GPUs, an empty list where there are none."""
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def set_gpu_state(state: Any, seed: int) -> None:
    """Set them, if there are as many GPUs. cupy does not tell the state of its generator, which
    begins anew. state: As `gpu_state` returns it, or as it comes back from JSON. seed: Of cupy's
    generator."""
    if len(state) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([torch.as_tensor(s, dtype=torch.uint8) for s in state])
    xp: Any = get_current_ops().xp
    if xp is not numpy:
        xp.random.seed(seed)


class OwnRandomState:
    """Within the context, random numbers come from a state that goes on from one context to the
    next, and what is outside of it goes on as if nothing had been drawn.

    state: The first one.
    """

    def __init__(self, state: State):
        self.state = state

    def __enter__(self) -> None:
        self._outside = random_state()
        set_random_state(self.state)

    def __exit__(self, *error: Any) -> None:
        self.state = random_state()
        set_random_state(self._outside)
