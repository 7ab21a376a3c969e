"""The sum over n-grams of a linear model, which goes on as words arrive."""

from typing import Any, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model

from ..layers.ngram_linear import CPU, SCALE


class RunningNgrams:
    """The logits of an `ngram_linear` layer, over the words so far.

    model: The layer.
    """

    def __init__(self, model: Model):
        (ngrams,) = (node for node in model.walk() if node.name == "ngrams")
        self.size: int = ngrams.attrs["ngram_size"]
        self.attr = intify_attr(ngrams.attrs["attr"])
        self.weights = model.get_ref("labels")
        (linear,) = (node for node in self.weights.walk() if node.has_param("W"))
        self.bias = CPU.to_numpy(linear.get_param("b"))

    def initial(self) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The state before the first word: how many n-grams there were and the sum of
        their weights; and the last words, 0 for none."""
        return numpy.zeros(1 + len(self.bias)), numpy.zeros(self.size - 1, dtype="uint64")

    def add(
        self, doc: Doc, lengths: numpy.ndarray, sums: numpy.ndarray, last: numpy.ndarray
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """RETURNS: Both parts of the states after more words.

        doc: The words of all texts. lengths: Of each text, at least 1. sums, last: The
        states before, of shape (texts, 1 + labels) and (texts, ngram_size - 1).
        """
        context = self.size - 1
        parts = lengths + context
        ends = parts.cumsum()
        place = numpy.arange(ends[-1]) - numpy.repeat(ends - parts, parts)
        new = place >= context
        words = numpy.empty(len(place), dtype="uint64")
        words[new] = doc.to_array(self.attr)
        words[~new] = last.ravel()
        owner = numpy.repeat(numpy.arange(len(lengths)), lengths)
        keys, owner = self._ngrams(words, new.nonzero()[0], owner)
        order = numpy.argsort(owner, kind="stable")
        counts = numpy.bincount(owner, minlength=len(lengths))
        after = sums.copy()
        after[:, 0] += counts
        after[:, 1:] += self._sum(keys[order], counts)
        return after, words[ends[:, None] - numpy.arange(context, 0, -1)]

    def _ngrams(self, words: numpy.ndarray, ends: numpy.ndarray, owner: numpy.ndarray) -> Any:
        """Keys of the n-grams that end in some words, and the owner of each.

        words: Each text's words, behind the last ones before them; 0 where there is none.
        ends: Where n-grams end. owner: Of each of these.
        """
        keys, owners = [words[ends]], [owner]
        for size in range(2, self.size + 1):
            # Not before the text's first word.
            starts = ends - (size - 1)
            whole = words[starts] != 0
            keys.append(CPU.ngrams(size, words)[starts[whole]])
            owners.append(owner[whole])
        return numpy.concatenate(keys), numpy.concatenate(owners)

    def _sum(self, keys: numpy.ndarray, counts: numpy.ndarray) -> numpy.ndarray:
        """The weights of the n-grams of each text, of shape (texts, labels)."""
        values = numpy.full(len(keys), SCALE, dtype="float32")
        sums: Any = self.weights.predict((keys, values, counts.astype("int32")))
        return sums.astype("float64") - self.bias

    def logits(self, sums: numpy.ndarray) -> numpy.ndarray:
        """The layer's logits, of shape (texts, labels)."""
        count = numpy.maximum(sums[:, :1], 1.0)
        return (sums[:, 1:] / numpy.sqrt(count) + self.bias).astype("float32")

    def after_each(self, doc: Doc) -> numpy.ndarray:
        """The logits after each word of a text, of shape (tokens, labels)."""
        context = self.size - 1
        words = numpy.zeros(context + len(doc), dtype="uint64")
        words[context:] = doc.to_array(self.attr)
        place = numpy.arange(len(doc))
        keys, places = self._ngrams(words, place + context, place)
        order = numpy.argsort(places, kind="stable")
        counts = numpy.bincount(places, minlength=len(doc))
        found = self._sum(keys[order], counts)
        sums = numpy.concatenate((counts[:, None], found), axis=1).cumsum(axis=0)
        return self.logits(sums)
