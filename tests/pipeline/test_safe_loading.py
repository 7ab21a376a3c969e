"""Pipelines that are damaged, or made to do harm: refused, and nothing has changed."""

import json
import resource
import struct
import time

import numpy
import pytest
import spacy
import srsly
import torch

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.temperature import get_temperature, set_temperature
from spacy_rnn.pipeline.checksums import add_checksums, write_checksums
from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger, train

LINEAR = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 128}
COMPONENTS = {
    "textcat_lstm": (lambda: small_model(linear_model=LINEAR, pooling="attention"), make_examples),
    "tagger_bilstm": (small_tagger, make_tagged_examples),
}


def make(component, steps=5):
    model, examples = COMPONENTS[component]
    nlp = spacy.blank("en")
    nlp.add_pipe(component, config={"model": model()})
    train(nlp, examples(nlp), steps=steps)
    return nlp


@pytest.fixture(scope="module")
def pipelines():
    """Tests must not change them."""
    return {component: make(component) for component in COMPONENTS}


@pytest.fixture(scope="module")
def targets():
    """Others to load into. Tests must not change them."""
    return {component: make(component, steps=2) for component in COMPONENTS}


def scores_of(nlp, component):
    docs = [nlp.make_doc(text) for text in ("a warm film", "the old dogs sees")]
    return numpy.concatenate([numpy.ravel(s) for s in nlp.get_pipe(component).predict(docs)])


def sealed(msg):
    """A component as bytes, with the checksums of what was made of it."""
    return add_checksums(srsly.msgpack_dumps(msg))


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", ["model", "cfg"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "nonsense"])
def test_the_damaged_file_is_named(component, name, damage, pipelines, tmp_path):
    pipelines[component].to_disk(tmp_path)
    path = tmp_path / component / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"\x00nonsense")
    write_checksums(tmp_path / component)
    problem = "missing" if damage == "missing" else "corrupt"
    with pytest.raises(ValueError, match=f"R308.*{component}/{name} is {problem}"):
        spacy.load(tmp_path)


def test_a_missing_vocabulary_is_named(pipelines, tmp_path):
    pipe = pipelines["textcat_lstm"].get_pipe("textcat_lstm")
    pipe.to_disk(tmp_path / "pipe")
    (tmp_path / "pipe" / "vocab" / "strings.json").unlink()
    with pytest.raises(ValueError, match="R308.*pipe/vocab/strings.json is missing"):
        make("textcat_lstm").get_pipe("textcat_lstm").from_disk(tmp_path / "pipe")


def test_a_missing_part_of_bytes_is_named(pipelines):
    pipe = pipelines["textcat_lstm"].get_pipe("textcat_lstm")
    msg = srsly.msgpack_loads(pipe.to_bytes(exclude=["vocab"]))
    del msg["model"]
    with pytest.raises(ValueError, match="R308.*model is missing"):
        make("textcat_lstm").get_pipe("textcat_lstm").from_bytes(sealed(msg), exclude=["vocab"])


def node_with(msg, name):
    """The place of the node that has a parameter, an attribute or a shim."""
    for i, parts in enumerate(zip(msg["params"], msg["attrs"], msg["shims"])):
        params, attrs, shims = parts
        if params.get(name) is not None or name in attrs or (name == "shim" and shims):
            return i
    raise KeyError(name)


def change_shim(msg, change, place=None):
    i = node_with(msg, "shim") if place is None else place
    shim = srsly.msgpack_loads(msg["shims"][i][0])
    change(shim["config"])
    msg["shims"][i][0] = srsly.msgpack_dumps(shim)


def change_tensor(msg, change):
    import safetensors.torch

    i = node_with(msg, "shim")
    shim = srsly.msgpack_loads(msg["shims"][i][0])
    tensors = safetensors.torch.load(shim["state"])
    name = sorted(tensors)[0]
    tensors[name] = change(tensors[name])
    shim["state"] = safetensors.torch.save(tensors)
    msg["shims"][i][0] = srsly.msgpack_dumps(shim)


def change_header(msg, change, length=None):
    """Change the header of a net's safetensors, which says where the numbers of each tensor are."""
    nets = [i for i, data in enumerate(msg["shims"]) if data and b"num_layers" in data[0]]
    i = nets[-1]
    shim = srsly.msgpack_loads(msg["shims"][i][0])
    (size,) = struct.unpack("<Q", shim["state"][:8])
    header = json.loads(shim["state"][8 : 8 + size])
    header.pop("__metadata__", None)
    change(header, sorted(header)[0])
    text = json.dumps(header).encode("utf8")
    start = struct.pack("<Q", len(text) if length is None else length)
    shim["state"] = start + text + shim["state"][8 + size :]
    msg["shims"][i][0] = srsly.msgpack_dumps(shim)


def change_param(msg, change):
    i = node_with(msg, "W")
    msg["params"][i]["W"] = change(msg["params"][i]["W"])


def with_nan(array):
    array = array.copy() if isinstance(array, numpy.ndarray) else array.clone()
    array[0] = float("nan")
    return array


def more_words(msg):
    i = node_with(msg, "words")
    words = srsly.msgpack_loads(msg["attrs"][i]["words"])
    msg["attrs"][i]["words"] = srsly.msgpack_dumps([*words, "one", "more"])


def overlap(header, name):
    other = next(key for key in sorted(header)[1:] if header[key]["shape"] == header[name]["shape"])
    header[name]["data_offsets"] = header[other]["data_offsets"]


BAD_HEADERS = {
    "huge shape": (lambda header, name: header[name].update(shape=[2**40, 2**20]), None),
    "product that wraps around": (lambda header, name: header[name].update(shape=[2**63, 2]), None),
    "shape below 0": (lambda header, name: header[name].update(shape=[-1]), None),
    "shape of nan": (lambda header, name: header[name].update(shape=[float("nan")]), None),
    "offsets of nan": (lambda h, name: h[name].update(data_offsets=[0, float("nan")]), None),
    "offsets behind the end": (lambda h, name: h[name].update(data_offsets=[0, 2**62]), None),
    "offsets that overlap": (overlap, None),
    "unknown type": (lambda header, name: header[name].update(dtype="OBJECT"), None),
    "tensor without offsets": (lambda header, name: header[name].pop("data_offsets"), None),
    "no tensors": (lambda header, name: header.clear(), None),
    "longer than the data": (lambda header, name: None, 10**6),
    "longer than any memory": (lambda header, name: None, 2**64 - 1),
    "of length 0": (lambda header, name: None, 0),
}
BAD_MODELS = {
    "hidden_size": lambda msg: [
        change_shim(msg, lambda c: c.update(hidden_size=10_000), i)
        for i, shims in enumerate(msg["shims"])
        if shims and "hidden_size" in srsly.msgpack_loads(shims[0])["config"]
    ],
    "num_embeddings": lambda msg: change_shim(
        msg, lambda c: c.update(num_embeddings=8_000_000), node_with(msg, "words")
    ),
    "num_layers": lambda msg: [
        change_shim(msg, lambda c: c.update(num_layers=10**9), i)
        for i, shims in enumerate(msg["shims"])
        if shims and "num_layers" in srsly.msgpack_loads(shims[0])["config"]
    ],
    "unknown setting": lambda msg: change_shim(msg, lambda c: c.update(evil=1)),
    "tensor of nan": lambda msg: change_tensor(msg, with_nan),
    "tensor of huge values": lambda msg: change_tensor(msg, lambda t: t + 1e38),
    "tensor of float64": lambda msg: change_tensor(msg, lambda t: t.double()),
    "tensor of another shape": lambda msg: change_tensor(msg, lambda t: t[:-1].contiguous()),
    **{
        f"header: {name}": lambda msg, change=change, length=length: change_header(
            msg, change, length
        )
        for name, (change, length) in BAD_HEADERS.items()
    },
    "weights of nan": lambda msg: change_param(msg, with_nan),
    "weights of huge values": lambda msg: change_param(msg, lambda w: w - numpy.float32(1e38)),
    "weights of float64": lambda msg: change_param(msg, lambda w: w.astype("float64")),
    "too few weights": lambda msg: change_param(msg, lambda w: w[:-1].copy()),
    "more words than rows": more_words,
    "one node less": lambda msg: msg["nodes"].pop(),
    "no modules": lambda msg: msg.update(shims=[[] for _ in msg["shims"]]),
    "no weights": lambda msg: msg.update(params=[{} for _ in msg["params"]]),
    "no words": lambda msg: msg["attrs"][node_with(msg, "words")].pop("words"),
}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models_are_refused_at_once_and_change_nothing(component, name, pipelines, targets):
    nlp = targets[component]
    pipe = nlp.get_pipe(component)
    before, cfg = scores_of(nlp, component), dict(pipe.cfg)
    msg = srsly.msgpack_loads(pipelines[component].get_pipe(component).model.to_bytes())
    BAD_MODELS[name](msg)
    data = pipelines[component].get_pipe(component).to_bytes(exclude=["vocab", "model"])
    whole = {**srsly.msgpack_loads(data), "model": srsly.msgpack_dumps(msg)}
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match=f"R308.*{component}.*model is corrupt"):
        pipe.from_bytes(sealed(whole), exclude=["vocab"])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 200_000 and time.perf_counter() - start < 10
    assert numpy.array_equal(scores_of(nlp, component), before) and pipe.cfg == cfg


@pytest.mark.parametrize(
    "value", [0.0, 1e-45, -1.0, float("nan"), float("inf"), True, "x", None, [1.0]]
)
def test_a_temperature_that_is_none(value, pipelines):
    nlp = make("textcat_lstm", steps=2)
    pipe = nlp.get_pipe("textcat_lstm")
    set_temperature(pipe.model, 2.0)
    before = scores_of(nlp, "textcat_lstm")
    source = pipelines["textcat_lstm"].get_pipe("textcat_lstm")
    msg = srsly.msgpack_loads(source.model.to_bytes())
    msg["attrs"][node_with(msg, "temperature")]["temperature"] = srsly.msgpack_dumps(value)
    whole = srsly.msgpack_loads(source.to_bytes(exclude=["vocab"]))
    whole["model"] = srsly.msgpack_dumps(msg)
    with pytest.raises(ValueError, match="R308.*model is corrupt.*temperature"):
        pipe.from_bytes(sealed(whole), exclude=["vocab"])
    assert numpy.array_equal(scores_of(nlp, "textcat_lstm"), before)
    assert get_temperature(pipe.model) == 2.0


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("labels", [[], ["A"], ["A"] * 40, "AB", [1, 2]])
def test_labels_that_are_not_those_of_the_model(component, labels, pipelines):
    nlp = make(component, steps=2)
    pipe = nlp.get_pipe(component)
    before, known = scores_of(nlp, component), pipe.labels
    msg = srsly.msgpack_loads(pipelines[component].get_pipe(component).to_bytes(exclude=["vocab"]))
    cfg = srsly.json_loads(msg["cfg"])
    msg["cfg"] = srsly.json_dumps({**cfg, "labels": labels})
    with pytest.raises(ValueError, match="R308.*(labels|R310)"):
        pipe.from_bytes(sealed(msg), exclude=["vocab"])
    assert numpy.array_equal(scores_of(nlp, component), before) and pipe.labels == known


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_is_loaded_is_what_was_saved(component, pipelines):
    nlp = make(component, steps=2)
    nlp.get_pipe(component).from_bytes(pipelines[component].get_pipe(component).to_bytes())
    expected = scores_of(pipelines[component], component)
    assert numpy.allclose(scores_of(nlp, component), expected, atol=1e-6)


def test_a_file_cannot_replace_what_a_layer_does(pipelines):
    nlp = make("textcat_lstm", steps=2)
    pipe = nlp.get_pipe("textcat_lstm")
    msg = srsly.msgpack_loads(pipelines["textcat_lstm"].get_pipe("textcat_lstm").model.to_bytes())
    msg["attrs"][0]["resize_output"] = srsly.msgpack_dumps("nonsense")
    whole = srsly.msgpack_loads(pipe.to_bytes(exclude=["vocab"]))
    whole["model"] = srsly.msgpack_dumps(msg)
    pipe.from_bytes(sealed(whole), exclude=["vocab"])
    assert pipe.add_label("NEW") == 1 and nlp("a warm film").cats["NEW"] < 0.01


def test_a_file_cannot_change_settings_of_layers(pipelines):
    """Nor which layers refer to which."""
    nlp = make("textcat_lstm", steps=2)
    pipe = nlp.get_pipe("textcat_lstm")
    before = [dict(node.attrs) for node in pipe.model.walk()]
    source = pipelines["textcat_lstm"].get_pipe("textcat_lstm")
    msg = srsly.msgpack_loads(source.model.to_bytes())
    for attrs in msg["attrs"]:
        for name, value in (("ngram_size", 3000), ("exclusive", False), ("multi_label", True)):
            if name in attrs:
                attrs[name] = srsly.msgpack_dumps(value)
    refs = msg["nodes"][0]["refs"]
    refs["tok2vec"], refs["encode"] = refs["encode"], refs["tok2vec"]
    whole = srsly.msgpack_loads(source.to_bytes(exclude=["vocab"]))
    whole["model"] = srsly.msgpack_dumps(msg)
    pipe.from_bytes(sealed(whole), exclude=["vocab"])
    for node, attrs in zip(pipe.model.walk(), before):
        for name in ("ngram_size", "exclusive", "multi_label"):
            assert node.attrs.get(name) == attrs.get(name)
    expected = scores_of(pipelines["textcat_lstm"], "textcat_lstm")
    assert numpy.allclose(scores_of(nlp, "textcat_lstm"), expected, atol=1e-6)


BAD_SETTINGS = [
    ("tagger_bilstm", {"attr": "zzz"}),
    ("tagger_bilstm", {"top_k": "x"}),
    ("tagger_bilstm", {"label_smoothing": 2.0}),
    ("textcat_lstm", {"class_weight": {"A": -1}}),
    ("textcat_lstm", {"label_smoothing": "x"}),
    ("textcat_lstm", {"abstain": 1.5}),
    ("textcat_lstm", {"abstain": "x"}),
    ("textcat_lstm", {"labels": ["A", "A"]}),
]


@pytest.mark.parametrize("component,settings", BAD_SETTINGS)
def test_settings_that_are_out_of_their_range(component, settings, pipelines):
    nlp = make(component, steps=2)
    pipe = nlp.get_pipe(component)
    cfg = dict(pipe.cfg)
    msg = srsly.msgpack_loads(pipelines[component].get_pipe(component).to_bytes(exclude=["vocab"]))
    loaded = srsly.json_loads(msg["cfg"])
    msg["cfg"] = srsly.json_dumps({**loaded, **settings})
    with pytest.raises(ValueError, match="R308.*cfg is corrupt"):
        pipe.from_bytes(sealed(msg), exclude=["vocab"])
    assert pipe.cfg == cfg


def test_a_failed_load_leaves_the_vocabulary(pipelines, tmp_path):
    pipelines["textcat_lstm"].get_pipe("textcat_lstm").to_disk(tmp_path / "pipe")
    (tmp_path / "pipe" / "model").write_bytes(b"\x00")
    write_checksums(tmp_path / "pipe")
    nlp = make("textcat_lstm", steps=2)
    nlp.vocab.set_vector("cat", numpy.ones(5, dtype="f"))
    with pytest.raises(ValueError, match="R308.*pipe/model"):
        nlp.get_pipe("textcat_lstm").from_disk(tmp_path / "pipe")
    assert nlp.vocab.get_vector("cat").sum() == 5.0


def test_loads_whatever_torchs_default_type_is(pipelines):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        nlp = make("tagger_bilstm", steps=2)
        nlp.get_pipe("tagger_bilstm").from_bytes(
            pipelines["tagger_bilstm"].get_pipe("tagger_bilstm").to_bytes()
        )
        found = scores_of(nlp, "tagger_bilstm")
    finally:
        torch.set_default_dtype(before)
    expected = scores_of(pipelines["tagger_bilstm"], "tagger_bilstm")
    assert numpy.allclose(found, expected, atol=1e-6)


def test_training_goes_on_after_a_failed_load(pipelines):
    nlp = make("tagger_bilstm", steps=2)
    pipe = nlp.get_pipe("tagger_bilstm")
    with pytest.raises(ValueError, match="R308"):
        pipe.from_bytes(b"\x00", exclude=["vocab"])
    layer = pipe.model.get_ref("tok2vec").get_ref("encode")
    before = [p.detach().clone() for p in shim_of(layer).module.parameters()]
    nlp.update(make_tagged_examples(nlp), sgd=nlp.create_optimizer())
    assert any((p != b).any() for p, b in zip(shim_of(layer).module.parameters(), before))
