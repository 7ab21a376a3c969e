"""Models are loaded as a whole, or stay as they are."""

import numpy
import pytest
import spacy
import srsly
from thinc.api import Linear, Maxout, Model, ParametricAttention_v2, SparseLinear_v2, chain

from spacy_rnn.bridge.loading import check_model, load_model, unchanged_on_error
from spacy_rnn.bridge.shim import module_of, shim_of
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import set_vocab

NLP = spacy.blank("en")
DOCS = [NLP.make_doc("a cat saw a dog")]


def answer(model):
    return 42


def make(words=("cat", "dog")):
    """An embedding and a layer of thinc's, with an attribute of each kind."""
    embed = build_vocab_embed_v1(4, start="random")
    set_vocab([embed], list(words))
    embed.initialize(X=DOCS)
    output: Model = Linear(3, 4).initialize()
    output.attrs.update(number=1, call=answer)
    model = chain(embed, output)
    model.set_ref("output", output)
    return model


def state_of(model):
    """All that can change, by layer, in a form that can be compared."""
    found = []
    for node in model.walk():
        params = {n: node.get_param(n).tolist() for n in node.param_names if node.has_param(n)}
        dims = {name: node.maybe_get_dim(name) for name in node.dim_names}
        refs = {name: node.maybe_get_ref(name) for name in node.ref_names}
        modules = [(shim.cfg, module_of(shim)) for shim in node.shims]
        found.append((node.name, params, dims, refs, dict(node.attrs), modules))
    return found


def load(model, msg):
    with unchanged_on_error(model):
        load_model(model, srsly.msgpack_dumps(msg))


def test_what_fits_is_loaded():
    model, other = make(), make()
    model.get_ref("output").attrs["number"] = 2
    load(other, model.to_dict())
    docs = numpy.concatenate(model.layers[0].predict(DOCS))
    assert numpy.allclose(numpy.concatenate(other.layers[0].predict(DOCS)), docs, atol=1e-6)
    assert (other.get_ref("output").get_param("W") == model.get_ref("output").get_param("W")).all()
    assert other.get_ref("output").attrs["number"] == 1, "a setting: the config's counts"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_changed_on_error(error):
    model, other = make(), make(["one", "two", "three"])
    other.name, other.layers[0].name = "other", "another"
    other.get_ref("output").attrs.update(number=2, more=3)
    msg = other.to_dict()
    msg["refs"] = None
    before = state_of(model)
    with pytest.raises(error):
        with unchanged_on_error(model):
            model.from_dict(msg)
            assert state_of(model) != before
            raise error
    assert state_of(model) == before
    # And what is computed from weights is not that of the other's.
    expected = shim_of(model.layers[0]).module.table.weight.detach().numpy()[[0, 1, 0, 0, 2]]
    assert numpy.allclose(model.layers[0].predict(DOCS)[0], expected)


def test_weights_that_were_not_made_are_taken_away_again():
    model, other = Linear(3, 4), Linear(3, 4).initialize()
    with pytest.raises(ValueError):
        with unchanged_on_error(model):
            model.from_dict(other.to_dict())
            raise ValueError
    assert not model.has_param("W") and model.initialize().has_param("W")


def test_sizes_that_were_not_known_are_forgotten_again():
    model, other = Linear(), Linear(3, 4).initialize()
    with pytest.raises(ValueError):
        with unchanged_on_error(model):
            model.from_dict(other.to_dict())
            raise ValueError
    assert model.has_dim("nO") is None and model.has_dim("nI") is None


def test_a_parameter_that_is_not_the_layers_is_taken_away_again():
    model = make()
    msg = model.to_dict()
    msg["params"][-1].update(extra=numpy.ones(2, dtype="f"), b=numpy.full(3, numpy.nan, "f"))
    before = model.to_bytes()
    with pytest.raises(ValueError, match="R102"):
        load(model, msg)
    assert "extra" not in model.layers[1].param_names and model.to_bytes() == before


def test_what_a_layer_can_do_survives_data_of_that_name():
    model = make()
    before = {i: dict(node.attrs) for i, node in enumerate(model.walk())}
    msg = model.to_dict()
    for i, attrs in enumerate(msg["attrs"]):
        attrs.update((k, srsly.msgpack_dumps("data")) for k, v in before[i].items() if callable(v))
    load(model, msg)
    for i, node in enumerate(model.walk()):
        for name, value in before[i].items():
            if callable(value):
                assert node.attrs[name] is value
    assert model.get_ref("output").attrs["call"](model) == 42


@pytest.mark.parametrize("value", [b"data", "data", 1, None, [b"data"]])
def test_what_a_layer_does_not_know_is_not_asked_for_later(value):
    """As where the name of an attribute was damaged."""
    model, msg = make(), make().to_dict()
    model_data = make().to_dict()
    msg["attrs"][-1]["unknown"] = srsly.msgpack_dumps(value)
    load(model, msg)
    load(model, model_data)
    assert model.get_ref("output").attrs["number"] == 1


def layers():
    return {
        "Linear": Linear(3, 4),
        "Maxout": Maxout(3, 4, nP=2),
        "SparseLinear": SparseLinear_v2(3, length=8),
        "ParametricAttention": ParametricAttention_v2(nO=4),
    }


def without_weights(msg, layer, part):
    """Saved data of a model, of which a part of a layer has no weights."""
    if part == "shim":
        saved = srsly.msgpack_loads(msg["shims"][layer][0])
        msg["shims"][layer][0] = srsly.msgpack_dumps({**saved, "state": b""})
    else:
        msg["params"][layer][part] = None
    return msg


@pytest.mark.parametrize("layer,part", [(1, "shim"), (2, "W"), (2, "b")])
def test_weights_of_one_layer_are_missing(layer, part):
    model = make()
    before = state_of(model)
    with pytest.raises(ValueError, match=f"R102.*{model.layers[layer - 1].name}.*are missing"):
        load(model, without_weights(make().to_dict(), layer, part))
    assert state_of(model) == before


def test_a_model_that_was_not_initialized_is_loaded():
    def fresh():
        return chain(build_vocab_embed_v1(4, start="random"), Linear(3, 4))

    other = fresh()
    load(other, fresh().to_dict())
    assert module_of(shim_of(other.layers[0])) is None and not other.layers[1].has_param("W")


@pytest.mark.parametrize("name", layers())
def test_layers_of_thincs_fit(name):
    layer = layers()[name].initialize()
    check_model(layer)
    check_model(layers()[name])


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf, 1e38, -1e16])
@pytest.mark.parametrize("name", layers())
def test_values_that_are_not_numbers(name, value):
    layer = layers()[name].initialize()
    for param in layer.param_names:
        right = layer.get_param(param)
        wrong = right.copy()
        wrong.flat[-1] = value
        layer.set_param(param, wrong)
        with pytest.raises(ValueError, match=f"R102.*'{param}' has values that are not numbers"):
            check_model(chain(layer, Linear()))
        layer.set_param(param, right)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32"])
def test_values_of_another_type(dtype):
    layer = Linear(3, 4).initialize()
    layer.set_param("b", numpy.zeros(3, dtype=dtype))
    with pytest.raises(ValueError, match=f"R102.*linear.*'b' is {dtype}, expected float32"):
        check_model(layer)


@pytest.mark.parametrize(
    "name,param,shape",
    [
        ("Linear", "W", (4, 4)),
        ("Linear", "W", (0, 4)),
        ("Linear", "b", (4,)),
        ("SparseLinear", "W", (23,)),
        ("SparseLinear", "b", (2,)),
    ],
)
def test_values_that_are_too_many_or_too_few(name, param, shape):
    layer = layers()[name].initialize()
    layer.set_param(param, numpy.ones(shape, dtype="f"))
    with pytest.raises(ValueError, match=f"R102.*'{param}' is of shape .*, expected"):
        check_model(layer)


def test_what_layers_say_of_themselves():
    model, embed = make(), make(["one", "two", "three"]).layers[0]
    model.layers[0].attrs["words"] = embed.attrs["words"]
    with pytest.raises(ValueError, match="R102.*3 vectors for 3 words"):
        check_model(model)
    # A layer that has no weights yet has nothing to say.
    check_model(build_vocab_embed_v1(4))
