"""Embeddings of the words that a corpus uses most, and the vocabulary behind them."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
import srsly
from spacy.attrs import intify_attr
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model
from thinc.compat import torch
from thinc.layers.pytorchwrapper import forward
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors
from ..types import Docs, TokenRows
from .convert import follow_dropout_rate, lengths_of, torch_to_rows
from .shim import RNNShim, shim_of

ATTRS = ("NORM", "LOWER", "ORTH")
STARTS = ("random", "cooccurrence")


class WordTable:
    """The words of a vocabulary, and which row of a table each one has.

    words: The words of rows 1, 2, ...; row 0 is every other word.
    vectors: What the rows start from, of shape (len(words) + 1, width), or None.
        Not saved: it is of use until the weights are made.
    """

    def __init__(self, words: Sequence[str] = (), vectors: Optional[Any] = None):
        self.words = list(words)
        self.vectors = vectors
        keys = numpy.asarray([get_string_id(word) for word in self.words], dtype="uint64")
        self._rows = numpy.argsort(keys) + 1
        self._keys = keys[self._rows - 1]

    def __len__(self) -> int:
        return len(self.words)

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """The row of each word.

        keys: The words' hashes in spaCy's string store, of shape (tokens,).
        RETURNS: Rows of shape (tokens,), 0 where a word is not in the table.
        """
        if not len(self):
            return numpy.zeros(len(keys), dtype="int64")
        places = numpy.searchsorted(self._keys, keys)
        places[places == len(self)] = 0
        return numpy.where(self._keys[places] == keys, self._rows[places], 0)


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
        raise ValueError(Errors.R103)
    shim = shim_of(model)
    shim.build(
        num_embeddings=len(table) + 1,
        embedding_dim=model.get_dim("nO"),
        dropout=model.attrs["dropout"],
        word_dropout=model.attrs["word_dropout"],
    )
    if table.vectors is not None:
        shim.module.start_from(table.vectors)


def build_embedding(**config: Any) -> Any:
    from ..modules.word_embedding import WordEmbedding

    return WordEmbedding(**config)


def docs_to_torch(model: Model, docs: Docs, is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    """Arguments (ids, lengths) for the torch module. Documents have no gradient."""
    follow_dropout_rate(model, is_train)
    keys = _keys(docs, model.attrs["attr"])
    ids = torch.from_numpy(model.attrs["words"].find(keys))
    lengths = torch.from_numpy(lengths_of(docs))
    device = shim_of(model).device
    return ArgsKwargs(args=(ids.to(device), lengths), kwargs={}), lambda d_inputs: []


def _keys(docs: Docs, attr: str) -> numpy.ndarray:
    """The hashes of all tokens' words, of shape (tokens,)."""
    number = intify_attr(attr)
    keys = [doc.to_array(number) for doc in docs]
    return numpy.concatenate(keys) if keys else numpy.empty(0, dtype="uint64")


def embeddings_in(model: Model) -> List[Model]:
    """All `vocab_embed` layers of a model."""
    return [node for node in model.walk() if node.name == "vocab_embed"]


def set_vocab(layer: Model, words: Sequence[str]) -> None:
    """Give a layer its vocabulary, most frequent word first: `learn_vocab` leaves it."""
    layer.attrs["words"] = WordTable(words)
    layer.attrs["learn"] = False


def learn_vocab(layers: Sequence[Model], docs: Iterable[Doc]) -> None:
    """Fill the vocabularies of layers from all training texts, in one pass.

    layers: `vocab_embed` layers. Those filled by `set_vocab` keep their words.
    docs: The training texts. All are read, also where there is nothing to learn.
    RAISES: ValueError if no word is frequent enough.
    """
    attrs = {layer.attrs["attr"] for layer in layers}
    keys: Dict[str, List[numpy.ndarray]] = {attr: [] for attr in attrs}
    vocab = None
    for doc in docs:
        vocab = doc.vocab
        for attr in attrs:
            keys[attr].append(_keys([doc], attr))
    for layer in layers:
        if vocab is not None:
            _fill(layer, keys[layer.attrs["attr"]], vocab)


def _fill(layer: Model, keys: List[numpy.ndarray], vocab: Vocab) -> None:
    attrs = layer.attrs
    if attrs["learn"]:
        words = _most_frequent(keys, vocab, attrs["max_size"], attrs["min_count"])
        if not words:
            raise ValueError(
                Errors.R105.format(attr=attrs["attr"], min_count=attrs["min_count"], docs=len(keys))
            )
        attrs["words"] = WordTable(words)
    if attrs["start"] == "cooccurrence":
        from ..modules.cooccurrence import WINDOW, cooccurrence_vectors

        table: WordTable = attrs["words"]
        # So many unknown words between two texts that none sees a neighbour in the other.
        gap = numpy.zeros(WINDOW, dtype="int64")
        parts = [part for text in keys for part in (table.find(text), gap)]
        ids = torch.from_numpy(numpy.concatenate(parts))
        table.vectors = cooccurrence_vectors(ids, len(table) + 1, layer.get_dim("nO"))


def _most_frequent(
    keys: List[numpy.ndarray], vocab: Vocab, max_size: int, min_count: int
) -> List[str]:
    """Words by falling frequency, and by spelling where that is equal."""
    found, counts = numpy.unique(numpy.concatenate(keys), return_counts=True)
    frequent = counts >= min_count
    pairs = zip(counts[frequent].tolist(), found[frequent].tolist())
    words = sorted((-count, vocab.strings[key]) for count, key in pairs)
    return [word for _, word in words if word][: max_size or None]
