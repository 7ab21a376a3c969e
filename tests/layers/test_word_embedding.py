import torch

from spacy_rnn.layers.vocab_embed import WordEmbedding

IDS, LENGTHS = torch.tensor([2, 0, 1]), torch.tensor([1, 2])


def test_looks_rows_up():
    table = WordEmbedding(3, 4).eval()
    assert torch.equal(table(IDS, LENGTHS), table.table.weight[IDS])


def test_dropout_in_training_only():
    table = WordEmbedding(3, 50, dropout=0.5)
    assert (table.train()(IDS, LENGTHS) == 0).any()
    assert not (table.eval()(IDS, LENGTHS) == 0).any()


def test_word_dropout_reads_the_unknown_word():
    table = WordEmbedding(3, 4, word_dropout=1.0).train()
    assert torch.equal(table(IDS, LENGTHS), table.table.weight[[0, 0, 0]])
