"""Categories of texts while they arrive."""

from typing import Any, Callable, Dict, List, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from .recurrent_body import RecurrentBody
from .running_ngrams import RunningNgrams
from .running_pool import RunningPool
from .streams import Stream, Streams


class TextCatStream(Stream):
    """A text that is arriving, and its categories so far."""

    __slots__ = ()
    streams: "TextCatStreams"

    @property
    def cats(self) -> Dict[str, float]:
        """The score of each label, for the complete words so far."""
        return self.streams.unchanged(self)


class RunningHead:
    """From a text's tokens to its scores, as the tokens arrive: the parts of a
    `spacy-rnn.TextCatRNN.v1` behind its recurrent layers.

    name: Of the component, for errors.
    model: The model.
    RAISES: ValueError for a model that reads in two directions, or cuts texts.
    """

    def __init__(self, name: str, model: Model):
        (limit,) = (node.attrs["max_tokens"] for node in model.walk() if node.name == "keep_ends")
        if limit:
            raise ValueError(Errors.R707.format(name=name, limit=limit))
        self.ops = model.ops
        self.body = RecurrentBody(name, [model.get_ref("tok2vec"), model.get_ref("encode")])
        pool = model.get_ref("pool")
        self.pool = RunningPool(pool, pool.get_dim("nI"))
        linear = model.maybe_get_ref("linear_model")
        self.ngrams = RunningNgrams(linear) if linear is not None else None
        self.output = model.get_ref("output_layer")
        self.activate = model.layers[-1]

    def initial(self) -> List[numpy.ndarray]:
        """The state before the first token."""
        begun = [self.body.initial(), *self.pool.initial()]
        return begun + (list(self.ngrams.initial()) if self.ngrams is not None else [])

    def add(
        self, doc: Doc, lengths: numpy.ndarray, states: List[numpy.ndarray]
    ) -> List[numpy.ndarray]:
        """The states after more tokens. May write over those before."""
        data, body = self.body.run(doc, lengths, states[0])
        self.pool.add(data, lengths, states[1], states[2])
        after = [body, states[1], states[2]]
        if self.ngrams is not None:
            after += self.ngrams.add(doc, lengths, states[3], states[4])
        return after

    def scores(self, states: List[numpy.ndarray]) -> numpy.ndarray:
        """Scores of shape (texts, labels), of texts that have a token."""
        linear = self.ngrams.logits(states[3]) if self.ngrams is not None else None
        return self._scores(self.pool.pooled(states[1], states[2]), linear)

    def after_each(self, doc: Doc) -> numpy.ndarray:
        """The scores after each token of a text, of shape (tokens, labels)."""
        rows, _ = self.body.run(doc, numpy.asarray([len(doc)]), self.body.initial()[None])
        linear = self.ngrams.after_each(doc) if self.ngrams is not None else None
        return self._scores(self.pool.after_each(rows), linear)

    def _scores(self, pooled: Any, linear: Any) -> numpy.ndarray:
        weights, bias = (self.ops.to_numpy(self.output.get_param(name)) for name in "Wb")
        logits = pooled @ weights.T + bias
        if linear is not None:
            logits += linear
        return self.ops.to_numpy(self.activate.predict(self.ops.asarray2f(logits)))


class TextCatStreams(Streams):
    """Texts that arrive at the same time, and their categories.

    nlp: The pipeline, for its tokenizer.
    name: Of the component.
    model: Its model.
    labels: Its labels.
    score_of_empty: Gives the scores of no tokens at all, of shape (labels,).
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: Model,
        labels: List[str],
        score_of_empty: Callable[[], Any],
    ):
        self.head = RunningHead(name, model)
        self.labels = labels
        fingerprint = [list(labels), self.head.body.fingerprint()]
        scores = model.ops.to_numpy(score_of_empty())
        super().__init__(nlp, name, [scores, *self.head.initial()], fingerprint)

    def open(self) -> TextCatStream:
        """Begin a text."""
        return TextCatStream(self)

    def advance(
        self, doc: Doc, lengths: numpy.ndarray, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[Dict[str, float]]]:
        """Read new tokens, and score what has been read."""
        after = self.head.add(doc, lengths, states[1:])
        scores = self.head.scores(after)
        return [scores, *after], [dict(zip(self.labels, row)) for row in scores.tolist()]

    def unchanged(self, stream: TextCatStream) -> Dict[str, float]:
        """The categories of the complete words so far."""
        scores = self.states.get(numpy.asarray([stream.row]))[0]
        return dict(zip(self.labels, scores[0].tolist()))
