"""The processes that train together, and what they tell each other.

Each of them has a number, its rank. All must call the same functions in the same order.
"""

import contextlib
import os
from datetime import timedelta
from typing import Any, Callable, Iterator, List, TypeVar

import torch
from torch import Tensor, distributed

from ..errors import Errors

T = TypeVar("T")
# How long others are waited for. Rank 0 evaluates and saves meanwhile.
TIMEOUT = timedelta(hours=1)


class Ranks:
    """The processes of torch's process group; this one alone where there is no group.

    number: The rank of this process. count: How many there are.
    """

    def __init__(self) -> None:
        joined = distributed.is_available() and distributed.is_initialized()
        self.number = distributed.get_rank() if joined else 0
        self.count = distributed.get_world_size() if joined else 1

    @property
    def is_first(self) -> bool:
        """Whether this process evaluates, logs and saves."""
        return self.number == 0

    def gather(self, value: T) -> List[T]:
        """The values that all processes give, by rank."""
        values: List[Any] = [value] * self.count
        if self.count > 1:
            with self._others():
                distributed.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], T]) -> T:
        """What a function returns that is called in the first process only.

        RAISES: There, what the function raises; in the others ValueError, if it has raised.
        """
        if self.count == 1:
            return make()
        sent: List[Any] = [None, False]
        try:
            if self.is_first:
                sent = [make(), True]
        finally:
            # Also after an error: the others wait for it.
            with self._others():
                distributed.broadcast_object_list(sent, src=0)
        value, is_made = sent
        if not is_made:
            raise ValueError(Errors.R872.format(rank=self.number))
        return value

    def largest(self, number: int) -> int:
        """The largest of the numbers that all processes give."""
        if self.count == 1:
            return number
        found = torch.tensor([number])
        with self._others():
            distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
        return int(found)

    def gather_numbers(self, numbers: Tensor) -> Tensor:
        """Whole numbers of all processes. numbers: Of shape (n,), on the CPU, as many in each.
        RETURNS: Of shape (ranks, n)."""
        found = [torch.empty_like(numbers) for _ in range(self.count)]
        with self._others():
            distributed.all_gather(found, numbers)
        return torch.stack(found)

    def add_up(self, values: Tensor) -> None:
        """Sum values over all processes, in place. All get the same, to the last bit."""
        with self._others():
            distributed.all_reduce(values)

    @contextlib.contextmanager
    def _others(self) -> Iterator[None]:
        """RAISES: ValueError where another process has ended, or does not answer in time."""
        try:
            yield
        except RuntimeError as error:
            problem = str(error).strip().partition("\n")[0]
            raise ValueError(Errors.R876.format(rank=self.number, problem=problem)) from error


@contextlib.contextmanager
def joined_by_environment() -> Iterator[Ranks]:
    """Within the context, this process is one of those that a launcher has started together, such
    as torchrun, which says so by environment variables. Without them, or where it is one of a group
    already, nothing changes.

    Gradients on GPUs are summed by NCCL, and all else by Gloo.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) < 2 or distributed.is_initialized():
        yield Ranks()
        return
    on_gpus = torch.cuda.is_available() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
    store, rank, count = next(distributed.rendezvous("env://", timeout=TIMEOUT))
    distributed.init_process_group(
        backend, store=_own_part(store), rank=rank, world_size=count, timeout=TIMEOUT
    )
    try:
        yield Ranks()
    finally:
        distributed.destroy_process_group()


def _own_part(store: Any) -> Any:
    """Where the processes of one start find each other. On a single machine torchrun keeps the same
    store over restarts, in which addresses of those that were killed would be found."""
    if os.environ.get("LOCAL_WORLD_SIZE") != os.environ["WORLD_SIZE"]:
        # Machines count restarts differently.
        return store
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return distributed.PrefixStore(f"spacy-rnn/{start}", store)


def own_gpu(number: int) -> int:
    """The GPU of this process: of several on a machine, each takes the one of its number there.

    number: Of the GPU that one process would take, -1 for the CPU.
    """
    return (
        int(os.environ.get("LOCAL_RANK", number)) if number >= 0 and Ranks().count > 1 else number
    )
