"""Categories of texts while they arrive."""

from typing import Dict, List, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..bridge.tokens import Tokens
from ..layers.running import running_form
from .streams import Stream, Streams


class TextCatStream(Stream):
    """A text that is arriving, and its categories so far."""

    __slots__ = ()
    streams: "TextCatStreams"

    @property
    def cats(self) -> Dict[str, float]:
        """The score of each label, for the complete words so far."""
        return self.streams.unchanged(self)


class TextCatStreams(Streams):
    """Texts that arrive at the same time, and their categories.

    nlp: The pipeline, for its tokenizer. name: Of the component. model: Its model. labels: Its
    labels.
    RAISES: ValueError for a model that reads in two directions, cuts texts, or has layers that
        look at more than the tokens so far.
    """

    def __init__(self, nlp: Language, name: str, model: Model, labels: Sequence[str]):
        self.running = running_form(name, model)
        # Beside the model's state, the scores so far: at first those of no tokens at all.
        scores = model.ops.to_numpy(model.predict([Doc(nlp.vocab)]))[0]
        super().__init__(nlp, name, model, labels, [scores, *self.running.initial])

    def open(self) -> TextCatStream:
        """Begin a text."""
        return TextCatStream(self)

    def advance(
        self, tokens: Tokens, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[Dict[str, float]]]:
        """Read new tokens, and score what has been read."""
        scores = self.running.add(tokens, states[1:])
        cats = [dict(zip(self.labels, row)) for row in zip(*scores.T.tolist())]
        return [scores, *states[1:]], cats

    def unchanged(self, stream: TextCatStream) -> Dict[str, float]:
        """The categories of the complete words so far."""
        scores = self.states.get(numpy.asarray([stream.row]))[0]
        return dict(zip(self.labels, scores[0].tolist()))
