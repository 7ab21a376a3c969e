"""The file that a training goes on from: whole, of this version, and of the same config."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Config

from spacy_rnn.training import checkpoint as checkpoint_module
from spacy_rnn.training.checkpoint import Checkpoint, versions

CONFIG = """
[training]
max_steps = 10
max_epochs = 0
patience = 5
dropout = 0.1

[paths]
train = "a"

[corpora]
path = ${paths.train}
"""


def make(**facts):
    facts = {"versions": versions(), "config": CONFIG, "step": 3, **facts}
    arrays = {"mom1/a/0/W": numpy.arange(6, dtype="f").reshape(2, 3), "b": numpy.zeros((0, 2), "f")}
    return Checkpoint(facts, arrays)


def test_comes_back_to_the_bit(tmp_path):
    numbers = {"one": numpy.float32(0.1), "all": numpy.float64(1 / 3), "nan": float("nan")}
    make(numbers=numbers, words=numpy.arange(3)).write(tmp_path / "checkpoint")
    found = Checkpoint.read(tmp_path / "checkpoint")
    assert numpy.float32(found.facts["numbers"]["one"]) == numpy.float32(0.1)
    assert found.facts["numbers"]["all"] == 1 / 3 and numpy.isnan(found.facts["numbers"]["nan"])
    assert found.facts["words"] == [0, 1, 2]
    assert list(found.arrays) == ["b", "mom1/a/0/W"] or set(found.arrays) == {"b", "mom1/a/0/W"}
    for name, value in make().arrays.items():
        assert found.arrays[name].dtype == value.dtype
        assert numpy.array_equal(found.arrays[name], value)
    # A bare name: nothing else lies there.
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint"
    make().write(path)
    return path, path.read_bytes()


@settings(deadline=None)
@given(st.data())
def test_any_change_is_refused(written, data):
    path, whole = written
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                whole[:place],
                whole + whole[: place + 1],
                whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :],
            ]
        )
    )
    path.write_bytes(changed)
    with pytest.raises(ValueError, match="R711.*checkpoint"):
        Checkpoint.read(path)


def test_another_version_is_refused(tmp_path, monkeypatch):
    make(versions={**versions(), "thinc": "1.0"}).write(tmp_path / "a")
    with pytest.raises(ValueError, match="R712.*version 1.0 of thinc"):
        Checkpoint.read(tmp_path / "a")
    make(versions={}).write(tmp_path / "b")
    with pytest.raises(ValueError, match="R712.*version None of spacy-rnn"):
        Checkpoint.read(tmp_path / "b")


def load(text=CONFIG):
    return Config().from_str(text, interpolate=False)


def test_the_config_is_that_of_the_checkpoint():
    assert make().config(None, {}) == load()
    # As it was written: variables are not filled in.
    assert make().config(load(), {})["corpora"]["path"] == "${paths.train}"


@pytest.mark.parametrize("name,value", [("max_steps", 20), ("max_epochs", 3), ("patience", 0)])
def test_when_it_ends_can_be_changed(name, value):
    found = make().config(None, {f"training.{name}": value})
    assert found["training"][name] == value
    config = load()
    config["training"][name] = value
    assert make().config(config, {}) == config


@pytest.mark.parametrize(
    "change,message",
    [
        ({"training.dropout": 0.2}, "training.dropout was 0.1 .* is 0.2"),
        ({"paths.train": "b"}, "paths.train was a .* is b"),
        ({"training.max_epochs": -1}, "training.max_epochs was 0 .* is -1"),
    ],
)
def test_another_config_is_refused(change, message):
    with pytest.raises(ValueError, match=f"R713.*{message}"):
        make().config(None, change)
    with pytest.raises(ValueError, match=f"R713.*{message}"):
        make().config(Config().from_str(CONFIG, interpolate=False, overrides=change), {})


def test_a_config_with_more_or_less_is_refused():
    config = load()
    config["training"]["seed"] = 1
    with pytest.raises(ValueError, match="R713.*training.seed was not there"):
        make().config(config, {})
    del config["training"]["seed"], config["training"]["dropout"]
    with pytest.raises(ValueError, match="R713.*training.dropout was 0.1 .* is not there"):
        make().config(config, {})


def test_what_computes_is_known():
    assert set(versions()) == set(checkpoint_module.PACKAGES)
    assert all(part.isdigit() for part in versions()["spacy"].split(".")[:2])
