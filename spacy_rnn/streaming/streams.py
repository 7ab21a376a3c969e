"""Texts that are scored while they arrive: what classifier and tagger share."""

import weakref
import zlib
from abc import ABC, abstractmethod
from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy
import srsly
from spacy.attrs import LENGTH, SPACY
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..bridge.loading import collector_as_before
from ..bridge.shim import shims_of
from ..bridge.tokens import Tokens
from ..engine.forks import forks_wait
from ..errors import Errors
from ..layers.temperature import get_temperature
from .state_table import StateTable
from .text_buffer import TextBuffer, check_tokenizer, spaced_rules

Piece = Union[str, bytes]
# No state has larger numbers, whatever a text's length.
LARGEST = 1e30


class Stream:
    """One text that is arriving. Made by `Streams.open`.

    Between two pieces it keeps a state of fixed size, and the text since the last
    complete word.
    """

    # There may be many thousands of them, and each step reads every one.
    __slots__ = ("streams", "buffer", "row", "closed", "__weakref__")

    def __init__(self, streams: "Streams"):
        self.streams = streams
        self.buffer = TextBuffer(streams.spaced_rules)
        self.row = streams.states.open()
        weakref.finalize(self, streams.states.close, self.row)
        self.closed = False

    def push(self, piece: Piece) -> Any:
        """Add a piece of text, cut anywhere: inside of a word, or, as bytes of UTF-8,
        inside of a character. Words count when it is clear where they end.

        RETURNS: See `Streams.push`.
        RAISES: ValueError if the stream is closed, or the piece is no text.
        """
        return self.streams.push([self], [piece])[0]

    def close(self) -> Any:
        """Count the words that were held back. RETURNS: As `push`."""
        return self.streams.close([self])[0]

    def to_bytes(self) -> bytes:
        """All that is needed to go on in another process, with the same pipeline."""
        state = self.streams.states.get(numpy.asarray([self.row]))
        arrays = [(part.dtype.str, part.tobytes()) for part in state]
        return srsly.msgpack_dumps(
            {
                "fingerprint": self.streams.fingerprint,
                "buffer": self.buffer.get_state(),
                "state": arrays,
                "closed": self.closed,
            }
        )

    def from_bytes(self, bytes_data: bytes) -> "Stream":
        """Go on where `to_bytes` was called. Nothing changes if that fails.

        RAISES: ValueError for data that is corrupt, or of another pipeline.
        """
        try:
            with collector_as_before():
                msg = srsly.msgpack_loads(bytes_data)
            found = [numpy.frombuffer(data, dtype=dtype) for dtype, data in msg["state"]]
            same = msg["fingerprint"] == self.streams.fingerprint
            buffer = TextBuffer(self.streams.spaced_rules)
            buffer.set_state(msg["buffer"])
            closed = bool(msg["closed"])
        except Exception as error:
            problem = f"corrupt: {type(error).__name__}: {error}"
            raise ValueError(Errors.R705.format(problem=problem)) from error
        if not same:
            raise ValueError(Errors.R705.format(problem="of another pipeline"))
        self._check_state(found)
        self.buffer, self.closed = buffer, closed
        self.streams.states.set(numpy.asarray([self.row]), [part[None] for part in found])
        return self

    def _check_state(self, found: List[numpy.ndarray]) -> None:
        initial = self.streams.states.initial
        kinds = [[(part.dtype, part.shape) for part in parts] for parts in (found, initial)]
        if kinds[0] != kinds[1]:
            raise ValueError(Errors.R705.format(problem="corrupt: a state of another shape"))
        # The highest of no tokens is infinitely low.
        numbers = [part for part in found if part.dtype.kind == "f"]
        finite = [part[part != -numpy.inf] for part in numbers]
        if not all((numpy.abs(part) < LARGEST).all() for part in finite):
            raise ValueError(Errors.R705.format(problem="corrupt: a state that is not a number"))


class Streams(ABC):
    """Texts that arrive at the same time, and are read together.

    nlp: The pipeline, for its tokenizer.
    name: Of the component, for errors.
    model: Its model.
    labels: Its labels.
    initial: The state before the first token, as rows of numbers.
    RAISES: ValueError for a tokenizer that is not spaCy's own.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: Model,
        labels: Sequence[str],
        initial: Sequence[numpy.ndarray],
    ):
        self.name = name
        self.model = model
        self._shims = shims_of(model)
        self.labels = list(labels)
        self.tokenizer = check_tokenizer(name, nlp.tokenizer)
        self.spaced_rules = spaced_rules(self.tokenizer)
        self.states = StateTable(initial)
        self._versions = self._versions_now()
        # Made when the first stream is saved: it takes a look at all weights.
        self._checksum: Optional[int] = None

    @property
    def fingerprint(self) -> List[Any]:
        """Tells one trained model from another: its labels and all that is saved of it, when a
        stream is saved or loaded for the first time."""
        self._check_model()
        if self._checksum is None:
            self._checksum = zlib.crc32(self.model.to_bytes())
        return [self.labels, self._checksum]

    def _versions_now(self) -> List[Any]:
        output = self.model.get_ref("output_layer").maybe_get_dim("nO")
        return [output, get_temperature(self.model), *(shim.version for shim in self._shims)]

    def _check_model(self) -> None:
        """RAISES: ValueError if the model has been trained on or calibrated, or has got more
        labels."""
        if self._versions != self._versions_now():
            raise ValueError(Errors.R709.format(name=self.name))

    @abstractmethod
    def open(self) -> Stream:
        """Begin a text."""

    @abstractmethod
    def advance(
        self, tokens: Tokens, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[Any]]:
        """Read new tokens of some streams.

        tokens: At least one of each stream. states: Parts of their states, one row each, which
        may be written over.
        RETURNS: The states after, and for each stream what its push returns.
        """

    @abstractmethod
    def unchanged(self, stream: Any) -> Any:
        """What a push returns that has completed no word."""

    def push(self, streams: Sequence[Stream], pieces: Sequence[Piece]) -> List[Any]:
        """Add one piece to each of some streams, and read all together in one step. If that
        fails, no stream has changed.

        streams: Different streams, made by `open`. pieces: One for each, may be empty.
        RETURNS: For each stream its categories so far, or the words that it has completed.
        RAISES: ValueError for a closed stream, one given twice, another number of pieces, or
            pieces that are no text.
        """
        if len(pieces) != len(streams):
            raise ValueError(Errors.R706.format(streams=len(streams), pieces=len(pieces)))
        self._check_streams(streams)
        if any([stream.closed for stream in streams]):
            raise ValueError(Errors.R704.format(name=self.name))
        texts, pending = self._decode(streams, pieces)
        complete = [stream.buffer.cut(text) for stream, text in zip(streams, texts)]
        found = self._read(streams, complete)
        for stream, text, part, behind in zip(streams, texts, complete, pending):
            stream.buffer.keep(text, part, behind)
        return found

    def _decode(
        self, streams: Sequence[Stream], pieces: Sequence[Piece]
    ) -> Tuple[Sequence[str], Sequence[bytes]]:
        """The text of each piece, and the first bytes of a character behind it."""
        if isinstance(pieces, (str, bytes)):
            raise ValueError(Errors.R708.format(found="one piece in place of a list of them"))
        try:
            if set(map(type, pieces)) == {str} and not any([s.buffer.pending for s in streams]):
                whole: Any = pieces
                # Half of a surrogate pair is no text.
                "".join(whole).encode("utf-8")
                return whole, [b""] * len(whole)
            for piece in pieces:
                if not isinstance(piece, (str, bytes)):
                    raise ValueError(Errors.R708.format(found=type(piece).__name__))
            found = [s.buffer.decode(piece) for s, piece in zip(streams, pieces)]
        except UnicodeError as error:
            raise ValueError(Errors.R708.format(found=error)) from error
        return [text for text, _ in found], [behind for _, behind in found]

    def close(self, streams: Sequence[Stream]) -> List[Any]:
        """Read what was held back of some streams, which end here. Closing again changes
        nothing. A character whose last bytes never came counts as U+FFFD.

        RETURNS: As `push`.
        RAISES: ValueError for a stream that another `streams` has opened, or one given twice.
        """
        self._check_streams(streams)
        found = self._read(streams, [stream.buffer.held() for stream in streams])
        for stream in streams:
            stream.buffer.clear()
            stream.closed = True
        return found

    def _check_streams(self, streams: Sequence[Stream]) -> None:
        if any([stream.streams is not self for stream in streams]):
            raise ValueError(Errors.R704.format(name=self.name))
        if len(set(streams)) != len(streams):
            raise ValueError(Errors.R706.format(streams=len(streams), pieces="the same"))

    def _read(self, streams: Sequence[Stream], texts: List[str]) -> List[Any]:
        rows = numpy.asarray([s.row for s, text in zip(streams, texts) if text], dtype="int64")
        found: List[Any] = []
        if len(rows):
            self._check_model()
            tokens = self._tokenize([text for text in texts if text])
            with forks_wait:
                states, found = self.advance(tokens, self.states.get(rows))
            self.states.set(rows, states)
        if len(found) == len(streams):
            return found
        rest = iter(found)
        return [next(rest) if text else self.unchanged(s) for s, text in zip(streams, texts)]

    def _tokenize(self, texts: List[str]) -> Tokens:
        """The tokens of all texts. Where a text begins with a word and the one before it ends
        in white space, they have the same tokens when they are tokenized as one, which is faster;
        but for special cases that look across."""
        starts = [0, *self.spaced_rules.seams(texts)]
        runs = [texts[a:b] for a, b in zip(starts, [*starts[1:], len(texts)])]
        docs = [self.tokenizer("".join(run)) for run in runs]
        lengths = [_lengths(doc, run) for doc, run in zip(docs, runs)]
        return Tokens(docs, numpy.concatenate(lengths))


def _lengths(doc: Doc, texts: List[str]) -> numpy.ndarray:
    """The number of tokens of each of the texts that make a document."""
    if len(texts) == 1:
        return numpy.asarray([len(doc)])
    sizes = doc.to_array([LENGTH, SPACY]).sum(axis=1).astype("int64")
    ends = numpy.asarray([len(text) for text in texts]).cumsum()
    return numpy.diff(numpy.searchsorted(sizes.cumsum(), ends, "right"), prepend=0)
