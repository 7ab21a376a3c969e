"""What a component saves has checksums: what is not as it was saved is refused, as a whole."""

import gc
import hashlib
import pickle
import shutil

import numpy
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import fix_random_seed

import spacy_rnn
from spacy_rnn.pipeline.checksums import FORMAT, add_checksums
from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger, train

LINEAR = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 128}
COMPONENTS = {
    "textcat_lstm": (lambda: small_model(linear_model=LINEAR), make_examples),
    "tagger_bilstm": (small_tagger, make_tagged_examples),
}
FILES = ["cfg", "checksums", "model"]


def make(component, seed=0):
    fix_random_seed(seed)
    model, examples = COMPONENTS[component]
    nlp = spacy.blank("en")
    nlp.add_pipe(component, config={"model": model()})
    train(nlp, examples(nlp), steps=3)
    return nlp


def scores_of(pipe, nlp):
    docs = [nlp.make_doc(text) for text in ("a warm film", "the old dogs sees")]
    return numpy.concatenate([numpy.ravel(s) for s in pipe.predict(docs)])


class Saved:
    """A component that was saved, with its vocabulary, and another one to load it into, which
    must stay as it is where loading fails."""

    def __init__(self, component, folder):
        self.nlp, self.other = make(component), make(component, seed=1)
        self.pipe, self.target = (nlp.get_pipe(component) for nlp in (self.nlp, self.other))
        self.folder = folder / "pipe"
        self.pipe.to_disk(self.folder)
        self.files = {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
        self.data = self.pipe.to_bytes(exclude=["vocab"])
        self.before, self.cfg = scores_of(self.target, self.other), dict(self.target.cfg)

    def refuses(self, name, data, match=r"\[R3(08|21|22)\]"):
        """Loading raises where a file has other data. None: where it is not there."""
        path = self.folder / name
        try:
            path.unlink() if data is None else path.write_bytes(data)
            with pytest.raises(ValueError, match=match):
                self.target.from_disk(self.folder)
        finally:
            path.write_bytes(self.files[name])
        assert self.target.cfg == self.cfg

    def is_unchanged(self):
        return numpy.array_equal(scores_of(self.target, self.other), self.before)


@pytest.fixture(scope="module", params=COMPONENTS)
def saved(request, tmp_path_factory):
    one = Saved(request.param, tmp_path_factory.mktemp("saved"))
    yield one
    assert one.is_unchanged()


@pytest.fixture(scope="module")
def textcat(tmp_path_factory):
    """Tests may change it."""
    return Saved("textcat_lstm", tmp_path_factory.mktemp("textcat"))


def flipped(data, places, bits):
    """Data with bits flipped, at places from 0 to 1."""
    changed = bytearray(data)
    for place, bit in zip(places, bits):
        changed[int(place * len(data))] ^= 1 << bit
    return bytes(changed)


places = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3)
bits = st.lists(st.integers(0, 7), min_size=3, max_size=3)


# Flipped bits


@given(st.data(), places, bits)
@settings(max_examples=300, deadline=None)
def test_flipped_bits_of_any_file_are_refused(saved, data, places, bits):
    name = data.draw(st.sampled_from(sorted(saved.files)))
    damaged = flipped(saved.files[name], places, bits)
    if damaged != saved.files[name]:
        saved.refuses(name, damaged)


@given(places, bits)
@settings(max_examples=300, deadline=None)
def test_flipped_bits_of_bytes_are_refused(saved, places, bits):
    damaged = flipped(saved.data, places, bits)
    if damaged != saved.data:
        with pytest.raises(ValueError, match=r"\[R3(08|21|22)\]"):
            saved.target.from_bytes(damaged, exclude=["vocab"])
        assert saved.target.cfg == saved.cfg


@pytest.mark.parametrize("name", ["checksums", "cfg"])
def test_each_byte_of_a_small_file_counts(name, textcat):
    for place in range(len(textcat.files[name])):
        damaged = bytearray(textcat.files[name])
        damaged[place] ^= 1 << place % 8
        textcat.refuses(name, bytes(damaged))


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_named_by_spacy_load(name, saved, tmp_path):
    saved.nlp.to_disk(tmp_path)
    path = tmp_path / saved.pipe.name / name
    path.write_bytes(flipped(path.read_bytes(), [0.9], [0]))
    # A bit of cfg may be one that makes it no JSON.
    wrong = rf"\[R(321|308)\].*'{saved.pipe.name}'.*[/\\]\w+ is (not as it|corrupt)"
    with pytest.raises(ValueError, match=wrong):
        spacy.load(tmp_path)
    spacy.load(tmp_path, exclude=[saved.pipe.name])


def test_bytes_of_a_pipeline_are_checked(saved):
    msg = srsly.msgpack_loads(saved.nlp.to_bytes())
    part = srsly.msgpack_loads(msg[saved.pipe.name])
    part["model"] = flipped(part["model"], [0.5], [3])
    msg[saved.pipe.name] = srsly.msgpack_dumps(part)
    with pytest.raises(ValueError, match=r"\[R321\].*its model is not as it was saved"):
        spacy.util.load_model_from_config(saved.nlp.config).from_bytes(srsly.msgpack_dumps(msg))


# Lost, added and exchanged


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_shorter_is_refused(name, saved):
    data = saved.files[name]
    for length in range(0, len(data), 1 + len(data) // 400):
        saved.refuses(name, data[:length])
    saved.refuses(name, data[:-1])


def test_bytes_that_are_shorter_are_refused(saved):
    for length in range(0, len(saved.data), 201):
        with pytest.raises(ValueError, match=r"\[R308\].*data is corrupt"):
            saved.target.from_bytes(saved.data[:length], exclude=["vocab"])


@pytest.mark.parametrize("more", [b"\n", b"\r\n", b"\0", b" ", b"{}", "all of it again"])
def test_more_bytes_are_refused(more, saved):
    for name, data in saved.files.items():
        saved.refuses(name, data + (more if isinstance(more, bytes) else data))
    with pytest.raises(ValueError, match=r"\[R308\].*data is corrupt"):
        saved.target.from_bytes(saved.data + b"\0", exclude=["vocab"])


def test_a_file_that_is_gone_is_named(saved):
    for name in saved.files:
        saved.refuses(name, None, match=rf"\[R308\].*{name} is missing")


def test_a_file_that_was_not_saved_is_refused(textcat, tmp_path):
    textcat.pipe.to_disk(tmp_path / "pipe", exclude=["vectors"])
    shutil.copy(textcat.folder / "vocab" / "vectors", tmp_path / "pipe" / "vocab" / "vectors")
    with pytest.raises(ValueError, match=r"\[R321\].*vocab/vectors"):
        textcat.target.from_disk(tmp_path / "pipe")


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_model_is_refused(name, saved):
    """Of the same sizes and labels, so that it would fit."""
    saved.target.to_disk(saved.folder.parent / "other", exclude=["vocab"])
    other = (saved.folder.parent / "other" / name).read_bytes()
    if other != saved.files[name]:
        saved.refuses(name, other, match=r"\[R321\]")


def test_a_file_of_another_component_is_refused(tmp_path):
    nlp = make("textcat_lstm")
    nlp.add_pipe("textcat_lstm", "second", config={"model": small_model()})
    nlp.get_pipe("second").initialize(lambda: make_examples(nlp), nlp=nlp)
    nlp.to_disk(tmp_path)
    first, second = (tmp_path / name / "model" for name in nlp.pipe_names)
    first.rename(tmp_path / "kept")
    second.rename(first)
    (tmp_path / "kept").rename(second)
    with pytest.raises(ValueError, match=r"\[R321\].*model is not as it was saved"):
        spacy.load(tmp_path)


# Formats


def first_format(folder):
    """As versions before 0.8 have saved, also what they had loaded of a newer version."""
    (folder / "checksums").unlink()
    cfg = srsly.read_json(folder / "cfg")
    del cfg["config"]["format"], cfg["config"]["saved_by"]
    srsly.write_json(folder / "cfg", cfg)


def test_what_has_no_checksums_loads_where_none_were_saved(saved, tmp_path):
    saved.nlp.to_disk(tmp_path)
    first_format(tmp_path / saved.pipe.name)
    nlp = spacy.load(tmp_path)
    expected = scores_of(saved.pipe, saved.nlp)
    assert numpy.array_equal(scores_of(nlp.get_pipe(saved.pipe.name), nlp), expected)
    nlp.to_disk(tmp_path / "again")
    (tmp_path / "again" / saved.pipe.name / "checksums").unlink()
    with pytest.raises(ValueError, match=r"\[R308\].*checksums is missing"):
        spacy.load(tmp_path / "again")


@pytest.mark.parametrize("found", [FORMAT + 1, 99, 0, -1, "2", None, [2], 2.5])
def test_a_newer_format_names_the_version_to_install(found, saved):
    msg = srsly.msgpack_loads(saved.data)
    cfg = srsly.json_loads(msg["cfg"])
    assert cfg["config"]["format"] == FORMAT
    assert cfg["config"]["saved_by"] == spacy_rnn.__version__
    cfg["config"].update(format=found, saved_by="9.8.7")
    msg["cfg"] = srsly.json_dumps(cfg)
    for data in (srsly.msgpack_dumps(msg), add_checksums(srsly.msgpack_dumps(msg))):
        with pytest.raises(ValueError, match=r"\[R322\].*pip install \"spacy-rnn>=9\.8\.7\""):
            saved.target.from_bytes(data, exclude=["vocab"])


@pytest.mark.parametrize("config", [[], "x", None, 1])
def test_a_format_that_cannot_be_read(config, textcat):
    msg = srsly.msgpack_loads(textcat.data)
    msg["cfg"] = srsly.json_dumps({**srsly.json_loads(msg["cfg"]), "config": config})
    with pytest.raises(ValueError, match=r"\[R308\].*cfg is corrupt"):
        textcat.target.from_bytes(add_checksums(srsly.msgpack_dumps(msg)), exclude=["vocab"])


def test_checksums_are_lines_of_sha256sum(saved):
    expected = {
        f"{hashlib.sha256(data).hexdigest()}  {name}"
        for name, data in saved.files.items()
        if name != "checksums"
    }
    text = saved.files["checksums"].decode("ascii")
    assert text.endswith("\n") and set(text[:-1].split("\n")) == expected
    assert {"cfg", "model", "vocab/strings.json"} <= {line.split("  ")[1] for line in expected}


def test_line_ends_do_not_count(saved, tmp_path):
    """Those of texts, which git may change. In a model they are data."""
    saved.pipe.to_disk(tmp_path, exclude=["vocab"])
    for name in ("cfg", "checksums"):
        data = (tmp_path / name).read_bytes()
        assert b"\n" in data
        (tmp_path / name).write_bytes(data.replace(b"\n", b"\r\n"))
    nlp = make(saved.pipe.factory)
    pipe = nlp.get_pipe(saved.pipe.name).from_disk(tmp_path, exclude=["vocab"])
    assert numpy.array_equal(scores_of(pipe, nlp), scores_of(saved.pipe, saved.nlp))


# What is left out, and what was done before saving


@pytest.mark.parametrize("excluded", ["model", "cfg", "vocab"])
def test_what_is_left_out_is_not_checked(excluded, saved, tmp_path):
    saved.pipe.to_disk(tmp_path / "all")
    path = tmp_path / "all" / ("vocab/strings.json" if excluded == "vocab" else excluded)
    path.write_bytes(b"{}")
    saved.pipe.to_disk(tmp_path / "less", exclude=[excluded])
    assert not (tmp_path / "less" / excluded).exists()
    pipe = make(saved.pipe.factory).get_pipe(saved.pipe.name)
    for folder in ("all", "less"):
        pipe.from_disk(tmp_path / folder, exclude=[excluded])
        with pytest.raises(ValueError, match=r"\[R3(08|21)\]"):
            pipe.from_disk(tmp_path / folder)
    pipe.from_bytes(saved.pipe.to_bytes(exclude=[excluded]), exclude=[excluded])
    with pytest.raises(ValueError, match=rf"\[R308\].*its {excluded} is missing"):
        pipe.from_bytes(saved.pipe.to_bytes(exclude=[excluded]))


def test_what_is_saved_in_two_steps_fits(textcat, tmp_path):
    textcat.pipe.to_disk(tmp_path, exclude=["vocab"])
    textcat.pipe.to_disk(tmp_path, exclude=["vocab", "model"])
    make("textcat_lstm").get_pipe("textcat_lstm").from_disk(tmp_path, exclude=["vocab"])


def test_a_save_that_was_cut_off_is_not_loaded(textcat, tmp_path):
    """The weights are new, and the checksums those of the last save."""
    textcat.pipe.to_disk(tmp_path, exclude=["vocab"])
    textcat.target.model.to_disk(tmp_path / "model")
    with pytest.raises(ValueError, match=r"\[R321\]"):
        textcat.target.from_disk(tmp_path, exclude=["vocab"])


def test_a_pickled_component_saves_and_loads(saved, tmp_path):
    nlp = pickle.loads(pickle.dumps(saved.nlp))  # noqa: S301
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    expected = scores_of(saved.pipe, saved.nlp)
    assert numpy.allclose(scores_of(loaded.get_pipe(saved.pipe.name), loaded), expected, atol=1e-6)


def test_replaced_listeners_are_saved_and_loaded(tmp_path):
    nlp = spacy.blank("en")
    cnn = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 50}
    cnn.update(window_size=1, maxout_pieces=2, subword_features=True, pretrained_vectors=None)
    nlp.add_pipe("tok2vec", config={"model": cnn})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener)})
    train(nlp, make_examples(nlp), steps=3)
    expected = nlp("a warm film").cats
    nlp.replace_listeners("tok2vec", "textcat_lstm", ["model.tok2vec"])
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)("a warm film").cats == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_on_or_off(enabled, saved):
    try:
        (gc.enable if enabled else gc.disable)()
        for data in (b"\xc1", saved.data[:-1]):
            with pytest.raises(ValueError):
                saved.target.from_bytes(data, exclude=["vocab"])
            assert gc.isenabled() == enabled
        msg = {**srsly.msgpack_loads(saved.data), "model": b"\xc1"}
        damaged = add_checksums(srsly.msgpack_dumps(msg))
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ValueError, match="model is corrupt"):
            saved.target.from_bytes(damaged, exclude=["vocab"])
        assert gc.isenabled() == enabled
        (gc.enable if enabled else gc.disable)()
        make(saved.pipe.factory).get_pipe(saved.pipe.name).from_bytes(saved.data, exclude=["vocab"])
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
