"""Gradients of several processes are summed, whatever each of them has."""

import threading

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Linear, Model, PyTorchWrapper
from torch import nn

from spacy_rnn.training.ranks import Ranks
from spacy_rnn.training.summed_gradients import sum_gradients, weights_of


class Threads:
    """What threads tell each other in place of processes."""

    def __init__(self, count):
        self.count = count
        self.given = [None] * count
        self.barrier = threading.Barrier(count, timeout=60)


class ThreadRank:
    """One of several threads that are taken for processes: what `Ranks` of one does."""

    def __init__(self, number, threads):
        self.number, self.threads, self.count = number, threads, threads.count

    def gather_numbers(self, numbers):
        threads = self.threads
        threads.given[self.number] = numbers.clone()
        threads.barrier.wait()
        found = torch.stack(threads.given)
        threads.barrier.wait()
        return found

    def add_up(self, values):
        values.copy_(self.gather_numbers(values).sum(dim=0))


class Net(nn.Module):
    """Three weights: of a table, of a matrix, and of one that nothing may use."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 2, sparse=True)
        self.matrix = nn.Parameter(torch.zeros(2, 3))
        self.wide = nn.Parameter(torch.zeros(3, dtype=torch.float64))


def make_model(gradients):
    """A model of thinc's and torch's weights. gradients: Those of its weights, None for none; of
    the table, of rows, which may be there several times, or all of them."""
    net = Net()
    table, dense, matrix, half, weight = gradients
    if table is not None:
        rows = torch.tensor([table], dtype=torch.int64)
        values = torch.tensor([[row + 1.0, 1.0] for row in table]).reshape(-1, 2)
        net.table.weight.grad = torch.sparse_coo_tensor(rows, values, (5, 2))
    if dense:
        net.table.weight.grad = torch.full((5, 2), 7.0)
    net.matrix.grad = None if matrix is None else torch.full((2, 3), float(matrix))
    net.wide.grad = None if half is None else torch.full((3,), float(half), dtype=torch.float64)
    linear = Linear(3, 2)
    linear.initialize()
    if weight is not None:
        linear.inc_grad("W", numpy.full((3, 2), weight, dtype="f"))
    return Model("both", lambda *a: a, layers=[PyTorchWrapper(net), linear, linear])


def dense_gradients(model):
    """By name, as arrays; None where there is none."""
    found = {}
    for weight in weights_of([model]):
        gradient = weight.gradient
        if gradient is not None:
            gradient = gradient.to_dense().double().numpy()
        found[weight.key[1]] = gradient
    return found


def in_threads(models):
    """Sum the gradients of models. RETURNS: What each call has returned."""
    threads, found = Threads(len(models)), [None] * len(models)

    def work(number):
        found[number] = sum_gradients([models[number]], ThreadRank(number, threads))

    workers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(len(models))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(90)
    return found


numbers = st.one_of(st.none(), st.integers(-9, 9))
rows = st.one_of(st.none(), st.lists(st.integers(0, 4), max_size=6))
gradients = st.tuples(rows, st.booleans(), numbers, numbers, numbers)


@given(st.lists(gradients, min_size=2, max_size=4))
@settings(deadline=None, max_examples=150)
def test_all_have_the_sum(given):
    models = [make_model(values) for values in given]
    before = [dense_gradients(model) for model in models]
    keys = in_threads(models)
    for model, mine in zip(models, keys):
        after = dense_gradients(model)
        assert {name for _, name in mine} == {n for n, v in after.items() if v is not None}
        for name, value in after.items():
            parts = [found[name] for found in before if found[name] is not None]
            if parts:
                numpy.testing.assert_allclose(value, sum(parts), rtol=1e-6)
            else:
                # As is: a weight without a gradient is left alone.
                assert value is None
    grads = [model.layers[0].shims[0]._model.table.weight.grad for model in models]
    whole = any(dense for _, dense, *_ in given)
    touched = set().union(*(table or [] for table, *_ in given))
    for grad in grads:
        if grad is not None and not whole:
            # Rows without a gradient are left alone.
            assert grad.is_sparse and set(grad.coalesce().indices()[0].tolist()) == touched
            assert grad.is_coalesced()


def test_one_process_sums_nothing():
    model = make_model(([0, 0], False, 1, None, 2))
    before = dense_gradients(model)
    assert sum_gradients([model], Ranks()) == set()
    after = dense_gradients(model)
    assert all(numpy.array_equal(before[name], after[name]) for name in before if name != "wide")


def test_thincs_arrays_stay_the_ones_they_were():
    """thinc adds to them in place."""
    models = [make_model((None, False, None, None, 2)) for _ in range(2)]
    arrays = [model.layers[1].get_grad("W") for model in models]
    in_threads(models)
    for model, array in zip(models, arrays):
        assert model.layers[1].get_grad("W") is array and (array == 4).all()


def test_weights_are_found_once_and_only_if_they_are_there():
    model = make_model((None, False, None, None, None))
    found = [weight.key[1] for weight in weights_of([model, model])]
    assert sorted(found) == ["W", "b", "matrix", "table.weight", "wide"]
    assert list(weights_of([Linear()])) == []


def test_sparse_in_more_than_rows():
    """As no embedding's is."""
    models = [make_model((None, False, None, None, None)) for _ in range(2)]
    for model in models:
        net = model.layers[0].shims[0]._model
        places = torch.tensor([[0, 1], [1, 2]])
        net.matrix.grad = torch.sparse_coo_tensor(places, torch.tensor([1.0, 2.0]), (2, 3))
    in_threads(models)
    for model in models:
        found = dense_gradients(model)["matrix"]
        assert found.tolist() == [[0.0, 2.0, 0.0], [0.0, 0.0, 4.0]]


@pytest.mark.parametrize("count", [1, 3])
def test_ranks_without_a_group(count):
    ranks = Ranks()
    assert (ranks.number, ranks.count, ranks.is_first) == (0, 1, True)
    assert ranks.gather("a") == ["a"] and ranks.largest(count) == count
    assert ranks.from_first(lambda: count) == count
