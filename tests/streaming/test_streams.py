"""What all streams promise: each is on its own, steps are all or nothing, states are checked."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
import srsly
from spacy.training import Example

from tests.conftest import GOOD, make_examples, small_model, small_tagger, train

CLITICS = ["I didn't", "He won't like it", "they're here , isn't it ?", "don't\n\nyou'll", "cannot"]


@pytest.fixture(scope="module")
def textcat():
    """Tests must not change it."""
    nlp = spacy.blank("en")
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1", "ngram_size": 3, "length": 512}
    model = small_model(encode__bidirectional=False, pooling=["last", "max"], linear_model=linear)
    nlp.add_pipe("textcat_lstm", config={"model": model})
    texts = [*CLITICS, *GOOD]
    train(nlp, make_examples(nlp, texts), steps=30)
    return nlp


@pytest.fixture(scope="module")
def tagger():
    """Tests must not change it."""
    nlp = spacy.blank("en")
    words = {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "attr": "NORM"}
    model = small_tagger(tok2vec__encode__bidirectional=False, tok2vec__embed__words=words)
    nlp.add_pipe("tagger_bilstm", config={"model": model, "attr": "TAG"})
    docs = [nlp.make_doc(text) for text in CLITICS]
    gold = [nlp.make_doc(text) for text in CLITICS]
    for doc in gold:
        for token in doc:
            token.tag_ = token.norm_[:2]
    train(nlp, [Example(doc, tags) for doc, tags in zip(docs, gold)], steps=60)
    return nlp


def streams_of(nlp):
    return nlp.get_pipe(nlp.pipe_names[-1]).streams(nlp)


def near(a, b):
    return a.keys() == b.keys() and max(abs(a[label] - b[label]) for label in a) < 1e-5


# Texts pushed and closed together keep what the tokenizer says of their words


def test_categories_of_streams_pushed_and_closed_together(textcat):
    for texts in (CLITICS[:2], CLITICS, [text + " " for text in CLITICS]):
        streams = streams_of(textcat)
        opened = [streams.open() for _ in texts]
        streams.push(opened, texts)
        for cats, text in zip(streams.close(opened), texts):
            assert near(cats, textcat(text).cats)


def test_tags_of_streams_pushed_and_closed_together(tagger):
    for texts in (CLITICS[:2], CLITICS, [text + " " for text in CLITICS]):
        streams = streams_of(tagger)
        opened = [streams.open() for _ in texts]
        found = [a + b for a, b in zip(streams.push(opened, texts), streams.close(opened))]
        expected = [[(t.text, t.whitespace_, t.tag_) for t in tagger(text)] for text in texts]
        assert found == expected


# All or nothing


BAD = ["\ud800", "fine \udfff ", b"\xff", b"ok \xc3( ", 7, None]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_piece_costs_no_stream_a_word(textcat, bad):
    streams = streams_of(textcat)
    opened = [streams.open() for _ in range(3)]
    streams.push(opened, ["a warm", b"a dull \xc3", "brilliant "])
    before = [stream.to_bytes() for stream in opened]
    with pytest.raises(ValueError, match="R708.*No stream has read any piece"):
        streams.push(opened, [" film and more ", b"\xa9 mess ", bad])
    assert [stream.to_bytes() for stream in opened] == before
    streams.push(opened, [" film", b"\xa9 mess", "acting"])
    texts = ["a warm film", "a dull \xe9 mess", "brilliant acting"]
    for cats, text in zip(streams.close(opened), texts):
        assert near(cats, textcat(text).cats)


def test_a_step_that_fails_inside_changes_no_stream(textcat, monkeypatch):
    streams = streams_of(textcat)
    opened = [streams.open(), streams.open()]
    streams.push(opened, ["a warm ", b"dull \xc3"])
    before = [stream.to_bytes() for stream in opened]

    def fail(*args):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(streams, "advance", fail)
        for step in (
            lambda: streams.push(opened, ["film x", b"\xa9 "]),
            lambda: streams.close(opened),
        ):
            with pytest.raises(MemoryError):
                step()
            assert [stream.to_bytes() for stream in opened] == before
    assert near(streams.close(opened)[1], textcat("dull \ufffd").cats)


def test_an_end_inside_of_a_character_is_a_replacement_character(textcat):
    streams = streams_of(textcat)
    cut, other = streams.open(), streams.open()
    streams.push([cut, other], [b"a warm film\xe2\x82", "a dull mess"])
    found = streams.close([cut, other])
    assert near(found[0], textcat("a warm film\ufffd").cats)
    assert near(found[1], textcat("a dull mess").cats)
    assert streams.close([cut, other]) == found


# Streams of others


def test_streams_of_others_are_refused_and_untouched(textcat):
    mine, theirs = streams_of(textcat), streams_of(textcat)
    stream, foreign = mine.open(), theirs.open()
    mine.push([stream], ["a warm film "])
    theirs.push([foreign], ["a dull me"])
    before = [stream.to_bytes(), foreign.to_bytes()]
    for call in (lambda: mine.close([foreign]), lambda: mine.push([stream, foreign], ["x", "y"])):
        with pytest.raises(ValueError, match="R704"):
            call()
    with pytest.raises(ValueError, match="R706"):
        mine.close([stream, stream])
    assert [stream.to_bytes(), foreign.to_bytes()] == before


def test_one_piece_in_place_of_a_list(textcat):
    streams = streams_of(textcat)
    with pytest.raises(ValueError, match="R708.*in place of a list"):
        streams.push([streams.open(), streams.open()], "xy")


def test_text_behind_half_a_character(textcat):
    stream = streams_of(textcat).open()
    stream.push(b"caf\xc3")
    with pytest.raises(ValueError, match="R708"):
        stream.push("x ")
    stream.push(b"\xa9 ")
    assert near(stream.close(), textcat("caf\xe9 ").cats)


def test_streams_of_a_model_that_was_trained_on():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=False)})
    train(nlp, make_examples(nlp), steps=3)
    streams = streams_of(nlp)
    stream = streams.open()
    stream.push("a warm ")
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    for call in (lambda: stream.push("film "), stream.close, stream.to_bytes):
        with pytest.raises(ValueError, match="R709.*textcat_lstm"):
            call()
    assert near(stream_of_now(nlp, "a warm film"), nlp("a warm film").cats)
    streams = streams_of(nlp)
    stream = streams.open()
    nlp.get_pipe("textcat_lstm").add_label("NEW")
    with pytest.raises(ValueError, match="R709"):
        stream.push("a warm ")


def stream_of_now(nlp, text):
    stream = streams_of(nlp).open()
    stream.push(text)
    return stream.close()


# Threads


def test_threads_open_and_push_streams_of_one_pool(textcat):
    streams = streams_of(textcat)
    rng = random.Random(0)
    words = "a warm and funny film what terrible mess isn't it".split()
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(400)]

    def run(text):
        stream = streams.open()
        for word in text.split(" "):
            stream.push(word + " ")
        return stream.close()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, texts))
    assert all(near(cats, textcat(text + " ").cats) for cats, text in zip(found, texts))


# Bytes


def damaged(stream, change):
    msg = srsly.msgpack_loads(stream.to_bytes())
    change(msg)
    return srsly.msgpack_dumps(msg)


def replace_part(value, dtype=None):
    def change(msg):
        kind, data = msg["state"][1]
        array = numpy.frombuffer(data, dtype=kind).copy()
        array[0] = value
        array = array if dtype is None else array.astype(dtype)
        msg["state"][1] = (array.dtype.str, array.tobytes())

    return change


CHANGES = {
    "nan": replace_part(numpy.nan),
    "infinity": replace_part(numpy.inf),
    "another dtype": replace_part(0.0, "float64"),
    "objects": lambda msg: msg["state"].__setitem__(1, ("|O", b"12345678")),
    "too few parts": lambda msg: msg["state"].pop(),
    "no text": lambda msg: msg.update(buffer=[7, b""]),
    "no bytes": lambda msg: msg.update(buffer=["a", "b"]),
    "no state": lambda msg: msg.pop("state"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_bytes_that_are_damaged_are_refused_and_change_nothing(textcat, name):
    streams = streams_of(textcat)
    stream = streams.open()
    stream.push("a warm film ")
    before = stream.to_bytes()
    data = damaged(stream, CHANGES[name])
    with pytest.raises(ValueError, match="R705.*corrupt"):
        streams.open().from_bytes(data)
    assert stream.to_bytes() == before


def test_bytes_of_a_model_with_other_embeddings(textcat):
    stream = streams_of(textcat).open()
    stream.push("a warm film ")
    other = spacy.util.load_model_from_config(textcat.config).from_bytes(textcat.to_bytes())
    assert streams_of(other).open().from_bytes(stream.to_bytes()).cats == stream.cats
    layer = other.get_pipe("textcat_lstm").model.get_ref("tok2vec")
    layer.shims[0].module.table.weight.data[3] += 1.0
    with pytest.raises(ValueError, match="R705.*another pipeline"):
        streams_of(other).open().from_bytes(stream.to_bytes())
