"""What of the CPU is used: cores, kernels, and processes."""

import math
import multiprocessing
import os
from pathlib import Path
from typing import Any, Iterator, List, Optional

import torch

from ..engine.ragged_rnn import has_bfloat16
from ._doctor_findings import Finding, good, warn

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
# How torch names kernels that use nothing that CPUs have had for ten years.
PLAIN = ("DEFAULT", "NO AVX")


def allowed_cores() -> float:
    """How many cores this process may use: of the machine, those that it is bound to, and of
    their time the share that its control groups have."""
    bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1
    return min([cores, *cgroup_cores(CGROUPS, OWN_CGROUPS)])


def cgroup_cores(root: Path, own: Path) -> List[float]:
    """The limits of the control groups that a process is in, in cores.

    root: Where control groups are mounted. own: The file that names those of the process.
    """
    lines = own.read_text().splitlines() if own.exists() else []
    limits = [_limit(root / "cpu" / "cpu.cfs_quota_us", root / "cpu" / "cpu.cfs_period_us")]
    for line in lines:
        number, _, group = line.split(":", 2)
        if number == "0":
            inner = root / group.lstrip("/")
            parents = [folder for folder in inner.parents if folder.is_relative_to(root)]
            limits += [_limit(folder / "cpu.max") for folder in (inner, *parents)]
    return [limit for limit in limits if limit is not None]


def _limit(*files: Path) -> Optional[float]:
    """Cores, of a quota and its period, both in one file or each in its own."""
    if not all(file.exists() for file in files):
        return None
    quota, period = " ".join(file.read_text() for file in files).split()
    return None if quota in ("max", "-1") else int(quota) / int(period)


def check_threads(threads: int, cores: float, wanted: Optional[str]) -> Iterator[Finding]:
    """Compare threads with cores.

    threads: Those of torch. cores: Those that may be used. wanted: OMP_NUM_THREADS, if it is set.
    """
    most = math.ceil(cores)
    setting = "is not set" if wanted is None else f"is {wanted}"
    if threads > most:
        yield warn(
            f"torch uses {threads} threads, but this process may use {cores:.3g} core(s): they "
            f"wait for each other. Set OMP_NUM_THREADS={most} (it {setting})."
        )
    else:
        yield good(
            f"torch uses {threads} of {cores:.3g} core(s) that this process may use; "
            f"OMP_NUM_THREADS {setting}"
        )


def check_kernels(capability: str, onednn: bool, bfloat16: bool) -> Iterator[Finding]:
    """What of the CPU's instructions torch uses.

    capability: What torch says of its kernels. onednn: Whether torch has oneDNN.
    bfloat16: Whether that computes bfloat16 natively.
    """
    if capability in PLAIN:
        yield warn(
            f"torch's kernels use no vector instructions ({capability}), and are several times as "
            "slow as could be. Look at ATEN_CPU_CAPABILITY, and at what the virtual machine shows "
            "of its CPU."
        )
    if not onednn:
        yield warn("torch is built without oneDNN: recurrent nets are slower. Install another one.")
    if bfloat16:
        half = 'and bfloat16: `precision = "bfloat16"` makes nets faster'
    else:
        half = 'but no bfloat16: `precision = "bfloat16"` computes in float32, with a warning'
    yield good(f"This CPU has {instructions(capability)}, {half}")


def instructions(capability: str) -> str:
    """Names of instruction sets."""
    # torch has made this public under other names.
    ask: Any = getattr(torch.cpu, "_is_amx_tile_supported", bool)
    return f"{capability} and AMX" if ask() else capability


def check_processes(method: str) -> Iterator[Finding]:
    """What `n_process` means here. method: How Python starts processes."""
    if method == "fork":
        yield good(
            "Python forks: with nlp.pipe(n_process=2), each process starts at once, shares the "
            "pipeline's memory and has one torch thread. On a GPU, n_process must be 1."
        )
    else:
        yield good(
            f"Python starts processes by {method}: with nlp.pipe(n_process=2), each one imports "
            'everything anew, and a script needs `if __name__ == "__main__":`.'
        )


def start_method() -> str:
    """How Python starts processes, without settling it, as asking for it otherwise does."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen or multiprocessing.get_all_start_methods()[0]


def check_cpu() -> Iterator[Finding]:
    """All of the above, of this process."""
    wanted = os.environ.get("OMP_NUM_THREADS")
    yield from check_threads(torch.get_num_threads(), allowed_cores(), wanted)
    capability = torch.backends.cpu.get_cpu_capability()
    onednn = torch.backends.mkldnn.is_available()
    yield from check_kernels(capability, onednn, has_bfloat16(torch.device("cpu")))
    yield from check_processes(start_method())
