import copy
import pickle
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy
import pytest
import safetensors.torch
import srsly
import torch
from thinc.api import SGD, Adam, ArgsKwargs, Model

from spacy_rnn.bridge.ragged import Rows, takes_lists
from spacy_rnn.bridge.shim import RNNShim, differentiate_module, run_module, shim_of, to_torch
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.vocab_embed import WordEmbedding


class Scale(torch.nn.Module):
    """One scalar, one matrix that no output depends on, and one in float64."""

    def __init__(self, start=2.0):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(start))
        self.unused = torch.nn.Parameter(torch.ones(2, 2))
        self.wide = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        self.modes = []

    def forward(self, data, lengths):
        self.modes.append(self.training)
        return data * self.factor * self.wide.sum().float(), None


def build_scale(**config):
    return Scale(**config)


@takes_lists
def forward(model, X, is_train):
    args = to_torch(model, X.data).requires_grad_(is_train), torch.from_numpy(X.lengths)
    Y, backprop = run_module(model, args, is_train)
    return Rows(Y, X.lengths), lambda dY: Rows(backprop(dY.data), X.lengths)


def make(**settings) -> Model:
    shim = RNNShim(build_scale, "Scale", **settings)
    model = Model("scale", forward, shims=[shim], dims={"nO": 3})
    shim.build(start=2.0)
    return model


def rnn(**settings):
    model = build_rnn_encoder_v1(6, dropout=0.0, **settings)
    return model.initialize(X=[numpy.ones((2, 4), dtype="f")])


X = [numpy.ones((2, 3), dtype="f"), numpy.full((1, 3), 2.0, dtype="f")]


def step(model, optimizer):
    Ys, backprop = model.begin_update(X)
    dX = backprop([numpy.ones_like(Y) for Y in Ys])
    model.finish_update(optimizer)
    return Ys, dX


def weights_of(model):
    return {name: p.detach().clone() for name, p in shim_of(model).module.named_parameters()}


def test_forward_and_backward_values():
    Ys, dX = step(make(), SGD(0.0))
    assert [Y.tolist() for Y in Ys] == [(x * 6.0).tolist() for x in X]
    assert [d.tolist() for d in dX] == [numpy.full_like(x, 6.0).tolist() for x in X]


def test_updates_scalars_and_float64_and_leaves_unused_weights():
    model = make()
    # Decay would move a weight that has a gradient of zero.
    optimizer = Adam(0.1, L2=0.1, L2_is_weight_decay=True, use_averages=False)
    for _ in range(3):
        step(model, optimizer)
    weights = weights_of(model)
    assert weights["factor"].item() < 2.0
    assert (weights["wide"] < 1.0).all()
    assert weights["wide"].dtype == torch.float64
    assert torch.equal(weights["unused"], torch.ones(2, 2))
    assert all(p.grad is None for p in shim_of(model).module.parameters())


def test_sgd_step_by_hand():
    model = make()
    step(model, SGD(0.01, L2=0.0, grad_clip=0.0))
    # d/d factor of the sum of all outputs: sum(X) * 3 = 12 * 3.
    assert weights_of(model)["factor"].item() == pytest.approx(2.0 - 0.01 * 36.0)


def test_clips_the_joint_norm():
    model = make(max_grad_norm=1.0)
    before = weights_of(model)
    step(model, SGD(1.0, L2=0.0, grad_clip=0.0))
    after = weights_of(model)
    moved = torch.cat([(after[n].double() - before[n].double()).flatten() for n in after])
    assert moved.norm().item() == pytest.approx(1.0, rel=1e-5)
    assert (moved != 0).sum() == 4


def test_gradients_accumulate_until_the_update():
    once, twice = make(), make()
    step(once, SGD(0.02, L2=0.0, grad_clip=0.0))
    for _ in range(2):
        Ys, backprop = twice.begin_update(X)
        backprop([numpy.ones_like(Y) for Y in Ys])
    twice.finish_update(SGD(0.01, L2=0.0, grad_clip=0.0))
    assert torch.allclose(weights_of(once)["factor"], weights_of(twice)["factor"])


def test_averages_are_used_and_restored():
    model = rnn()
    optimizer = Adam(0.1, use_averages=True)
    data = [numpy.random.rand(5, 4).astype("f")]
    for _ in range(5):
        Ys, backprop = model.begin_update(data)
        backprop(Ys)
        model.finish_update(optimizer)
    raw, (before,) = weights_of(model), model.predict(data)
    with model.use_params(optimizer.averages):
        (averaged,) = model.predict(data)
        for name, value in weights_of(model).items():
            average = optimizer.averages[shim_of(model).id, name]
            assert torch.equal(value.flatten(), torch.from_numpy(average).flatten())
    (after,) = model.predict(data)
    assert abs(averaged - before).max() > 1e-4
    assert numpy.allclose(after, before, atol=1e-6)
    assert all(torch.equal(raw[name], value) for name, value in weights_of(model).items())


def test_averages_are_restored_after_an_error():
    model = rnn()
    averages = {(shim_of(model).id, n): p.numpy() * 0 for n, p in weights_of(model).items()}
    raw = weights_of(model)
    with pytest.raises(ZeroDivisionError):
        with shim_of(model).use_params(averages):
            raise ZeroDivisionError
    assert all(torch.equal(raw[name], value) for name, value in weights_of(model).items())


def test_training_mode_inside_updates_only():
    model = make()
    module = shim_of(model).module
    model.predict(X)
    step(model, SGD(0.0))
    model.predict(X)
    assert module.modes == [False, True, False]
    assert not module.training


def test_mode_is_restored_after_an_error():
    model = make()
    shim_of(model).module.forward = None
    with pytest.raises(TypeError):
        model.begin_update(X)
    assert not shim_of(model).module.training


def test_copies_learn_on_their_own():
    for copied in (rnn().copy(), copy.deepcopy(rnn())):
        assert shim_of(copied).module is not None
    model = rnn()
    copied = model.copy()
    assert shim_of(copied).id != shim_of(model).id
    data = [numpy.random.rand(5, 4).astype("f")]
    before = model.predict(data)[0].copy()
    assert numpy.allclose(copied.predict(data)[0], before, atol=1e-6)
    Ys, backprop = copied.begin_update(data)
    backprop(Ys)
    copied.finish_update(Adam(0.1))
    assert numpy.allclose(model.predict(data)[0], before, atol=1e-6)
    assert abs(copied.predict(data)[0] - before).max() > 1e-4


def test_sending_a_net_to_a_process_leaves_its_weights_where_they_are():
    """torch's own way moves them into shared memory. Views of them would point to nothing."""
    model = rnn()
    shim = shim_of(model)
    name, weight = next(shim.module.named_parameters())
    place, view, expected = weight.data_ptr(), shim.view(name), shim.view(name).copy()
    sent = ForkingPickler.dumps(model)
    assert weight.data_ptr() == place and not weight.is_shared()
    assert (view == expected).all()
    data = [numpy.random.rand(5, 4).astype("f")]
    other = pickle.loads(sent)  # noqa: S301
    assert numpy.allclose(other.predict(data)[0], model.predict(data)[0], atol=1e-6)
    assert shim_of(other).home.is_here()


def test_sending_a_net_before_its_weights_are_made():
    shim = pickle.loads(pickle.dumps(RNNShim(build_scale, "Scale")))  # noqa: S301
    with pytest.raises(KeyError, match="R101.*Scale"):
        shim.predict(None)


def test_bytes_round_trip():
    model, other = rnn(), rnn()
    data = [numpy.random.rand(5, 4).astype("f")]
    assert abs(other.predict(data)[0] - model.predict(data)[0]).max() > 1e-4
    saved = model.to_bytes()
    other.from_bytes(saved)
    assert numpy.allclose(other.predict(data)[0], model.predict(data)[0], atol=1e-6)
    assert other.to_bytes() == saved


def test_bytes_round_trip_before_the_weights_are_made():
    shim = RNNShim(build_scale, "Scale")
    other = RNNShim(build_scale, "Scale").from_bytes(shim.to_bytes())
    with pytest.raises(KeyError, match="R101.*Scale"):
        other.predict(None)


def test_no_pickle_is_read():
    with pytest.raises(ValueError, match="R102"):
        RNNShim(build_scale, "Scale").from_bytes(pickle.dumps({"config": {}, "state": b""}))


def saved(model):
    """The data of a layer: its config and its tensors."""
    msg = srsly.msgpack_loads(shim_of(model).to_bytes())
    return msg["config"], safetensors.torch.load(msg["state"])


def packed(config, tensors):
    return srsly.msgpack_dumps({"config": config, "state": safetensors.torch.save(tensors)})


def corrupt(name):
    config, tensors = saved(make())
    if name == "missing weight":
        del tensors["unused"]
    elif name == "unexpected weight":
        tensors["more"] = torch.ones(1)
    elif name == "other shape":
        tensors["unused"] = torch.ones(3, 3)
    elif name == "other dtype":
        tensors["unused"] = tensors["unused"].double()
    elif name == "whole numbers":
        tensors["unused"] = tensors["unused"].long()
    elif name in ("nan", "inf", "-inf"):
        tensors["unused"][1, 0] = float(name)
    elif name == "other config":
        config = {"begin": 1}
    data = packed(config, tensors)
    if name == "truncated":
        msg = srsly.msgpack_loads(data)
        data = srsly.msgpack_dumps({**msg, "state": msg["state"][:-5]})
    return b"\x01nonsense" if name == "nonsense" else data


@pytest.mark.parametrize(
    "name",
    "missing weight|unexpected weight|other shape|other dtype|whole numbers|nan|inf|-inf|"
    "other config|truncated|nonsense".split("|"),
)
def test_corrupt_bytes_are_refused_and_change_nothing(name):
    model = make()
    shim_of(model).module.factor.data.fill_(7.0)
    before = shim_of(model).version
    with pytest.raises(ValueError, match="R102.*Scale"):
        shim_of(model).from_bytes(corrupt(name))
    assert weights_of(model)["factor"].item() == 7.0 and shim_of(model).version == before
    assert model.predict(X)[0].tolist() == (X[0] * 21).tolist()


def peak_memory():
    """Of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak_memory():
    Path("/proc/self/clear_refs").write_text("5")


def words():
    shim = RNNShim(WordEmbedding, "Table")
    shim.build(num_embeddings=5, embedding_dim=3)
    return Model("table", None, shims=[shim])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures on Linux")
@pytest.mark.parametrize(
    "build,changes",
    [
        (rnn, {"num_layers": 10**9}),
        (rnn, {"num_layers": 2**63 - 1}),
        (rnn, {"num_layers": 0}),
        (rnn, {"num_layers": "1"}),
        (rnn, {"hidden_size": 10_000}),
        (rnn, {"hidden_size": 10**9}),
        (rnn, {"hidden_size": 2**63 - 1}),
        (rnn, {"hidden_size": -3}),
        (rnn, {"hidden_size": 3.5}),
        (rnn, {"input_size": 100_000_000}),
        (rnn, {"cell": ["lstm"]}),
        (words, {"num_embeddings": 8_000_000}),
        (words, {"num_embeddings": 10**15}),
        (words, {"embedding_dim": 40_000_000}),
        (words, {"num_embeddings": -1}),
    ],
)
def test_sizes_that_do_not_fit_cost_nothing(build, changes):
    model = build()
    shim = shim_of(model)
    config, tensors = saved(model)
    data = packed({**config, **changes}, tensors)
    module, version, before = shim.module, shim.version, weights_of(model)
    # Libraries are loaded by the first call.
    shim.from_bytes(packed(config, tensors))
    shim.set_module(config, module)
    forget_peak_memory()
    memory, start = peak_memory(), time.perf_counter()
    with pytest.raises(ValueError, match="R102"):
        shim.from_bytes(data)
    assert time.perf_counter() - start < 1.0
    assert peak_memory() - memory < 50 * 1024**2
    assert shim.cfg == config and shim.module is module and shim.version == version + 2
    assert all(torch.equal(before[name], value) for name, value in weights_of(model).items())


def grads_of(model):
    return {n: p.grad for n, p in shim_of(model).module.named_parameters()}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_differentiate_gives_the_gradient_of_training(cell, num_layers):
    model = rnn(cell=cell, num_layers=num_layers)
    data, lengths = torch.randn(7, 4), torch.tensor([4, 0, 3])
    Y, backprop = run_module(model, (data.clone().requires_grad_(), lengths), True)
    weight = numpy.random.standard_normal(Y.shape).astype("f")
    dX = backprop(weight)
    before = {name: grad.clone() for name, grad in grads_of(model).items()}
    found, backprop_found = differentiate_module(model, (data, lengths))
    assert numpy.allclose(found, Y, atol=1e-5)
    assert numpy.allclose(backprop_found(weight), dX, atol=1e-5)
    after = grads_of(model)
    assert all(torch.equal(after[name], grad) for name, grad in before.items())
    assert not data.requires_grad


def test_differentiate_leaves_modes_and_gradients_alone():
    model = make()
    module, shim = shim_of(model).module, shim_of(model)
    data = torch.full((2, 3), 2.0, requires_grad=True)
    inputs = ArgsKwargs(args=(data, torch.tensor([2])), kwargs={})
    with torch.no_grad():
        Y, backprop = shim.differentiate(inputs)
        assert not torch.is_grad_enabled()
    assert Y.tolist() == [[12.0] * 3] * 2
    assert backprop(torch.ones(2, 3)).tolist() == [[6.0] * 3] * 2
    assert module.modes == [False] and not module.training and data.grad is None
    assert all(grad is None for grad in grads_of(model).values())
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.gpu
def test_moves_to_the_gpu():
    model = rnn()
    data = [numpy.random.rand(5, 4).astype("f")]
    expected = model.predict(data)[0]
    model.to_gpu(0)
    found = model.predict([model.ops.asarray(data[0])])[0]
    assert abs(model.ops.to_numpy(found) - expected).max() < 1e-5


@pytest.mark.gpu
def test_copies_on_the_gpu_are_in_one_piece(recwarn):
    model = rnn()
    model.to_gpu(0)
    data = [model.ops.asarray(numpy.random.rand(5, 4).astype("f"))]
    expected = model.ops.to_numpy(model.predict(data)[0])
    found = model.ops.to_numpy(model.copy().predict(data)[0])
    assert abs(found - expected).max() < 1e-6
    assert not [w for w in recwarn if "contiguous chunk" in str(w.message)]
