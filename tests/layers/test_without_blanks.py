import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model

from spacy_rnn.layers.without_blanks import strip_blanks, without_blanks

NLP = spacy.blank("en")


def recording(seen, gradients):
    """A model that gives each token its length, and records what it is given."""

    def forward(model, docs, is_train):
        seen.extend([token.text for token in doc] for doc in docs)
        Ys = [numpy.array([[len(t)] for t in doc], dtype="f").reshape(len(doc), 1) for doc in docs]
        return Ys, lambda dYs: gradients.extend(dY[:, 0].tolist() for dY in dYs) or []

    return Model("recording", forward)


def test_blanks_never_reach_the_model():
    seen, gradients = [], []
    docs = [Doc(NLP.vocab, words=words) for words in (["ab", "\n", "c"], ["d"], [" ", "\t"], [])]
    Ys, backprop = without_blanks(recording(seen, gradients)).begin_update(docs)
    assert seen == [["ab", "c"], ["d"], [], []]
    assert [Y[:, 0].tolist() for Y in Ys] == [[2.0, 0.0, 1.0], [1.0], [0.0, 0.0], []]
    backprop([numpy.full_like(Y, i + 1) for i, Y in enumerate(Ys)])
    assert gradients == [[1.0, 1.0], [2.0], [], []]


def test_documents_without_blanks_pass_as_they_are():
    doc = NLP("no blanks")
    assert strip_blanks(doc) is doc
    model = recording([], [])
    assert len(without_blanks(model).predict([doc])) == 1


@pytest.mark.parametrize("name", ["tok2vec-listener", "transformer-listener"])
def test_listeners_get_whole_documents(name):
    model = Model(name, lambda model, X, is_train: (X, lambda dY: dY))
    assert without_blanks(model) is model
