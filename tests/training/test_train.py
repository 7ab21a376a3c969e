"""Trainings that are killed and go on: they end as if nothing had happened, to the last bit."""

import io
import random
import shutil
import signal
import sys

import pytest
import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin
from spacy.util import load_config

from spacy_rnn.training import train as train_module
from spacy_rnn.training.checkpoint import NAME, Checkpoint
from tests.training import trainings
from tests.training.trainings import (
    contents,
    interrupt,
    kill,
    no_space,
    results,
    terminate,
    train,
)

UPDATE = "spacy.language.Language.update"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals that kill")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes the folder of a training, with what it leaves if nothing happens to it."""
    known = {}

    def make(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            trainings.write_texts(folder)
            getattr(trainings, name)(folder)
            status, printed = train(folder / "config.cfg", folder / "whole")
            assert status == 0, printed
            known[name] = folder
        return known[name]

    return make


def assert_same(found, expected):
    """The same files, to the last bit."""
    assert set(found) == set(expected)
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.parametrize(
    "name,update,action,status",
    [
        # Gradients are accumulated over two updates a step, or three.
        ("textcat", 21, kill, -signal.SIGKILL),
        ("textcat", 13, interrupt, signal.SIGINT),
        ("tagger", 7, terminate, signal.SIGTERM),
        ("joint", 1, kill, -signal.SIGKILL),
        ("frozen", 9, kill, -signal.SIGKILL),
    ],
)
def test_goes_on_to_the_bit(made, tmp_path, name, update, action, status):
    folder, out = made(name), tmp_path / "out"
    found, printed = train(folder / "config.cfg", out, (UPDATE, update, action))
    assert found == status, printed
    assert (out / NAME).exists()
    if action is not kill:
        spacy.load(out / "model-last")
    found, printed = train(folder / "config.cfg", out)
    assert found == 0 and "Going on after step" in printed, printed
    assert_same(results(out), results(folder / "whole"))


@pytest.mark.parametrize(
    "name,seed",
    [
        ("textcat", 1),
        *(
            pytest.param(name, seed, marks=pytest.mark.slow)
            for name in ("textcat", "tagger", "joint", "frozen")
            for seed in range(2, 6)
        ),
    ],
)
def test_killed_again_and_again(made, tmp_path, name, seed):
    """Also while it saves, between any two calls of the system."""
    folder, out = made(name), tmp_path / "out"
    sizes = {k: len(v) for k, v in contents(folder / "whole" / "model-best").items()}
    drawn, kills = random.Random(seed), 0
    places = [("os.fsync", 60), ("os.rename", 4), ("os.replace", 2), (UPDATE, 12)]
    for call, most in places * 2:
        status, printed = train(folder / "config.cfg", out, (call, drawn.randrange(most), kill))
        assert status in (0, -signal.SIGKILL), printed
        kills += status != 0
        for model in out.glob("model-*"):
            found = {k: len(v) for k, v in contents(model).items()}
            assert {**found, "meta.json": sizes["meta.json"]} == sizes
    assert kills >= 5
    status, printed = train(folder / "config.cfg", out)
    assert status == 0, printed
    assert_same(results(out), results(folder / "whole"))
    assert {path.name for path in out.iterdir()} == {
        *("model-best", "model-last", "checkpoint", "log.jsonl")
    }


@pytest.mark.parametrize("real", [False, True])
def test_no_space_while_saving(made, tmp_path, real):
    """Where the disk is said to be full, in the second evaluation; and where the system gives no
    file as many bytes as the checkpoint has."""
    folder, out = made("textcat"), tmp_path / "out"
    fault = None if real else ("os.fsync", 70, no_space)
    most = max(len(data) for data in results(folder / "whole").values()) if real else 0
    found, printed = train(folder / "config.cfg", out, fault, largest_file=most)
    assert found == 1 and "OSError: [Errno" in printed
    assert ("File too large" if real else "No space left on device") in printed
    assert (out / NAME).exists() != real
    spacy.load(out / "model-best")
    spacy.load(out / "model-last")
    assert not list(out.glob(".*"))
    found, printed = train(folder / "config.cfg", out)
    assert found == 0, printed
    assert_same(results(out), results(folder / "whole"))


def test_the_result_is_that_of_spacys_command(made, tmp_path):
    folder = made("textcat")
    spacy_train(folder / "config.cfg", tmp_path)
    assert_same(results(tmp_path), results(folder / "whole"))


def test_goes_on_for_longer_than_it_was_to(made, tmp_path):
    folder, out = made("joint"), tmp_path / "out"
    found, printed = train(folder / "config.cfg", out, training__max_steps=5)
    assert found == 0 and Checkpoint.read(out / NAME).facts["step"] == 5, printed
    found, printed = train(None, out, training__max_steps=trainings.STEPS)
    assert found == 0, printed
    found, expected = results(out), results(folder / "whole")
    # The best pipeline may be of the time when it was to end sooner.
    for files in (found, expected):
        files.pop("model-best/config.cfg")
    assert_same(found, expected)


def test_a_training_that_has_ended_ends_again(made, tmp_path):
    folder, out = made("textcat"), tmp_path / "out"
    shutil.copytree(folder / "whole", out)
    found, printed = train(None, out)
    assert found == 0, printed
    assert_same(results(out), results(folder / "whole"))


def refused(folder, out, config=None, **overrides):
    """What is said in a folder where training cannot go on, after which nothing has changed."""
    before = contents(out)
    status, printed = train(config, out, **overrides)
    assert status == 1
    assert_same(
        {k: v for k, v in contents(out).items() if k != "log.jsonl"},
        {k: v for k, v in before.items() if k != "log.jsonl"},
    )
    return printed


@pytest.mark.parametrize("change,code", [("order", "R714"), ("labels", "R714"), ("words", "R715")])
def test_other_texts_are_refused(made, tmp_path, change, code):
    folder = tmp_path / "changed"
    shutil.copytree(made("joint"), folder)
    docs = list(DocBin().from_disk(folder / "train.spacy").get_docs(spacy.blank("en").vocab))
    if change == "order":
        docs[3], docs[5] = docs[5], docs[3]
    elif change == "labels":
        docs[3].cats, docs[4].cats = docs[4].cats, docs[3].cats
    else:
        docs = docs[:8]
    config = load_config(folder / "config.cfg", interpolate=False)
    DocBin(docs=docs, store_user_data=True).to_disk(folder / "train.spacy")
    # The checkpoint has the paths of the texts: here they are other ones.
    checkpoint = Checkpoint.read(folder / "whole" / NAME)
    config["corpora"]["train"]["path"] = str(folder / "train.spacy")
    checkpoint.facts["config"] = config.to_str()
    checkpoint.write(folder / "whole" / NAME)
    assert code in refused(folder, folder / "whole")


def test_limits_that_were_passed_before_are_refused(made, tmp_path):
    shutil.copytree(made("joint") / "whole", tmp_path / "out")
    printed = refused(tmp_path, tmp_path / "out", training__max_steps=2)
    assert "R716" in printed and "after step 2" in printed and "of step 10" in printed


def test_an_interrupt_while_it_finds_its_place_changes_nothing(made, tmp_path, monkeypatch):
    """In this process, since nothing is trained."""
    shutil.copytree(made("tagger") / "whole", tmp_path / "out")
    before = results(tmp_path / "out")
    checkpoint = train_module.find_checkpoint(tmp_path / "out", True)
    config = checkpoint.config(None, {})
    monkeypatch.setattr(train_module.Training, "_note_evaluation", lambda *args: interrupt())
    stdout = io.StringIO()
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v1"}
    monkeypatch.setattr(train_module.Training, "_introduction", lambda self: "")
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    status = train_module.train(
        config, tmp_path / "out", checkpoint=checkpoint, stdout=stdout, stderr=stdout
    )
    assert status == signal.SIGINT
    assert_same(results(tmp_path / "out"), before)
    assert handlers == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]


def test_an_error_leaves_the_last_evaluation(made, tmp_path):
    """And nothing of the steps after it, which may have led to the error."""
    folder, out = made("joint"), tmp_path / "out"
    found, printed = train(folder / "config.cfg", out, (UPDATE, 3, trainings.fail))
    assert found == 1 and "ZeroDivisionError" in printed
    assert Checkpoint.read(out / NAME).facts["step"] == 0
    found, printed = train(folder / "config.cfg", out)
    assert found == 0 and "Going on after step 0" in printed
    assert_same(results(out), results(folder / "whole"))
