"""Embeddings of the words that a corpus uses most, and the vocabulary behind them."""

import math
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy
import srsly
from spacy.attrs import intify_attr
from spacy.strings import get_string_id
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model
from thinc.backends import get_array_ops
from thinc.compat import torch
from thinc.layers.pytorchwrapper import forward
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors
from ..types import Docs, TokenRows
from .convert import follow_dropout_rate, keys_of, lengths_of, torch_to_rows
from .key_index import KeyIndex
from .shim import RNNShim, shim_of

ATTRS = ("NORM", "LOWER", "ORTH")
STARTS = ("random", "cooccurrence", "vectors")
# Mean length of a row that starts from given vectors, as a share of that of a standard
# normal one: as that of rows that start from co-occurrence.
SCALE = 0.3


class WordTable:
    """The words of a vocabulary, and which row of a table each one has.

    words: The words of rows 1, 2, ...; row 0 is every other word.
    vectors: What the rows start from, of shape (len(words) + 1, width), or None.
        Not saved: it is of use until the weights are made.
    """

    def __init__(self, words: Sequence[str] = (), vectors: Optional[Any] = None):
        self.words = list(words)
        self.vectors = vectors
        self._index = KeyIndex([get_string_id(word) for word in self.words])

    def __len__(self) -> int:
        return len(self.words)

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """The row of each word.

        keys: The words' hashes in spaCy's string store, of shape (tokens,).
        RETURNS: Rows of shape (tokens,), 0 where a word is not in the table.
        """
        return self._index.find(keys) + 1


@serialize_attr.register(WordTable)
def _serialize_words(_: WordTable, value: WordTable, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(value.words)


@deserialize_attr.register(WordTable)
def _deserialize_words(_: WordTable, value: bytes, name: str, model: Model) -> WordTable:
    return WordTable(srsly.msgpack_loads(value))


def vocab_embed(
    width: int,
    *,
    attr: str,
    max_size: int,
    min_count: int,
    start: str,
    dropout: Optional[float],
    word_dropout: float,
    sparse: bool,
) -> Model[Docs, TokenRows]:
    """Look each token up in a table of the most frequent words of the training texts.

    `learn_vocab` or `set_vocab` fill the vocabulary, before the layer is initialized.
    For the arguments, see `spacy_rnn.models.vocab_embed`.
    """
    attrs: Dict[str, Any] = {
        "attr": attr,
        "max_size": max_size,
        "min_count": min_count,
        "start": start,
        "dropout": dropout or 0.0,
        "word_dropout": word_dropout,
        "sparse": sparse,
        "learn": True,
        "words": WordTable(),
        "convert_inputs": docs_to_torch,
        "convert_outputs": torch_to_rows,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    return Model(
        "vocab_embed",
        forward,
        init=init,
        dims={"nO": width},
        attrs=attrs,
        shims=[RNNShim(build_embedding, "VocabEmbed")],
    )


def init(model: Model[Docs, TokenRows], X: Any = None, Y: Any = None) -> None:
    table: WordTable = model.attrs["words"]
    if not len(table):
        raise ValueError(Errors.R103.format(name="VocabEmbed"))
    vectors = table.vectors
    if model.attrs["start"] == "vectors" and X:
        vectors = pretrained(table, X[0].vocab, model.get_dim("nO"))
    shim = shim_of(model)
    shim.build(
        num_embeddings=len(table) + 1,
        embedding_dim=model.get_dim("nO"),
        dropout=model.attrs["dropout"],
        word_dropout=model.attrs["word_dropout"],
        sparse=model.attrs["sparse"],
    )
    if vectors is not None:
        shim.module.start_from(vectors)


def pretrained(table: WordTable, vocab: Vocab, width: int) -> Any:
    """What rows start from where the pipeline has word vectors: the vector of the word, or
    of its lower case, all scaled alike. A word without either starts near zero.

    RETURNS: A tensor of shape (len(table) + 1, width).
    RAISES: ValueError if there are no vectors, or of another width.
    """
    vectors = vocab.vectors
    if not vectors.shape[0] or vectors.shape[1] != width:
        raise ValueError(Errors.R106.format(width=width, shape=vectors.shape))
    rows = _rows_of(table.words, vectors)
    lower = _rows_of([word.lower() for word in table.words], vectors)
    rows = numpy.where(rows < 0, lower, rows)
    start = torch.randn(len(table) + 1, width) * 1e-2
    known = torch.from_numpy(rows >= 0)
    found = torch.from_numpy(get_array_ops(vectors.data).to_numpy(vectors.data)[rows[rows >= 0]])
    length = found.norm(dim=1).mean().clamp(min=1e-8)
    start[1:][known] = found.float() * (SCALE * math.sqrt(width) / length)
    return start


def _rows_of(words: Sequence[str], vectors: Any) -> numpy.ndarray:
    """The row of each word in spaCy's table of vectors, -1 where it has none."""
    return numpy.asarray(vectors.find(keys=[get_string_id(word) for word in words]))


def build_embedding(**config: Any) -> Any:
    from ..modules.word_embedding import WordEmbedding

    return WordEmbedding(**config)


def docs_to_torch(model: Model, docs: Docs, is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    """Arguments (ids, lengths) for the torch module. Documents have no gradient."""
    from ..modules.transfer import to_device

    follow_dropout_rate(model, is_train)
    keys = keys_of(docs, intify_attr(model.attrs["attr"]))
    ids = torch.from_numpy(model.attrs["words"].find(keys))
    lengths = torch.from_numpy(lengths_of(docs))
    args = (to_device(ids, shim_of(model).device), lengths)
    return ArgsKwargs(args=args, kwargs={}), lambda d_inputs: []
