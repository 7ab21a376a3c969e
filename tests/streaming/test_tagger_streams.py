"""Words tagged while they arrive, against the same texts as a whole."""

import random

import pytest
import spacy

from tests.conftest import make_tagged_examples, small_tagger

TEXT = "  the old  dog sees\n\n a cat, (Anna) sees e\u0301 don't! dogs bark  "


def make(**model):
    nlp = spacy.blank("en")
    model = small_tagger(**{"tok2vec__encode__bidirectional": False, **model})
    nlp.add_pipe("tagger_bilstm", config={"model": model})
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def trained():
    """Tests must not change it."""
    return make()


def tagger(nlp):
    return nlp.get_pipe("tagger_bilstm")


def whole(nlp, text):
    return [(t.text, t.whitespace_, t.pos_) for t in nlp(text)]


def pieces_of(text, size):
    return [text[i : i + size] for i in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_tags_are_those_of_the_text(trained, size):
    stream = tagger(trained).stream(trained)
    found = [word for piece in pieces_of(TEXT, size) for word in stream.push(piece)]
    assert found + stream.close() == whole(trained, TEXT)
    assert stream.close() == []


def test_words_come_when_they_are_complete(trained):
    stream = tagger(trained).stream(trained)
    assert stream.push("the old do") == whole(trained, "the old do")[:2]
    assert stream.push("g ") == []
    assert [word.text for word in stream.push("sees")] == ["dog"]
    assert [word.text for word in stream.close()] == ["sees"]


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_and_layers(cell):
    nlp = make(tok2vec__encode__cell=cell, tok2vec__encode__num_layers=2)
    stream = tagger(nlp).stream(nlp)
    found = [word for piece in pieces_of(TEXT, 3) for word in stream.push(piece)]
    assert found + stream.close() == whole(nlp, TEXT)


def test_many_streams_in_one_step(trained):
    rng = random.Random(0)
    words = [*TEXT.split(), "\n", "", "\t"]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 20))) for _ in range(20)]
    streams = tagger(trained).streams(trained)
    opened = [streams.open() for _ in texts]
    found = [[] for _ in texts]
    for pieces in zip(*(pieces_of(text.ljust(200), 9) for text in texts)):
        for words, new in zip(found, streams.push(opened, pieces)):
            words += new
    for words, new in zip(found, streams.close(opened)):
        words += new
    assert found == [whole(trained, text.ljust(200)) for text in texts]


def test_goes_on_from_bytes(trained):
    stream = tagger(trained).stream(trained)
    first = stream.push(TEXT[:30])
    other = tagger(trained).stream(trained).from_bytes(stream.to_bytes())
    rest = other.push(TEXT[30:]) + other.close()
    assert first + rest == whole(trained, TEXT)
    assert len(stream.to_bytes()) < 2**16


def test_two_directions():
    nlp = make(tok2vec__encode__bidirectional=True)
    with pytest.raises(ValueError, match="R701.*tagger_bilstm.*bidirectional = false"):
        tagger(nlp).stream(nlp)
