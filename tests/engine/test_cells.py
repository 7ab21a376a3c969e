"""Single steps against torch's own cells, and against a pass over whole rows."""

import numpy
import pytest
import torch

from spacy_rnn.engine.cells import NumpyCells, read, step
from spacy_rnn.engine.ragged_rnn import RaggedRNN

pytestmark = pytest.mark.usefixtures("layout")
KINDS = [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]


def make(cell, nonlinearity="tanh", **settings):
    return RaggedRNN(5, 4, cell=cell, nonlinearity=nonlinearity, **settings).eval()


def torch_cell(cell, nonlinearity, bias):
    if cell == "rnn":
        return torch.nn.RNNCell(5, 4, bias=bias, nonlinearity=nonlinearity)
    return {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[cell](5, 4, bias=bias)


@pytest.mark.parametrize("cell,nonlinearity", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_equals_torchs_cell_with_the_same_weights(cell, nonlinearity, bias):
    rnn, other = make(cell, nonlinearity, bias=bias), torch_cell(cell, nonlinearity, bias)
    names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if bias else [])
    other.load_state_dict({name: getattr(rnn.layers[0], f"{name}_l0") for name in names})
    data, h, c = torch.randn(3, 5), torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    with torch.no_grad():
        output, state = step(rnn, data, (h, c) if cell == "lstm" else h)
        expected = other(data, (h[0], c[0]) if cell == "lstm" else h[0])
    expected = expected if isinstance(expected, tuple) else (expected,)
    state = state if isinstance(state, tuple) else (state,)
    torch.testing.assert_close(output, expected[0], atol=1e-6, rtol=0)
    for found, wanted in zip(state, expected):
        torch.testing.assert_close(found[0], wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell,nonlinearity", KINDS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_steps_equal_a_pass_over_the_row(cell, nonlinearity, num_layers, bias):
    rnn = make(cell, nonlinearity, num_layers=num_layers, bias=bias)
    rows, steps = 3, 6
    data = torch.randn(rows, steps, 5)
    lengths = torch.full((rows,), steps)
    with torch.no_grad():
        expected, final = rnn(data.reshape(-1, 5), lengths, return_state=True)
        state, outputs = None, []
        for time in range(steps):
            output, state = step(rnn, data[:, time], state)
            outputs.append(output)
    assert torch.allclose(torch.stack(outputs, 1).reshape(-1, 4), expected, atol=1e-6)
    final, state = (x if isinstance(x, tuple) else (x,) for x in (final, state))
    for found, wanted in zip(state, final):
        assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("cell,nonlinearity", KINDS)
def test_gradients(cell, nonlinearity):
    rnn = make(cell, nonlinearity, num_layers=2).double()
    data = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: step(rnn, x)[0], (data,))


def test_two_directions_and_states_that_do_not_fit():
    with pytest.raises(ValueError, match="R005.*bidirectional"):
        step(make("lstm", bidirectional=True), torch.randn(1, 5))
    with pytest.raises(ValueError, match="R004"):
        step(make("gru"), torch.randn(1, 5), torch.zeros(1, 2, 4))


@pytest.mark.parametrize("cell,nonlinearity", KINDS)
@pytest.mark.parametrize("with_state", [True, False])
def test_read_equals_a_pass_over_rows_of_any_length(cell, nonlinearity, with_state):
    rnn = make(cell, nonlinearity, num_layers=2)
    # More rows than the cell takes: the first rounds go through the fused kernel.
    lengths = torch.tensor([3, 1, 1, 7, 2] * 9)
    data = torch.randn(int(lengths.sum()), 5)
    h = torch.randn(2, len(lengths), 4)
    state = ((h, torch.randn(h.shape)) if cell == "lstm" else h) if with_state else None
    copies = [part.clone() for part in state] if isinstance(state, tuple) else None
    with torch.no_grad():
        expected, final = rnn(data, lengths, state, return_state=True)
        output, after = read(rnn, data, lengths.numpy(), state)
    assert torch.allclose(output, expected, atol=1e-6)
    final, after = (x if isinstance(x, tuple) else (x,) for x in (final, after))
    for found, wanted in zip(after, final):
        assert torch.allclose(found, wanted, atol=1e-6)
    assert copies is None or all(torch.equal(a, b) for a, b in zip(copies, state))


def test_many_rows_in_one_step_equal_few():
    rnn = make("lstm", num_layers=2)
    data, h, c = torch.randn(37, 5), torch.randn(2, 37, 4), torch.randn(2, 37, 4)
    with torch.no_grad():
        output, state = step(rnn, data, (h, c))
        for i in range(37):
            alone, (h1, c1) = step(rnn, data[i : i + 1], (h[:, i : i + 1], c[:, i : i + 1]))
            assert torch.allclose(output[i], alone[0], atol=1e-6)
            assert torch.allclose(state[0][:, i], h1[:, 0], atol=1e-6)
            assert torch.allclose(state[1][:, i], c1[:, 0], atol=1e-6)


@pytest.mark.parametrize("cell,nonlinearity", KINDS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 7])
def test_numpy_cells_equal_torchs(cell, nonlinearity, num_layers, bias, rows):
    rnn = make(cell, nonlinearity, num_layers=num_layers, bias=bias)
    cells = NumpyCells(rnn)
    count = 2 if cell == "lstm" else 1
    state = tuple(torch.randn(num_layers, rows, 4) for _ in range(count))
    states = [tuple(part[i].numpy().copy() for part in state) for i in range(num_layers)]
    state = state if cell == "lstm" else state[0]
    with torch.no_grad():
        for scale in (1.0, 1.0, 3.0):
            data = torch.randn(rows, 5) * scale
            before = [tuple(part.copy() for part in layer) for layer in states]
            output, after = cells.step(data.numpy(), states)
            for kept, layer in zip(before, states):
                assert all(numpy.array_equal(a, b) for a, b in zip(kept, layer))
            states = after
            expected, state = step(rnn, data, state)
            assert output.dtype == numpy.float32
            numpy.testing.assert_allclose(output, expected.numpy(), atol=1e-6, rtol=1e-6)
            for part, wanted in zip(zip(*states), state if cell == "lstm" else (state,)):
                found = numpy.stack(part)
                numpy.testing.assert_allclose(found, wanted.numpy(), atol=1e-6, rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_numpy_cells_do_not_overflow(cell):
    rnn = make(cell)
    for sign in (1e4, -1e4):
        states = [tuple(numpy.zeros((1, 4), "float32") for _ in range(2 if cell == "lstm" else 1))]
        output, _ = NumpyCells(rnn).step(numpy.full((1, 5), sign, "float32"), states)
        assert numpy.isfinite(output).all()


def test_numpy_cells_of_what_does_not_fit():
    with pytest.raises(ValueError, match="R005"):
        NumpyCells(make("lstm", bidirectional=True))
    with pytest.raises(ValueError, match="R006"):
        NumpyCells(make("rnn")).step(
            numpy.zeros((1, 4), "float32"), [(numpy.zeros((1, 4), "float32"),)]
        )
