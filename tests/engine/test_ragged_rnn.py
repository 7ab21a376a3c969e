import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from spacy_rnn.engine import plan, ragged_rnn
from spacy_rnn.engine.cells import read, step
from spacy_rnn.engine.lanes import LaneLayout
from spacy_rnn.engine.ragged_rnn import RaggedRNN, check_settings
from tests.engine.conftest import computes_lstm

pytestmark = pytest.mark.usefixtures("layout")
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]
LENGTHS = [5, 0, 33, 17, 1, 64, 9, 8, 8]


def make(cell="lstm", nonlinearity="tanh", width=6, **settings):
    return RaggedRNN(4, width, cell=cell, nonlinearity=nonlinearity, **settings).eval()


def rows_of(lengths, dtype=torch.float32):
    return torch.randn(sum(lengths), 4, dtype=dtype), torch.tensor(lengths, dtype=torch.int64)


def state_for(rnn, rows):
    shape = (len(rnn.layers) * rnn.num_directions, rows, rnn.hidden_size)
    h = torch.randn(shape)
    return (h, torch.randn(shape)) if rnn.cell == "lstm" else h


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def torch_module(rnn):
    """torch's own module of several layers with the same weights."""
    layer = rnn.layers[0]
    extra = {"nonlinearity": layer.nonlinearity} if rnn.cell == "rnn" else {}
    whole = type(layer)(
        4,
        rnn.hidden_size,
        num_layers=len(rnn.layers),
        bidirectional=rnn.bidirectional,
        bias=layer.bias,
        **extra,
    )
    for i, part in enumerate(rnn.layers):
        for name, value in part.named_parameters():
            getattr(whole, name.replace("_l0", f"_l{i}")).data.copy_(value.data)
    return whole.eval()


def torch_outputs(rnn, data, lengths):
    """What torch makes of packed rows, one after the other."""
    rows = [row for row in data.split(lengths.tolist()) if len(row)]
    output, final = torch_module(rnn)(pack_sequence(rows, enforce_sorted=False))
    padded, found = pad_packed_sequence(output, batch_first=True)
    return torch.cat([row[:n] for row, n in zip(padded, found)]), final


@pytest.mark.parametrize("cell,nonlinearity", CELLS)
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, [0, 0, 37, 0], [12], [9, 6, 6, 1, 0]])
def test_equals_torch(cell, nonlinearity, num_layers, bidirectional, bias, lengths):
    rnn = make(cell, nonlinearity, num_layers=num_layers, bidirectional=bidirectional, bias=bias)
    data, lengths = rows_of(lengths)
    output, final = rnn(data, lengths, return_state=True)
    expected, expected_final = torch_outputs(rnn, data, lengths)
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    full = lengths > 0
    for found, wanted in zip(parts(final), parts(expected_final)):
        torch.testing.assert_close(found[:, full], wanted, atol=1e-6, rtol=0)
        assert not found[:, ~full].any()


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), max_size=24),
    cell=st.sampled_from(["rnn", "lstm", "gru"]),
    bidirectional=st.booleans(),
)
def test_segments_equal_packed(lengths, cell, bidirectional):
    rnn = make(cell, num_layers=2, bidirectional=bidirectional)
    data, lengths = rows_of(lengths)
    state = state_for(rnn, len(lengths))
    output, final = rnn(data, lengths, state, return_state=True)
    without_final, _ = rnn(data, lengths, state)
    rnn.packed = True
    expected, expected_final = rnn(data, lengths, state, return_state=True)
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(without_final, expected, atol=1e-6, rtol=0)
    for found, wanted in zip(parts(final), parts(expected_final)):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell,nonlinearity", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[9, 0, 2, 17], [0, 7]])
def test_gradients_match_finite_differences(cell, nonlinearity, bidirectional, lengths):
    rnn = make(cell, nonlinearity, width=3, num_layers=2, bidirectional=bidirectional).double()
    data, lengths = rows_of(lengths, torch.float64)
    names = [name for name, _ in rnn.named_parameters()]

    def run(data, *weights):
        weights = dict(zip(names, weights))
        return torch.func.functional_call(rnn, weights, (data, lengths))[0]

    inputs = [data, *(p.detach() for p in rnn.parameters())]
    inputs = [value.clone().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("lengths", [LENGTHS, [0, 7]])
def test_gradients_can_be_asked_for_again_and_reach_the_state(lengths):
    rnn = make(num_layers=2, bidirectional=True)
    data, lengths = rows_of(lengths)
    state = tuple(part.requires_grad_() for part in state_for(rnn, len(lengths)))
    inputs = [data.requires_grad_(), *state]
    output, final = rnn(data, lengths, state, return_state=True)
    total = output.sum() + (final[0] * final[1]).sum()
    first = torch.autograd.grad(total, inputs, retain_graph=True)
    second = torch.autograd.grad(total, inputs)
    for found, expected in zip(first, second):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("cell,nonlinearity", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, [0, 7]])
def test_gradients_of_the_data_in_evaluation_mode(cell, nonlinearity, bidirectional, lengths):
    """What explains a prediction: nothing is left behind in the weights."""
    rnn = make(cell, nonlinearity, num_layers=2, bidirectional=bidirectional)
    data, lengths = rows_of(lengths)
    data.requires_grad_()
    results = []
    for packed in (rnn.packed, True):
        rnn.packed = packed
        output, _ = rnn(data, lengths)
        results.append(torch.autograd.grad((output * output.detach().cos()).sum(), data)[0])
    assert results[0].abs().sum() > 0
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-4)
    assert all(parameter.grad is None for parameter in rnn.parameters())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_frozen_weights_and_data_without_gradient(cell):
    rnn = make(cell, num_layers=2, bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    rnn(data, lengths)[0].sum().backward()
    expected = [parameter.grad.clone() for parameter in rnn.layers[1].parameters()]
    rnn.zero_grad()
    rnn.layers[0].requires_grad_(False)
    output, _ = rnn(data, lengths)
    output.sum().backward()
    assert all(parameter.grad is None for parameter in rnn.layers[0].parameters())
    for parameter, wanted in zip(rnn.layers[1].parameters(), expected):
        torch.testing.assert_close(parameter.grad, wanted, atol=1e-5, rtol=1e-4)
    assert not rnn.requires_grad_(False)(data, lengths)[0].requires_grad


def test_only_gradients_that_are_wanted_are_computed(monkeypatch):
    rnn = make("lstm", bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    asked = []
    grad = torch.autograd.grad

    def count(outputs, inputs, *args, **kwargs):
        asked.append(len(inputs))
        return grad(outputs, inputs, *args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", count)
    rnn.requires_grad_(False)
    rnn(data.requires_grad_(), lengths)[0].sum().backward()
    # One leaf for each segment of each of two lanes, none for the eight weights.
    if rnn.packed:
        assert asked == []
    else:
        args = lengths.numpy(), data.device, data.dtype, False
        rows = LaneLayout(*args, layer=rnn.layers[0])
        assert asked == [len(rows.segments)] * 2


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_reading_in_two_parts_equals_reading_at_once(cell):
    rnn = make(cell, num_layers=2)
    lengths = [20, 3, 11]
    data, _ = rows_of(lengths)
    rows = data.split(lengths)
    heads = [row[: len(row) // 2] for row in rows]
    tails = [row[len(row) // 2 :] for row in rows]

    def run(rows, state=None):
        lengths = torch.tensor([len(row) for row in rows])
        output, final = rnn(torch.cat(rows), lengths, state, return_state=True)
        return output.split(lengths.tolist()), final

    whole, whole_final = run(rows)
    first, middle = run(heads)
    second, final = run(tails, middle)
    for row, head, tail in zip(whole, first, second):
        torch.testing.assert_close(row, torch.cat((head, tail)), atol=1e-6, rtol=0)
    for found, wanted in zip(parts(final), parts(whole_final)):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_a_row_does_not_depend_on_its_batch():
    rnn = make(num_layers=2, bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    together = rnn(data, lengths)[0].split(LENGTHS)
    for row, expected in zip(data.split(LENGTHS), together):
        alone, _ = rnn(row, torch.tensor([len(row)]))
        torch.testing.assert_close(alone, expected, atol=1e-6, rtol=0)


def test_padding_would_be_noticed():
    """The test above fails for a net that reads its rows padded."""
    rnn = make(bidirectional=True)
    data, lengths = rows_of([3, 9])
    padded = torch.nn.utils.rnn.pad_sequence(data.split([3, 9]))
    wrong, _ = rnn.layers[0](padded)
    right, _ = rnn(data, lengths)
    assert (wrong[:3, 0] - right[:3]).abs().max() > 1e-3


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_no_tokens(lengths, bidirectional):
    rnn = make(num_layers=2, bidirectional=bidirectional)
    data, lengths = rows_of(lengths)
    state = state_for(rnn, len(lengths))
    output, final = rnn(data, lengths, state, return_state=True)
    assert output.shape == (0, 6 * rnn.num_directions)
    for found, wanted in zip(final, state):
        torch.testing.assert_close(found, wanted)


def test_same_seed_same_bits():
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        rnn = make(num_layers=2, bidirectional=True, dropout=0.5).train()
        data, lengths = rows_of(LENGTHS)
        output, _ = rnn(data, lengths)
        output.sum().backward()
        results.append([output, *(p.grad for p in rnn.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_dropout_acts_between_layers_in_training_only():
    data, lengths = rows_of(LENGTHS)
    one, two = make(dropout=0.9), make(dropout=0.9, num_layers=2)
    still = two(data, lengths)[0]
    assert torch.equal(still, two(data, lengths)[0])
    one.train(), two.train()
    assert torch.equal(one(data, lengths)[0], one(data, lengths)[0])
    assert not torch.allclose(two(data, lengths)[0], still)


def test_bfloat16_is_close_and_returns_float32():
    if not ragged_rnn.has_bfloat16(torch.device("cpu")):
        pytest.skip("this CPU does not compute bfloat16 natively")
    rnn = make(width=32, bidirectional=True)
    half = make(width=32, bidirectional=True, precision="bfloat16")
    half.load_state_dict(rnn.state_dict())
    for lengths in (LENGTHS, [0, 17]):
        data, lengths = rows_of(lengths)
        exact, (rounded, final) = rnn(data, lengths)[0], half(data, lengths, return_state=True)
        assert rounded.dtype == final[0].dtype == torch.float32
        assert 0 < (exact - rounded).abs().max() < 0.02


@pytest.mark.parametrize("single", [False, True])
def test_bfloat16_is_decided_where_it_runs(single, monkeypatch, recwarn):
    """A machine without it computes in float32, and keeps what was asked for: a GPU may
    come later."""
    monkeypatch.setattr(ragged_rnn, "has_bfloat16", lambda device: False)
    rnn = make(precision="bfloat16")
    assert not recwarn.list and rnn.precision == "bfloat16"
    data, lengths = rows_of([12] if single else LENGTHS)
    for _ in range(2):
        rnn(data, lengths)
        step(rnn, data[:3])
    assert [str(found.message)[:6] for found in recwarn.list] == ["[W001]"]
    exact = make()
    exact.load_state_dict(rnn.state_dict())
    assert torch.equal(rnn(data, lengths)[0], exact(data, lengths)[0])
    assert rnn.precision == "bfloat16"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_modules_of_other_types(cell, dtype):
    if cell == "lstm" and not computes_lstm(dtype):
        pytest.skip(f"torch's LSTM does not run in {dtype} on this CPU")
    rnn = make(cell, num_layers=2, bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    expected = rnn(data, lengths)[0]
    rnn, data = rnn.to(dtype), data.to(dtype).requires_grad_()
    output, _ = rnn(data, lengths)
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), expected, atol=0.05, rtol=0)
    output.float().sum().backward()
    assert data.grad.dtype == dtype and data.grad.isfinite().all()


def test_copies_are_equal():
    rnn = make(num_layers=2, bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    assert torch.equal(copy.deepcopy(rnn)(data, lengths)[0], rnn(data, lengths)[0])


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"cell": "qrnn"}, "R001.*cell.*'qrnn'"),
        ({"cell": "rnn", "nonlinearity": "gelu"}, "R001.*nonlinearity.*'gelu'"),
        ({"precision": "int8"}, "R001.*precision.*'int8'"),
        ({"num_layers": 0}, "R002.*num_layers is 0"),
        ({"hidden_size": 0}, "R002.*hidden_size is 0"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        check_settings(**settings)
    with pytest.raises(ValueError, match=message):
        RaggedRNN(**{"input_size": 4, "hidden_size": 6, **settings})


def test_bad_input():
    rnn = make()
    data, lengths = rows_of([3, 4])
    with pytest.raises(ValueError, match="R003.*sum to 7, but there are 5"):
        rnn(data[:5], lengths)
    with pytest.raises(ValueError, match="R004"):
        rnn(data, lengths, torch.zeros(1, 2, 6))
    with pytest.raises(ValueError, match="R004"):
        rnn(data, lengths, (torch.zeros(1, 3, 6), torch.zeros(1, 3, 6)))


@pytest.mark.parametrize("shape", [(7, 5), (7, 3), (7,), (7, 1, 4)])
def test_input_of_another_width(shape):
    """torch's kernels would read outside of the weights."""
    rnn, data = make(num_layers=2), torch.randn(shape)
    with pytest.raises(ValueError, match=r"R006.*\(tokens, 4\).*\(7,"):
        rnn(data, torch.tensor([3, 4]))
    with pytest.raises(ValueError, match="R006"):
        step(rnn, data)
    with pytest.raises(ValueError, match="R006"):
        read(rnn, data, torch.tensor([3, 4]).numpy())


def test_negative_lengths():
    data, _ = rows_of([3])
    with pytest.raises(ValueError, match="R002.*length is -1"):
        make()(data, torch.tensor([4, -1]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("lengths", [[300], [0, 70, 0]])
def test_a_single_row_in_two_threads_and_in_parts(cell, lengths, monkeypatch):
    rnn = make(cell, num_layers=2, bidirectional=True)
    data, lengths = rows_of(lengths)
    state = state_for(rnn, len(lengths))
    expected, final = rnn(data, lengths, state, return_state=True)
    monkeypatch.setattr(ragged_rnn, "reads_apart", lambda *args: True)
    monkeypatch.setattr(plan, "MAX_STEPS", 64)
    monkeypatch.setattr(ragged_rnn, "MAX_STEPS", 64)
    output, found = rnn(data, lengths, state, return_state=True)
    torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    for part, wanted in zip(parts(found), parts(final)):
        torch.testing.assert_close(part, wanted, atol=1e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cuda_equals_cpu(cell):
    rnn = make(cell, num_layers=2, bidirectional=True)
    data, lengths = rows_of(LENGTHS)
    expected, _ = rnn(data, lengths)
    found, _ = rnn.cuda()(data.cuda(), lengths)
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=0)
