"""Searches whose trainings are acted, or small."""

import io
import logging
import math
import random
import signal
import xml.dom.minidom
from collections import Counter

import numpy
import pytest
import spacy
import torch
from spacy.cli.train import train as spacy_train
from spacy.training import Corpus
from spacy.util import load_config

optuna = pytest.importorskip("optuna", reason="needs the extra `tune`")
pytest.importorskip("matplotlib", reason="needs the extra `tune`")

from optuna.exceptions import UpdateFinishedTrialError  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from spacy_rnn.tuning import objective, search, storage  # noqa: E402
from spacy_rnn.tuning.storage import default_storage  # noqa: E402
from tests.tuning.searches import (  # noqa: E402
    DROPOUT,
    POOLING,
    RATE,
    WIDTH,
    act,
    load,
    rows_of,
    run,
    write_search,
)

__all__ = ["act"]


@pytest.fixture
def folder(tmp_path):
    write_search(tmp_path)
    return tmp_path


def constant(score):
    return lambda config: [score] * 3


def dropout_of(config):
    return config["training"]["dropout"]


def steady(config):
    """Better, the smaller dropout."""
    return [1 - dropout_of(config)] * 3


def test_what_is_found(folder, act):
    act(steady)
    printed = io.StringIO()
    found, rows = run(folder, trials=12, stdout=printed)
    assert [row["trial"] for row in rows] == list(range(12))
    # The first one is of the config's own values.
    own = {DROPOUT: 0.3, RATE: 0.01, POOLING: ["mean", "max"], WIDTH: 12}
    assert rows[0]["values"] == own == found.own_values and rows[0]["own_values"]
    assert found.own_score == rows[0]["score"] == pytest.approx(0.7)
    scores = [row["score"] for row in rows]
    assert found.score == max(scores) > 0.7 and found.trial == scores.index(max(scores))
    assert found.values == rows[found.trial]["values"] and not found.own and found.here
    assert sum(found.counts.values()) == 12 and found.counts["failed"] == found.status == 0
    # Each was trained by its values, all of which are of the space.
    trained = [config["training"]["dropout"] for config in act.configs]
    assert trained == pytest.approx([row["values"][DROPOUT] for row in rows])
    assert len({row["values"][DROPOUT] for row in rows}) == 12
    assert all(row["values"][POOLING] in ("last", ["mean", "max"]) for row in rows)
    assert {row["values"][WIDTH] for row in rows} <= {8, 12, 16}
    # What stays: no pipeline but the best one.
    out = folder / "out"
    best = load_config(out / "best.cfg")
    assert best["training"]["dropout"] == trained[found.trial]
    assert (out / "best.cfg").read_bytes() == (out / "model-best" / "config.cfg").read_bytes()
    for i in range(12):
        left = {path.name for path in (out / "trials" / f"{i:04}").iterdir()}
        assert left == {"config.cfg", "log.txt"}
    lines = printed.getvalue().splitlines()
    assert lines[0].split() == ["TRIAL", "SCORE", "BEST", "STEPS", "TIME", "LEFT", "VALUES"]
    assert len(lines) == 14 and lines[2].split()[:4] == ["0", "70.00", "70.00", "8"]
    assert "as the config has them" in lines[2] and "dropout 0." in lines[3]
    assert lines[13].split()[2] == f"{100 * max(scores):.2f}" and lines[13].split()[5] == "0:00"


def test_the_same_seed_gives_the_same_trials(folder, act):
    act(steady)
    tables = []
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        rows = run(folder, output=folder / name, trials=4, seed=seed, sampler="random")[1]
        tables.append([row["values"] for row in rows])
    assert tables[0] == tables[1] and tables[0][0] == tables[2][0]
    assert not any(values in tables[0] for values in tables[2][1:])


def test_goes_on(folder, act):
    """Until there are as many trials as are asked for, with those of before."""
    act(steady)
    before = run(folder, trials=3, sampler="random")[1]
    printed = io.StringIO()
    found, rows = run(folder, trials=5, sampler="random", stdout=printed)
    assert rows[:3] == before and len(rows) == 5 == len(act.configs)
    assert "3 of 5 trials are done; best score: " in printed.getvalue()
    # None was drawn again.
    assert len({row["values"][DROPOUT] for row in rows}) == 5
    assert run(folder, trials=4)[1] == rows and len(act.configs) == 5
    # The whole search at once is no other one.
    whole = run(folder, output=folder / "whole", trials=5, sampler="random")[1]
    assert [row["values"] for row in whole] == [row["values"] for row in rows]


def test_the_model_of_the_best_is_exchanged_when_there_is_a_better_one(folder, act):
    act(constant(0.5))
    run(folder, trials=2)
    model = folder / "out" / "model-best" / "config.cfg"
    assert load_config(model)["training"]["dropout"] == 0.3
    act(constant(0.6))
    found, rows = run(folder, trials=3)
    assert found.trial == 2
    values = load_config(model)["training"]["dropout"]
    assert values == pytest.approx(rows[2]["values"][DROPOUT]) and values != 0.3
    # What a killed process has left to do is done.
    (folder / "out" / "model-best").rename(folder / "out" / "trials" / "0002" / "model-best")
    (folder / "out" / "best.cfg").unlink()
    (folder / "out" / "trials" / "0001" / "checkpoint").write_text("", "utf8")
    run(folder, trials=3)
    assert load_config(model)["training"]["dropout"] == values
    assert load_config(folder / "out" / "best.cfg")["training"]["dropout"] == values
    assert not (folder / "out" / "trials" / "0001" / "checkpoint").exists()


def test_own_values_outside_of_the_space(folder, act):
    """They are known all the same, but the sampler cannot learn from them."""
    act(steady)
    config = load(folder, training__dropout=0.75)
    found, rows = run(folder, config, trials=12)
    assert rows[0]["values"][DROPOUT] == 0.75 and found.own_score == pytest.approx(0.25)
    assert act.configs[0]["training"]["dropout"] == 0.75
    assert all(row["values"][DROPOUT] <= 0.5 for row in rows[1:]) and found.trial > 0


def test_a_bad_trial_ends_early(folder, act):
    """After five trials, by the median; never at the first step, and never the own values."""

    def scores(config):
        number = len(act.configs) - 1
        return [0.1, 0.5, 0.6] if number in (0, 6) else [0.2, 0.7, 0.8]

    act(scores)
    printed = io.StringIO()
    found, rows = run(folder, trials=8, stdout=printed)
    assert [row["state"] for row in rows].count("pruned") == 1 == found.counts["pruned"]
    assert rows[6]["state"] == "pruned" and rows[6]["last_step"] == 4 and rows[6]["score"] == 0.5
    assert (folder / "out" / "trials" / "0006" / "log.txt").read_text("utf8") == "0.1\n0.5\n"
    assert "pruned at step 4, " in printed.getvalue()
    # The same without pruning.
    act.configs.clear()
    rows = run(folder, output=folder / "whole", trials=8, prune=False)[1]
    assert {row["state"] for row in rows} == {"complete"} and rows[6]["last_step"] == 8


def test_own_values_are_never_pruned(folder, act, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda self: True)
    found, rows = run(folder, trials=3)
    assert [row["state"] for row in rows] == ["complete", "pruned", "pruned"]


def test_a_grid_is_tried_as_a_whole_and_ends(folder, act):
    act(steady)
    text = f"{DROPOUT}: [0.1, 0.3]\n{POOLING}: [last, [mean, max]]\n{WIDTH}: [8, 12]"
    (folder / "space.yml").write_text(text, "utf8")
    found, rows = run(folder, trials=5, sampler="grid")
    assert len(rows) == 5 and rows[0]["own_values"]
    found, rows = run(folder, trials=100, sampler="grid")
    tried = Counter(str(row["values"]) for row in rows)
    # The config's own values are one of the eight.
    assert len(rows) == len(tried) == 8 and found.score == pytest.approx(0.9)
    run(folder, trials=100, sampler="grid")
    assert len(act.configs) == 8
    # Values that are not in the grid are one more.
    config = load(folder, training__dropout=0.2)
    rows = run(folder, config, folder / "other", trials=100, sampler="grid")[1]
    assert len(rows) == 9


def test_a_grid_of_one(folder, act):
    """Which is that of the config."""
    (folder / "space.yml").write_text(f"{DROPOUT}: [0.3]", "utf8")
    assert len(run(folder, trials=20, sampler="grid")[1]) == 1


def test_a_range_is_no_grid(folder, act):
    with pytest.raises(ValueError, match=r"\[R895\]"):
        run(folder, sampler="grid")
    assert not act.configs and not (folder / "out").exists()


def test_failed_trials(folder, act):
    def scores(config):
        if len(act.configs) == 2:
            raise RuntimeError("The loss is\nno number.")
        return [0.5, math.nan, 0.5] if len(act.configs) == 3 else [0.5] * 3

    act(scores)
    printed = io.StringIO()
    found, rows = run(folder, trials=4, stdout=printed)
    assert [row["state"] for row in rows] == ["complete", "failed", "failed", "complete"]
    assert rows[1]["error"] == "RuntimeError: The loss is no number."
    assert rows[2]["error"].startswith("ValueError: [R900] The score of step 4 is nan")
    assert found.counts["failed"] == 2 and rows[0]["error"] is None
    assert "failed" in printed.getvalue() and "The loss is no number." in printed.getvalue()
    # They are not tried again.
    assert len(run(folder, trials=4)[1]) == 4 == len(act.configs)


def test_own_values_that_fail_end_the_search(folder, act):
    def scores(config):
        raise ValueError("There is no text.")

    act(scores)
    for count in (1, 2):
        with pytest.raises(ValueError) as error:
            run(folder, trials=3)
        assert str(error.value).startswith("[R897] The config cannot be trained as it is")
        assert "There is no text." in str(error.value) and "log.txt" in str(error.value)
        assert len(act.configs) == count
    # What was wrong is put right: it goes on.
    act(constant(0.5))
    found, rows = run(folder, trials=3)
    assert [row["state"] for row in rows] == ["complete"] * 3 and rows[0]["own_values"]


def test_a_fault_of_the_machine_ends_the_search_and_costs_no_trial(folder, act):
    def scores(config):
        if len(act.configs) == 2:
            raise OSError("No space left on device")
        return [0.5] * 3

    act(scores)
    with pytest.raises(OSError, match="No space left"):
        run(folder, trials=3)
    found, rows = run(folder, trials=3)
    assert [(row["trial"], row["state"]) for row in rows] == [
        (0, "complete"),
        (1, "complete"),
        (3, "complete"),
    ]
    # With the same values.
    assert act.configs[1]["training"]["dropout"] == act.configs[2]["training"]["dropout"]


@pytest.mark.parametrize("how", ["signal", "keyboard"])
def test_interrupted(folder, act, monkeypatch, how):
    """The trial is run again, in its folder, and with its values."""
    train = objective.train

    def interrupted(config, output, **others):
        train(config, output, **others)
        if len(act.configs) == 2 and how == "keyboard":
            raise KeyboardInterrupt
        return signal.SIGTERM if len(act.configs) == 2 else 0

    monkeypatch.setattr(objective, "train", interrupted)
    monkeypatch.setattr(objective, "find_checkpoint", lambda folder, resume: None)
    found, rows = run(folder, trials=4)
    assert found.status == (signal.SIGINT if how == "keyboard" else signal.SIGTERM)
    assert [row["state"] for row in rows] == ["complete", "waiting"] and found.score == 0.5
    assert (folder / "out" / "trials" / "0001" / "checkpoint").exists()
    found, rows = run(folder, trials=4)
    assert found.status == 0 and len(rows) == 4
    assert [row["trial"] for row in rows[:2]] == [0, 1]
    assert act.configs[1]["training"] == act.configs[2]["training"]
    names = {path.name for path in (folder / "out" / "trials").iterdir()}
    assert names == {"0000", "0001", "0003", "0004"}


def test_a_trial_that_is_run_again_has_its_place_in_the_table(folder, act):
    run(folder, trials=1)
    url = default_storage(folder / "out")
    study = optuna.load_study(study_name="spacy-rnn", storage=url)
    first, second = study.ask(), study.ask()
    study.tell(second.number, 0.25)
    study.tell(first.number, state=TrialState.FAIL)
    storage.run_again(study, first.number)
    rows = run(folder, trials=4)[1]
    assert [row["trial"] for row in rows] == [0, 1, 2, 4] and len(act.configs) == 3
    assert (folder / "out" / "trials" / "0001").exists()


def test_taken_for_dead(folder, act):
    """Another process has taken over a trial of this one: it goes on with others."""

    def scores(config):
        if len(act.configs) == 2:
            study = optuna.load_study(
                study_name="spacy-rnn", storage=default_storage(folder / "out")
            )
            stored = study._storage
            stored.set_trial_state_values(study.get_trials()[1]._trial_id, TrialState.FAIL)
        return [0.5] * 3

    act(scores)
    found, rows = run(folder, trials=4)
    assert [row["state"] for row in rows] == ["complete", "failed", "complete", "complete"]
    assert "killed" in rows[1]["error"] and issubclass(UpdateFinishedTrialError, RuntimeError)


def test_no_trial_begins_after_a_while(folder, act):
    found, rows = run(folder, trials=4, timeout=0.0)
    assert found.score is None and not act.configs and rows[0]["state"] == "waiting"
    assert not (folder / "out" / "best.cfg").exists()


@pytest.mark.parametrize(
    "change,name",
    [
        ({"training__dropout": 0.25}, "setting training.dropout: it was 0.3, and is 0.25 now"),
        ({"training__max_steps": 11}, "setting training.max_steps: it was 10, and is 11 now"),
        ({"space": f"{DROPOUT}: [0.1]"}, "space of components.textcat_lstm.model.encode.width"),
        ({"metric": "cats_macro_auc"}, "setting training.score_weights.cats_macro_auc"),
    ],
)
def test_another_search_in_the_same_study(folder, act, change, name):
    run(folder, trials=1)
    (folder / "space.yml").write_text(
        change.pop("space", (folder / "space.yml").read_text("utf8")), "utf8"
    )
    metric = change.pop("metric", None)
    with pytest.raises(ValueError) as error:
        run(folder, load(folder, **change), trials=2, metric=metric)
    message = str(error.value)
    assert message.startswith("[R896] The study 'spacy-rnn' in sqlite:///") and name in message
    assert len(act.configs) == 1
    # Under another name it is another study.
    found, rows = (
        run(folder, load(folder, **change), trials=1, metric=metric, study="other")
        if (metric is None)
        else (None, [0])
    )
    assert len(rows) == 1


def test_a_metric_that_is_not_there(folder, act):
    with pytest.raises(ValueError, match=r"\[R897\].*\[R898\].* no score 'f1' .* It has: acc"):
        run(folder, trials=2, metric="f1")


@pytest.mark.parametrize("url", ["nothing", "sqlite:////nowhere/at/all.db", "strange://a:b@c/d"])
def test_storages_that_are_none(folder, act, url):
    with pytest.raises(ValueError, match=r"\[R899\]") as error:
        run(folder, storage=url)
    assert "a:b" not in str(error.value) and "\n" not in str(error.value)


def test_a_database_that_is_damaged(folder, act):
    (folder / "out").mkdir()
    (folder / "out" / "study.db").write_bytes(b"no database at all, but long enough" * 99)
    with pytest.raises(ValueError, match=r"\[R899\].*not a database"):
        run(folder)


def test_another_storage(folder, act):
    """Which several searches share, and whose path has signs that URLs have not."""
    url = default_storage(folder)
    run(folder, trials=1, storage=url, study="a")
    odd = folder / "50% {of} it?"
    run(folder, output=odd, trials=1, storage=url, study="b")
    assert not (odd / "study.db").exists()
    assert optuna.get_all_study_names(url) == ["a", "b"]
    run(folder, output=odd, trials=1)
    assert (odd / "study.db").exists()


def test_no_trace(folder, act):
    act(steady)
    states = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    level, handlers = optuna.logging.get_verbosity(), logging.getLogger("optuna").handlers[:]
    before = signal.getsignal(signal.SIGINT)
    run(folder, trials=2)
    assert optuna.logging.get_verbosity() == level == optuna.logging.INFO
    assert logging.getLogger("optuna").handlers == handlers
    after = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == states and signal.getsignal(signal.SIGINT) == before


def test_best_cfg_trains_to_the_score_that_was_said(folder):
    """By plain `spacy train`, and the pipeline that was kept has it, too."""
    found, rows = run(folder, trials=3, sampler="random")
    out = folder / "out"
    assert [row["state"] for row in rows] == ["complete"] * 3
    spacy_train(out / "best.cfg", folder / "again")
    config = load_config(folder / "again" / "model-best" / "config.cfg")
    assert config["training"]["dropout"] == pytest.approx(found.values[DROPOUT])
    for model in (folder / "again" / "model-best", out / "model-best"):
        nlp = spacy.load(model)
        dev = Corpus(folder / "dev.spacy", gold_preproc=True)
        scores = nlp.evaluate(list(dev(nlp)))
        weights = config["training"]["score_weights"]
        score = sum(weight * scores[name] for name, weight in weights.items() if weight)
        assert score == pytest.approx(found.score, abs=1e-5)
    assert rows_of(out) == rows
    figure = xml.dom.minidom.parse(str(out / "study.svg"))
    words = "".join(node.toxml() for node in figure.getElementsByTagName("text"))
    assert all(word in words for word in ("initial_rate", "pooling", "own values"))


def test_tables_wait_for_others_once(folder, act, monkeypatch):
    """A trial of another process: what is there is not trained again, and is waited for."""
    run(folder, trials=1)
    study = optuna.load_study(study_name="spacy-rnn", storage=default_storage(folder / "out"))
    other = study.ask()
    monkeypatch.setattr(search, "WAIT", 0.01)
    looks = []

    def look(study):
        looks.append(study)
        if len(looks) == 3:
            study.tell(other.number, 0.4)

    monkeypatch.setattr(search, "fail_killed", look)
    printed = io.StringIO()
    found, rows = run(folder, trials=2, stdout=printed)
    assert len(looks) == 3 and len(act.configs) == 1 and found.counts["complete"] == 2
    assert printed.getvalue().count("Waiting for 1 trial") == 1
    assert f"after {storage.GRACE} seconds" in " ".join(printed.getvalue().split())
