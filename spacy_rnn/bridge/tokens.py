"""The tokens that a model reads, whatever documents they stand in."""

from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy
from spacy.attrs import IS_SPACE, ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab


class Tokens:
    """The tokens of some texts, one after the other. Embeddings take them in place of
    documents: tokens can be left out, and texts need not end where documents end, without
    a document being made anew, which would lose what words alone do not say.

    docs: The documents that the tokens stand in.
    lengths: Number of tokens of each text, of shape (texts,). If not given, each document
        is a text.
    rows: Which tokens of all documents are read, in order; None for all.
    """

    __slots__ = ("docs", "lengths", "rows", "_keys", "_words")

    def __init__(
        self,
        docs: List[Doc],
        lengths: Optional[numpy.ndarray] = None,
        rows: Optional[numpy.ndarray] = None,
    ):
        self.docs = docs
        self.lengths = lengths_of(docs) if lengths is None else lengths
        self.rows = rows
        self._keys: Dict[int, numpy.ndarray] = {}
        self._words: Dict[int, numpy.ndarray] = {}

    @classmethod
    def of(cls, X: Any) -> "Tokens":
        """The tokens of documents, or tokens as they are."""
        return X if isinstance(X, cls) else cls(list(X))

    def visible(self) -> "Tokens":
        """Those that are not blank."""
        visible = self.keys(IS_SPACE) == 0
        if visible.all():
            return self
        counts = numpy.concatenate(([0], visible.cumsum()))
        ends = self.lengths.cumsum()
        lengths = counts[ends] - counts[ends - self.lengths]
        rows = visible.nonzero()[0]
        return Tokens(self.docs, lengths, rows if self.rows is None else self.rows[rows])

    def keys(self, attr: int) -> numpy.ndarray:
        """An attribute of all tokens, of shape (tokens,): for words, their hashes in
        spaCy's string store."""
        if attr not in self._keys:
            parts = [doc.to_array(attr) for doc in self.docs]
            found = parts[0] if len(parts) == 1 else numpy.concatenate([_NONE, *parts])
            self._keys[attr] = found if self.rows is None else found[self.rows]
        return self._keys[attr]

    def words(self, attr: int) -> numpy.ndarray:
        """As `keys`, and the token as it is written where it has no such attribute: a bare
        `Vocab` knows neither norm nor lower case."""
        if attr not in self._words:
            keys = self.keys(attr)
            whole = numpy.count_nonzero(keys) == len(keys)
            self._words[attr] = keys if whole else numpy.where(keys == 0, self.keys(ORTH), keys)
        return self._words[attr]

    def strings(self, keys: numpy.ndarray) -> List[str]:
        """The words of hashes that `keys` or `words` has given, of any document's vocabulary."""
        stores = list({id(doc.vocab.strings): doc.vocab.strings for doc in self.docs}.values())
        if len(stores) == 1:
            return [stores[0][key] for key in keys.tolist()]
        return [next(s[key] for s in stores if key in s) for key in keys.tolist()]

    def by_vocab(self) -> Iterator[Tuple[Vocab, Any]]:
        """The vocabularies of the documents, and where the tokens of each are: a slice for all,
        or indices."""
        vocabs = {id(doc.vocab): doc.vocab for doc in self.docs}
        if len(vocabs) == 1:
            yield self.docs[0].vocab, slice(None)
            return
        owners = numpy.repeat([id(doc.vocab) for doc in self.docs], lengths_of(self.docs))
        owners = owners if self.rows is None else owners[self.rows]
        for key, vocab in vocabs.items():
            at = numpy.flatnonzero(owners == key)
            if len(at):
                yield vocab, at


_NONE = numpy.empty(0, dtype="uint64")


def lengths_of(parts: List) -> numpy.ndarray:
    """The number of tokens of each document, or of rows of each array, of shape (parts,)."""
    return numpy.fromiter(map(len, parts), dtype="int64", count=len(parts))


def parts_by_tokens(lengths: numpy.ndarray, budget: int) -> List[numpy.ndarray]:
    """Split documents into parts of similar length and at most `budget` tokens.

    lengths: Tokens of each document, of shape (docs,).
    RETURNS: Indices of documents, longest first; a longer document is a part of its own. All in
        one part, in order, where they fit.
    """
    if lengths.sum() <= budget:
        return [numpy.arange(len(lengths))] if len(lengths) else []
    order = numpy.argsort(-lengths, kind="stable")
    parts = []
    start, tokens = 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        if tokens + length > budget and end > start:
            parts.append(order[start:end])
            start, tokens = end, 0
        tokens += length
    return [*parts, order[start:]]
