"""Tags of words while they arrive."""

from typing import Any, List, NamedTuple, Tuple

import numpy
from spacy.attrs import IS_SPACE
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..layers.without_blanks import strip_blanks
from .recurrent_body import RecurrentBody
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
    blank: The tag of blank tokens, which the model never reads.
    RAISES: ValueError for a model that reads in two directions.
    """

    def __init__(self, nlp: Language, name: str, model: Model, labels: List[str], blank: str):
        self.body = RecurrentBody(name, [model.get_ref("tok2vec")])
        self.head = model.layers[-1]
        self.labels = labels
        self.blank = blank
        fingerprint = [list(labels), self.body.fingerprint()]
        super().__init__(nlp, name, [self.body.initial()], fingerprint)

    def open(self) -> TaggerStream:
        """Begin a text."""
        return TaggerStream(self)

    def advance(
        self, doc: Doc, lengths: numpy.ndarray, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[List[TaggedWord]]]:
        """Read new tokens and tag them."""
        visible = doc.to_array(IS_SPACE) == 0
        ends = lengths.cumsum()
        counts = numpy.add.reduceat(visible.astype("int64"), ends - lengths)
        tags = numpy.full(len(doc), self.blank, dtype=object)
        state, some = states[0], counts > 0
        if some.any():
            after = state.copy()
            rows: Any
            rows, after[some] = self.body.run(strip_blanks(doc), counts[some], state[some])
            scores = self.head.predict([self.head.ops.asarray2f(rows)])[0]
            best = self.head.ops.to_numpy(scores).argmax(axis=1)
            tags[visible] = numpy.asarray(self.labels, dtype=object)[best]
            state = after
        words = [TaggedWord(t.text, t.whitespace_, tag) for t, tag in zip(doc, tags)]
        parts = zip(ends.tolist(), lengths.tolist())
        return [state], [words[end - length : end] for end, length in parts]

    def unchanged(self, stream: TaggerStream) -> List[TaggedWord]:
        """No words."""
        return []
