"""Integrated gradients of functions whose integrals are known."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_rnn.bridge.integrated_gradients import gauss_legendre, integrate
from spacy_rnn.bridge.ragged import Rows, split_rows

OPS = NumpyOps()
# What the function below multiplies a row by.
A = numpy.array([1.0, -2.0, 0.5], dtype="f")


def power(degree):
    """The sum of a text's rows, times A, to a power; and twice that."""

    def run(X):
        sums = numpy.array([rows.sum(axis=0) @ A for rows in split_rows(X.data, X.lengths)])
        Y = numpy.stack([sums**degree, 2 * sums**degree], axis=1)

        def backprop(dY):
            slope = (dY[:, 0] + 2 * dY[:, 1]) * degree * sums ** (degree - 1)
            return Rows(slope.repeat(X.lengths)[:, None] * A, X.lengths)

        return Y, backprop

    return run


def rows_of(lengths, seed=0):
    data = numpy.random.default_rng(seed).standard_normal((sum(lengths), 3)).astype("f")
    return Rows(data, numpy.array(lengths, dtype="int64"))


def added(degree, X, steps, *, budget=1000, baseline=None, direction=(1.0, 0.0)):
    baseline = numpy.zeros(3, dtype="f") if baseline is None else baseline
    directions = numpy.tile(numpy.array(direction, dtype="f"), (len(X.lengths), 1))
    rule = gauss_legendre(steps)
    return integrate(power(degree), X, baseline, directions, rule, ops=OPS, budget=budget)


def test_a_square_by_hand():
    """Of the square of a sum, each term adds itself times the sum."""
    X = rows_of([4, 2])
    expected = [rows @ A * (rows @ A).sum() for rows in split_rows(X.data, X.lengths)]
    assert numpy.allclose(added(2, X, 1), numpy.concatenate(expected), atol=1e-5)
    both = added(2, X, 1, direction=(1.0, -1.0))
    assert numpy.allclose(both, -numpy.concatenate(expected), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    degree=st.integers(1, 6),
    budget=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_what_rows_add_is_the_difference(lengths, degree, budget, seed):
    """Exactly, with half as many steps as the power; also from a baseline other than zeros, and
    whatever is computed together."""
    X, baseline = rows_of(lengths, seed), A[::-1].copy()
    found = added(degree, X, (degree + 1) // 2, budget=budget, baseline=baseline)
    assert found.shape == (sum(lengths),) and found.dtype == "float64"
    start = Rows(numpy.tile(baseline, (sum(lengths), 1)), X.lengths)
    ends = [power(degree)(rows)[0][:, 0] for rows in (X, start)]
    scale = 1 + numpy.abs(ends).max()
    for rows, difference in zip(split_rows(found, X.lengths), ends[0] - ends[1]):
        assert abs(rows.sum() - difference) < 1e-3 * scale


def test_too_few_steps_leave_an_error():
    X = rows_of([5])
    ((end, _),) = power(6)(X)[0]
    assert abs(added(6, X, 1).sum() - end) > 0.1 * abs(end)
    assert abs(added(6, X, 3).sum() - end) < 1e-4 * abs(end)


def test_no_texts():
    assert (
        added(2, Rows(numpy.zeros((0, 3), dtype="f"), numpy.zeros(0, dtype="int64")), 4).size == 0
    )


def test_a_row_at_the_baseline_adds_nothing():
    X = rows_of([3, 3])
    X.data[1] = X.data[4] = A
    found = added(3, X, 4, baseline=A)
    assert (found[[1, 4]] == 0).all() and (found[[0, 2, 3, 5]] != 0).all()


@pytest.mark.parametrize("steps", [1, 2, 16, 33])
def test_places_and_weights(steps):
    places, weights = gauss_legendre(steps)
    assert len(places) == steps and weights.sum() == pytest.approx(1.0)
    assert (places > 0).all() and (places < 1).all()
    degree = 2 * steps - 1
    assert (weights * places**degree).sum() == pytest.approx(1.0 / (degree + 1))
