"""Searches in processes that are killed, interrupted, or share a study."""

import json
import re

import pytest
from spacy.util import load_config

pytest.importorskip("optuna", reason="needs the extra `tune`")
pytest.importorskip("matplotlib", reason="needs the extra `tune`")

from tests.training.trainings import interrupt, kill
from tests.tuning.searches import HANGS, Process, rows_of, write_search

# The first trial writes four checkpoints, so that this is in the middle of the second one.
SECOND_OF_SECOND = "spacy_rnn.training.checkpoint.Checkpoint.write", 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches")
    write_search(folder)
    return folder


def result_of(row):
    return {name: row[name] for name in ("trial", "state", "score", "step", "values")}


@pytest.fixture(scope="module")
def whole(folder):
    """The results of a search that was not interrupted."""
    status, text = Process(folder, folder / "whole", trials=3, sampler="random").end()
    assert status == 0, text
    return [result_of(row) for row in rows_of(folder / "whole")]


@pytest.mark.parametrize("action,code", [(kill, -9), (interrupt, 2)])
def test_goes_on_in_the_middle_of_a_trial(folder, whole, action, code):
    out = folder / f"stopped{code}"
    plan = {"trials": 3, "sampler": "random"}
    status, text = Process(folder, out, fault=(*SECOND_OF_SECOND, action), **plan).end()
    assert status == code, text
    assert (out / "trials" / "0001" / "checkpoint").exists()
    status, text = Process(folder, out, **plan).end()
    assert status == 0, text
    assert "1 of 3 trials are done" in text
    rows = {row["trial"]: result_of(row) for row in rows_of(out)}
    # To the last bit, and what was done was not done again.
    assert len(rows) == 3 and [rows[0], rows[1]] == whole[:2]
    assert "Going on after step" in (out / "trials" / "0001" / "log.txt").read_text("utf8")
    assert not (out / "trials" / "0001" / "checkpoint").exists()
    assert json.loads((out / "model-best" / "meta.json").read_text("utf8"))


def test_two_processes_share_the_trials(folder):
    out = folder / "shared"
    plan = {"trials": 8, "sampler": "random", "grace": HANGS}
    processes = [Process(folder, out, name, **plan) for name in ("a", "b")]
    ended = [process.end() for process in processes]
    assert [status for status, _ in ended] == [0, 0], ended
    rows = rows_of(out)
    assert len(rows) == 8 and {row["state"] for row in rows} <= {"complete", "pruned"}
    assert [row["own_values"] for row in rows].count(True) == 1
    assert len({str(row["values"]) for row in rows}) == 8
    # Each has said what it has done.
    done = [{int(number) for number in re.findall(r"^ +(\d+) ", text, re.M)} for _, text in ended]
    assert not done[0] & done[1] and done[0] | done[1] == {row["trial"] for row in rows}
    assert all(done)
    best = max(row["score"] for row in rows if row["state"] == "complete")
    scores = json.loads((out / "model-best" / "meta.json").read_text("utf8"))["performance"]
    weights = load_config(out / "best.cfg")["training"]["score_weights"]
    found = sum(weight * scores[name] for name, weight in weights.items() if weight)
    assert found == pytest.approx(best)
