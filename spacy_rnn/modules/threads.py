"""Independent pieces of work side by side, each in a thread of its own."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Callable, Iterator, List, Sequence, TypeVar

import torch

Result = TypeVar("Result")


class _Local(threading.local):
    """How many threads the outermost `one_thread` has found, 0 outside of it."""

    threads = 0


_local = _Local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch runs its own loops in the calling thread alone, and leaves its other
    threads to `run_side_by_side`. After a loop that torch shares out, OpenMP's threads
    spin for milliseconds, on cores that the tasks side by side need.
    """
    if _local.threads:
        yield
        return
    _local.threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_local.threads)
        _local.threads = 0


def available_threads() -> int:
    """How many threads torch may use, also within `one_thread`."""
    return _local.threads or torch.get_num_threads()


def run_side_by_side(tasks: Sequence[Callable[[], Result]]) -> List[Result]:
    """Run tasks at the same time, with torch's threads divided among them. Threads that
    never wait for each other do more than threads that share each step of a recurrence.

    One after the other, in the thread that calls, where torch has one thread only.

    tasks: Functions without arguments. torch's modes that belong to a thread, as
        `torch.no_grad`, they set themselves.
    RETURNS: What they return.
    """
    threads = available_threads()
    if threads == 1 or len(tasks) == 1:
        return [task() for task in tasks]
    share = max(1, threads // len(tasks))
    with one_thread():
        futures = [_workers(threads).submit(_run, task, share) for task in tasks]
        return [future.result() for future in futures]


def _run(task: Callable[[], Result], share: int) -> Result:
    # For this thread, and for those that begin to use torch before `one_thread` ends.
    torch.set_num_threads(share)
    return task()


@lru_cache(maxsize=None)
def _workers(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="spacy-rnn")


# A forked process has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)
