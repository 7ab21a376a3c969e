"""What `spacy-rnn doctor` finds when it trains on one batch, and the command as a whole."""

import random
import sys
from collections import Counter

import numpy
import pytest
import spacy
import torch
from spacy.tokens import DocBin
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_rnn.cli import _doctor_batch, app
from spacy_rnn.cli._doctor_batch import (
    BATCH,
    FIRST,
    OF_LABEL,
    Lesson,
    check_batch,
    check_lessons,
    check_rate,
    check_score_weights,
    choose_batch,
    choose_sample,
    go_to_highest_rate,
    initialize,
)
from spacy_rnn.cli._doctor_data import Corpora
from tests.cli.doctor import TEXTS, classified, make_setup, only, sentiment, tagged, write_config
from tests.conftest import SENTENCES

# Beside the function of the same name.
command = sys.modules["spacy_rnn.cli.doctor"]
RATE = "training.optimizer.learn_rate"
# So that small nets need few updates.
FAST = {RATE: 0.02}


def corpora_of(setup, cats=sentiment):
    examples = classified(setup.nlp, TEXTS, cats)
    return Corpora(examples, examples)


def of_level(findings, level):
    return [finding.text for finding in findings if finding.level == level]


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_a_classifier_learns_a_batch_by_heart(tmp_path, factory):
    setup = make_setup(tmp_path, FAST, factory)
    found = check_batch(setup, corpora_of(setup))
    assert {finding.level for finding in found} == {"good"}
    assert f"{factory} learns a batch of 16 texts by heart" in found[0].text
    assert "at learning rate 0.02" in found[0].text


def test_a_tagger_learns_a_batch_by_heart(tmp_path):
    setup = make_setup(tmp_path, FAST, "tagger_bilstm")
    examples = tagged(setup.nlp, SENTENCES * 4)
    found = check_batch(setup, Corpora(examples, examples))
    assert {finding.level for finding in found} == {"good"}
    assert "100% of its labels right" in found[0].text


def test_components_of_spacy_learn_too(tmp_path):
    setup = make_setup(tmp_path, FAST, "textcat")
    first, _ = check_batch(setup, corpora_of(setup))
    assert first.level == "good" and "textcat learns a batch" in first.text
    assert "right" not in first.text


def test_a_learning_rate_of_zero(tmp_path):
    setup = make_setup(tmp_path, {RATE: 0.0})
    (text,) = of_level(check_batch(setup, corpora_of(setup)), "fail")
    assert "textcat_lstm does not learn" in text and "at learning rate 0." in text
    assert "raise [training.optimizer] learn_rate" in text


def test_labels_that_do_not_follow_from_the_texts(tmp_path):
    setup = make_setup(tmp_path, FAST)
    cats = [{"POSITIVE": float(i % 2), "NEGATIVE": float(i % 2 == 0)} for i in range(40)]
    examples = classified(setup.nlp, ["a film"] * 40, lambda _: cats.pop())
    (text,) = of_level(check_batch(setup, Corpora(examples, examples)), "fail")
    assert "textcat_lstm does not learn" in text and "labels" in text


def test_a_pipeline_of_which_nothing_is_trained(tmp_path):
    setup = make_setup(tmp_path, {"training.frozen_components": ["textcat_lstm"]})
    level, text = only(check_batch(setup, corpora_of(setup)))
    assert level == "fail" and "Nothing is trained" in text


def test_a_pipeline_that_cannot_be_initialized(tmp_path):
    setup = make_setup(tmp_path)
    found = check_batch(setup, corpora_of(setup, lambda text: {"POSITIVE": 1.0, "NEGATIVE": 0.0}))
    level, text = only(found)
    assert level == "fail" and text.startswith("The pipeline cannot be initialized. [R304]")


def test_a_pipeline_that_cannot_be_trained(tmp_path, monkeypatch):
    setup = make_setup(tmp_path)

    def update(*args, **settings):
        raise ValueError("no luck")

    monkeypatch.setattr(setup.nlp.get_pipe("textcat_lstm"), "update", update)
    level, text = only(check_batch(setup, corpora_of(setup)))
    assert level == "fail" and "cannot be trained. ValueError: no luck" in text


def test_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_doctor_batch, "SECONDS", 0.0)
    setup = make_setup(tmp_path, {RATE: 0.0})
    (text,) = of_level(check_batch(setup, corpora_of(setup)), "warn")
    assert "after 1 updates" in text and "no time for more" in text


def test_random_states_stay(tmp_path):
    setup = make_setup(tmp_path, FAST)
    corpora = corpora_of(setup)
    draws = []
    for look in (False, True):
        fix_random_seed(3)
        if look:
            check_batch(setup, corpora)
        draws.append((random.random(), numpy.random.random(), float(torch.rand(1))))
    assert draws[0] == draws[1]


def lesson(*losses, score=None, updates=100):
    found = [*losses, *[losses[-1]] * (updates - len(losses))]
    return Lesson(found, score)


@pytest.mark.parametrize(
    "found, level, said",
    [
        (lesson(0.7, 0.01, score=1.0), "good", "loss 0.7, after 100 updates 0.01, 100%"),
        (lesson(0.7, 0.01), "good", "after 100 updates 0.01, at"),
        (lesson(0.7, 0.9, score=1.0), "fail", "The loss rises"),
        (lesson(0.7, 0.6, score=1.0), "fail", "hardly falls"),
        (lesson(0.7, 0.3, score=0.6), "fail", "but not far"),
        (lesson(0.7, 0.9), "warn", "The loss rises"),
        (lesson(0.7, 0.6, score=0.6, updates=9), "warn", "no time"),
        # One update is not the last word.
        (lesson(*[0.7] * 99, 0.1, score=1.0), "fail", "hardly falls"),
    ],
)
def test_lessons(found, level, said):
    result = only(check_lessons({"pipe": found}, 16, 0.001))
    assert result[0] == level and said in result[1]


def test_rates_that_are_too_high(tmp_path):
    for rate, adam, count in ((0.01, 0.9, 0), (0.5, 0.9, 1), (0.5, 0.0, 0)):
        changes = {RATE: rate, "training.optimizer.beta1": adam}
        optimizer = make_setup(tmp_path, changes).training["optimizer"]
        assert len(list(check_rate(optimizer))) == count


def test_the_highest_rate_of_a_schedule(tmp_path):
    warmup = {"@schedules": "warmup_linear.v1", "warmup_steps": 30, "total_steps": 100}
    for rate, highest in (({**warmup, "initial_rate": 0.5}, 0.5), (0.25, 0.25)):
        optimizer = make_setup(tmp_path, {RATE: rate}).training["optimizer"]
        go_to_highest_rate(optimizer)
        assert optimizer.learn_rate == pytest.approx(highest, rel=0.05)


def test_the_sample_has_all_labels(tmp_path):
    setup = make_setup(tmp_path)
    by_label = sorted(TEXTS * 10, key=lambda text: sentiment(text)["POSITIVE"])
    sample = choose_sample(setup, classified(setup.nlp, by_label))
    counts = Counter(sentiment(eg.reference.text)["POSITIVE"] for eg in sample)
    assert counts == {0.0: FIRST, 1.0: OF_LABEL}
    batch = choose_batch(setup, sample)
    counts = Counter(sentiment(eg.reference.text)["POSITIVE"] for eg in batch)
    assert counts == {0.0: BATCH // 2, 1.0: BATCH // 2}


def test_the_batch_has_what_can_be_learned_from(tmp_path):
    setup = make_setup(tmp_path)
    texts = ["", "a film without label", *TEXTS[:4], "long " * 5000]
    cats = {text: sentiment(text) for text in texts if text in TEXTS or text[:4] == "long"}
    batch = choose_batch(setup, classified(setup.nlp, texts, lambda text: cats.get(text, {})))
    assert sorted(eg.reference.text for eg in batch) == sorted(TEXTS[:4])


def test_a_sample_is_read_by_callbacks_too(tmp_path):
    docs = [eg.reference for eg in classified(spacy.blank("xx"), TEXTS * 10)]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    callback = {"@callbacks": "spacy-rnn.init_vocab.v1", "corpus": "${corpora.train}"}
    paths = {"paths.train": str(tmp_path / "train.spacy")}
    setup = make_setup(tmp_path, {**paths, "initialize.before_init": callback})
    initialize(setup, classified(setup.nlp))
    assert setup.nlp.config["corpora"]["train"]["limit"] == _doctor_batch.MOST


@pytest.mark.parametrize(
    "weights, level, said",
    [
        ({"cats_micro_f": 1.0}, "good", "chosen by cats_micro_f"),
        ({"cats_micro_f": 0.5, "tag_acc": 0.5}, "warn", "no component gives, tag_acc"),
        ({"tag_acc": 1.0, "cats_micro_f": 0.0}, "fail", "cats_micro_f"),
        ({"cats_micro_f": None}, "fail", "No score has a weight"),
    ],
)
def test_score_weights(tmp_path, weights, level, said):
    setup = make_setup(tmp_path)
    setup.training["score_weights"].clear()
    setup.training["score_weights"].update(weights)
    corpora = corpora_of(setup)
    initialize(setup, corpora.train)
    found = only(check_score_weights(setup, corpora.dev))
    assert found[0] == level and said in found[1]
    assert list(check_score_weights(setup, [])) == []


# The command


@pytest.fixture
def no_machine(monkeypatch):
    """The machine is not looked at, which takes a while."""
    monkeypatch.setattr(command, "examine_machine", lambda gpu_id: [])


def run(*args):
    return CliRunner().invoke(app, ["doctor", *map(str, args)])


def said(result):
    return " ".join(result.output.split())


@pytest.fixture
def config(tmp_path):
    """A config that has no faults, and its corpora."""
    docs = [eg.reference for eg in classified(spacy.blank("xx"), TEXTS)]
    paths = {}
    for name, part in (("train", docs), ("dev", docs[::2] + docs[1::4])):
        paths[f"paths.{name}"] = str(tmp_path / f"{name}.spacy")
        DocBin(docs=part).to_disk(tmp_path / f"{name}.spacy")
    return write_config(tmp_path, {**paths, **FAST})


def test_the_machine_alone():
    result = run()
    assert result.exit_code == 0, result.output
    assert "Versions fit together" in said(result) and "0 to mend" in said(result)


def test_all_is_well(no_machine, config):
    result = run(config)
    assert result.exit_code == 0, result.output
    for part in ("The config is complete", "40 training texts", "learns a batch", "0 to mend"):
        assert part in said(result)


def test_a_fault_is_told_by_the_exit_code(no_machine, config):
    result = run(config, f"--{RATE}", "0.0")
    assert result.exit_code == 1 and "does not learn a batch" in said(result)
    assert "1 to mend" in said(result)


def test_warnings_are_no_failure(no_machine, config):
    result = run(config, "--training.patience", "10", "--corpora.dev.limit", "6")
    assert result.exit_code == 0 and "Raise patience" in said(result)
    assert "6 dev texts" in said(result)


@pytest.mark.parametrize(
    "args, message",
    [
        (["none.cfg"], "R401"),
        (["--paths.train", "x.spacy"], "R840"),
        (["CONFIG", "--gpu"], "--gpu"),
        (["CONFIG", "--paths.dev", "none.spacy"], "The corpus corpora.dev cannot be read"),
        (["CONFIG", "--paths.train", "none.spacy"], "The corpus corpora.train cannot be read"),
        (["CONFIG", "--components.textcat_lstm.factory", "no_such"], "The config cannot be used"),
        (["CONFIG", "--components.textcat_lstm.model.encode.width", "0"], "R002"),
        (["CONFIG", "--training.max_steps", "many"], "max_steps"),
    ],
)
def test_what_cannot_be_looked_at(no_machine, config, args, message):
    result = run(*(config if arg == "CONFIG" else arg for arg in args))
    assert result.exit_code == 1 and message in said(result), result.output


def test_a_check_that_fails_itself_does_not_end_the_others(no_machine, config, monkeypatch):
    def check_labels(*args):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(command, "check_labels", check_labels)
    result = run(config)
    assert result.exit_code == 1
    assert "Could not check labels. ZeroDivisionError: by zero" in said(result)
    assert "learns a batch" in said(result)
