"""Steps on some rows, against torch's optimizer and against averages of whole tables."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import SGD, Adam, RAdam

from spacy_rnn.bridge.row_updates import RowUpdates

KEY = (3, "table.weight")
STEPS = st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=12)


def make(seed=0):
    return numpy.random.default_rng(seed).normal(size=(6, 2)).astype("float32")


def run(optimizer, steps, weights=None, updates=None):
    """RETURNS: The table after each step, and the gradients of each."""
    rng = numpy.random.default_rng(1)
    weights, updates = make() if weights is None else weights, updates or RowUpdates()
    tables, grads = [], []
    for rows in steps:
        rows = numpy.asarray(sorted(rows))
        grads.append(rng.normal(size=(len(rows), 2)).astype("float32"))
        updates.step(optimizer, KEY, weights, rows, grads[-1].copy())
        tables.append(weights.copy())
    updates.catch_up(weights)
    return tables, grads


def adam(**changes):
    return Adam(0.1, L2=0.0, grad_clip=0.0, **{"use_averages": True, **changes})


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_equals_torchs_sparse_adam(steps):
    tables, grads = run(adam(), steps)
    parameter = torch.nn.Parameter(torch.from_numpy(make()))
    other = torch.optim.SparseAdam([parameter], lr=0.1)
    for rows, grad, table in zip(steps, grads, tables):
        index = torch.tensor([sorted(rows)])
        parameter.grad = torch.sparse_coo_tensor(
            index, torch.from_numpy(grad), (6, 2), check_invariants=True
        )
        other.step()
        assert numpy.allclose(table, parameter.detach().numpy(), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_averages_are_those_of_the_whole_table(steps):
    optimizer = adam()
    tables, _ = run(optimizer, steps)
    average = numpy.zeros((6, 2), dtype="float32")
    for step, table in enumerate(tables, start=1):
        optimizer_ops(table).update_averages(average, table, step)
    found = optimizer.averages[KEY].reshape(6, 2)
    assert numpy.allclose(found, average, atol=1e-6)
    # It is the catching up that makes it so.
    if any(len(rows) < 6 for rows in steps[1:]):
        late = adam()
        updates, weights = RowUpdates(), make()
        updates.catch_up = lambda *args: None
        run(late, steps, weights, updates)
        assert not numpy.allclose(late.averages[KEY].reshape(6, 2), average, atol=1e-6)


def optimizer_ops(array):
    from thinc.backends import get_array_ops

    return get_array_ops(array)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        adam,
        lambda: RAdam(0.1, use_averages=True),
        lambda: Adam(0.1, L2=0.1, L2_is_weight_decay=True, use_averages=False),
        lambda: Adam(0.1, L2=0.1, L2_is_weight_decay=False, grad_clip=0.5),
        lambda: SGD(0.1, L2=0.1, use_averages=True),
    ],
)
def test_all_rows_at_each_step_are_a_step_of_the_optimizer(make_optimizer):
    tables, grads = run(make_optimizer(), [set(range(6))] * 5)
    weights, optimizer = make().reshape(-1), make_optimizer()
    for table, grad in zip(tables, grads):
        weights, _ = optimizer(KEY, weights, grad.reshape(-1).copy())
        assert numpy.allclose(table.reshape(-1), weights, atol=1e-6)


def test_rows_without_a_gradient_stay_and_leave_nothing_behind():
    optimizer = adam()
    tables, _ = run(optimizer, [{0, 1, 2, 3, 4, 5}, {1}, {1, 4}])
    assert numpy.array_equal(tables[2][[0, 2, 3, 5]], tables[0][[0, 2, 3, 5]])
    assert not numpy.array_equal(tables[2][[1, 4]], tables[1][[1, 4]])
    for table in (optimizer.mom1, optimizer.mom2, optimizer.averages, optimizer.nr_update):
        assert set(table) == {KEY}
    assert optimizer.nr_update[KEY] == 3


def test_another_optimizer_begins_anew():
    updates, weights = RowUpdates(), make()
    run(adam(), [{0}, {1}], weights, updates)
    before = weights.copy()
    second = adam()
    tables, _ = run(second, [{2}], weights, updates)
    expected, _ = run(adam(), [{2}], before)
    assert numpy.array_equal(tables[0], expected[0])
    assert second.nr_update[KEY] == 1
