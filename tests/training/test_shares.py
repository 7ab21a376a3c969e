"""Two processes that train together do what one does with the same batches."""

import json
import math

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import load_config

from spacy_rnn.training.checkpoint import NAME, Checkpoint
from spacy_rnn.training.shares import joint_losses, share_of
from tests.conftest import make_examples
from tests.training.together import train_together, write_training


class Rank:
    def __init__(self, number, count):
        self.number, self.count, self.is_first = number, count, number == 0


def rows_of(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text("utf8").splitlines()]


def largest_difference(found, expected):
    return max(float(numpy.abs(value - expected[name]).max()) for name, value in found.items())


def assert_close(found, expected, tolerance=1e-5):
    """The same losses, scores, weights, moments and averages."""
    assert len(rows_of(found)) == len(rows_of(expected))
    for row, other in zip(rows_of(found), rows_of(expected)):
        assert row["losses"] == pytest.approx(other["losses"], abs=tolerance, rel=tolerance)
        assert row["score"] == pytest.approx(other["score"])
        assert (row["step"], row["words"]) == (other["step"], other["words"])
    first, second = (Checkpoint.read(folder / NAME) for folder in (found, expected))
    assert set(first.arrays) == set(second.arrays)
    assert first.facts["updates"] == second.facts["updates"]
    assert largest_difference(first.arrays, second.arrays) < tolerance


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Makes a config, and the folder of its training in one process."""
    known = {}

    def make(name, **training):
        key = (name, *training)
        if key not in known:
            folder = tmp_path_factory.mktemp(name)
            config = write_training(folder, name, **training)
            codes, printed = train_together(config, folder / "alone", count=1)
            assert codes == [0], printed
            known[key] = config
        return known[key]

    return make


# Batches of the texts' number: from 2, or of 3, or of one: then a process has none.
ONE = {"@schedules": "constant.v1", "rate": 1}
THREE = {"@schedules": "constant.v1", "rate": 3}


def batches_of(size):
    return {"@batchers": "spacy.batch_by_sequence.v1", "size": size}


@pytest.mark.parametrize(
    "name,count,training",
    [
        ("textcat", 2, {}),
        ("textcat", 3, {"accumulate_gradient": 2}),
        ("tagger", 2, {"batcher": batches_of(THREE), "max_epochs": -1}),
        ("tagger", 2, {"batcher": batches_of(ONE), "accumulate_gradient": 1}),
        ("joint", 2, {}),
    ],
)
def test_the_result_is_that_of_one_process(alone, tmp_path, name, count, training):
    config = alone(name, **training)
    codes, printed = train_together(config, tmp_path / "out", count=count)
    assert codes == [0] * count, printed
    assert f"Processes: {count}" in printed[0] and printed[1:] == [""] * (count - 1)
    assert len(rows_of(tmp_path / "out")) == 8
    assert_close(tmp_path / "out", config.parent / "alone")
