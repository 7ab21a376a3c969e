"""What tests share: small real texts, pipelines trained on them, and what is skipped where."""

import zipfile
from pathlib import Path

import hypothesis
import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, fix_random_seed

from spacy_rnn.engine.ragged_rnn import RaggedRNN

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

GOOD = ["a warm and funny film", "what a wonderful day", "brilliant acting , great story"]
BAD = ["a dull and empty film", "what a terrible mess", "wooden acting , poor story"]
TEXTS = [*GOOD, *BAD]

# Words, universal tags, tags of the Penn Treebank. "old" is an adjective and a noun.
SENTENCES = [
    ("the old dog sees a cat", "DET ADJ NOUN VERB DET NOUN", "DT JJ NN VBZ DT NN"),
    ("Anna feeds the old", "PROPN VERB DET NOUN", "NNP VBZ DT NNS"),
    ("dogs bark !", "NOUN VERB PUNCT", "NNS VBP ."),
    ("Anna sees cats and dogs", "PROPN VERB NOUN CCONJ NOUN", "NNP VBZ NNS CC NNS"),
]


def pytest_addoption(parser):
    parser.addoption(
        "--packed", action="store_true", help="pack sequences, as on a device other than the CPU"
    )
    parser.addoption("--slow", action="store_true", help="also run tests marked slow")
    parser.addoption("--site", help="folder of the documentation site, to test what was built")
    parser.addoption("--screenshots", help="folder to save pictures of the demo's page in")


def pytest_configure(config):
    RaggedRNN.packed = config.getoption("--packed")


def pytest_collection_modifyitems(config, items):
    if not torch.cuda.is_available():
        skip(items, "gpu", reason="needs a CUDA GPU")
    if config.getoption("--packed"):
        skip(items, "own_process", reason="--packed does not reach a process of its own")
    if not config.getoption("--slow"):
        skip(items, "slow", reason="takes long: run with --slow")


def skip(items, marker, *, reason):
    """Skip tests that have a marker."""
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def seeded():
    fix_random_seed(0)


def cats_of(text):
    return {"POSITIVE": float(text in GOOD), "NEGATIVE": float(text not in GOOD)}


def make_examples(nlp, texts=TEXTS, cats=cats_of):
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats(text)}) for text in texts]


def change(model, changes):
    """Set parts of a model's config; keys name them as in `encode__cell`."""
    for key, value in changes.items():
        *parents, name = key.split("__")
        part = model
        for parent in parents:
            part = part[parent]
        part[name] = value
    return model


def small_model(**changes):
    """The config of a small model; keys name its parts as in `encode__cell`."""
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v2",
        "tok2vec": {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "min_count": 1},
        "encode": {"@architectures": "spacy-rnn.RNNEncoder.v1", "width": 12},
    }
    return change(model, changes)


def small_tagger(**changes):
    """The config of a small tagger; keys name its parts as in `tok2vec__encode`."""
    model = {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy-rnn.WordCharEmbed.v1",
                "words": {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "min_count": 1},
                "chars": {"@architectures": "spacy-rnn.CharRNNEmbed.v1", "width": 8},
            },
            "encode": {"@architectures": "spacy-rnn.RNNEncoder.v1", "width": 12},
        },
    }
    return change(model, changes)


def make_tagged_examples(nlp, sentences=SENTENCES):
    examples = []
    for words, pos, tags in sentences:
        gold = Doc(nlp.vocab, words=words.split(), pos=pos.split(), tags=tags.split())
        examples.append(Example(Doc(nlp.vocab, words=words.split()), gold))
    return examples


def without_width(width=3):
    """A layer that, as a listener to a transformer, gives arrays without width for documents
    without tokens."""

    def forward(model, docs, is_train):
        Ys = [numpy.full((len(doc), width if len(doc) else 0), 2.0, dtype="f") for doc in docs]
        if not any(map(len, docs)):
            raise ValueError("no tokens")
        return Ys, lambda dYs: [dY.shape for dY in dYs]

    return Model("without_width", forward)


def train(nlp, examples, *, steps=80, **update):
    """Initialize and train a pipeline whose last component is a text classifier.
    RETURNS: Its losses in the first and in the last step."""
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = []
    for _ in range(steps):
        step = {}
        nlp.update(examples, sgd=optimizer, losses=step, **update)
        losses.append(step[nlp.pipe_names[-1]])
    return losses[0], losses[-1]


@pytest.fixture(scope="session")
def shipped(tmp_path_factory):
    """The folder that the wheels of pipelines/ are unpacked in."""
    folder = tmp_path_factory.mktemp("shipped")
    for wheel in (Path(__file__).parents[1] / "pipelines").glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
    return folder


@pytest.fixture
def nlp():
    """An untrained pipeline with a small `textcat_lstm`."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    return nlp


@pytest.fixture
def trained(nlp):
    """A pipeline with a small `textcat_lstm` that has learned its six texts."""
    train(nlp, make_examples(nlp))
    return nlp
