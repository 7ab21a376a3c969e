import torch

from spacy_rnn.engine.dropout import locked_dropout, word_dropout

LENGTHS = torch.tensor([3, 0, 5])


def test_locked_dropout_drops_the_same_features_at_each_step():
    data = torch.ones(8, 40)
    first, empty, last = locked_dropout(data, LENGTHS, 0.5, True).split([3, 0, 5])
    for row in (first, last):
        assert (row == row[0]).all()
        assert set(row[0].tolist()) == {0.0, 2.0}
    assert (first[0] != last[0]).any()


def test_locked_dropout_keeps_the_mean():
    dropped = locked_dropout(torch.ones(2000, 50), torch.ones(2000, dtype=torch.int64), 0.3, True)
    assert abs(dropped.mean().item() - 1.0) < 0.01


def test_word_dropout_replaces_words():
    ids = torch.arange(1, 10001)
    dropped = word_dropout(ids, 0.25, 0, True)
    assert abs((dropped == 0).float().mean().item() - 0.25) < 0.02
    assert torch.equal(dropped[dropped > 0], ids[dropped > 0])


def test_extreme_rates():
    data = torch.ones(8, 4)
    assert not locked_dropout(data, LENGTHS, 1.0, True).any()
    assert locked_dropout(data, LENGTHS, 0.0, True) is data


def test_nothing_is_dropped_outside_of_training():
    data, ids = torch.ones(8, 4), torch.arange(8)
    assert locked_dropout(data, LENGTHS, 0.5, False) is data
    assert word_dropout(ids, 0.5, 0, False) is ids
