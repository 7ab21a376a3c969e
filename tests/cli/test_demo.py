"""`spacy-rnn demo`: what it says when it cannot start."""

import sys
from types import SimpleNamespace

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.demo.page import import_gradio


def run(*arguments):
    return CliRunner().invoke(app, ["demo", *map(str, arguments)])


@pytest.fixture
def gradio(monkeypatch):
    """Enough of Gradio to find out what is wrong before it is used."""
    monkeypatch.setitem(sys.modules, "gradio", SimpleNamespace(__version__="6.17.0"))


def test_without_gradio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = run()
    assert result.exit_code == 1 and "R821" in result.stderr
    assert 'pip install "spacy-rnn[demo]"' in result.stderr


@pytest.mark.parametrize("version, old", [("5.49.1", True), ("6.16.9", True), ("6.17.0", False)])
def test_an_old_gradio(monkeypatch, version, old):
    monkeypatch.setitem(sys.modules, "gradio", SimpleNamespace(__version__=version))
    if not old:
        assert import_gradio().__version__ == version
        return
    with pytest.raises(ImportError, match=f"R821.*from 6.17 on, found {version}"):
        import_gradio()


def test_the_command_line_does_not_need_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = run("--help")
    assert result.exit_code == 0 and "MODEL" in result.stdout and "--max-length" in result.stdout


def test_three_models(gradio):
    result = run("a", "b", "c")
    assert result.exit_code == 1 and "R823" in result.stderr and result.stderr.count("\n") == 1


def test_a_model_that_is_not_there(gradio):
    result = run("no_such_model")
    assert result.exit_code == 1 and "no_such_model" in result.stderr


def test_a_folder_of_pipelines(gradio, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "model-best")
    result = run(tmp_path)
    assert result.exit_code == 1 and "R621" in result.stderr


def test_no_model(gradio, monkeypatch):
    monkeypatch.setattr(spacy.util, "is_package", lambda name: False)
    result = run()
    assert result.exit_code == 1 and "R822" in result.stderr


@pytest.mark.parametrize("option", ["--port=0", "--port=70000", "--max-length=0"])
def test_numbers_out_of_range(option):
    result = run(option)
    assert result.exit_code == 2 and "Invalid value" in result.stderr
