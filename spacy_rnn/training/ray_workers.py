"""Training in workers on Ray."""

import shutil
from pathlib import Path
from typing import Any, Callable

from ..errors import Errors
from .ranks import TIMEOUT

# What Ray keeps of a run, in the folder of the training.
FOLDER = "ray"


def train_on_ray(
    work: Callable[[], None], workers: int, restarts: int, *, on_gpus: bool, folder: Path
) -> None:
    """Do the same in several workers, which are one process group of torch's, on the cluster that
    this process is part of, or on this machine where it is part of none.

    If a worker is lost, all end, and begin again: on other machines if need be, as long as there
    are enough. So what they do must go on from where it had come.

    work: What each does. It is sent to them, so that it must not hold what cannot be pickled.
    workers: How many, 1 or more. Each takes a core, and a GPU if there are any to use.
    restarts: How often they begin again. on_gpus: Whether each takes a GPU.
    folder: That all machines can write to. What Ray keeps there is removed at the end.
    RAISES: ImportError without Ray; ValueError for numbers out of their range, and if the workers
        have failed more often than they may begin again.
    """
    for option, found, least in (("ray-workers", workers, 1), ("ray-restarts", restarts, 0)):
        if found < least:
            wanted = f"{least} or more"
            raise ValueError(Errors.R879.format(option=option, found=found, wanted=wanted))
    train = _import_ray()
    kept = (folder / FOLDER).resolve()
    trainer = train.torch.TorchTrainer(
        work,
        torch_config=train.torch.TorchConfig(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout_s=int(TIMEOUT.total_seconds())
        ),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=on_gpus),
        run_config=train.RunConfig(
            storage_path=str(kept), failure_config=train.FailureConfig(max_failures=restarts)
        ),
    )
    try:
        trainer.fit()
    # Ray has several kinds of errors for it, of several versions.
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise ValueError(Errors.R877.format(problem=lines[-1].strip())) from error
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def _import_ray() -> Any:
    try:
        import ray.train.torch
    except ImportError as error:
        raise ImportError(Errors.R850.format(what="Ray Train", extra="ray")) from error
    return ray.train
