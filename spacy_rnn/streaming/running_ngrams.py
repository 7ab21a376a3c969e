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
        keys, owner = self._ngrams(doc, lengths, last)
        order = numpy.argsort(owner, kind="stable")
        counts = numpy.bincount(owner, minlength=len(lengths))
        found = self._sum(keys[order], counts)
        after = sums + numpy.concatenate((counts[:, None], found), axis=1)
        return after, self._last_words(doc, lengths, last)

    def _words(self, doc: Doc, lengths: numpy.ndarray, last: numpy.ndarray) -> Any:
        """The last words of each text before its new ones; and which text each is of."""
        context = self.size - 1
        ends = lengths.cumsum()
        owner = numpy.repeat(numpy.arange(len(lengths)), lengths + context)
        words = numpy.empty(len(owner), dtype="uint64")
        first = numpy.arange(len(lengths)) * context + ends - lengths
        old = (first[:, None] + numpy.arange(context)).ravel()
        new = numpy.ones(len(owner), dtype="bool")
        new[old] = False
        words[old] = last.ravel()
        words[new] = doc.to_array(self.attr)
        return words, owner, new

    def _ngrams(self, doc: Doc, lengths: numpy.ndarray, last: numpy.ndarray) -> Any:
        """Keys of the n-grams that end in a new word, and which text each one is of."""
        words, owner, new = self._words(doc, lengths, last)
        keys, owners = [words[new]], [owner[new]]
        for size in range(2, self.size + 1):
            ends = numpy.arange(size - 1, len(words))
            starts = ends - size + 1
            # Inside one text, and not before its first word.
            whole = new[ends] & (owner[starts] == owner[ends])
            for place in range(size - 1):
                whole &= words[starts + place] != 0
            keys.append(CPU.ngrams(size, words)[whole])
            owners.append(owner[ends][whole])
        return numpy.concatenate(keys), numpy.concatenate(owners)

    def _sum(self, keys: numpy.ndarray, counts: numpy.ndarray) -> numpy.ndarray:
        """The weights of the n-grams of each text, of shape (texts, labels)."""
        values = numpy.full(len(keys), SCALE, dtype="float32")
        sums: Any = self.weights.predict((keys, values, counts.astype("int32")))
        return sums.astype("float64") - self.bias

    def _last_words(self, doc: Doc, lengths: numpy.ndarray, last: numpy.ndarray) -> numpy.ndarray:
        words, owner, _ = self._words(doc, lengths, last)
        ends = (lengths + self.size - 1).cumsum()
        places = ends[:, None] - numpy.arange(self.size - 1, 0, -1)
        return words[places]

    def logits(self, sums: numpy.ndarray) -> numpy.ndarray:
        """The layer's logits, of shape (texts, labels)."""
        count = numpy.maximum(sums[:, :1], 1.0)
        return (sums[:, 1:] / numpy.sqrt(count) + self.bias).astype("float32")

    def after_each(self, doc: Doc) -> numpy.ndarray:
        """The logits after each word of a text, of shape (tokens, labels)."""
        lengths = numpy.asarray([len(doc)])
        last = self.initial()[1][None]
        words, _, _ = self._words(doc, lengths, last)
        keys, place = [words[self.size - 1 :]], [numpy.arange(len(doc))]
        for size in range(2, min(self.size, len(doc)) + 1):
            keys.append(CPU.ngrams(size, words[self.size - 1 :]))
            place.append(numpy.arange(size - 1, len(doc)))
        places = numpy.concatenate(place)
        order = numpy.argsort(places, kind="stable")
        counts = numpy.bincount(places, minlength=len(doc))
        found = self._sum(numpy.concatenate(keys)[order], counts)
        sums = numpy.concatenate((counts[:, None], found), axis=1).cumsum(axis=0)
        return self.logits(sums)
