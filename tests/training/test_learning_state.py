"""What the next step of a training depends on goes from one pipeline to another."""

import numpy
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, Model, Shim, fix_random_seed

from spacy_rnn.training.learning_state import LearningState
from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger


def make(*, seed=0, width=8, frozen=()):
    """A pipeline with layers of thinc, and with sparse and dense tables of torch."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 32}
    model = small_model(linear_model=linear, tok2vec__width=width)
    nlp.add_pipe("textcat_lstm", config={"model": model})
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    examples = [*make_examples(nlp), *make_tagged_examples(nlp)]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, L2=0.1)
    return nlp, examples, LearningState(nlp, frozen, optimizer)


def learn(nlp, examples, optimizer, steps):
    """RETURNS: The losses of each step."""
    found = []
    fix_random_seed(0)
    for _ in range(steps):
        losses = {}
        # Of a text without tokens nothing is learned, but weights go on as they were moving. Then
        # batches in which some words do not occur, or nothing that a component learns from.
        empty = Example.from_dict(nlp.make_doc(""), {})
        for part in ([empty], examples[:3], examples[6:8]):
            nlp.update(part, sgd=optimizer, losses=losses)
        found.append(losses)
        with nlp.use_params(optimizer.averages):
            pass
    return found


def arrays_of(state):
    arrays, rest = state.get()
    return {name: value.tobytes() for name, value in arrays.items()}, rest


def test_goes_on_in_another_pipeline():
    nlp, examples, state = make()
    learn(nlp, examples, state.optimizer, 3)
    arrays, rest = state.get()
    other, other_examples, other_state = make(seed=1)
    assert arrays_of(other_state) != arrays_of(state)
    other_state.set({name: value.copy() for name, value in arrays.items()}, rest)
    assert arrays_of(other_state) == arrays_of(state)
    expected = learn(nlp, examples, state.optimizer, 4)
    assert learn(other, other_examples, other_state.optimizer, 4) == expected
    assert arrays_of(other_state) == arrays_of(state)


def test_names_hold_in_any_process_and_say_all():
    nlp, examples, state = make()
    learn(nlp, examples, state.optimizer, 1)
    arrays, rest = state.get()
    kinds = {name.split("/")[0] for name in arrays}
    assert kinds == {"weight", "gradient", "mom1", "mom2", "averages", "progress"}
    # A text without tokens does not count before there are gradients.
    assert set(rest["updates"].values()) == {2}
    Model("other", lambda *args: args)
    _, _, other = make()
    mine, theirs = (
        {name for name in found if name.startswith("weight")} for found in (arrays, other.get()[0])
    )
    assert mine == theirs


def test_frozen_components_are_left_out():
    _, _, state = make(frozen=["tagger_bilstm"])
    arrays, rest = state.get()
    assert {name.split("/")[1] for name in arrays} == {"textcat_lstm"}


def test_weights_of_another_shape_are_refused():
    _, _, state = make()
    nlp, examples, other = make(width=4)
    before = arrays_of(other)
    with pytest.raises(ValueError, match=r"R715.*textcat_lstm/\d.*\(\d+, 8\) there.*\(\d+, 4\)"):
        other.set(*state.get())
    assert arrays_of(other) == before
    _, _, fewer = make(frozen=["tagger_bilstm"])
    with pytest.raises(ValueError, match="R715.*tagger_bilstm.*None here"):
        fewer.set(*state.get())


def test_layers_that_are_not_of_torch_are_refused():
    nlp, _, _ = make()
    nlp.get_pipe("textcat_lstm").model.layers[0].shims.append(Shim(None))
    with pytest.raises(ValueError, match="R718.*weights of a Shim"):
        LearningState(nlp, [], Adam())


def test_weights_of_no_component_are_refused():
    _, _, state = make()
    state.optimizer((-1, "lost"), numpy.ones(2, dtype="f"), numpy.ones(2, dtype="f"))
    with pytest.raises(ValueError, match="R719.*lost"):
        state.get()
