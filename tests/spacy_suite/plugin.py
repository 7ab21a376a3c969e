"""A plugin for pytest: tests of spaCy and thinc meet this package's components and layers under
the names of theirs. Nothing else is changed."""

from dataclasses import replace
from functools import partial, wraps

import pytest
import spacy
import spacy.ml.models.tok2vec
import spacy.pipeline
import thinc.api
from spacy.language import Language
from spacy.util import registry
from thinc.tests.layers import test_layers_api as thincs

from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v2
from spacy_rnn.pipeline.component import Component
from spacy_rnn.pipeline.tagger_bilstm import TaggerBiLSTM
from spacy_rnn.pipeline.textcat_lstm import TextCatLSTM
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from tests.layers import test_all_layers as ours
from tests.spacy_suite.differences import DIFFERENCES

# How many of this package were made so far.
MADE = {"pipes": 0, "layers": 0}


def counted(kind, make):
    @wraps(make)
    def count_and_make(*args, **kwargs):
        MADE[kind] += 1
        return make(*args, **kwargs)

    return count_and_make


# Components


def swap_factory(name, factory, **settings):
    """Register a factory of this package under a name of spaCy's. RETURNS: Its default model."""
    meta = Language.get_factory_meta(factory)
    config = {**meta.default_config, **settings}
    registry.factories.register(name, func=registry.factories.get(factory))
    Language.set_factory_meta(name, replace(meta, factory=name, default_config=config))
    return config["model"]


# Registers spaCy's factories, which would otherwise take the place of these.
spacy.blank("en")
spacy.pipeline.textcat.DEFAULT_SINGLE_TEXTCAT_MODEL = swap_factory("textcat", "textcat_lstm")
spacy.pipeline.tagger.DEFAULT_TAGGER_MODEL = swap_factory("tagger", "tagger_bilstm", attr="TAG")
swap_factory("textcat_multilabel", "textcat_multilabel_lstm")
spacy.pipeline.TextCategorizer = TextCatLSTM
spacy.pipeline.Tagger = partial(TaggerBiLSTM, attr="TAG")
# The last thing that each does when it is made.
Component.remember_settings = counted("pipes", Component.remember_settings)

# Layers, with the arguments of those whose places they take


@partial(counted, "layers")
def encoder(width: int, window_size: int, depth: int, maxout_pieces: int = 3):
    layer = build_rnn_encoder_v1(width, bidirectional=width % 2 == 0)
    layer.set_dim("nI", width)
    return layer


@partial(counted, "layers")
def classifier(tok2vec, exclusive_classes, nO):
    return build_textcat_rnn_v2(tok2vec, exclusive_classes=exclusive_classes, nO=nO)


@partial(counted, "layers")
def linear(ngram_size, nO, **_):
    return build_ngram_linear_v1(ngram_size, 1024, nO=nO)


@partial(counted, "layers")
def lstm(nO: int = thincs.width, nI: int = thincs.width, depth: int = 1, bi: bool = False):
    layer = build_rnn_encoder_v1(nO, num_layers=depth, bidirectional=bi)
    layer.set_dim("nI", nI)
    return thinc.api.with_list(layer)


for name in ("MaxoutWindowEncoder", "MishWindowEncoder"):
    registry.architectures.register(f"spacy.{name}.v2", func=encoder)
    for module in (spacy.ml.models, spacy.ml.models.tok2vec):
        setattr(module, name, encoder)
spacy.ml.models.build_simple_cnn_text_classifier = classifier
spacy.ml.models.build_bow_text_classifier = linear
thinc.api.LSTM = lstm
for name in ("LSTM.v1", "PyTorchLSTM.v1"):
    thinc.api.registry.layers.register(name, func=lstm)


def add_case(name):
    """Put a layer of this package into thinc's table of layers."""

    def make():
        layer = ours.LAYERS[name]()
        learn_vocab(learners_in(layer), ours.DOCS)
        return layer

    layer, X = make(), ours.texts_for(name)
    X = ours.flat(layer, X) if name in ours.PARTS else X
    Y = layer.initialize(X=X, Y=thincs.array2d).predict(X)
    thinc.api.registry.layers.register(name, func=counted("layers", make))
    thincs.TEST_CASES.append((name, {}, X, Y))


for name in ours.LAYERS:
    add_case(name)


def pytest_collection_modifyitems(items):
    reasons = {test: reason for reason, tests in DIFFERENCES.items() for test in tests}
    for item in items:
        reason = reasons.get(f"{item.path.name}::{item.name}")
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(autouse=True)
def seed_and_count(record_property):
    thinc.api.fix_random_seed(0)
    before = dict(MADE)
    yield
    for kind, number in MADE.items():
        record_property(kind, number - before[kind])
