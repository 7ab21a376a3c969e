"""The expected calibration error, and the temperature with the lowest log-loss."""

import math

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.layers.temperature import (
    HIGHEST,
    LOWEST,
    PRIOR,
    fit_temperature,
    probabilities,
)
from spacy_rnn.training.calibration import (
    calibrate,
    calibration_error,
    certainty,
    expected_calibration_error,
    find_bins,
    log_loss,
)

ALL = numpy.ones


def drawn(*, texts=400, labels=3, exclusive=True, temperature=1.0, offset=0.0, seed=0):
    """Logits, and truths that are drawn from what they say at a temperature."""
    rng = numpy.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(texts, labels))
    probs = probabilities(logits / temperature + offset, exclusive)
    if exclusive:
        truths = numpy.eye(labels)[[rng.choice(labels, p=row) for row in probs]]
    else:
        truths = (rng.random(probs.shape) < probs).astype("float64")
    return logits, truths, ALL(logits.shape), exclusive


def objective(temperature, logits, truths, known, exclusive):
    """What is minimized: the summed log-loss, and minus the logarithm of the prior."""
    scale = 1.0 / temperature
    loss = log_loss(logits * scale, truths, known, exclusive) * len(logits)
    return loss + PRIOR * (scale - math.log(scale))


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_no_temperature_of_a_grid_is_better(exclusive, temperature):
    facts = drawn(exclusive=exclusive, temperature=temperature)
    found = fit_temperature(*facts)
    grid = numpy.geomspace(LOWEST, HIGHEST, 4001)
    losses = [objective(t, *facts) for t in grid]
    assert objective(found, *facts) <= min(losses) + 1e-9
    assert found == pytest.approx(grid[numpy.argmin(losses)], rel=0.005)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_truths_were_drawn_at_is_found(exclusive, temperature):
    facts = drawn(texts=20_000, exclusive=exclusive, temperature=temperature)
    assert fit_temperature(*facts) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("exclusive", [True, False])
def test_what_is_added_after_the_division_is_not_divided(exclusive):
    offset = numpy.array([1.0, 0.0, -1.0])
    facts = drawn(texts=20_000, exclusive=exclusive, temperature=2.0, offset=offset)
    assert fit_temperature(*facts, offset) == pytest.approx(2.0, rel=0.05)
    logits, *others = facts
    without = fit_temperature(logits + offset, *others)
    assert without != pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("exclusive", [True, False])
def test_log_loss_as_torch(exclusive):
    logits, truths, known, _ = drawn(texts=20, exclusive=exclusive)
    tensors = torch.from_numpy(logits), torch.from_numpy(truths)
    if exclusive:
        expected = torch.nn.functional.cross_entropy(*tensors)
    else:
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        expected = loss(*tensors, reduction="none").sum(dim=1).mean()
    assert log_loss(logits, truths, known, exclusive) == pytest.approx(float(expected))


def test_what_is_not_known_does_not_count():
    logits, truths, known, _ = drawn(texts=50, exclusive=False, temperature=2.0)
    known[:, 1] = 0.0
    found = fit_temperature(logits, truths, known, False)
    without = [0, 2]
    assert found == fit_temperature(
        logits[:, without], truths[:, without], known[:, without], False
    )
    assert found != fit_temperature(logits, truths, ALL(known.shape), False)
    changed = numpy.where(known, truths, 1.0 - truths)
    assert log_loss(logits, truths, known, False) == log_loss(logits, changed, known, False)


# The true label alone is known, as in `doc.cats = {"GOOD": 1.0}`; nothing is true of some texts;
# labels count differently.
@pytest.mark.parametrize("way", ["true alone", "nothing true", "weights"])
def test_labels_that_exclude_each_other_and_are_known_in_part(way):
    logits, truths, known, exclusive = drawn(texts=2000, temperature=2.0)
    if way == "true alone":
        known = truths
    elif way == "nothing true":
        truths[500:] = 0.0
    else:
        known = known * [3.0, 1.0, 0.5]
    facts = logits, truths, known, exclusive
    found = fit_temperature(*facts)
    assert found == pytest.approx(2.0, rel=0.2)
    assert objective(found, *facts) <= min(objective(found * x, *facts) for x in (0.99, 1.01))
    if way == "true alone":
        assert found == pytest.approx(fit_temperature(logits, truths, ALL(truths.shape), True))


# Nothing wrong, nothing right, one text, one label: a temperature that does no harm.
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("texts", [1, 10, 1000])
def test_all_right(exclusive, texts):
    logits, truths = numpy.tile([[2.0, -2.0]], (texts, 1)), numpy.tile([[1.0, 0.0]], (texts, 1))
    found = fit_temperature(logits, truths, ALL(logits.shape), exclusive)
    assert 0.2 < found < 1.0


@pytest.mark.parametrize("exclusive", [True, False])
def test_all_wrong(exclusive):
    found = []
    for texts in (1, 10, 100, 100_000):
        logits = numpy.tile([[2.0, -2.0]], (texts, 1))
        truths = numpy.tile([[0.0, 1.0]], (texts, 1))
        found.append(fit_temperature(logits, truths, ALL(logits.shape), exclusive))
    assert found == sorted(found) and 1.0 < found[0] < 1.5
    assert found[-1] == pytest.approx(HIGHEST)


def test_logits_that_say_nothing_leave_it_at_one():
    """As those of a net before its first step."""
    logits, truths = numpy.zeros((30, 2)), numpy.tile([[1.0, 0.0]], (30, 1))
    for exclusive in (True, False):
        assert fit_temperature(logits, truths, ALL(logits.shape), exclusive) == 1.0


def test_extreme_logits():
    logits = numpy.array([[1e30, -1e30], [1e4, 0.0]], dtype="f")
    truths = numpy.array([[1.0, 0.0], [0.0, 1.0]])
    for exclusive in (True, False):
        assert LOWEST <= fit_temperature(logits, truths, ALL(logits.shape), exclusive) <= HIGHEST


def test_what_a_temperature_changed():
    facts = drawn(texts=2000, temperature=3.0)
    found = calibrate(*facts)
    assert found.texts == 2000 and found.temperature == fit_temperature(*facts)
    assert found.log_loss_before == pytest.approx(log_loss(*facts))
    assert found.log_loss < found.log_loss_before - 0.1 and found.ece < found.ece_before / 3
    logits, truths, known, exclusive = facts
    probs = probabilities(logits / found.temperature, exclusive)
    assert found.ece == pytest.approx(calibration_error(probs, truths, known, exclusive))


def test_of_soft_values_the_highest_is_true():
    """Where labels exclude each other: with three, it may be below a half."""
    logits = numpy.log([[0.4, 0.3, 0.3], [0.2, 0.6, 0.2]])
    truths = numpy.array([[0.4, 0.35, 0.25], [0.1, 0.45, 0.45001]])
    found = calibrate(logits, truths, ALL(logits.shape), True)
    # The first is right at 0.4, the second wrong at 0.6.
    assert found.ece_before == pytest.approx((0.6 + 0.6) / 2, abs=1e-6)


# Expected calibration error


def test_by_hand():
    # Bins of fifths: 0.1 and 0.2 (none true) stand 0.15 off; 0.5 (true) 0.5; 0.9 and 1.0 (one
    # true) 0.45.
    probs, truths = [0.1, 0.2, 0.5, 0.9, 1.0], [0, 0, 1, 0, 1]
    expected = (2 * 0.15 + 1 * 0.5 + 2 * 0.45) / 5
    assert expected_calibration_error(probs, truths, bins=5) == pytest.approx(expected)


def test_bins():
    """Bins of fifths: 0.1 and 0.2 (none true), 0.9 and 1.0 (one of two)."""
    bins = find_bins([0.1, 0.9, 0.2, 1.0], [False, True, False, False], bins=5)
    assert [part.size for part in bins] == [2, 2]
    assert [part.prob for part in bins] == pytest.approx([0.15, 0.95])
    assert [part.true for part in bins] == [0.0, 0.5]


def test_edges_of_bins():
    """A bin is closed above. Over- and underconfidence of one bin cancel, of two they add up."""
    assert expected_calibration_error([0.5, 0.25], [0, 1], bins=2) == pytest.approx(0.125)
    assert expected_calibration_error([0.5, 0.5001], [0, 1], bins=2) == pytest.approx(0.49995)
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0.0
    assert expected_calibration_error([1.0, 0.0], [0, 1]) == 1.0
    assert expected_calibration_error([], []) is None


def test_of_labels_that_exclude_each_other_it_is_about_the_best():
    probs = numpy.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.1, 0.0, 0.9]])
    truths = numpy.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    known = numpy.array([[1, 1, 1]] * 3 + [[0, 0, 0]])
    # 0.7 is right once in two, 0.6 once in one; the last text does not count.
    expected = (2 * 0.2 + 1 * 0.4) / 3
    assert calibration_error(probs, truths, known, True) == pytest.approx(expected)


def test_of_others_it_is_about_all_that_is_known():
    probs = numpy.array([[0.9, 0.1], [0.9, 0.3]])
    truths, known = numpy.array([[1, 0], [0, 0]]), numpy.array([[1, 1], [1, 0]])
    expected = (2 * 0.4 + 1 * 0.1) / 3
    assert calibration_error(probs, truths, known, False) == pytest.approx(expected)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (2, 3)])
def test_nothing_known(exclusive, shape):
    probs = numpy.full(shape, 0.3)
    assert calibration_error(probs, numpy.zeros(shape), numpy.zeros(shape), exclusive) is None


pairs = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(found=pairs, bins=st.integers(1, 20))
def test_it_is_a_share_and_no_less_than_the_difference_of_means(found, bins):
    probs, truths = (numpy.array(x, dtype="float64") for x in zip(*found))
    error = expected_calibration_error(probs, truths, bins)
    assert abs(probs.mean() - truths.mean()) - 1e-9 <= error <= 1.0
    order = numpy.argsort(probs, kind="stable")
    assert error == pytest.approx(expected_calibration_error(probs[order], truths[order], bins))


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.tuples(st.integers(0, 10), st.integers(1, 10)), min_size=1, max_size=6))
def test_it_is_zero_where_probabilities_are_the_shares(counts):
    """So many predictions, so many of them true, each as probable as that."""
    probs, truths = [], []
    for true, more in counts:
        probs += [true / (true + more)] * (true + more)
        truths += [1] * true + [0] * more
    assert expected_calibration_error(probs, truths) == pytest.approx(0.0, abs=1e-9)


# Certainty


def test_certainty():
    probs = numpy.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
    assert certainty(probs, True, 0.0) == pytest.approx([0.5, 0.9])
    # Of decisions: true from 0.4 on. 0.5 is true by 0.5, 0.3 is not by 0.7.
    assert certainty(probs, False, 0.4) == pytest.approx([0.5, 0.9])
    assert certainty(probs, False, 0.6) == pytest.approx([0.5, 0.9])
    assert certainty([[0.5, 0.6]], False, 0.7) == pytest.approx([0.4])
    assert certainty([[0.7, 0.1]], False, 0.7) == pytest.approx([0.7])
    assert list(certainty(numpy.zeros((2, 0)), True, 0.5)) == [1.0, 1.0]
    assert list(certainty(numpy.zeros((2, 0)), False, 0.5)) == [1.0, 1.0]
