"""Texts that are scored while they arrive: what classifier and tagger share."""

import weakref
from abc import ABC, abstractmethod
from typing import Any, List, Sequence, Tuple, Union, cast

import numpy
import srsly
from spacy.attrs import LENGTH, SPACY
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors
from .state_table import StateTable
from .text_buffer import TextBuffer, check_tokenizer, spaced_rules

Piece = Union[str, bytes]


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
        RAISES: ValueError if the stream is closed.
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
            msg = srsly.msgpack_loads(bytes_data)
            found = [numpy.frombuffer(data, dtype=dtype) for dtype, data in msg["state"]]
            same = msg["fingerprint"] == self.streams.fingerprint
            initial = self.streams.states.initial
            shapes = [part.shape for part in found] == [part.shape for part in initial]
            buffer = TextBuffer(self.streams.spaced_rules)
            buffer.set_state(msg["buffer"])
            closed = bool(msg["closed"])
        except Exception as error:
            problem = f"corrupt: {type(error).__name__}: {error}"
            raise ValueError(Errors.R705.format(problem=problem)) from error
        if not (same and shapes):
            raise ValueError(Errors.R705.format(problem="of another pipeline"))
        self.buffer, self.closed = buffer, closed
        self.streams.states.set(numpy.asarray([self.row]), [part[None] for part in found])
        return self


class Streams(ABC):
    """Texts that arrive at the same time, and are read together.

    nlp: The pipeline, for its tokenizer.
    name: Of the component, for errors.
    initial: The state before the first token, as rows of numbers.
    fingerprint: Tells the weights of one training from those of another.
    RAISES: ValueError for a tokenizer that is not spaCy's own.
    """

    def __init__(
        self, nlp: Language, name: str, initial: Sequence[numpy.ndarray], fingerprint: Any
    ):
        self.name = name
        self.tokenizer = check_tokenizer(name, nlp.tokenizer)
        self.spaced_rules = spaced_rules(self.tokenizer.rules)
        self.states = StateTable(initial)
        self.fingerprint = fingerprint

    @abstractmethod
    def open(self) -> Stream:
        """Begin a text."""

    @abstractmethod
    def advance(
        self, doc: Doc, lengths: numpy.ndarray, states: List[numpy.ndarray]
    ) -> Tuple[List[numpy.ndarray], List[Any]]:
        """Read new tokens of some streams.

        doc: The tokens, one stream after the other. lengths: Of each stream, at least 1.
        states: Parts of their states, one row each, which may be written over.
        RETURNS: The states after, and for each stream what its push returns.
        """

    @abstractmethod
    def unchanged(self, stream: Any) -> Any:
        """What a push returns that has completed no word."""

    def push(self, streams: Sequence[Stream], pieces: Sequence[Piece]) -> List[Any]:
        """Add one piece to each of some streams, and read all together in one step.

        streams: Different streams, made by `open`. pieces: One for each, may be empty.
        RETURNS: For each stream its categories so far, or the words that it has completed.
        RAISES: ValueError for a closed stream, one given twice, another number of pieces, or
            pieces that are no text.
        """
        if len(pieces) != len(streams) or len(set(map(id, streams))) != len(streams):
            raise ValueError(Errors.R706.format(streams=len(streams), pieces=len(pieces)))
        for stream in streams:
            if stream.closed or stream.streams is not self:
                raise ValueError(Errors.R704.format(name=self.name))
        texts = self._decode(streams, pieces)
        return self._read(streams, [s.buffer.push(text) for s, text in zip(streams, texts)])

    def _decode(self, streams: Sequence[Stream], pieces: Sequence[Piece]) -> Sequence[str]:
        """All pieces as text, or none of them read."""
        kinds = set(map(type, pieces))
        if kinds <= {str}:
            return cast(Sequence[str], pieces)
        for kind in kinds:
            if not issubclass(kind, (str, bytes)):
                raise ValueError(Errors.R708.format(found=kind.__name__))
        before = [stream.buffer.get_state() for stream in streams]
        try:
            return [stream.buffer.decode(piece) for stream, piece in zip(streams, pieces)]
        except UnicodeDecodeError:
            for stream, state in zip(streams, before):
                stream.buffer.set_state(state)
            raise

    def close(self, streams: Sequence[Stream]) -> List[Any]:
        """Read what was held back of some streams, which end here. Closing again changes
        nothing. RETURNS: As `push`."""
        texts = ["" if stream.closed else stream.buffer.close() for stream in streams]
        found = self._read(streams, texts)
        for stream in streams:
            stream.closed = True
        return found

    def _read(self, streams: Sequence[Stream], texts: List[str]) -> List[Any]:
        rows = [stream.row for stream, text in zip(streams, texts) if text]
        found = self._advance(numpy.asarray(rows), [text for text in texts if text])
        if len(found) == len(streams):
            return found
        rest = iter(found)
        return [next(rest) if text else self.unchanged(s) for s, text in zip(streams, texts)]

    def _advance(self, rows: numpy.ndarray, texts: List[str]) -> List[Any]:
        if not texts:
            return []
        states, results = self.advance(*self._tokenize(texts), self.states.get(rows))
        self.states.set(rows, states)
        return results

    def _tokenize(self, texts: List[str]) -> Tuple[Doc, numpy.ndarray]:
        """The tokens of all texts, and the number of those of each. Since each text begins
        where the last one has ended, with a word after white space, they can be tokenized
        as one; but not where a text ends without, or begins with white space."""
        separate = all(text[-1].isspace() and not text[0].isspace() for text in texts)
        if len(texts) > 1 and separate and not self.spaced_rules:
            doc = self.tokenizer("".join(texts))
            sizes = doc.to_array([LENGTH, SPACY]).sum(axis=1).astype("int64")
            ends = numpy.asarray([len(text) for text in texts]).cumsum()
            return doc, numpy.diff(numpy.searchsorted(sizes.cumsum(), ends, "right"), prepend=0)
        docs = [self.tokenizer(text) for text in texts]
        lengths = numpy.asarray([len(doc) for doc in docs])
        return docs[0] if len(docs) == 1 else _join(docs), lengths


def _join(docs: List[Doc]) -> Doc:
    tokens = [token for doc in docs for token in doc]
    spaces = [bool(token.whitespace_) for token in tokens]
    return Doc(docs[0].vocab, words=[token.text for token in tokens], spaces=spaces)
