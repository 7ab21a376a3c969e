"""What embeddings learn from a whole corpus, before they have weights."""

from typing import Dict, Iterable, List, Sequence, Tuple

import numpy
from spacy.attrs import ORTH, intify_attr
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.compat import torch

from ..errors import Errors
from .char_rnn_embed import learn_chars
from .char_table import CharTable, most_frequent_chars
from .convert import keys_of
from .vocab_embed import WordTable


def embeddings_in(model: Model) -> List[Model]:
    """All `vocab_embed` and `char_rnn_embed` layers of a model."""
    return [node for node in model.walk() if is_word_layer(node) or _is_char_layer(node)]


def is_word_layer(layer: Model) -> bool:
    """Whether a layer looks words up in a `WordTable`."""
    return layer.name == "vocab_embed"


def _is_char_layer(layer: Model) -> bool:
    return layer.name == "char_rnn_embed"


def set_vocab(layers: Sequence[Model], words: Sequence[str]) -> None:
    """Give layers their vocabulary, most frequent word first. `learn_vocab` leaves the
    words as they are; characters it learns anew, since it sees how frequent they are."""
    for layer in layers:
        if is_word_layer(layer):
            layer.attrs["words"] = WordTable(words)
            layer.attrs["learn"] = False
        else:
            layer.attrs["chars"] = CharTable(most_frequent_chars(((w, 1) for w in words), 1))


def learn_vocab(layers: Sequence[Model], docs: Iterable[Doc]) -> None:
    """Fill the vocabularies of layers from all training texts, in one pass.

    layers: Those that `embeddings_in` finds. Those filled by `set_vocab` keep their words.
    docs: The training texts. All are read, also where there is nothing to learn.
    RAISES: ValueError if no word is frequent enough.
    """
    attrs = {_attr(layer) for layer in layers}
    keys: Dict[int, List[numpy.ndarray]] = {attr: [] for attr in attrs}
    vocab = None
    for doc in docs:
        vocab = doc.vocab
        for attr in attrs:
            keys[attr].append(keys_of([doc], attr))
    if vocab is None:
        return
    for layer in layers:
        texts = keys[_attr(layer)]
        if is_word_layer(layer):
            _learn_words(layer, texts, vocab)
        elif layer.attrs["learn"]:
            learn_chars(layer, *_counts(texts), vocab)


def _attr(layer: Model) -> int:
    return intify_attr(layer.attrs["attr"]) if is_word_layer(layer) else ORTH


def _counts(texts: List[numpy.ndarray]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    return numpy.unique(numpy.concatenate(texts), return_counts=True)


def _learn_words(layer: Model, texts: List[numpy.ndarray], vocab: Vocab) -> None:
    attrs = layer.attrs
    if attrs["learn"]:
        words = _most_frequent(texts, vocab, attrs["max_size"], attrs["min_count"])
        if not words:
            found = {"attr": attrs["attr"], "min_count": attrs["min_count"], "docs": len(texts)}
            raise ValueError(Errors.R105.format(**found))
        attrs["words"] = WordTable(words)
    if attrs["start"] == "cooccurrence":
        from ..modules.cooccurrence import WINDOW, cooccurrence_vectors

        table: WordTable = attrs["words"]
        # So many unknown words between two texts that none sees a neighbour in the other.
        gap = numpy.zeros(WINDOW, dtype="int64")
        parts = [part for text in texts for part in (table.find(text), gap)]
        ids = torch.from_numpy(numpy.concatenate(parts))
        table.vectors = cooccurrence_vectors(ids, len(table) + 1, layer.get_dim("nO"))


def _most_frequent(
    texts: List[numpy.ndarray], vocab: Vocab, max_size: int, min_count: int
) -> List[str]:
    """Words by falling frequency, and by spelling where that is equal."""
    found, counts = _counts(texts)
    frequent = counts >= min_count
    pairs = zip(counts[frequent].tolist(), found[frequent].tolist())
    words = sorted((-count, vocab.strings[key]) for count, key in pairs)
    return [word for _, word in words if word][: max_size or None]
