"""Work side by side: same results, same modes, no trace left behind."""

import copy
import multiprocessing
import pickle
import threading
import time

import pytest
import torch

from spacy_rnn.engine import lanes, ragged_rnn
from spacy_rnn.engine import threads as threads_module
from spacy_rnn.engine.ragged_rnn import RaggedRNN
from spacy_rnn.engine.threads import (
    ForkSafeLock,
    available_threads,
    limit_threads_in_children,
    one_thread,
    run_side_by_side,
)

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)


@pytest.fixture(params=[1, 2, 5, 8])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_runs_all_in_order(threads):
    tasks = [lambda i=i: (i, threading.get_ident(), torch.get_num_threads()) for i in range(3)]
    found = run_side_by_side(tasks)
    assert [i for i, _, _ in found] == [0, 1, 2]
    here = threading.get_ident()
    if threads == 1:
        assert all(thread == here for _, thread, _ in found)
    else:
        assert [thread == here for _, thread, _ in found] == [True, False, False]
        assert all(count == max(1, threads // 3) for _, _, count in found)
    assert torch.get_num_threads() == threads


def test_new_threads_have_as_many_threads_as_before(threads):
    run_side_by_side([lambda: None] * 2)
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [threads]


def test_errors_come_through(threads):
    def fail():
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        run_side_by_side([fail, lambda: 1])


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_waits_for_the_other_tasks(threads, failing):
    ended = []

    def fail():
        raise KeyError("lost")

    def work():
        time.sleep(0.2)
        ended.append(True)

    tasks = [work, work]
    tasks[failing] = fail
    with pytest.raises(KeyError, match="lost"):
        run_side_by_side(tasks)
    if threads > 1:
        assert ended == [True]
    assert torch.get_num_threads() == threads == available_threads()


def test_one_thread_leaves_the_others_to_tasks(threads):
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            shares = run_side_by_side([torch.get_num_threads] * 2)
        assert torch.get_num_threads() == 1 and available_threads() == threads
    assert shares == [max(1, threads // 2)] * 2
    assert torch.get_num_threads() == threads == available_threads()


def test_threads_come_back_after_an_error(threads):
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_lanes_change_neither_values_nor_gradients(cell, bidirectional, threads, monkeypatch):
    monkeypatch.setattr(lanes, "MIN_SIZE", 0)
    monkeypatch.setattr(lanes, "MIN_SHARED_SIZE", 0)
    monkeypatch.setattr(ragged_rnn, "reads_packed", lambda *args: False)
    rnn = RaggedRNN(4, 6, cell=cell, num_layers=2, bidirectional=bidirectional)
    lengths = torch.tensor([9, 40, 3, 0, 17, 25, 8, 1, 60, 12, 12, 33, 5, 2, 7, 21, 50])
    results = []
    for packed in (False, True):
        torch.manual_seed(1)
        data = torch.randn(int(lengths.sum()), 4, requires_grad=True)
        rnn.packed = packed
        rnn.zero_grad()
        output, _ = rnn(data, lengths)
        (output * torch.randn(output.shape)).sum().backward()
        results.append([output, data.grad, *(p.grad.clone() for p in rnn.parameters())])
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_overlapping_calls_leave_the_number_of_threads(threads):
    """Each of two threads ends within the other's call."""
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    found = {}

    def first():
        with one_thread():
            first_in.set()
            second_in.wait(10)
            found["first inside"] = torch.get_num_threads()
        found["first after"] = torch.get_num_threads()
        first_out.set()

    def second():
        first_in.wait(10)
        found["second before"] = torch.get_num_threads()
        with one_thread():
            second_in.set()
            first_out.wait(10)
            found["second inside"] = torch.get_num_threads()
        found["second after"] = torch.get_num_threads()

    workers = [threading.Thread(target=run) for run in (first, second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == {
        "first inside": 1,
        "first after": threads,
        "second before": threads,
        "second inside": 1,
        "second after": threads,
    }
    assert torch.get_num_threads() == threads


def test_predictions_from_many_threads_leave_no_trace(threads, monkeypatch):
    monkeypatch.setattr(lanes, "MIN_SIZE", 0)
    rnn = RaggedRNN(4, 6, bidirectional=True).eval()
    data, lengths = torch.randn(300, 4), torch.tensor([100, 60, 140])
    expected, _ = rnn(data, lengths)
    found = []

    def predict():
        for _ in range(20):
            found.append(rnn(data, lengths)[0])
        found.append(torch.get_num_threads())

    workers = [threading.Thread(target=predict) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [count for count in found if isinstance(count, int)] == [threads] * 4
    for output in found:
        if not isinstance(output, int):
            torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    assert torch.get_num_threads() == threads


def test_torchs_products_follow(threads):
    """MKL's number of threads is another one, once torch's was set."""
    a = torch.randn(1000, 1000)
    with one_thread():
        wall, used = time.perf_counter(), time.process_time()
        for _ in range(10):
            a @ a
        wall, used = time.perf_counter() - wall, time.process_time() - used
    assert used < 1.3 * wall + 0.05


def test_without_openmp_nothing_is_done(threads, monkeypatch):
    monkeypatch.setattr(threads_module, "_setters", lambda: ([], None))
    with one_thread():
        assert run_side_by_side([lambda: 1, lambda: 2]) == [1, 2]
    assert torch.get_num_threads() == threads == available_threads()


def in_a_forked_process(function):
    """RETURNS: What the function gives in a forked process."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=lambda: queue.put(function()))
    process.start()
    try:
        found = queue.get(timeout=60)
        process.join(timeout=60)
    finally:
        process.kill()
    return found


@needs_fork
def test_a_forked_process_does_not_wait_for_its_parents_threads():
    run_side_by_side([lambda: 1, lambda: 2])
    assert in_a_forked_process(lambda: run_side_by_side([lambda: 1, lambda: 2])) == [1, 2]


@needs_fork
def test_a_forked_process_has_one_thread(threads):
    def count():
        limit_threads_in_children()
        return torch.get_num_threads()

    assert in_a_forked_process(count) == 1
    limit_threads_in_children()
    assert torch.get_num_threads() == threads


@needs_fork
def test_a_forked_process_has_one_thread_in_each_of_its_threads(threads):
    """Also in the one that was forked, which is the last to predict."""

    def count():
        other = threading.Thread(target=limit_threads_in_children)
        other.start()
        other.join()
        limit_threads_in_children()
        return torch.get_num_threads()

    assert in_a_forked_process(count) == 1


def test_no_thread_goes_on_before_threads_are_limited(monkeypatch):
    seen = []
    monkeypatch.setattr(threads_module, "_limit_threads", True)
    monkeypatch.setattr(
        torch, "set_num_threads", lambda count: seen.append((count, threads_module._limit_threads))
    )
    limit_threads_in_children()
    limit_threads_in_children()
    assert seen == [(1, True)]


@needs_fork
def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process():
    lock = ForkSafeLock()
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        assert not lock.acquire(blocking=False)
        assert in_a_forked_process(lambda: lock.acquire(timeout=5))
    finally:
        done.set()
        holder.join()
    assert lock.acquire(blocking=False)
    lock.release()


@needs_fork
def test_a_lock_that_the_forking_thread_holds_stays_held():
    lock = ForkSafeLock()

    def leave():
        before = lock.acquire(blocking=False)
        lock.release()
        return before, lock.acquire(blocking=False)

    with lock:
        assert in_a_forked_process(leave) == (False, True)
    assert lock.acquire(blocking=False)


def test_copies_of_a_lock_are_free():
    lock = ForkSafeLock()
    with lock:
        for other in (copy.deepcopy(lock), copy.copy(lock), pickle.loads(pickle.dumps(lock))):  # noqa: S301
            with other:
                assert not other.acquire(blocking=False)


def test_a_single_task_has_all_threads(threads):
    def fail():
        raise KeyError

    with one_thread():
        assert run_side_by_side([torch.get_num_threads]) == [threads]
        assert torch.get_num_threads() == 1 and available_threads() == threads
        with pytest.raises(KeyError):
            run_side_by_side([fail])
        assert torch.get_num_threads() == 1
    assert run_side_by_side([torch.get_num_threads]) == [threads]
    assert torch.get_num_threads() == threads


def test_a_wide_row_in_one_direction_reads_alike_with_all_threads(threads):
    rnn = RaggedRNN(4, 128).eval()
    data, lengths = torch.randn(100, 4), torch.tensor([100])
    found, _ = rnn(data, lengths)
    expected, _ = rnn.layers[0](data)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert torch.get_num_threads() == threads
