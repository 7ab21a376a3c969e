"""Ray: started on this machine and ended again, or joined where it runs, without a word of its
own on the terminal."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import warnings
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Type

from ..errors import Errors
from .job import Job, Outcome, Worker
from .partitions import Partition

# How Ray is started: its statistics would be sent elsewhere, and its C++ parts write to stderr.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
QUIETLY = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
# How often a partition is begun again, after a worker that died while it was at it.
RETRIES = 5


def import_ray() -> Any:
    """Ray with Ray Data. RAISES: ImportError that says how to install it."""
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise ImportError(Errors.R850.format(what="Ray Data", extra="ray")) from error
    return ray


@contextlib.contextmanager
def ray_session(workers: int, address: Optional[str] = None) -> Iterator[Any]:
    """Ray, for as long as the context lasts. One that this process has started or joined before is
    used as it is, and goes on after it. Otherwise signal handlers and environment variables are as
    they were when it has ended.

    workers: How many CPUs Ray has at least, if it is started here. They need not be real.
    address: Of a cluster to join; None starts Ray on this machine.
    RAISES: ConnectionError for a cluster that cannot be joined.
    """
    ray = import_ray()
    if ray.is_initialized():
        with _quiet(ray):
            yield ray
        return
    with _signals(), _quiet(ray), _environment(partial(_begin, ray, workers, address)):
        try:
            yield ray
        finally:
            ray.shutdown()


def _begin(ray: Any, workers: int, address: Optional[str]) -> None:
    if address is not None:
        _join(ray, address)
    else:
        _start(ray, workers)


def _start(ray: Any, workers: int) -> None:
    with _held_stderr():
        ray.init(
            # Otherwise a cluster would be joined that is named in the environment.
            address="local",
            num_cpus=max(workers, os.cpu_count() or 1),
            include_dashboard=False,
            **QUIETLY,
        )


def _join(ray: Any, address: str) -> None:
    try:
        with _held_stderr():
            ray.init(address=address, **QUIETLY)
    except (ConnectionError, RuntimeError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise ConnectionError(Errors.R858.format(address=address, problem=problem)) from error


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    """Hold back what the process writes to its stderr, as Ray's C++ parts do when they start, and
    let it be seen only if that fails."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


@contextlib.contextmanager
def _environment(begin: Callable[[], None]) -> Iterator[None]:
    """Set environment variables for Ray's processes, and call a function. What is changed by that
    is put back at the end."""
    before = dict(os.environ)
    changed: Set[str] = set()
    try:
        os.environ.update(SETTINGS)
        try:
            begin()
        finally:
            names = {*before, *os.environ}
            changed = {name for name in names if before.get(name) != os.environ.get(name)}
        yield
    finally:
        for name in changed:
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Handlers of signals are put back that Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Ray writes errors only, and no progress."""
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def run_partitions(
    ray: Any,
    job: Job,
    partitions: Sequence[Partition],
    *,
    workers: int,
    gpu: float = 0.0,
    worker: Type[Worker] = Worker,
) -> Iterator[Outcome]:
    """Annotate partitions by actors of Ray Data, each of which loads the pipeline once. The
    partition of one that dies is begun again by another.

    gpu: The share of a GPU that each worker takes, 0 for none.
    worker: The class of workers.
    RETURNS: The outcome of each partition, when it is done.
    RAISES: ChildProcessError if workers die again and again.
    """
    items = [{"partition": partition.to_json()} for partition in partitions]
    data = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        worker,
        fn_constructor_kwargs={"job": job},
        batch_size=1,
        # The last partitions are begun by whoever is free, not queued behind others.
        compute=ray.data.ActorPoolStrategy(
            size=min(workers, len(items)), max_tasks_in_flight_per_actor=1
        ),
        max_restarts=-1,
        max_task_retries=RETRIES,
        **_resources(gpu),
    )
    try:
        for row in data.iter_rows():
            yield Outcome(**{name: row[name] for name in Outcome._fields})
    except ray.exceptions.RayError as error:
        raise ChildProcessError(Errors.R859.format(problem=_last_line(error))) from error


def _resources(gpu: float) -> Dict[str, Any]:
    return {"num_gpus": gpu, "num_cpus": 1} if gpu else {"num_cpus": 1}


def _last_line(error: Exception) -> str:
    lines: List[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
