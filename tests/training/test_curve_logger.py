"""`spacy-rnn.curve_logger.v1`."""

import io
import random
import re
import sys
import xml.dom.minidom
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
import torch
from spacy.cli.train import train as train_by_config
from spacy.tokens import DocBin, Span
from spacy.training.loop import train as train_nlp
from spacy.util import registry
from thinc.api import Config

from spacy_rnn.training import curve_logger
from spacy_rnn.training.curve_logger import create_curve_logger_v1
from tests.conftest import (
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
)

needs_matplotlib = pytest.mark.usefixtures("matplotlib")


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs the extra `figures`")


def config_of(tmp_path, logger, *, pipe="textcat_lstm", model=None, examples=None):
    """The config of a training of eight steps, its corpus, and what trains by it."""
    nlp = spacy.blank("en")
    nlp.add_pipe(pipe, config={"model": model or small_model()})
    docs = [eg.reference for eg in (examples or make_examples)(nlp)]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "texts.spacy")
    config = nlp.config.copy()
    path = str(tmp_path / "texts.spacy")
    corpus = {"@readers": "spacy.Corpus.v1", "path": path, "gold_preproc": False}
    config["corpora"] = {"train": corpus, "dev": corpus}
    batcher = {"@batchers": "spacy.batch_by_sequence.v1", "size": 2}
    config["training"].update(
        max_steps=8, eval_frequency=4, patience=0, batcher=batcher, dropout=0.3, seed=0
    )
    config["training"]["optimizer"]["learn_rate"] = 0.01
    score = "tagging_acc" if pipe == "tagger_bilstm" else "cats_micro_f"
    others = dict.fromkeys(config["training"]["score_weights"])
    config["training"]["score_weights"] = {**others, score: 1.0}
    config["training"]["logger"] = logger
    config.to_disk(tmp_path / "config.cfg")
    return corpus


CURVES = {"@loggers": "spacy-rnn.curve_logger.v1"}


def rows_of(folder):
    return list(srsly.read_jsonl(folder / "training_curves.jsonl"))


def weights_of(folder):
    nlp = spacy.load(folder / "model-last")
    return nlp, [nlp(text).cats for text in TEXTS]


@needs_matplotlib
def test_a_training(tmp_path, capsys):
    def examples_of(nlp):
        # One text has both labels: no pipeline can be right about all.
        opposite = make_examples(nlp, TEXTS[:1], lambda text: {"POSITIVE": 0.0, "NEGATIVE": 1.0})
        return [*make_examples(nlp), *opposite]

    corpus = config_of(tmp_path, CURVES, examples=examples_of)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["training"]["logger"].update(train_sample=corpus, dev_sample=corpus)
    config.to_disk(tmp_path / "config.cfg")
    train_by_config(tmp_path / "config.cfg", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert [row["step"] for row in rows] == [0, 4, 8]
    for row in rows:
        # Both samples are the dev texts, here: so the scores are the same.
        assert row["train"] == row["dev"] and 0 < row["dev"]["cats_micro_f"] < 1
        assert set(row["dev"]) == {"cats_micro_f"}
        assert row["loss"]["textcat_lstm"] > 0
    nlp = spacy.load(tmp_path / "out" / "model-last")
    examples = examples_of(nlp)
    textcat = nlp.get_pipe("textcat_lstm")
    loss, _ = textcat.get_loss(examples, textcat.predict([eg.predicted for eg in examples]))
    assert rows[-1]["dev_loss"]["textcat_lstm"] == pytest.approx(loss, abs=1e-4)
    svg = (tmp_path / "out" / "training_curves.svg").read_text("utf8")
    xml.dom.minidom.parseString(svg)
    assert "prefers-color-scheme: dark" in svg and "currentColor" in svg
    for text in ("Loss", "Accuracy, %", "train", "dev"):
        assert re.search(rf">{text}</text>", svg), text
    best = max(row["score"] for row in rows)
    step = [row["step"] for row in rows if row["score"] == best][-1]
    assert f"the best one, {step}<" in svg
    out = capsys.readouterr().out
    assert f"Training curves: {tmp_path / 'out' / 'training_curves.svg'}" in out
    # The table of the other logger, and its last words, are there too.
    assert "ACCURACY" in out and "spacy-rnn predict" in out
    assert not list((tmp_path / "out").glob(".*"))


@needs_matplotlib
def test_a_training_that_goes_on_after_an_interruption(tmp_path):
    """What was measured before is read again: the pipelines of then are not there any more."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model-last")
    before = [
        {"step": 0, "seconds": 3.0, "train": {"cats_micro_f": 0.25}, "loss": {"textcat_lstm": 9.0}},
        {"step": 4, "seconds": 5.0, "train": {"cats_micro_f": 0.75}, "loss": {"textcat_lstm": 8.0}},
        # Done again, since the checkpoint was not written any more.
        {"step": 8, "seconds": 7.0, "train": {"cats_micro_f": 0.125}},
    ]
    srsly.write_jsonl(tmp_path / "training_curves.jsonl", before)
    logger = create_curve_logger_v1(train_sample=lambda nlp: make_examples(nlp))
    log, close = logger(nlp, io.StringIO(), io.StringIO())
    for step in (0, 2, 4, 8):
        scores = {"score": 0.5, "other_scores": {"cats_micro_f": 0.5}, "losses": {}}
        place = {"output_path": str(tmp_path / "model-last"), "resumed_after": 4, "seconds": 600}
        log({"epoch": 0, "step": step, "words": 1, "checkpoints": [], **scores, **place})
    close()
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [0, 2, 4, 8]
    assert [row["train"] for row in rows[:3]] == [
        {"cats_micro_f": 0.25},
        {},
        {"cats_micro_f": 0.75},
    ]
    assert rows[0]["loss"] == {"textcat_lstm": 9.0} and rows[0]["dev"]
    # Measured anew, not read.
    assert rows[3]["train"]["cats_micro_f"] > 0.125 and 600 <= rows[3]["seconds"] < 700


@needs_matplotlib
def test_a_training_goes_on_as_without_curves(tmp_path):
    scores = {}
    for name in ("plain", "curves"):
        (tmp_path / name).mkdir()
        corpus = config_of(tmp_path / name, {"@loggers": "spacy-rnn.console_logger.v1"})
        if name == "curves":
            config = spacy.util.load_config(tmp_path / name / "config.cfg")
            config["training"]["logger"] = {**CURVES, "train_sample": corpus, "dev_sample": corpus}
            config.to_disk(tmp_path / name / "config.cfg")
        train_by_config(tmp_path / name / "config.cfg", tmp_path / name / "out")
        _, scores[name] = weights_of(tmp_path / name / "out")
    for plain, curves in zip(scores["plain"], scores["curves"]):
        assert curves == pytest.approx(plain, abs=1e-6)


@needs_matplotlib
def test_a_tagger_and_png(tmp_path):
    logger = {**CURVES, "format": "png"}
    config = {"pipe": "tagger_bilstm", "model": small_tagger(), "examples": make_tagged_examples}
    corpus = config_of(tmp_path, logger, **config)
    changed = spacy.util.load_config(tmp_path / "config.cfg")
    changed["training"]["logger"]["dev_sample"] = corpus
    changed.to_disk(tmp_path / "config.cfg")
    train_by_config(tmp_path / "config.cfg", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    losses = [row["dev_loss"]["tagger_bilstm"] for row in rows]
    assert losses[-1] < losses[0] and rows[0]["train"] == {}
    assert set(rows[0]["dev"]) == {"tagging_acc"}
    assert (tmp_path / "out" / "training_curves.png").read_bytes()[:4] == b"\x89PNG"


def info(step, loss, score, output=None, **scores):
    path = {} if output is None else {"output_path": str(output / "model-last")}
    other = {"cats_micro_f": score, **scores}
    facts = {"epoch": 0, "words": 10 * step, "losses": {"textcat_lstm": loss}, "score": score}
    return {"step": step, "other_scores": other, **facts, **path}


class Inner:
    """A logger that remembers what it is told."""

    def __init__(self):
        self.told, self.closed = [], 0

    def __call__(self, nlp, stdout, stderr):
        return self.told.append, self.close

    def close(self):
        self.closed += 1


def started(nlp, **settings):
    inner, stdout = Inner(), io.StringIO()
    step, close = create_curve_logger_v1(inner, **settings)(nlp, stdout, io.StringIO())
    return inner, stdout, step, close


@needs_matplotlib
def test_files_are_there_after_each_evaluation(nlp, tmp_path):
    nlp.config["training"]["accumulate_gradient"] = 2
    inner, stdout, step, close = started(nlp)
    first = info(0, 0.5, 0.25, tmp_path)
    step(first)
    assert [row["step"] for row in rows_of(tmp_path)] == [0]
    svg = (tmp_path / "training_curves.svg").read_bytes()
    for _ in range(3):
        step(None)
    step(info(4, 4.0, 0.75, tmp_path))
    rows = rows_of(tmp_path)
    # 4 steps of 2 updates.
    assert [row["loss"]["textcat_lstm"] for row in rows] == [0.25, 0.5]
    assert [row["dev"]["cats_micro_f"] for row in rows] == [0.25, 0.75]
    assert (tmp_path / "training_curves.svg").read_bytes() != svg
    assert inner.told == [first, None, None, None, inner.told[-1]] and inner.closed == 0
    # As after an interruption: nothing else happens at the end, but for words.
    close()
    close()
    assert inner.closed == 2 and stdout.getvalue().count("Training curves: ") == 1


@needs_matplotlib
def test_a_new_training_replaces_the_curves(nlp, tmp_path):
    for count in (3, 1):
        _, _, step, _ = started(nlp)
        for i in range(count):
            step(info(i, 0.5, 0.5, tmp_path))
    assert len(rows_of(tmp_path)) == 1


@needs_matplotlib
def test_no_output_path_is_said_once(nlp, tmp_path):
    inner, stdout, step, close = started(nlp)
    for i in range(3):
        step(info(i, 0.5, 0.5))
    close()
    assert stdout.getvalue().count("Training curves are not written") == 1
    assert len(inner.told) == 3 and not list(tmp_path.iterdir())


@needs_matplotlib
def test_a_failed_figure_loses_nothing(nlp, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no ink")

    monkeypatch.setattr(curve_logger, "svg_file_of", fail)
    inner, stdout, step, close = started(nlp)
    with pytest.warns(UserWarning, match="W010.*drawn.*RuntimeError: no ink.*goes on") as warned:
        step(info(0, 0.5, 0.5, tmp_path))
        step(info(1, 0.5, 0.5, tmp_path))
    close()
    assert len(warned) == 1 and len(rows_of(tmp_path)) == 2 and inner.closed == 1
    assert "Training curves:" not in stdout.getvalue()


@needs_matplotlib
def test_samples_that_cannot_be_read(nlp, tmp_path):
    """Of a pipeline that is not there, and of a reader without texts."""
    inner, _, step, _ = started(nlp, train_sample=lambda nlp: [])
    with pytest.warns(UserWarning, match="W010.*measured"):
        step(info(0, 0.5, 0.5, tmp_path))
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model-last")
    _, _, step, _ = started(nlp, train_sample=lambda nlp: [])
    with pytest.warns(UserWarning, match="W010.*measured.*R405.*train_sample"):
        step(info(0, 0.5, 0.5, tmp_path))
    assert rows_of(tmp_path)[0]["train"] == {}


@needs_matplotlib
def test_scores_that_are_no_numbers(nlp, tmp_path):
    weights = {"cats_micro_f": 0.5, "other": 0.5, "cats_macro_f": None, "cats_score": None}
    nlp.config["training"]["score_weights"] = weights
    _, _, step, _ = started(nlp)
    step(info(0, float("nan"), 0.5, tmp_path, other=None))
    step(info(1, 0.5, 0.5, tmp_path))
    first, second = rows_of(tmp_path)
    assert first["loss"] == {"textcat_lstm": None} and second["loss"] == {"textcat_lstm": 0.5}
    assert first["dev"] == {"cats_micro_f": 0.5, "other": None}


@needs_matplotlib
def test_nothing_is_left_in_the_process(nlp, tmp_path, matplotlib):
    from matplotlib import pyplot

    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model-last")
    pyplot.rcParams["font.size"] = 17
    before = dict(pyplot.rcParams), random.getstate(), torch.random.get_rng_state()
    figures = pyplot.get_fignums()
    numbers = numpy.random.get_state()[1].copy()
    _, _, step, _ = started(nlp, train_sample=make_examples, dev_sample=make_examples)
    step(info(0, 0.5, 0.5, tmp_path))
    assert rows_of(tmp_path)[0]["dev_loss"]["textcat_lstm"] > 0
    assert dict(pyplot.rcParams) == before[0] and random.getstate() == before[1]
    assert torch.equal(torch.random.get_rng_state(), before[2])
    assert numpy.array_equal(numpy.random.get_state()[1], numbers)
    assert pyplot.get_fignums() == figures
    pyplot.rcdefaults()


@needs_matplotlib
def test_scores_of_spans_stay_those_of_the_pipeline_in_training(tmp_path):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("textcat_lstm", config={"model": small_model(), "span_cats": True})
    try:
        nlp.initialize(lambda: make_examples(nlp))
        nlp.to_disk(tmp_path / "model-last")
        _, _, step, _ = started(nlp, train_sample=make_examples)
        step(info(0, 0.5, 0.5, tmp_path))
        assert rows_of(tmp_path)[0]["train"]
        assert Span.get_extension("cats")[2].pipe is pipe
    finally:
        Span.remove_extension("cats")


@needs_matplotlib
def test_the_other_logger_is_ours_if_none_is_given(nlp, tmp_path):
    stdout = io.StringIO()
    step, close = create_curve_logger_v1()(nlp, stdout, io.StringIO())
    step(info(0, 0.5, 0.5, tmp_path))
    close()
    assert "EPOCH" in stdout.getvalue()


def test_without_matplotlib(monkeypatch):
    """It is said before a training begins, not after hours of it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"R809.*curve_logger.*spacy-rnn\[figures\]"):
        create_curve_logger_v1()


def test_an_unknown_format():
    with pytest.raises(ValueError, match="R001.*format: 'pdf'.*svg.*png"):
        create_curve_logger_v1(format="pdf")


@needs_matplotlib
def test_a_failed_training_has_its_curves(nlp, tmp_path):
    """As one that was interrupted."""
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)

    class Fails(Inner):
        def __call__(self, nlp, stdout, stderr):
            return self.step, self.close

        def step(self, info):
            self.told.append(info)
            if len(self.told) == 4:
                raise RuntimeError("stop")

    @registry.loggers("tests.fails_with_curves")
    def make():
        return create_curve_logger_v1(Fails())

    @registry.readers("tests.curve_examples")
    def read():
        return make_examples

    corpus = {"@readers": "tests.curve_examples"}
    nlp.config["corpora"] = {"train": corpus, "dev": corpus}
    nlp.config["training"].update(eval_frequency=2, logger={"@loggers": "tests.fails_with_curves"})
    with pytest.raises(RuntimeError, match="stop"):
        train_nlp(nlp, tmp_path, stdout=io.StringIO(), stderr=io.StringIO())
    assert [row["step"] for row in rows_of(tmp_path)] == [0, 2]


@needs_matplotlib
def test_the_config_of_the_documentation(tmp_path):
    usage = (Path(__file__).parents[2] / "docs" / "usage.md").read_text("utf8")
    block = usage.split("### Training curves")[1].split("```ini\n")[1].split("```")[0]
    paths = '[paths]\ntrain = "train.spacy"\ndev = "dev.spacy"\n\n[training]\n\n'
    config = Config().from_str(paths + block)
    resolved = registry.resolve(config["training"])
    assert callable(resolved["logger"])
