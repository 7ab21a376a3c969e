"""What draws random numbers, and leaves no trace in those drawn after it."""

import contextlib
import random
from typing import Any, Iterator

import numpy
import torch
from thinc import compat


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Put the random states of Python, numpy, torch and CuPy back at the end."""
    python, of_numpy = random.getstate(), numpy.random.get_state()
    cupy: Any = compat.cupy
    if compat.has_cupy_gpu:
        of_cupy = cupy.random.get_random_state()
        cupy.random.set_random_state(cupy.random.RandomState())
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(of_numpy)
            if compat.has_cupy_gpu:
                cupy.random.set_random_state(of_cupy)
