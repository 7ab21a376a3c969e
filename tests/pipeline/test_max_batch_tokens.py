"""How many tokens a component reads at a time: memory, not scores."""

import numpy
import pytest
import spacy
import srsly
from confection import ConfigValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.configs import defaults_of
from tests.conftest import train
from tests.pipeline.in_processes import COMPONENTS

WORDS = "the old dog sees a warm and funny film \n of cats".split(" ")


@pytest.fixture(scope="module", params=COMPONENTS)
def nlp(request):
    model, make = COMPONENTS[request.param]
    nlp = spacy.blank("en")
    nlp.add_pipe(request.param, config={"model": model})
    train(nlp, make(nlp), steps=20)
    return nlp


@pytest.fixture
def pipe(nlp):
    pipe = nlp.get_pipe(nlp.pipe_names[0])
    before = pipe.cfg["max_batch_tokens"]
    yield pipe
    pipe.cfg["max_batch_tokens"] = before


def make_docs(nlp, lengths):
    words = WORDS * (1 + max(lengths, default=0) // len(WORDS))
    return [Doc(nlp.vocab, words=words[:length]) for length in lengths]


def batches_read(pipe, monkeypatch):
    """RETURNS: A list to which the lengths of texts are added that the model reads at a time."""
    embed = next(node for node in pipe.model.walk() if node.name == "vocab_embed")
    read, batches = embed._func, []

    def counting(model, X, is_train):
        batches.append(Tokens.of(X).lengths.tolist())
        return read(model, X, is_train)

    monkeypatch.setattr(embed, "_func", counting)
    return batches


def scores_of(pipe, docs):
    scores = pipe.predict(docs)
    return numpy.concatenate([numpy.zeros((0, len(pipe.labels))), *map(numpy.atleast_2d, scores)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 90))
def test_scores_do_not_depend_on_it(nlp, lengths, budget):
    pipe, docs = nlp.get_pipe(nlp.pipe_names[0]), make_docs(nlp, lengths)
    pipe.cfg["max_batch_tokens"] = 10_000
    whole = scores_of(pipe, docs)
    pipe.cfg["max_batch_tokens"] = budget
    with pytest.MonkeyPatch.context() as monkeypatch:
        batches = batches_read(pipe, monkeypatch)
        parts = scores_of(pipe, docs)
    assert numpy.allclose(parts, whole, atol=1e-5)
    assert all(sum(batch) <= budget or len(batch) == 1 for batch in batches)


def flat(scores, name=""):
    """All numbers of nested scores, each by its full name; -1 for a score that there is not."""
    if not isinstance(scores, dict):
        return {name: -1.0 if scores is None else scores}
    parts = [flat(value, f"{name}/{key}") for key, value in scores.items()]
    return {key: value for part in parts for key, value in part.items()}


def test_evaluation_reads_no_more_either(nlp, pipe, monkeypatch):
    _, make = COMPONENTS[nlp.pipe_names[0]]
    examples = make(nlp) * 3
    expected = nlp.evaluate(examples)
    batches = batches_read(pipe, monkeypatch)
    pipe.cfg["max_batch_tokens"] = 11
    found = nlp.evaluate(examples)
    assert max(map(sum, batches)) <= 11 and len(batches) > 5
    for scores in (found, expected):
        del scores["speed"]
    assert flat(found) == pytest.approx(flat(expected), abs=1e-5, nan_ok=True)


def test_scores_of_a_batch_share_one_array(nlp, pipe):
    """Each part's own would keep the memory apart that the next part needs."""
    pipe.cfg["max_batch_tokens"] = 10
    scores = pipe.predict(make_docs(nlp, [8, 5, 9, 0, 10]))
    wholes = [scores] if isinstance(scores, numpy.ndarray) else [rows.base for rows in scores]
    assert all(whole is wholes[0] for whole in wholes)
    assert len(wholes[0]) == (5 if wholes[0] is scores else 32)


def test_training_reads_whole_batches(nlp, pipe, monkeypatch):
    _, make = COMPONENTS[nlp.pipe_names[0]]
    batches = batches_read(pipe, monkeypatch)
    pipe.cfg["max_batch_tokens"] = 3
    nlp.update(make(nlp))
    assert len(batches) == 1 and sum(batches[0]) > 10


@pytest.mark.parametrize("factory", COMPONENTS)
@pytest.mark.parametrize("value", [0, -5])
def test_it_must_be_above_0(factory, value):
    message = f"R341.*max_batch_tokens of '{factory}' is {value},.*at least 1"
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe(factory, config={"max_batch_tokens": value})


def test_it_must_be_a_whole_number(nlp, pipe):
    with pytest.raises(ConfigValidationError, match="max_batch_tokens"):
        spacy.blank("en").add_pipe(nlp.pipe_names[0], config={"max_batch_tokens": "all"})
    for value in (True, 2.5, "all", None):
        with pytest.raises(ValueError, match=f"R341.*is {value!r}"):
            pipe.check_settings({**pipe.cfg, "max_batch_tokens": value})


def test_it_is_saved_and_changed_on_loading(nlp, pipe, tmp_path):
    name = nlp.pipe_names[0]
    pipe.cfg["max_batch_tokens"] = 77
    nlp.to_disk(tmp_path)
    changed = {f"components.{name}.max_batch_tokens": 88}
    for config, expected in (({}, 77), (changed, 88)):
        assert (
            spacy.load(tmp_path, config=config).get_pipe(name).cfg["max_batch_tokens"] == expected
        )


def test_pipelines_of_before_have_the_default(nlp, pipe, tmp_path):
    name = nlp.pipe_names[0]
    pipe.to_disk(tmp_path)
    cfg = srsly.read_json(tmp_path / "cfg")
    # As versions without checksums saved it.
    (tmp_path / "checksums").unlink()
    del cfg["config"]["format"], cfg["config"]["saved_by"]
    for settings_saved in (cfg, cfg["config"]):
        del settings_saved["max_batch_tokens"]
    srsly.write_json(tmp_path / "cfg", cfg)
    model, _ = COMPONENTS[name]
    other = spacy.blank("en").add_pipe(name, config={"model": model}).from_disk(tmp_path)
    default = defaults_of(name)[0]["max_batch_tokens"]
    assert other.cfg["max_batch_tokens"] == default
    assert type(pipe)(nlp.vocab, pipe.model, name).cfg["max_batch_tokens"] == default


def test_calibration_reads_by_parts(nlp, pipe, monkeypatch):
    if not hasattr(pipe, "calibrate"):
        pytest.skip("taggers are not calibrated")
    docs = make_docs(nlp, [9] * 6)
    cats = {label: float(i == 0) for i, label in enumerate(pipe.labels)}
    examples = [Example.from_dict(doc, {"cats": cats}) for doc in docs]
    batches = batches_read(pipe, monkeypatch)
    pipe.cfg["max_batch_tokens"] = 20
    pipe.calibrate(examples)
    assert batches == [[9, 9]] * 3
