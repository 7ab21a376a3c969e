import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model

from spacy_rnn.layers.form_cache import FormCache


class Counting:
    """Makes the vector (key, -key) of each key, and counts."""

    def __init__(self):
        self.asked = []

    def __call__(self, keys):
        self.asked.append(keys.tolist())
        values = torch.from_numpy(keys.astype("float64"))
        return torch.stack((values, -values), dim=1)


def get(cache, keys, compute, version=0):
    keys = numpy.asarray(keys, dtype="uint64")
    found = cache.get(keys, version, compute)
    assert found[:, 0].tolist() == keys.tolist() and (found[:, 1] == -found[:, 0]).all()


def test_computes_each_form_once():
    cache, compute = FormCache(10), Counting()
    get(cache, [3, 1], compute)
    get(cache, [1, 2, 3], compute)
    get(cache, [2], compute)
    assert compute.asked == [[3, 1], [2]] and len(cache) == 3


def test_forgets_when_the_weights_change():
    cache, compute = FormCache(10), Counting()
    get(cache, [1], compute, version=0)
    get(cache, [1], compute, version=1)
    assert compute.asked == [[1], [1]]


def test_is_bounded():
    cache, compute = FormCache(3), Counting()
    get(cache, [1, 2], compute)
    get(cache, [2, 3, 4], compute)
    assert len(cache) == 3 and compute.asked == [[1, 2], [2, 3, 4]]
    get(cache, range(10), compute)
    assert len(cache) == 0


def test_size_zero_remembers_nothing():
    cache, compute = FormCache(0), Counting()
    get(cache, [1], compute)
    get(cache, [1], compute)
    assert len(compute.asked) == 2 and not len(cache)


@given(st.lists(st.sets(st.integers(0, 50), min_size=1)), st.integers(0, 60))
def test_any_order_of_requests(requests, size):
    cache, compute = FormCache(size), Counting()
    for keys in requests:
        get(cache, sorted(keys), compute)
        assert len(cache) <= size


def test_copies_are_empty():
    cache = FormCache(5)
    get(cache, [1], Counting())
    pickled = pickle.loads(pickle.dumps(cache))  # noqa: S301
    for other in (copy.deepcopy(cache), pickled):
        assert other.max_forms == 5 and not len(other)


def test_loading_empties():
    model = Model("test", None, attrs={"cache": FormCache(5)})
    get(model.attrs["cache"], [1], Counting())
    model.from_bytes(model.to_bytes())
    assert not len(model.attrs["cache"]) and model.attrs["cache"].max_forms == 5


def test_threads_share_it():
    cache, compute = FormCache(500), Counting()
    rng = numpy.random.default_rng(0)
    requests = [numpy.unique(rng.integers(0, 300, 40)) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda keys: get(cache, keys, compute), requests))
    asked = sum(compute.asked, [])
    assert len(asked) == len(set(asked))
