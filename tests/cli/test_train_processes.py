"""`spacy-rnn train` in several processes, by torchrun and on Ray: what is lost goes on."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.training.checkpoint import NAME, Checkpoint
from spacy_rnn.training.ranks import joined_by_environment
from spacy_rnn.training.ray_workers import train_on_ray
from tests.training.together import PATIENCE, train_together, write_training
from tests.training.trainings import results

ROOT = Path(__file__).parents[2]
# Kills the second process in its first life, in the middle of the training.
KILLS = """
import os
from tests.training.trainings import at_call, kill

life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
marker = {marker!r}
if os.environ.get("RANK") == "1" and life == "0" and not os.path.exists(marker):
    open(marker, "w").close()
    at_call("spacy.language.Language.update", 6, kill)
"""

# Ends torchrun, in the middle of the training.
TERMINATES = """
import os, signal
from tests.training.trainings import at_call

if os.environ.get("RANK") == "0":
    at_call("spacy.language.Language.update", 6, lambda: os.kill(os.getppid(), signal.SIGTERM))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals that kill")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A config, and beside it the folder of its training, which nothing has happened to."""
    folder = tmp_path_factory.mktemp("whole")
    settings = {"max_steps": 10, "eval_frequency": 4, "keep_dropout": True, "dropout": 0.3}
    config = write_training(folder, "textcat", **settings)
    codes, printed = train_together(config, folder / "out")
    assert codes == [0, 0], printed
    return config


def run(command):
    """Run a command, which is killed with all that it has started if it takes too long.

    RETURNS: Its exit code, and what it has printed.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, printed


def torchrun(*arguments, restarts=0):
    options = ["--standalone", "--nproc-per-node", 2, "--max-restarts", restarts]
    return run(["torch.distributed.run", *options, "-m", "spacy_rnn", "train", *arguments])


def code_that_kills(folder):
    path = folder / "kills.py"
    path.write_text(KILLS.format(marker=str(folder / "killed")), "utf8")
    return path


def test_a_process_of_torchrun_is_killed(whole, tmp_path):
    out = tmp_path / "out"
    code, printed = torchrun(
        *(whole, "-o", out, "--resume", "--code", code_that_kills(tmp_path)), restarts=1
    )
    assert code == 0, printed
    assert (tmp_path / "killed").exists() and "Going on after step 4" in printed
    # Only the first process says so.
    assert len(re.findall("Saved pipelines to", printed)) == 1
    assert len(re.findall("Pipeline: ", printed)) == 2
    assert results(out) == results(whole.parent / "out")


def test_torchrun_is_terminated(whole, tmp_path):
    """As by a cluster's time limit: all finish the same step, and the first one saves."""
    code = tmp_path / "terminates.py"
    code.write_text(TERMINATES, "utf8")
    found, printed = torchrun(
        *(whole, "-o", tmp_path / "out", "--code", code, "--training.max_steps", 100_000)
    )
    assert found != 0 and len(re.findall("To go on: spacy-rnn train", printed)) == 1, printed
    assert len(re.findall("Once more ends at once", printed)) == 1
    assert 6 <= Checkpoint.read(tmp_path / "out" / NAME).facts["step"] < 100_000
    spacy.load(tmp_path / "out" / "model-last")


def test_another_optimizer_is_refused(whole, tmp_path):
    (tmp_path / "killed").touch()
    code, printed = torchrun(
        *(whole, "-o", tmp_path / "out", "--code", code_that_kills(tmp_path)),
        *("--training.optimizer.@optimizers", "Adam.v1"),
    )
    assert code == 1 and "[R870] This training runs in 2 processes" in printed
    assert '`@optimizers = "spacy-rnn.AllReduceAdam.v1"`' in printed
    assert not list((tmp_path / "out").iterdir())


def test_nothing_changes_without_a_launcher(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_by_environment() as ranks:
        assert (ranks.number, ranks.count) == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined_by_environment() as ranks:
        assert (ranks.number, ranks.count) == (0, 1)


@pytest.mark.slow
def test_a_worker_on_ray_is_killed(whole, tmp_path):
    pytest.importorskip("ray.train.torch")
    out = tmp_path / "out"
    code, printed = run(
        [
            *("spacy_rnn", "train", whole, "-o", out, "--ray-workers", 2),
            *("--code", code_that_kills(tmp_path)),
        ]
    )
    assert code == 0, printed
    assert (tmp_path / "killed").exists() and "Going on after step 4" in printed
    assert results(out) == results(whole.parent / "out")


def test_ray_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray.train.torch", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"\[R850\].*spacy-rnn\[ray\]"):
        train_on_ray(print, 2, 0, on_gpus=False, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("workers,restarts,option", [(-1, 0, "workers"), (2, -1, "restarts")])
def test_numbers_out_of_range(tmp_path, workers, restarts, option):
    with pytest.raises(ValueError, match=rf"\[R879\] --ray-{option} is -1, but must be"):
        train_on_ray(print, workers, restarts, on_gpus=False, folder=tmp_path)


def test_wrong_settings_are_said_before_ray_begins(whole, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["train", str(whole), "-o", str(tmp_path / "out"), "--ray-workers", "2"]
    found = CliRunner().invoke(app, [*arguments, "--training.optimizer.@optimizers", "Adam.v1"])
    assert found.exit_code == 1 and "[R870]" in found.output
    (tmp_path / "out" / "checkpoint").write_text("")
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 1 and "[R710]" in found.output


def test_ray_has_failed(monkeypatch, tmp_path):
    ray = pytest.importorskip("ray.train.torch")

    class Trainer:
        def __init__(self, work, **settings):
            assert settings["scaling_config"].num_workers == 2
            assert settings["run_config"].failure_config.max_failures == 5
            assert settings["torch_config"].backend == "gloo"
            (tmp_path / "ray").mkdir()

        def fit(self):
            raise RuntimeError("several lines\n\nthe last one\n")

    monkeypatch.setattr(ray, "TorchTrainer", Trainer)
    with pytest.raises(ValueError, match=r"\[R877\] The training on Ray has failed \(the last one"):
        train_on_ray(print, 2, 5, on_gpus=False, folder=tmp_path)
    assert not list(tmp_path.iterdir())
