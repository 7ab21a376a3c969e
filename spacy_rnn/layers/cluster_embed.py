"""`spacy-rnn.ClusterEmbed.v1`: which words a word stands like, by Brown clusters."""

from numbers import Integral
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy
import torch
from spacy.attrs import LOWER, ORTH
from spacy.strings import get_string_id
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model
from torch import Tensor, nn

from ..bridge.ragged import Rows, takes_lists
from ..bridge.shim import RNNShim, run_module, shim_of
from ..bridge.tokens import Tokens
from ..engine.dropout import locked_dropout
from ..engine.transfer import to_device
from ..errors import Errors
from ..types import RowsOut, TokensIn
from ..vocabulary.cluster_table import ClusterTable
from ..vocabulary.learning import CorpusKeys
from ..vocabulary.pretrained import log_coverage
from .checks import check_at_least, check_rate
from .running import TokensAlone

# spaCy's lookup table of clusters.
TABLE = "lexeme_cluster"


@registry.architectures("spacy-rnn.ClusterEmbed.v1")
def build_cluster_embed_v1(
    width: int, prefixes: Sequence[int] = (4, 6, 10, 0), dropout: Optional[float] = None
) -> Model[TokensIn, RowsOut]:
    """What a word has in common with the words that stand where it does, in much more text than
    is annotated: Brown clusters (Brown et al. 1992) at several depths of their tree, as taggers
    and parsers use them (Koo et al. 2008). Of a word without a cluster, that of its lower case.

    They come from the table "lexeme_cluster" of `[initialize.lookups]`, and are saved with the
    model, twelve bytes a word: prediction needs no lookups.

    width: Width of the vector of each depth.
    prefixes: Depths: how many turns from the root of the tree count, 0 for the whole cluster.
    dropout: Share of a row's features dropped in training, the same ones at each token of a
        text. null follows the dropout that `[training]` sets.
    RETURNS: A model from documents to one array per document, of shape
        (tokens, width * number of prefixes).
    RAISES: ValueError for an argument out of its range.
    """
    check_at_least("width", width, 1)
    check_at_least("the number of prefixes", len(prefixes), 1)
    for length in prefixes:
        check_at_least("a number in prefixes", length, 0)
    check_rate("dropout", dropout)
    attrs: Dict[str, Any] = {
        "settings": {"embedding_dim": width, "dropout": dropout or 0.0},
        "prefixes": list(prefixes),
        "clusters": ClusterTable(),
        "attr": "ORTH",
        "learn_vocab": learn_clusters,
        "reads_flat": True,
        "running": TokensAlone,
        "check": check_size,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    dims: Dict[str, Optional[int]] = {"nO": width * len(prefixes)}
    shim = RNNShim(PrefixEmbedding, "ClusterEmbed")
    return Model("cluster_embed", forward, init=init, dims=dims, attrs=attrs, shims=[shim])


class PrefixEmbedding(nn.Module):
    """A vector for each prefix of a cluster, side by side.

    num_embeddings: Number of prefixes, of all lengths.
    embedding_dim: Width of the vector of one.
    dropout: As in `build_cluster_embed_v1`.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.table = nn.Embedding(num_embeddings, embedding_dim)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Look up the prefixes of each token.

        ids: Rows of the table, of shape (tokens, prefixes). lengths: Tokens of each text, of
        shape (texts,). RETURNS: Vectors of shape (tokens, prefixes * embedding_dim).
        """
        return locked_dropout(self.table(ids).flatten(1), lengths, self.dropout, self.training)


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """Vectors of tokens. Tokens have no gradient."""
    lengths, device = tokens.lengths, shim_of(model).device
    clusters = _clusters_of(model.attrs["clusters"], tokens.words(ORTH), tokens.words(LOWER))
    ids = torch.from_numpy(_rows_of(model).take(clusters, axis=0))
    args = (to_device(ids, device), torch.from_numpy(lengths))
    Y, backprop = run_module(model, args, is_train)
    return Rows(Y, lengths), lambda dY: backprop(dY.data)


def _clusters_of(table: ClusterTable, keys: numpy.ndarray, lower: numpy.ndarray) -> numpy.ndarray:
    """The cluster of each word or of its lower case, as `ClusterTable.find`."""
    found = table.find(keys)
    missing = numpy.flatnonzero(found == 0)
    found[missing] = table.find(lower[missing])
    return found


def _rows_of(model: Model) -> numpy.ndarray:
    """Rows of the module's table for each cluster, of shape (1 + clusters, prefixes)."""
    return model.attrs["clusters"].rows(tuple(model.attrs["prefixes"]))


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Make the table of vectors. RAISES: ValueError if there are no clusters."""
    if X:
        _take_clusters(model, X[0].vocab)
    elif not len(model.attrs["clusters"]):
        return
    size = int(_rows_of(model).max()) + 1
    shim_of(model).build(num_embeddings=size, **model.attrs["settings"])


def _take_clusters(model: Model, vocab: Vocab) -> None:
    """Take those of the pipeline's lookups, or keep what there was before, if it has none."""
    found: Mapping[int, int] = vocab.lookups.get_table(TABLE, {})
    check_paths(found, vocab.strings)
    clusters = ClusterTable.of(found) if found else model.attrs["clusters"]
    if not len(clusters):
        tables = ", ".join(vocab.lookups.tables) or "none"
        raise ValueError(Errors.R109.format(table=TABLE, found=tables))
    model.attrs["clusters"] = clusters


def check_paths(table: Mapping[int, int], strings: Any) -> None:
    """Look at all clusters of spaCy's lookup table.

    strings: Those of the vocabulary, which may lack some of the table's words.
    RAISES: ValueError if a cluster is anything but a whole number that 63 bits can hold.
    """
    for key, path in table.items():
        if not isinstance(path, Integral) or not 0 <= path < 2**63:
            word = strings[key] if key in strings else key
            raise ValueError(Errors.R112.format(table=TABLE, word=word, found=repr(path)))


def learn_clusters(model: Model, corpus: CorpusKeys) -> None:
    """Take the pipeline's clusters, and say how many of a corpus's words have one."""
    _take_clusters(model, next(iter(corpus.docs.values())).vocab)
    words = [word for word, _ in corpus.counts(ORTH)]
    keys, lower = (_hashes(texts) for texts in (words, [word.lower() for word in words]))
    known = _clusters_of(model.attrs["clusters"], keys, lower) > 0
    log_coverage("ClusterEmbed", "a cluster", words, known, corpus, "ORTH")


def _hashes(words: Sequence[str]) -> numpy.ndarray:
    return numpy.array([get_string_id(word) for word in words], dtype="uint64")


def check_size(model: Model) -> None:
    """RAISES: ValueError if the clusters loaded have other prefixes than there are vectors."""
    rows, needed = len(shim_of(model).module.table.weight), int(_rows_of(model).max()) + 1
    if rows != needed:
        problem = f"{rows} vectors for {needed} prefixes of clusters"
        raise ValueError(Errors.R102.format(name="ClusterEmbed", problem=problem))
