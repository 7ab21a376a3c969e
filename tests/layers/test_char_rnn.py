"""Vectors from characters against torch's own recurrent layers, word by word."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.layers.char_rnn_embed import CharRNN

CELLS = ("rnn", "lstm", "gru")


def make(**settings):
    settings = {"bidirectional": True, "hidden_size": 4, **settings}
    return CharRNN(12, 5, **settings).eval()


def ids(lengths):
    return torch.arange(sum(lengths)) * 7 % 12, torch.tensor(lengths, dtype=torch.int64)


def word_by_word(module, chars, lengths):
    """The final states of each word, as torch's layer gives them for one word alone."""
    layer, found = module.rnn.layers[0], []
    for word in chars.split(lengths.tolist()):
        _, final = layer(module.table(word)[:, None])
        h = final[0] if isinstance(final, tuple) else final
        found.append(h[:, 0].reshape(-1))
    return torch.stack(found)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_equals_torch_word_by_word(cell, bidirectional, lengths):
    module = make(cell=cell, bidirectional=bidirectional)
    chars, lengths = ids(lengths)
    with torch.no_grad():
        found = module(chars, lengths)
        assert torch.allclose(found, word_by_word(module, chars, lengths), atol=1e-6)


def test_two_layers_end_in_the_last_layers_states():
    module = make(num_layers=2)
    chars, lengths = ids([3, 1])
    with torch.no_grad():
        first, _ = module.rnn.layers[0](module.table(chars[:3])[:, None])
        _, (h, _) = module.rnn.layers[1](first)
        assert torch.allclose(module(chars, lengths)[0], h[:, 0].reshape(-1), atol=1e-6)


def test_words_without_characters_are_zeros_and_change_nothing():
    module = make()
    chars, lengths = ids([3, 2])
    with torch.no_grad():
        alone = module(chars, lengths)
        found = module(chars, torch.tensor([0, 3, 0, 2, 0]))
        assert not found[[0, 2, 4]].any() and torch.allclose(found[[1, 3]], alone, atol=1e-6)
        assert module(chars[:0], torch.tensor([0, 0])).tolist() == [[0.0] * 8] * 2
        assert module(chars[:0], torch.tensor([], dtype=torch.int64)).shape == (0, 8)


def test_tokens_take_the_vectors_of_their_words():
    module = make()
    chars, lengths = ids([3, 2])
    with torch.no_grad():
        words = module(chars, lengths)
        tokens = module(chars, lengths, torch.tensor([1, 0, 1]), torch.tensor([2, 1]))
    assert torch.allclose(tokens, words[[1, 0, 1]], atol=1e-6)


def test_dropout_is_the_same_at_each_token_of_a_text():
    module = make(dropout=0.5).train()
    chars, lengths = ids([3])
    tokens = module(chars, lengths, torch.zeros(6, dtype=torch.int64), torch.tensor([3, 3]))
    assert (tokens[0] == tokens[2]).all() and (tokens[0] == 0).any()
    assert not (tokens[0] == tokens[3]).all()


def test_gradients():
    module = make().double()
    chars, lengths = ids([3, 1, 0, 2])
    words, texts = torch.tensor([0, 2, 3, 0]), torch.tensor([1, 3])

    def run(table):
        module.table.weight = torch.nn.Parameter(table)
        return torch.func.functional_call(
            module, {"table.weight": table}, (chars, lengths, words, texts)
        )

    table = module.table.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (table,))


@pytest.mark.gpu
def test_gpu_equals_cpu():
    module = make()
    chars, lengths = ids([3, 0, 5])
    with torch.no_grad():
        found = module(chars, lengths)
        module.cuda()
        assert torch.allclose(module(chars.cuda(), lengths).cpu(), found, atol=1e-5)
