import pytest
import spacy

from spacy_rnn.training.init_vocab import create_init_vocab_v1, find_embeddings
from spacy_rnn.vocabulary.learning import learners_in
from tests.conftest import make_examples


def embedding(layers):
    """The one of some layers that has words."""
    (layer,) = (layer for layer in layers if "words" in layer.attrs)
    return layer


def words(nlp):
    return embedding(learners_in(nlp.get_pipe("textcat_lstm").model)).attrs["words"].words


def test_from_a_corpus(nlp):
    callback = create_init_vocab_v1(corpus=make_examples)
    assert callback(nlp) is nlp
    assert words(nlp)[:2] == ["a", ","]


def test_from_a_file(nlp, tmp_path):
    path = tmp_path / "words.json"
    path.write_text('["film", "mess"]')
    create_init_vocab_v1(path=path)(nlp)
    assert words(nlp) == ["film", "mess"]
    # The component leaves words that it was given.
    nlp.initialize(lambda: make_examples(nlp))
    assert words(nlp) == ["film", "mess"]


def test_from_both(nlp, tmp_path):
    path = tmp_path / "words.json"
    path.write_text('["film", "a"]')
    create_init_vocab_v1(corpus=make_examples, path=path)(nlp)
    layer = embedding(find_embeddings(nlp, "textcat_lstm"))
    assert words(nlp) == ["film", "a"]
    assert layer.attrs["words"].vectors.shape == (3, 8)


def test_bad_input(nlp, tmp_path):
    with pytest.raises(ValueError, match="R501"):
        create_init_vocab_v1()
    with pytest.raises(ValueError, match="R502"):
        create_init_vocab_v1(corpus=make_examples)(spacy.blank("en"))
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="R502.*'sentencizer'"):
        create_init_vocab_v1(corpus=make_examples, component="sentencizer")(nlp)
    path = tmp_path / "words.json"
    for text, found in (('{"film": 3}', "dict"), ("[" * 100_000, "no JSON"), ("", "no JSON")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"R503.*words.json.*{found}"):
            create_init_vocab_v1(path=path)(nlp)
