"""What processes that train together tell each other."""

import os

import pytest
import torch
from torch import distributed

from spacy_rnn.training import ranks as module
from spacy_rnn.training.ranks import Ranks, joined_by_environment, own_gpu
from tests.training.together import together


def talk():
    ranks = Ranks()
    assert (ranks.count, ranks.is_first) == (3, ranks.number == 0)
    assert ranks.gather({"n": ranks.number}) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert ranks.from_first(lambda: ranks.number + 7) == 7
    assert ranks.largest(ranks.number * 5) == 10
    numbers = torch.tensor([ranks.number, 4])
    assert ranks.gather_numbers(numbers).tolist() == [[0, 4], [1, 4], [2, 4]]
    values = torch.tensor([[0.5, float(ranks.number)]])
    ranks.add_up(values)
    assert values.tolist() == [[1.5, 3.0]]


def fail_in_first():
    ranks = Ranks()
    error = ZeroDivisionError if ranks.is_first else ValueError
    with pytest.raises(error) as raised:
        ranks.from_first(lambda: 1 / 0)
    assert ranks.is_first or "[R872] Rank 1 ends, as rank 0 has" in str(raised.value)


def lose_the_others():
    ranks = Ranks()
    if ranks.is_first:
        # At once, as after a kill.
        os._exit(0)
    calls = (
        lambda: ranks.gather(1),
        lambda: ranks.from_first(lambda: 1),
        lambda: ranks.largest(1),
        lambda: ranks.add_up(torch.zeros(2)),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"\[R876\] Rank 1 waits for the others in vain \("):
            call()


@pytest.mark.parametrize("function,count", [(talk, 3), (fail_in_first, 2), (lose_the_others, 2)])
def test_in_processes(tmp_path, function, count):
    codes, printed = together(function, folder=tmp_path / "out", count=count)
    assert codes == [0] * count, printed


def join():
    """As one of those that a launcher has started, of which this is the only one that is here."""
    os.environ.update(
        RANK="0", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", TORCHELASTIC_RESTART_COUNT="4"
    )
    before = dict(os.environ)
    stores = []

    def init(backend, store, rank, world_size, timeout):
        stores.append((backend, store, rank, world_size))

    module.distributed.rendezvous = lambda url, timeout: iter([(distributed.HashStore(), 0, 2)])
    module.distributed.init_process_group = init
    module.distributed.destroy_process_group = lambda: stores.append("end")
    with joined_by_environment():
        pass
    (backend, store, rank, count), end = stores
    assert ("gloo" in backend, rank, count, end) == (True, 0, 2, "end")
    # Addresses of processes before the restart are not found.
    assert isinstance(store, distributed.PrefixStore)
    os.environ["LOCAL_WORLD_SIZE"] = "1"
    with joined_by_environment():
        pass
    assert isinstance(stores[2][1], distributed.HashStore)
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    assert dict(os.environ) == before


def test_joins_by_the_environment(tmp_path):
    codes, printed = together(join, folder=tmp_path / "out", count=1)
    assert codes == [0], printed


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_gpu(0) == 0 and own_gpu(-1) == -1
    monkeypatch.setattr(module, "Ranks", lambda: type("Two", (), {"count": 2}))
    assert own_gpu(0) == 3 and own_gpu(-1) == -1
