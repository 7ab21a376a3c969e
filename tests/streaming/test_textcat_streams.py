"""Texts scored while they arrive, against the same texts as a whole."""

import gc
import json
import pickle
import random
import subprocess
import sys

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import GOOD, make_examples, small_model, train

TEXT = "  A warm and  funny film,\n\n with a brilliant (terrible!) e\u0301nding... don't miss  "
NGRAMS = {"@architectures": "spacy-rnn.NgramLinear.v1", "ngram_size": 3}
CELLS = [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]


def make(**model):
    nlp = spacy.blank("en")
    model = small_model(**{"encode__bidirectional": False, **model})
    nlp.add_pipe("textcat_lstm", config={"model": model})
    train(nlp, make_examples(nlp), steps=30)
    return nlp


@pytest.fixture(scope="module")
def trained():
    """Tests must not change it."""
    return make(pooling=["last", "mean", "max", "attention"], linear_model=NGRAMS)


def textcat(nlp):
    return nlp.get_pipe("textcat_lstm")


def differ(a, b):
    assert a.keys() == b.keys()
    return max(abs(a[label] - b[label]) for label in a)


def stream_cats(nlp, pieces):
    stream = textcat(nlp).stream(nlp)
    for piece in pieces:
        stream.push(piece)
    stream.close()
    return stream.cats


def test_a_calibrated_classifier():
    nlp = make(linear_model=NGRAMS)
    before, streams = nlp(TEXT).cats, textcat(nlp).streams(nlp)
    stream = streams.open()
    stream.push("a warm film ")
    saved = stream.to_bytes()
    textcat(nlp).calibrate(make_examples(nlp, cats=lambda text: {"POSITIVE": float("w" in text)}))
    expected = nlp(TEXT).cats
    assert differ(before, expected) > 0.05
    assert differ(stream_cats(nlp, TEXT.partition("and")), expected) < 1e-5
    assert differ(textcat(nlp).running_cats(nlp(TEXT))[-1], expected) < 1e-5
    assert differ(textcat(nlp).stream(nlp).cats, nlp("").cats) < 1e-5
    # Scores of both kinds are not mixed.
    with pytest.raises(ValueError, match="R709.*calibrated"):
        stream.push("more ")
    with pytest.raises(ValueError, match="R705.*another pipeline"):
        textcat(nlp).stream(nlp).from_bytes(saved)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell,nonlinearity", CELLS)
def test_scores_after_close_are_those_of_the_text(pooling, cell, nonlinearity):
    nlp = make(
        pooling=pooling,
        encode__cell=cell,
        encode__nonlinearity=nonlinearity,
        encode__num_layers=2,
    )
    for size in (1, 5, len(TEXT)):
        pieces = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
        assert differ(stream_cats(nlp, pieces), nlp(TEXT).cats) < 1e-5


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(st.text(alphabet="afilmw .'\n\u0301", max_size=10), max_size=10))
def test_any_pieces(trained, pieces):
    assert differ(stream_cats(trained, pieces), trained("".join(pieces)).cats) < 1e-5


def test_cats_are_those_of_the_complete_words(trained):
    stream = textcat(trained).stream(trained)
    assert stream.cats == trained("").cats
    stream.push("A warm and fun")
    assert differ(stream.cats, trained("A warm and ").cats) < 1e-5
    assert stream.push("ny film") == stream.cats
    assert differ(stream.cats, trained("A warm and funny ").cats) < 1e-5
    assert differ(stream.close(), trained("A warm and funny film").cats) < 1e-5


def test_long_texts(trained):
    text = "a warm film , a dull mess and wooden acting . " * 2000
    assert differ(stream_cats(trained, [text]), trained(text).cats) < 1e-5


def test_many_streams_in_one_step(trained):
    rng = random.Random(0)
    words = [*TEXT.split(), "", "\n", " "]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 30))) for _ in range(25)]
    streams = textcat(trained).streams(trained)
    opened = [streams.open() for _ in texts]
    places = [0] * len(texts)
    while any(place < len(text) for place, text in zip(places, texts)):
        ends = [place + rng.randint(0, 7) for place in places]
        pieces = [text[a:b] for text, a, b in zip(texts, places, ends)]
        streams.push(opened, pieces)
        places = ends
    streams.close(opened)
    for stream, text in zip(opened, texts):
        assert differ(stream.cats, trained(text).cats) < 1e-5


def test_a_stream_goes_on_from_bytes(trained):
    stream = textcat(trained).stream(trained)
    stream.push("A warm and fun".encode() + "é".encode()[:1])
    other = textcat(trained).stream(trained).from_bytes(stream.to_bytes())
    assert other.cats == stream.cats
    for part in (stream, other):
        part.push("é".encode()[1:] + b" film")
        part.close()
    assert other.cats == stream.cats
    assert differ(other.cats, trained("A warm and funé film").cats) < 1e-5


def test_a_stream_goes_on_in_another_process(trained, tmp_path):
    stream = textcat(trained).stream(trained)
    stream.push("A warm and fun")
    trained.to_disk(tmp_path / "model")
    (tmp_path / "stream").write_bytes(stream.to_bytes())
    code = (
        "import spacy, sys, pathlib, json\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "nlp = spacy.load(folder / 'model')\n"
        "stream = nlp.get_pipe('textcat_lstm').stream(nlp)\n"
        "stream.from_bytes((folder / 'stream').read_bytes())\n"
        "print(json.dumps(stream.push('ny film')), json.dumps(stream.close()), sep='\\n')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    expected = trained("A warm and funny film").cats
    assert differ(json.loads(found.stdout.splitlines()[-1]), expected) < 1e-5


def test_streams_that_are_gone_leave_their_place_to_others(trained):
    streams = textcat(trained).streams(trained)
    for _ in range(50):
        stream = streams.open()
        stream.push("a dull mess ")
    assert len(streams.states) <= 2
    assert differ(stream.close(), trained("a dull mess ").cats) < 1e-5


def test_state_is_small_and_does_not_grow(trained):
    stream = textcat(trained).stream(trained)
    sizes = set()
    for _ in range(50):
        stream.push("a warm film " * 20)
        sizes.add(len(stream.to_bytes()))
    assert len(sizes) == 1 and sizes.pop() < 2**16


def test_weights_do_not_change_and_pickling_goes_on(trained):
    before = textcat(trained).model.to_bytes()
    stream_cats(trained, [TEXT])
    assert textcat(trained).model.to_bytes() == before
    assert pickle.loads(pickle.dumps(textcat(trained))).labels  # noqa: S301


# Running scores of finished texts


@pytest.mark.parametrize(
    "model",
    [
        {"pooling": ["last", "mean", "max", "attention"], "linear_model": NGRAMS},
        {"encode__bidirectional": True, "pooling": "last"},
        {"max_tokens": 4},
    ],
)
@pytest.mark.filterwarnings("ignore:.*W002")
def test_running_cats_are_the_cats_of_each_beginning(model):
    nlp = make(**model)
    doc = nlp(TEXT)
    running = textcat(nlp).running_cats(doc)
    assert len(running) == len(doc)
    for i, cats in enumerate(running, start=1):
        beginning = textcat(nlp)(doc[:i].as_doc())
        assert differ(cats, beginning.cats) < 1e-5
    assert differ(running[-1], doc.cats) < 1e-5
    assert textcat(nlp).running_cats(nlp("")) == []


def test_running_cats_of_a_long_text_in_two_directions(monkeypatch):
    nlp = make(encode__bidirectional=True)
    doc = nlp(TEXT)
    expected = textcat(nlp).running_cats(doc)
    monkeypatch.setitem(textcat(nlp).cfg, "max_batch_tokens", 30)
    for a, b in zip(textcat(nlp).running_cats(doc), expected):
        assert differ(a, b) < 1e-6


# Bad input


def test_two_directions():
    nlp = make(encode__bidirectional=True)
    with pytest.raises(ValueError, match="R701.*textcat_lstm.*bidirectional = false"):
        textcat(nlp).stream(nlp)


@pytest.mark.filterwarnings("ignore:.*W002")
def test_max_tokens():
    nlp = make(max_tokens=4)
    with pytest.raises(ValueError, match="R707.*max_tokens = 4"):
        textcat(nlp).stream(nlp)


def test_layers_that_look_ahead_or_elsewhere():
    embed = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": 8,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": False,
        "pretrained_vectors": None,
    }
    nlp = make(tok2vec=embed)
    with pytest.raises(ValueError, match="R703.*textcat_lstm"):
        textcat(nlp).stream(nlp)


def test_listeners():
    nlp = spacy.blank("en")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener)})
    with pytest.raises(ValueError, match="R703.*replace_listeners"):
        textcat(nlp).stream(nlp)
    with pytest.raises(ValueError, match="R703.*listener"):
        textcat(nlp).running_cats(nlp.make_doc(GOOD[0]))


def test_before_initialize():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=False)})
    with pytest.raises(KeyError, match="R101"):
        textcat(nlp).stream(nlp)


def test_the_component_as_it_is_by_default_streams():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm")
    train(nlp, make_examples(nlp), steps=10)
    cats = stream_cats(nlp, ["a warm and fun", "ny film"])
    assert differ(cats, nlp("a warm and funny film").cats) < 1e-5
    assert differ(cats, nlp("").cats) > 1e-3


def test_closed_streams_and_streams_of_others(trained):
    streams = textcat(trained).streams(trained)
    stream = streams.open()
    stream.push("a warm film")
    cats = stream.close()
    assert stream.close() == cats
    with pytest.raises(ValueError, match="R704"):
        stream.push("more")
    with pytest.raises(ValueError, match="R704"):
        streams.push([textcat(trained).stream(trained)], ["more"])


def test_streams_and_pieces_that_do_not_fit(trained):
    streams = textcat(trained).streams(trained)
    stream = streams.open()
    with pytest.raises(ValueError, match="R706.*1 streams.*2 pieces"):
        streams.push([stream], ["a", "b"])
    with pytest.raises(ValueError, match="R706"):
        streams.push([stream, stream], ["a", "b"])
    with pytest.raises(ValueError, match="R708.*found int"):
        streams.push([stream, streams.open()], ["a", 5])
    assert streams.push([], []) == []


def test_a_piece_that_is_no_text_leaves_all_streams_as_they_were(trained):
    streams = textcat(trained).streams(trained)
    opened = [streams.open(), streams.open()]
    streams.push(opened, [b"a warm \xc3", b"a dull "])
    before = [stream.to_bytes() for stream in opened]
    for bad in (b"\xff", "\ud800", "x \udcff "):
        with pytest.raises(ValueError, match="R708"):
            streams.push(opened, [b"\xa9 film ", bad])
        assert [stream.to_bytes() for stream in opened] == before
    streams.push(opened, [b"\xa9 film ", "mess"])
    assert differ(opened[0].close(), trained("a warm \xe9 film ").cats) < 1e-5
    assert differ(opened[1].close(), trained("a dull mess").cats) < 1e-5


def test_bytes_that_are_corrupt_or_of_another_pipeline(trained):
    stream = textcat(trained).stream(trained)
    stream.push("a warm film ")
    before, data = stream.cats, stream.to_bytes()
    with pytest.raises(ValueError, match="R705.*corrupt"):
        stream.from_bytes(data[:-20])
    other = make()
    with pytest.raises(ValueError, match="R705.*another pipeline"):
        textcat(other).stream(other).from_bytes(data)
    assert stream.cats == before


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_on_or_off(trained, enabled):
    stream = textcat(trained).stream(trained)
    try:
        (gc.enable if enabled else gc.disable)()
        for data in (stream.to_bytes()[:-1], b"\xc1"):
            with pytest.raises(ValueError, match="R705"):
                stream.from_bytes(data)
            assert gc.isenabled() == enabled
    finally:
        gc.enable()


@pytest.mark.gpu
def test_gpu_equals_cpu(trained):
    expected = trained(TEXT).cats
    spacy.require_gpu()
    try:
        nlp = spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes())
        found = stream_cats(nlp, TEXT)
    finally:
        spacy.require_cpu()
    assert differ(found, expected) < 1e-4
