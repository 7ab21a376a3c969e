"""Tags of words while they arrive."""

from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.language import Language
from thinc.api import Model

from ..bridge.ragged import split_rows
from ..bridge.tokens import Tokens
from ..layers.running import running_form
from .streams import Stream, Streams


class TaggedWord(NamedTuple):
    """A token: its text, the white space behind it that is no token itself, its tag."""

    text: str
    whitespace: str
    tag: str


class TaggerStream(Stream):
    """A text that is arriving. Each push returns the tokens that it has completed."""

    __slots__ = ()


class TaggerStreams(Streams):
    """Texts that arrive at the same time, and their tags.

    nlp: The pipeline, for its tokenizer.
    name: Of the component.
    model: Its model, a `spacy.Tagger.v2`.
    labels: Its labels.
    blank: The tag of blank tokens, which the model does not read.
    RAISES: ValueError for a model that reads in two directions, or has layers that look at more
        than the tokens so far.
    """

    def __init__(self, nlp: Language, name: str, model: Model, labels: Sequence[str], blank: str):
        self.running = running_form(name, model.get_ref("tok2vec"))
        self.head = model.layers[1:]
        self.blank = blank
        super().__init__(nlp, name, model, labels, self.running.initial)

    def open(self) -> TaggerStream:
        """Begin a text."""
        return TaggerStream(self)

    def advance(
        self, tokens: Tokens, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[List[TaggedWord]]]:
        """Read new tokens and tag them."""
        visible = tokens.visible()
        tags = numpy.full(int(tokens.lengths.sum()), self.blank, dtype=object)
        some = visible.lengths > 0
        if some.any():
            own = [part[some] for part in states]
            read = Tokens(visible.docs, visible.lengths[some], visible.rows)
            best = self._best(self.running.add(read, own).data)
            tags[slice(None) if visible.rows is None else visible.rows] = best
            for part, new in zip(states, own):
                part[some] = new
        found = zip((token for doc in tokens.docs for token in doc), tags)
        words: Any = [TaggedWord(t.text, t.whitespace_, tag) for t, tag in found]
        return states, split_rows(words, tokens.lengths)

    def _best(self, rows: Any) -> numpy.ndarray:
        """The likeliest tag of each token."""
        ops = self.model.ops
        scores: Any = ops.asarray2f(rows)
        for layer in self.head:
            scores = layer.predict(scores)
        return numpy.asarray(self.labels, dtype=object)[ops.to_numpy(scores).argmax(axis=1)]

    def unchanged(self, stream: TaggerStream) -> List[TaggedWord]:
        """No words."""
        return []
