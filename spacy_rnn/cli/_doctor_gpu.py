"""Whether GPU, driver, torch and CuPy fit together."""

import shutil
from importlib.metadata import packages_distributions
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import torch
from thinc.api import get_current_ops, get_torch_default_device
from thinc.compat import cupy

from ._app import use_gpu
from ._doctor_findings import Finding, describe, fail, good, warn


class Gpus(NamedTuple):
    """What each library knows of GPUs.

    driver: Whether the command of NVIDIA's driver is there.
    torch_cuda: The version of CUDA that torch was built for, such as "12.8"; None for the CPU.
    torch_sees: How many GPUs torch can use.
    cupy: The packages that bring CuPy.
    cupy_cuda: The version of CUDA that CuPy runs on; None without one.
    cupy_sees: How many GPUs CuPy can use.
    """

    driver: bool = False
    torch_cuda: Optional[str] = None
    torch_sees: int = 0
    cupy: Tuple[str, ...] = ()
    cupy_cuda: Optional[str] = None
    cupy_sees: int = 0


def find_gpus() -> Gpus:
    """Ask the libraries."""
    packages = tuple(sorted(set(packages_distributions().get("cupy", ()))))
    cupy_cuda, cupy_sees = (None, 0) if cupy is None else _ask_cupy(cupy)
    return Gpus(
        driver=shutil.which("nvidia-smi") is not None,
        torch_cuda=torch.version.cuda,
        torch_sees=torch.cuda.device_count(),
        cupy=packages,
        cupy_cuda=cupy_cuda,
        cupy_sees=cupy_sees,
    )


def _ask_cupy(cupy: Any) -> Tuple[Optional[str], int]:
    try:
        number = cupy.cuda.runtime.runtimeGetVersion()
        return f"{number // 1000}.{number % 1000 // 10}", cupy.cuda.runtime.getDeviceCount()
    except Exception:  # Each version of CuPy has errors of its own.
        return None, 0


def check_gpus(gpus: Gpus, gpu_id: int) -> Iterator[Finding]:
    """What keeps spaCy from a GPU. gpu_id: The GPU that is wanted, -1 for none."""
    level = warn if gpu_id < 0 else fail
    problems = find_problems(gpus)
    for problem in problems:
        yield level(problem)
    if problems:
        return
    if gpus.cupy_sees and gpus.torch_sees:
        yield good(
            f"spaCy can use {gpus.torch_sees} GPU(s): torch is built for CUDA {gpus.torch_cuda}, "
            f"CuPy runs on CUDA {gpus.cupy_cuda}"
        )
    elif gpu_id < 0:
        yield good("There is no CUDA GPU: everything runs on the CPU")


def find_problems(gpus: Gpus) -> List[str]:
    """What does not fit, and what to do."""
    present = gpus.driver or gpus.torch_sees or gpus.cupy_sees
    if not present:
        return []
    problems = []
    if gpus.torch_cuda is None:
        problems.append(
            "There is a GPU, but torch is built for the CPU: install torch for CUDA, as its own "
            "pages say."
        )
    elif not gpus.torch_sees:
        problems.append(
            f"There is a GPU, but torch, built for CUDA {gpus.torch_cuda}, cannot use it. Look at "
            "`nvidia-smi` (the driver may be too old for it) and at CUDA_VISIBLE_DEVICES."
        )
    if not gpus.cupy:
        wanted = f"cupy-cuda{_major(gpus.torch_cuda)}x"
        problems.append(
            "There is a GPU, but spaCy uses it through CuPy, which is not installed. "
            f"Run: pip install {wanted}"
        )
    elif not gpus.cupy_sees:
        problems.append(
            f"There is a GPU, but CuPy ({', '.join(gpus.cupy)}) cannot use it: install the one "
            "for the CUDA that `nvidia-smi` shows."
        )
    if len(gpus.cupy) > 1:
        problems.append(
            f"CuPy is installed {len(gpus.cupy)} times, as {', '.join(gpus.cupy)}, and these "
            "overwrite each other: uninstall all of them, and install one."
        )
    if gpus.torch_cuda and gpus.cupy_cuda and _major(gpus.torch_cuda) != _major(gpus.cupy_cuda):
        problems.append(
            f"torch is built for CUDA {gpus.torch_cuda}, but CuPy runs on CUDA {gpus.cupy_cuda}. "
            f"Run: pip install cupy-cuda{_major(gpus.torch_cuda)}x"
        )
    return problems


def _major(cuda: Optional[str]) -> str:
    return (cuda or "12").split(".")[0]


def check_device(gpu_id: int) -> Iterator[Finding]:
    """Use a GPU from here on, if one is wanted, and say what computes."""
    try:
        use_gpu(gpu_id)
    except Exception as error:  # spaCy's, CuPy's or torch's.
        yield fail(f"GPU {gpu_id} cannot be used ({describe(error)}): the rest is on the CPU.")
    device = get_torch_default_device()
    yield good(f"thinc computes with {type(get_current_ops()).__name__}, torch on {device}")
