"""What of its texts a model does not read."""

from typing import Any, Dict, Iterator, List, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.training import Example
from thinc.api import Model

from ..bridge.tokens import Tokens
from ..vocabulary.learning import CorpusKeys, learners_in
from ..vocabulary.word_table import WordTable
from ._doctor_config import Setup
from ._doctor_data import Corpora
from ._doctor_findings import Finding, good, percent, warn

# Share of words of dev texts that may be unknown.
UNKNOWN = 0.2


def check_reading(setup: Setup, corpora: Corpora) -> Iterator[Finding]:
    """What each model cuts, and which words it does not know."""
    for name, pipe in setup.learners.items():
        for node in pipe.model.walk():
            if "cut" in node.attrs:
                yield from check_cut(name, node.attrs["max_tokens"], corpora.train)
    for name, layer in word_tables(setup):
        yield from check_words(name, layer, corpora)


def check_cut(name: str, limit: int, examples: List[Example]) -> Iterator[Finding]:
    """How much of the texts a model leaves out. limit: Tokens that it reads of one, 0 for all."""
    lengths = numpy.asarray([len(eg.predicted) for eg in examples])
    cut = numpy.maximum(lengths - limit, 0) if limit else numpy.zeros_like(lengths)
    if not cut.any():
        yield good(f"{name} reads whole texts")
        return
    texts = int(numpy.count_nonzero(cut))
    yield warn(
        f"{name} reads {limit} tokens of a text at most: {texts:,} training texts "
        f"({percent(texts, len(lengths))}) are longer, and {percent(cut.sum(), lengths.sum())} of "
        "all tokens are not read. Raise max_tokens of its model, or set it to 0, if they matter."
    )


def word_tables(setup: Setup) -> Iterator[Tuple[str, Model]]:
    """The embeddings of words that learn which words there are from the training texts, and the
    names of their components."""
    before_init = setup.nlp.config["initialize"].get("before_init") or {}
    if before_init.get("path"):
        return
    for name, pipe in setup.learners.items():
        for layer in learners_in(pipe.model):
            learns = isinstance(layer.attrs.get("words"), WordTable)
            if learns and not setup.initializes(name, "vocab"):
                yield name, layer


def check_words(name: str, layer: Model, corpora: Corpora) -> Iterator[Finding]:
    """How many words of dev texts are unknown, after a vocabulary was learned as `layer` says."""
    attrs: Dict[str, Any] = layer.attrs
    attr = intify_attr(attrs["attr"])
    corpus = CorpusKeys([attr])
    for eg in corpora.train:
        corpus.add(eg.predicted)
    table = WordTable(corpus.most_frequent(attr, attrs["min_count"], attrs["max_size"]))
    keys = Tokens([eg.predicted for eg in corpora.dev]).words(attr)
    if not len(keys):
        return
    unknown = int(numpy.count_nonzero(table.find(keys) == 0))
    found = (
        f"{name}: {percent(unknown, len(keys))} of the words of dev texts are not in the "
        f"vocabulary of {len(table.words):,} words"
    )
    if unknown > UNKNOWN * len(keys):
        yield warn(
            f"{found}: they are all read alike. Dev texts may be of another kind than training "
            "texts. Add training texts, pretrained vectors, or characters "
            "(spacy-rnn.WordCharEmbed.v1); or lower min_count, or raise max_size."
        )
    else:
        yield good(found)
