"""Work side by side: same results, same modes, no trace left behind."""

import multiprocessing
import threading

import pytest
import torch

from spacy_rnn.modules import segment_layout
from spacy_rnn.modules.ragged_rnn import RaggedRNN
from spacy_rnn.modules.threads import available_threads, one_thread, run_side_by_side


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
        assert all(thread != here for _, thread, _ in found)
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
    monkeypatch.setattr(segment_layout, "MIN_SIZE", 0)
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


def _child(queue):
    queue.put(run_side_by_side([lambda: 1, lambda: 2]))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)
def test_a_forked_process_does_not_wait_for_its_parents_threads():
    run_side_by_side([lambda: 1, lambda: 2])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == [1, 2]
    process.join(timeout=60)
    assert process.exitcode == 0
