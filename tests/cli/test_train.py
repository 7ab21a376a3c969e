"""`spacy-rnn train`. What it trains is tested in tests/training/test_train.py."""

import sys

import pytest
import spacy
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.training.checkpoint import NAME, Checkpoint, versions
from tests.training.trainings import joint, results, write_texts

# In the package, this name is that of the function.
command = sys.modules["spacy_rnn.cli.train"]


def run(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    write_texts(tmp_path)
    joint(tmp_path)
    return tmp_path


@pytest.fixture
def called(monkeypatch):
    """What would be trained. The result can be set."""
    found = {"result": 0}

    def train(config, output, **settings):
        found.update(config=config, output=output, **settings)
        return found["result"]

    monkeypatch.setattr(command, "train_pipeline", train)
    return found


def write_checkpoint(folder, gpu=-1, **settings):
    (folder / "out").mkdir()
    config = load_config(folder / "config.cfg", overrides=settings, interpolate=False)
    facts = {"versions": versions(), "config": config.to_str(), "gpu": gpu, "step": 4}
    Checkpoint(facts, {}).write(folder / "out" / NAME)


def test_trains_goes_on_and_ends(folder):
    out = folder / "new" / "out"
    begin = run(folder / "config.cfg", "-o", out, "--training.max_steps", 2, "--paths.new=3")
    assert begin.exit_code == 0, begin.output
    assert "Pipeline: ['tok2vec'" in begin.output and "Saved pipelines to" in begin.output
    nlp = spacy.load(out / "model-last")
    assert nlp.config["training"]["max_steps"] == 2 and nlp.config["paths"]["new"] == 3
    go_on = run("--output", out, "--resume", "--training.max_steps", 3)
    assert go_on.exit_code == 0 and "Going on after step 2" in go_on.output, go_on.output
    assert spacy.load(out / "model-last").config["training"]["max_steps"] == 3
    before = results(out)
    again = run(folder / "config.cfg", "--output", out)
    assert again.exit_code == 1 and "[R710]" in again.stderr and "--resume" in again.stderr
    assert results(out) == before


def test_interrupted(folder, called):
    called["result"] = 2
    (folder / "code.py").write_text("CODE = 1", "utf8")
    out = folder / "my out"
    result = run(folder / "config.cfg", "-o", out, "--code", folder / "code.py")
    assert result.exit_code == 130
    line = f"To go on: spacy-rnn train --output '{out}' --resume --code {folder / 'code.py'}\n"
    assert line in result.output
    assert "Saved" not in result.output


def test_resume_begins_where_there_is_nothing(folder, called):
    assert run(folder / "config.cfg", "-o", folder / "out", "--resume").exit_code == 0
    assert called["checkpoint"] is None and called["use_gpu"] == -1
    assert called["output"] == folder / "out"


def test_the_config_may_be_given_again(folder, called):
    """So that one command begins and goes on, as a cluster runs it again."""
    write_checkpoint(folder)
    result = run(folder / "config.cfg", "-o", folder / "out", "--resume")
    assert result.exit_code == 0, result.output
    assert called["checkpoint"].facts["step"] == 4
    other = run(folder / "config.cfg", "-o", folder / "out", "--resume", "--training.dropout", 0.5)
    assert other.exit_code == 1 and "[R713]" in other.stderr and "training.dropout" in other.stderr


def test_settings_of_the_checkpoint(folder, called, monkeypatch):
    """Its config, and its GPU."""
    gpus = []
    monkeypatch.setattr(command, "use_gpu", gpus.append)
    write_checkpoint(folder, gpu=3, **{"training.dropout": 0.75})
    assert run("-o", folder / "out", "--resume", "--training.patience", 9).exit_code == 0
    assert called["config"]["training"]["dropout"] == 0.75
    assert called["config"]["training"]["patience"] == 9
    assert run("-o", folder / "out", "--resume", "--gpu-id", -1).exit_code == 0
    assert gpus == [3, -1]


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["-o", "out", "--resume"], "[R717] There is no training to resume in"),
        (["-o", "out", "--paths.train", "a"], "[R717]"),
        (["nothing.cfg", "-o", "out"], "[R401] nothing.cfg does not exist"),
        (["config.cfg", "-o", "out", "--nonsense"], "--nonsense"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code == 1 and message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_damaged_checkpoint(folder):
    write_checkpoint(folder)
    path = folder / "out" / NAME
    path.write_bytes(path.read_bytes()[:-1])
    result = run("-o", folder / "out", "--resume")
    assert result.exit_code == 1 and "[R711]" in result.stderr and str(path) in result.stderr
