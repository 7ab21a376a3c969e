"""`spacy-rnn tune`. The search itself is tested in tests/tuning."""

import sys

import pytest
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_rnn.cli import app

pytest.importorskip("optuna", reason="needs the extra `tune`")
pytest.importorskip("matplotlib", reason="needs the extra `tune`")

from spacy_rnn.tuning import search
from spacy_rnn.tuning.results import Found
from spacy_rnn.tuning.search import Plan
from tests.tuning.searches import DROPOUT, act, write_search

__all__ = ["act"]


def run(*arguments):
    return CliRunner().invoke(app, ["tune", *map(str, arguments)])


def words(result):
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_search(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_searches_and_goes_on(folder, act):
    act(lambda config: [config["training"]["dropout"]] * 3)
    command = ["config.cfg", "--space", "space.yml", "-o", "my out", "--training.max_steps", 7]
    result = run(*command, "--trials", 3, "--sampler", "random")
    assert result.exit_code == 0, result.output
    assert "the config's own values: 30.00 (3 complete)" in words(result)
    assert "  training.dropout: 0.4" in result.output and ", was 0.3\n" in result.output
    assert "python -m spacy train 'my out'/best.cfg --output model\n" in result.output
    assert "python -m spacy evaluate 'my out'/model-best test.spacy\n" in result.output
    assert load_config(folder / "my out" / "best.cfg")["training"]["max_steps"] == 7
    result = run(*command, "--trials", 4, "--sampler", "random")
    assert result.exit_code == 0 and "3 of 4 trials are done" in result.output
    other = run(*command[:-1], 8, "--trials", 5)
    assert other.exit_code == 1 and "[R896]" in other.stderr and other.stderr.count("\n") == 1


def test_nothing_better(folder, act):
    result = run("config.cfg", "--space", "space.yml", "-o", "out", "--trials", 2)
    assert result.exit_code == 0
    assert "Nothing was better than the config's own values, with score 50.00" in words(result)


@pytest.fixture
def called(monkeypatch):
    """What would be searched. The result can be set."""
    found = {"result": Found(0, {"complete": 0}, None, None, None, False, {}, {}, False)}

    def tune(config, space, output, plan, **settings):
        found.update(config=config, space=space, output=output, plan=plan, **settings)
        return found["result"]

    monkeypatch.setattr(search, "tune", tune)
    return found


def test_options(folder, called, monkeypatch):
    gpus = []
    monkeypatch.setattr(sys.modules["spacy_rnn.cli.tune"], "use_gpu", gpus.append)
    (folder / "code.py").write_text("CODE = 1", "utf8")
    result = run(
        *("config.cfg", "--space", "textcat_lstm", "-o", "out", "--code", "code.py"),
        *("--trials", 9, "--sampler", "grid", "--pruner", "none", "--metric", "cats_macro_auc"),
        *("--timeout", 60, "--seed", 3, "--storage", "sqlite:///all.db", "--study", "mine"),
        *("--gpu-id", 1, "--training.dropout=0.25"),
    )
    assert result.exit_code == 0, result.output
    assert called["plan"] == Plan(9, "grid", 3, False, 60.0, "cats_macro_auc")
    assert called["config"]["training"]["dropout"] == 0.25
    assert called["space"].name == "textcat_lstm.yml" and gpus == [1] and called["use_gpu"] == 1
    assert (called["storage"], called["study"]) == ("sqlite:///all.db", "mine")
    assert "No trial is complete" in result.output
    run("config.cfg", "--space", "space.yml", "-o", "out")
    assert called["plan"] == Plan() and called["storage"] is None


def test_interrupted_and_elsewhere(folder, called):
    values = {DROPOUT: 0.1}
    counts = {"complete": 3, "waiting": 1, "failed": 0}
    called["result"] = Found(15, counts, 0.5, 0.25, 2, False, values, {DROPOUT: 0.3}, False)
    result = run("config.cfg", "--space", "space.yml", "-o", "out")
    assert result.exit_code == 143
    found = words(result)
    assert "trial 2, score 50.00 on dev; the config's own values: 25.00 (3 complete, 1" in found
    assert "in the folder of the process that trained it" in found
    assert "Interrupted. The same command goes on." in found


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["nothing.cfg", "--space", "space.yml"], "[R401] nothing.cfg does not exist"),
        (["config.cfg", "--space", "nothing.yml"], "[R901]"),
        (["config.cfg", "--space", "wrong.yml"], "[R893]"),
        (["config.cfg", "--space", "space.yml", "--nonsense"], "--nonsense"),
        (["config.cfg", "--space", "space.yml", "--training.dropout", "high"], "dropout"),
        (["config.cfg", "--space", "space.yml", "--sampler", "grid"], "[R895]"),
        (["config.cfg", "--space", "space.yml", "--storage", "nothing"], "[R899]"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, arguments, message):
    (folder / "wrong.yml").write_text("training.drop_out: [0.1]", "utf8")
    result = run(*arguments, "-o", "out")
    assert result.exit_code == 1 and message in result.stderr, result.output
    assert result.stderr.count("\n") == 1


def test_without_optuna(folder, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("spacy_rnn.tuning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = run("config.cfg", "--space", "space.yml", "-o", "out")
    assert result.exit_code == 1 and "[R890]" in result.stderr
    assert 'pip install "spacy-rnn[tune]"' in result.stderr and not (folder / "out").exists()
