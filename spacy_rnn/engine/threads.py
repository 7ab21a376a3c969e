"""Independent pieces of work side by side, each in a thread of its own, and locks."""

import ctypes
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar
from weakref import WeakSet

import torch
from threadpoolctl import ThreadpoolController

Result = TypeVar("Result")
SetThreads = Callable[[int], int]


class _Local(threading.local):
    """threads: How many the outermost `one_thread` has found, 0 outside of it. forked: Whether
    this thread was forked from another process, and still has as many threads as there."""

    threads = 0
    forked = False


_local = _Local()


class one_thread:
    """Within this context torch runs its loops in the calling thread alone, and leaves its
    other threads to `run_side_by_side`. After a loop that torch shares out, OpenMP's threads
    spin for milliseconds, on cores that the tasks side by side need.

    Only the calling thread is changed: `torch.set_num_threads` would change all of them.
    """

    __slots__ = ("before", "mkl")

    def __enter__(self) -> None:
        self.before = 0
        if not _local.threads:
            self.before = _local.threads = torch.get_num_threads()
            if self.before > 1:
                self.mkl = _set_threads(1)

    def __exit__(self, *error: Any) -> None:
        if self.before:
            if self.before > 1:
                # 1 in a child that was forked within the context.
                _set_threads(_local.threads, self.mkl)
            _local.threads = 0


def available_threads() -> int:
    """How many threads torch may use, also within `one_thread`."""
    return _local.threads or torch.get_num_threads()


def run_side_by_side(tasks: Sequence[Callable[[], Result]]) -> List[Result]:
    """Run tasks at the same time, with torch's threads divided among them. Threads that
    never wait for each other do more than threads that share each step of a recurrence.

    One after the other where torch has one thread only. All tasks have ended when this
    returns or raises.

    tasks: Functions without arguments. The first runs in the calling thread. torch's modes
        that belong to a thread, as `torch.no_grad`, they set themselves.
    RETURNS: What they return.
    RAISES: The error of the first task that has failed.
    """
    threads = available_threads()
    if threads == 1 or not tasks:
        return [task() for task in tasks]
    share = max(1, threads // len(tasks))
    with one_thread():
        futures = [_workers(threads).submit(_run, task, share) for task in tasks[1:]]
        try:
            first = _run(tasks[0], share)
        finally:
            wait(futures)
            _set_threads(1)
        return [first, *(future.result() for future in futures)]


def _run(task: Callable[[], Result], share: int) -> Result:
    # The first use of torch in a thread sets that thread's number of threads.
    torch.get_num_threads()
    _set_threads(share)
    return task()


@lru_cache(maxsize=None)
def _workers(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="spacy-rnn")


def _set_threads(threads: int, mkl: Optional[int] = None) -> int:
    """Set how many threads the calling thread uses.

    mkl: The same for MKL, where that is another number.
    RETURNS: MKL's number before. 0 means as many as OpenMP has.
    """
    openmp, set_mkl = _setters()
    for set_threads in openmp:
        set_threads(threads)
    return set_mkl(threads if mkl is None else mkl) if set_mkl else 0


@lru_cache(maxsize=None)
def _setters() -> Tuple[List[SetThreads], Optional[SetThreads]]:
    """The functions that set the calling thread's number of threads: those of OpenMP, which
    torch's own loops follow, and that of MKL, which once `torch.set_num_threads` was called
    has a number of its own. Either may be missing."""
    found = ThreadpoolController().lib_controllers
    openmp = [lib.dynlib.omp_set_num_threads for lib in found if lib.user_api == "openmp"]
    libraries = [lib.dynlib for lib in found if lib.internal_api == "mkl"]
    for path in (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.so"):
        libraries.append(ctypes.CDLL(str(path)))
    mkl = [getattr(library, "MKL_Set_Num_Threads_Local", None) for library in libraries]
    return openmp, next(filter(None, mkl), None)


class ForkSafeLock:
    """A lock that is free in a forked process, unless the thread that forked it holds it.
    A plain lock that another thread held would stay locked there forever.

    Copies and unpickled locks are new and free.
    """

    def __init__(self) -> None:
        self._renew()
        _locks.add(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`."""
        found = self._lock.acquire(blocking, timeout)
        if found:
            self._owner = threading.get_ident()
        return found

    def release(self) -> None:
        self._owner = 0
        self._lock.release()

    def __enter__(self) -> "ForkSafeLock":
        self.acquire()
        return self

    def __exit__(self, *error: Any) -> None:
        self.release()

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), ()


_locks: "WeakSet[ForkSafeLock]" = WeakSet()
# A spawned worker imports this module anew.
_limit_threads = multiprocessing.parent_process() is not None and (
    "OMP_NUM_THREADS" not in os.environ
)


def limit_threads_in_children() -> None:
    """Use one torch thread in worker processes.

    After a fork, torch's pool of OpenMP threads is gone and the first parallel loop
    waits for it forever; and with one worker a core, more threads only get in each
    other's way. OMP_NUM_THREADS is respected where the process was not forked.
    """
    global _limit_threads
    if _limit_threads or _local.forked:
        # This goes for the calling thread and for those that begin later. The thread that was
        # forked may be neither, and has to do it as well.
        torch.set_num_threads(1)
        # Not before: another thread would go on with all of them.
        _limit_threads = _local.forked = False


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global _limit_threads
    _limit_threads = _local.forked = True
    _workers.cache_clear()
    if _local.threads:
        _local.threads = 1
    for lock in list(_locks):
        mine = lock._owner == threading.get_ident()
        lock._renew()
        if mine:
            lock.acquire()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
