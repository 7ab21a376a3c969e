import copy

import numpy
import pytest
from thinc.api import Adam

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1

ONE = [numpy.random.default_rng(0).normal(size=(9, 4)).astype("f")]


def make():
    return build_rnn_encoder_v1(6, dropout=0.0).initialize(X=ONE)


def check_short(model):
    """A short text alone is read by another way than beside another."""
    alone, beside = model.predict(ONE)[0], model.predict([*ONE, *ONE])[0]
    assert numpy.allclose(alone, beside, atol=1e-6)
    return alone


def train(model, optimizer):
    for _ in range(5):
        Ys, backprop = model.begin_update(ONE)
        backprop(Ys)
        model.finish_update(optimizer)


def test_a_short_text_is_read_with_the_weights_of_now():
    model, optimizer = make(), Adam(0.1, use_averages=True)
    states = [check_short(model)]
    train(model, optimizer)
    states.append(check_short(model))
    with model.use_params(optimizer.averages):
        states.append(check_short(model))
    assert numpy.allclose(check_short(model), states[1], atol=1e-6)
    model.from_bytes(make().to_bytes())
    states.append(check_short(model))
    for i, state in enumerate(states):
        assert all(abs(state - other).max() > 1e-4 for other in states[:i])


def test_a_copy_reads_with_its_own_weights():
    model = make()
    before = check_short(model)
    copied = copy.deepcopy(model)
    train(copied, Adam(0.1))
    assert abs(check_short(copied) - before).max() > 1e-4
    assert numpy.array_equal(check_short(model), before)


def test_what_is_derived_from_weights_is_made_once():
    model, made = make(), []
    shim = shim_of(model)
    assert [shim.derived("a", lambda module: made.append(module)) for _ in range(3)] == [None] * 3
    assert made == [shim.module]
    train(model, Adam(0.1))
    shim.derived("a", lambda module: made.append(module))
    assert len(made) == 2


@pytest.mark.parametrize("tokens", [1, 2, 40, 5000])
def test_the_output_of_one_text_is_its_own(tokens):
    model = make()
    data = [numpy.random.default_rng(1).normal(size=(tokens, 4)).astype("f")]
    first = model.predict(data)[0]
    kept = first.copy()
    model.predict([data[0][::-1].copy()])
    assert numpy.array_equal(first, kept)
