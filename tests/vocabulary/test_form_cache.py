import copy
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model

from spacy_rnn.vocabulary.form_cache import FormCache


class Counting:
    """Makes the vector (key, -key) of each key, times a factor, and counts."""

    def __init__(self, factor=1):
        self.asked = []
        self.factor = factor

    def __call__(self, keys):
        self.asked.append(keys.tolist())
        values = torch.from_numpy(keys.astype("float64")) * self.factor
        return torch.stack((values, -values), dim=1)


class Waiting(Counting):
    """Waits inside of the computation until it is told to go on."""

    def __init__(self, factor=1):
        super().__init__(factor)
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, keys):
        self.inside.set()
        assert self.go_on.wait(30)
        return super().__call__(keys)


def get(cache, keys, compute, version=0):
    keys = numpy.asarray(keys, dtype="uint64")
    found = cache.get(keys, version, compute)
    expected = keys.astype("float64") * compute.factor
    assert found[:, 0].tolist() == expected.tolist() and (found[:, 1] == -found[:, 0]).all()


def test_computes_each_form_once():
    cache, compute = FormCache(10), Counting()
    get(cache, [3, 1], compute)
    get(cache, [1, 2, 3], compute)
    get(cache, [2], compute)
    assert compute.asked == [[3, 1], [2]] and len(cache) == 3


def test_forgets_when_the_weights_change():
    cache, compute = FormCache(10), Counting()
    get(cache, [1], compute, version=0)
    get(cache, [1, 2], Counting(factor=3), version=1)
    get(cache, [1], compute, version=2)
    assert compute.asked == [[1], [1]] and len(cache) == 1


def test_is_bounded_and_keeps_the_batch_at_hand():
    cache, compute = FormCache(3), Counting()
    get(cache, [1, 2], compute)
    get(cache, [2, 3, 4], compute)
    assert len(cache) == 3 and compute.asked == [[1, 2], [3, 4]]
    get(cache, [4, 2, 3], compute)
    assert compute.asked == [[1, 2], [3, 4]]
    get(cache, range(10), compute)
    assert len(cache) == 0 and sorted(compute.asked[-1]) == [0, 1, 5, 6, 7, 8, 9]


def test_size_zero_remembers_nothing():
    cache, compute = FormCache(0), Counting()
    get(cache, [1], compute)
    get(cache, [1], compute)
    assert len(compute.asked) == 2 and not len(cache)


def test_what_is_given_is_not_what_is_remembered():
    cache, compute = FormCache(10), Counting()
    for keys in ([1, 2], [1, 2], [2, 3]):
        cache.get(numpy.asarray(keys, dtype="uint64"), 0, compute).zero_()
    get(cache, [1, 2, 3], compute)


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 50), min_size=1), st.booleans())), st.integers(0, 60)
)
def test_any_order_of_requests(requests, size):
    cache, version = FormCache(size), 0
    for keys, changed in requests:
        version += changed
        compute = Counting(factor=version + 1)
        get(cache, sorted(keys, key=lambda key: key % 7), compute, version)
        assert len(compute.asked) <= 1 and len(cache) <= size
        again = Counting(factor=version + 1)
        get(cache, sorted(keys), again, version)
        assert (again.asked == []) == (len(keys) <= size)


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


@pytest.mark.parametrize("size", [500, 100, 20])
def test_threads_share_it(size):
    """Some forms are computed by several, but all vectors are right, whatever the weights."""
    cache, compute = FormCache(size), Counting()
    rng = numpy.random.default_rng(0)
    requests = [numpy.unique(rng.integers(0, 300, 40)) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda keys: get(cache, keys, compute), requests))
    assert len(cache) <= size
    if size == 500:
        get(cache, range(300), compute)
        get(cache, range(300), compute)
        assert len(cache) == 300 and len(compute.asked[-1]) < 300


def test_threads_while_weights_change():
    cache = FormCache(200)
    rng = numpy.random.default_rng(0)
    requests = [(numpy.unique(rng.integers(0, 300, 40)), i // 20) for i in range(400)]

    def ask(request):
        keys, version = request
        get(cache, keys, Counting(factor=version + 1), version)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, requests))


def test_reading_does_not_wait_for_a_thread_that_computes():
    cache, slow = FormCache(10), Waiting()
    get(cache, [1, 2], Counting())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, cache, [2, 3], slow)
        assert slow.inside.wait(30)
        get(cache, [1, 2], Counting())
        get(cache, [1, 4], Counting())
        slow.go_on.set()
        waiting.result()
    get(cache, [1, 2, 3, 4], Counting())


def test_a_late_thread_does_not_write_over_what_others_read():
    """One that began before the weights changed, while another still reads rows of then."""
    cache, late, reader = FormCache(100), Waiting(), Waiting()
    get(cache, [1, 2, 3], Counting())
    # Now there is room for two more.
    get(cache, [4], Counting())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, cache, [10], late)
        assert late.inside.wait(30)
        get(cache, [20], Counting())
        second = pool.submit(get, cache, [20, 21], reader)
        assert reader.inside.wait(30)
        get(cache, [5], Counting(factor=2), version=1)
        late.go_on.set()
        first.result()
        reader.go_on.set()
        second.result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_while_another_thread_computes():
    cache, slow = FormCache(10), Waiting()
    get(cache, [1], Counting())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, cache, [1, 2], slow)
        assert slow.inside.wait(30)
        child = os.fork()
        if not child:
            # A child that hangs is ended by the alarm.
            _end_with(lambda: [get(cache, [1, 2, 3], Counting()) for _ in range(2)])
        slow.go_on.set()
        waiting.result()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    get(cache, [1, 2], Counting())


def _end_with(function):
    import signal

    signal.alarm(20)
    code = 1
    try:
        function()
        code = 0
    finally:
        os._exit(code)
