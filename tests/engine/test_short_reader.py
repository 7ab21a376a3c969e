import pytest
import torch

from spacy_rnn.engine import ragged_rnn, short_reader
from spacy_rnn.engine.plan import MIN_SIZE
from spacy_rnn.engine.ragged_rnn import RaggedRNN
from spacy_rnn.engine.short_reader import ShortReader
from tests.engine.conftest import computes_lstm

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]


def make(cell="lstm", nonlinearity="tanh", **settings):
    return RaggedRNN(4, 6, cell=cell, nonlinearity=nonlinearity, **settings).eval()


def packed_outputs(rnn, data):
    """What torch makes of one packed row."""
    row = torch.nn.utils.rnn.pack_sequence([data])
    for layer in rnn.layers:
        row, _ = layer(row)
    return row.data.detach()


@pytest.mark.parametrize("cell,nonlinearity", CELLS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("onednn", [False, True])
def test_equals_torch(cell, nonlinearity, num_layers, bidirectional, bias, onednn, monkeypatch):
    if not onednn:
        monkeypatch.setattr(short_reader, "_has_onednn", lambda: False)
    rnn = make(cell, nonlinearity, num_layers=num_layers, bidirectional=bidirectional, bias=bias)
    reader = ShortReader(rnn)
    for tokens in (1, 2, 20, 65):
        data = torch.randn(tokens, 4)
        found = torch.from_numpy(reader.read(data.numpy()))
        torch.testing.assert_close(found, packed_outputs(rnn, data), atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_bfloat16_is_as_exact_as_that_of_longer_texts(cell, bidirectional, recwarn):
    rnn = make(cell, precision="bfloat16", bidirectional=bidirectional)
    data = torch.randn(20, 4)
    with torch.no_grad():
        expected, _ = rnn(data, torch.tensor([20]))
    found = ShortReader(rnn).read(data.numpy())
    assert found.dtype == "float32"
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=0.01, rtol=0)


@pytest.mark.skipif(
    not computes_lstm(torch.bfloat16), reason="torch's LSTM does not run in bfloat16 on this CPU"
)
def test_bfloat16_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(ragged_rnn, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(short_reader, "_has_onednn", lambda: False)
    rnn = make(precision="bfloat16")
    data = torch.randn(20, 4)
    found = torch.from_numpy(ShortReader(rnn).read(data.numpy()))
    assert torch.equal(found, found.bfloat16().float())
    assert not torch.equal(found, packed_outputs(rnn, data))


def test_takes_short_sequences_only(monkeypatch):
    rnn = make()
    reader, most = ShortReader(rnn), MIN_SIZE // 6
    assert [reader.takes(tokens) for tokens in (0, 1, most, most + 1)] == [False, True, True, False]
    monkeypatch.setattr(rnn, "packed", True)
    assert not reader.takes(1)


@pytest.mark.parametrize("shape", [(3, 5), (3,), (3, 4, 1)])
def test_data_of_another_width_are_refused(shape):
    with pytest.raises(ValueError, match="R006"):
        ShortReader(make()).read(torch.zeros(shape).numpy())


def test_leaves_no_trace():
    rnn, threads = make(bidirectional=True), torch.get_num_threads()
    ShortReader(rnn).read(torch.randn(7, 4).numpy())
    assert all(weight.grad is None and weight.requires_grad for weight in rnn.parameters())
    assert torch.get_num_threads() == threads and torch.is_grad_enabled()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_data_in_any_order_and_precision(cell):
    """The rows of a view lie apart, and those of a transposed array side by side."""
    rnn = make(cell, bidirectional=True)
    reader, data = ShortReader(rnn), torch.randn(9, 4)
    expected = packed_outputs(rnn, data)
    every_other = torch.stack((data, data), 1).flatten(0, 1).numpy()[::2]
    for same in (data.t().contiguous().t().numpy(), every_other, data.double().numpy()):
        found = torch.from_numpy(reader.read(same))
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
