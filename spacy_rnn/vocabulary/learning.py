"""What embeddings learn from a whole corpus, before they have weights.

A layer that learns from words says so by what it has in `attrs`:

attr: The attribute of tokens that it reads.
learn_vocab: If it learns from words alone, called with the layer and a `CorpusKeys`.
set_vocab: If it takes words that are given, called with the layer and a list of them, most
    frequent first.
keep_words: If it can forget its rarer words, called with the trained layer and how many to keep.
fit_labels: If it learns from labels as well, called when these are known, with the layer, a
    `CorpusKeys` and a `Target`.
start: What its vectors start from, if it has a choice. "cooccurrence" takes a while.
"""

import time
from typing import Any, Dict, Iterable, List, Sequence, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model
from tqdm.auto import tqdm

from ..bridge.tokens import Tokens

# What of a layer's attributes says that it reads the corpus.
LEARNS = {"learn_vocab", "fit_labels"}
# In a corpus of fewer tokens, words and characters count however rare they are: a few texts
# to try things out repeat next to none.
SMALL_CORPUS = 10_000
# Seconds after which it is shown how far learning is.
DELAY = 2.0


class CorpusKeys:
    """The words of all texts of a corpus, in each attribute that some layer reads.

    attrs: The attributes, as numbers.
    """

    def __init__(self, attrs: Iterable[int]):
        self.texts: Dict[int, List[numpy.ndarray]] = {attr: [] for attr in attrs}
        # One text of each vocabulary.
        self.docs: Dict[int, Doc] = {}
        self.tokens = 0

    def add(self, doc: Doc) -> None:
        """Add a text."""
        self.docs[id(doc.vocab)] = doc
        self.tokens += len(doc)
        tokens = Tokens([doc])
        for attr, texts in self.texts.items():
            texts.append(tokens.words(attr))

    def counts(self, attr: int) -> List[Tuple[str, int]]:
        """All words, each once, and how often each occurs."""
        keys, counts = numpy.unique(numpy.concatenate(self.texts[attr]), return_counts=True)
        words = Tokens(list(self.docs.values())).strings(keys)
        return list(zip(words, counts.tolist()))

    def min_count(self, wanted: int) -> int:
        """How often a word must occur in this corpus, where a large one demands `wanted`."""
        return wanted if self.tokens >= SMALL_CORPUS else 1

    def most_frequent(self, attr: int, min_count: int, max_size: int) -> List[str]:
        """Words by falling frequency, and by spelling where that is equal.

        min_count: Leave out words that occur less often. max_size: Keep so many, 0 for all.
        """
        least = self.min_count(min_count)
        pairs = sorted((-count, word) for word, count in self.counts(attr) if count >= least)
        return [word for _, word in pairs if word][: max_size or None]


def learners_in(model: Model) -> List[Model]:
    """All layers of a model that learn from a corpus."""
    return [node for node in model.walk() if LEARNS & set(node.attrs)]


def set_vocab(layers: Sequence[Model], words: Sequence[str]) -> None:
    """Give layers their vocabulary, most frequent word first. `learn_vocab` leaves the
    words as they are; characters it learns anew, since it sees how frequent they are."""
    for layer in layers:
        if "set_vocab" in layer.attrs:
            layer.attrs["set_vocab"](layer, words)


def learn_vocab(layers: Sequence[Model], docs: Iterable[Doc]) -> CorpusKeys:
    """Fill the vocabularies of layers from all training texts, in one pass. If that takes
    longer than a moment, a terminal or notebook shows how far it is.

    layers: Those that `learners_in` finds. Those filled by `set_vocab` keep their words.
    docs: The training texts. All are read, also where there is nothing to learn.
    RETURNS: The words of all texts.
    """
    corpus = CorpusKeys({intify_attr(layer.attrs["attr"]) for layer in layers})
    started = time.perf_counter()
    # disable=None: not where the output is neither a terminal nor a notebook.
    shown: Dict[str, Any] = {"disable": None, "leave": False}
    for doc in tqdm(docs, desc="Counting words", unit=" texts", delay=DELAY, **shown):
        corpus.add(doc)
    if time.perf_counter() - started < DELAY:
        shown["disable"] = True
    learners = [layer for layer in layers if "learn_vocab" in layer.attrs]
    for layer in learners if corpus.docs else ():
        # Words are counted in a moment; vectors from where they stand take longer.
        vectors = layer.attrs.get("start") == "cooccurrence"
        what = "co-occurrence vectors" if vectors else "the vocabulary"
        with tqdm(desc=f"Learning {what}", bar_format="{desc} ...", **shown):
            layer.attrs["learn_vocab"](layer, corpus)
    return corpus
