"""What tests of the demo share: small trained pipelines. Tests must not change them."""

import pytest
import spacy

from spacy_rnn.demo.models import make_model
from tests.conftest import (
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)
from tests.visual.conftest import read  # noqa: F401


def classifier(**changes):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model(**changes)})
    train(nlp, make_examples(nlp), steps=30)
    return nlp


@pytest.fixture(scope="session")
def forward():
    """A classifier that reads in one direction."""
    return make_model("forward", classifier(encode__bidirectional=False))


@pytest.fixture(scope="session")
def both_ways():
    """A classifier that reads in two directions."""
    return make_model("both_ways", classifier(encode__bidirectional=True))


@pytest.fixture(scope="session")
def tagger():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    train(nlp, make_tagged_examples(nlp), steps=30)
    return make_model("tagger", nlp)


@pytest.fixture(scope="session")
def joint():
    """A tagger and a classifier."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    nlp.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=False)})
    train(nlp, [*make_examples(nlp), *make_tagged_examples(nlp)], steps=30)
    return make_model("joint", nlp)
