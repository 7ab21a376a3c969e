"""`spacy-rnn.VocabEmbed.v1`: a vector for each word that a corpus uses most."""

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy
import torch
from spacy.attrs import intify_attr
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.backends import get_array_ops
from torch import Tensor, nn

from ..bridge.ragged import Rows, takes_lists
from ..bridge.shim import RNNShim, run_module, shim_of
from ..bridge.tokens import Tokens
from ..engine.dropout import locked_dropout, word_dropout
from ..engine.transfer import to_device
from ..errors import Errors
from ..types import RowsOut, TokensIn
from ..vocabulary.cooccurrence import WINDOW, cooccurrence_vectors, scaled
from ..vocabulary.learning import CorpusKeys
from ..vocabulary.pretrained import log_coverage, look_up_words, require_finite
from ..vocabulary.word_table import WordTable
from .checks import check_at_least, check_attr, check_choice, check_rate
from .running import TokensAlone

STARTS = ("random", "cooccurrence", "vectors")


@registry.architectures("spacy-rnn.VocabEmbed.v1")
def build_vocab_embed_v1(
    width: int,
    attr: str = "NORM",
    max_size: int = 30000,
    min_count: int = 2,
    start: str = "cooccurrence",
    dropout: Optional[float] = None,
    word_dropout: float = 0.0,
    sparse: bool = True,
) -> Model[TokensIn, RowsOut]:
    """One trained vector for each of the most frequent words of the training texts,
    and one for all other words. The vocabulary is learned in `nlp.initialize` and
    saved with the model.

    width: Width of a vector.
    attr: What of a token counts as its word: "NORM", "LOWER" or "ORTH".
    max_size: Number of words to keep, 0 for all.
    min_count: Leave out words that occur less often. In a corpus of less than 10,000
        tokens, all words are kept.
    start: What the vectors start from: "random"; "cooccurrence" for a factorization
        of which words stand near which in the training texts; or "vectors" for those of
        `[initialize] vectors`, of any width.
    dropout: Share of a vector's features dropped in training, the same ones at each
        token of a text. null follows the dropout that `[training]` sets.
    word_dropout: Share of tokens that training reads as the unknown word.
    sparse: A step of training changes the vectors of the words in its batch only, as
        `torch.nn.Embedding` with `torch.optim.SparseAdam`: it costs as much as the batch,
        not as the vocabulary. Otherwise momentum and decay move all vectors at each step.
    RETURNS: A model from documents to one array per document, of shape (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_attr(attr)
    check_choice("start", start, STARTS)
    check_at_least("width", width, 1)
    check_at_least("max_size", max_size, 0)
    check_at_least("min_count", min_count, 1)
    check_rate("dropout", dropout)
    check_rate("word_dropout", word_dropout)
    settings = {"dropout": dropout or 0.0, "word_dropout": word_dropout, "sparse": sparse}
    attrs: Dict[str, Any] = {
        "settings": settings,
        "attr": attr,
        "max_size": max_size,
        "min_count": min_count,
        "start": start,
        "learn": True,
        "words": WordTable(),
        "learn_vocab": learn_words,
        "set_vocab": set_words,
        "keep_words": keep_first_words,
        "reads_flat": True,
        "running": TokensAlone,
        "check": check_size,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    shim = RNNShim(WordEmbedding, "VocabEmbed")
    return Model("vocab_embed", forward, init=init, dims={"nO": width}, attrs=attrs, shims=[shim])


class WordEmbedding(nn.Module):
    """A table of word vectors with dropout of words and of features.

    num_embeddings: Rows of the table. Row 0 stands for every unknown word.
    embedding_dim: Width of a row.
    dropout, word_dropout, sparse: As in `build_vocab_embed_v1`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        sparse: bool = False,
    ):
        super().__init__()
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.table = nn.Embedding(num_embeddings, embedding_dim, sparse=sparse)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Look up one row per token.

        ids: Rows of the table, of shape (tokens,). lengths: Tokens of each text, of
        shape (texts,). RETURNS: Vectors of shape (tokens, embedding_dim).
        """
        ids = word_dropout(ids, self.word_dropout, 0, self.training)
        return locked_dropout(self.table(ids), lengths, self.dropout, self.training)


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """Vectors of tokens. Tokens have no gradient."""
    lengths, device = tokens.lengths, shim_of(model).device
    found = model.attrs["words"].find(tokens.words(intify_attr(model.attrs["attr"])))
    if not is_train and device.type == "cpu":
        # As the module in evaluation mode: of a short text, torch's calls cost more than the rows.
        weights = shim_of(model).view("table.weight")
        return Rows(weights.take(found, axis=0), lengths), lambda dY: None
    args = (to_device(torch.from_numpy(found), device), torch.from_numpy(lengths))
    Y, backprop = run_module(model, args, is_train)
    return Rows(Y, lengths), lambda dY: backprop(dY.data)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Make the table. RAISES: ValueError if no vocabulary was learned."""
    table: WordTable = model.attrs["words"]
    if not table.words:
        raise ValueError(Errors.R103.format(name="VocabEmbed"))
    width = model.get_dim("nO")
    vectors = table.vectors
    if model.attrs["start"] == "vectors" and X:
        vectors = pretrained(table, X[0].vocab, width)
    shim = shim_of(model)
    shim.build(num_embeddings=len(table), embedding_dim=width, **model.attrs["settings"])
    if vectors is not None:
        shim.module.table.weight.data.copy_(vectors)


def learn_words(model: Model, corpus: CorpusKeys) -> None:
    """Take the words that a corpus uses most, unless words were given, how often each occurs,
    and what their vectors start from."""
    attrs = model.attrs
    attr = intify_attr(attrs["attr"])
    if attrs["learn"]:
        words = corpus.most_frequent(attr, attrs["min_count"], attrs["max_size"])
        if not words:
            raise ValueError(Errors.R105.format(attr=attrs["attr"], docs=len(corpus.texts[attr])))
        attrs["words"] = WordTable(words)
    table: WordTable = attrs["words"]
    rows = [table.find(text) for text in corpus.texts[attr]]
    table.counts = numpy.bincount(numpy.concatenate(rows), minlength=len(table))
    if attrs["start"] == "cooccurrence":
        # So many unknown words between two texts that none sees a neighbour in the other.
        gap = numpy.zeros(WINDOW, dtype="int64")
        ids = numpy.concatenate([part for text in rows for part in (text, gap)])
        width = model.get_dim("nO")
        table.vectors = cooccurrence_vectors(torch.from_numpy(ids), len(table), width)
    if attrs["start"] == "vectors":
        report_coverage(attrs["words"].words, corpus, attrs["attr"])


def report_coverage(words: Sequence[str], corpus: CorpusKeys, attr: str) -> None:
    """Say how many words of a vocabulary have a pretrained vector."""
    vectors = next(iter(corpus.docs.values())).vocab.vectors
    if vectors.shape[0]:
        _, known = look_up_words(vectors, words)
        log_coverage("VocabEmbed", "a vector", words, known, corpus, attr)


def set_words(model: Model, words: Sequence[str]) -> None:
    """Take given words."""
    model.attrs["words"] = WordTable(words)
    model.attrs["learn"] = False


def keep_first_words(model: Model, count: int) -> None:
    """Forget all words but the first, which are the most frequent ones: the others are then read
    as unknown. count: How many to keep."""
    table, shim = model.attrs["words"], shim_of(model)
    if len(table.words) > count:
        rows = shim.module.table.weight.detach()[: count + 1].clone()
        model.attrs["words"] = WordTable(table.words[:count])
        width = rows.shape[1]
        shim.build(num_embeddings=count + 1, embedding_dim=width, **model.attrs["settings"])
        shim.module.table.weight.data.copy_(rows)


def check_size(model: Model) -> None:
    """RAISES: ValueError if the words loaded are not as many as the vectors."""
    rows, words = len(shim_of(model).module.table.weight), len(model.attrs["words"])
    if rows != words:
        problem = f"{rows} vectors for {words - 1} words and the unknown one"
        raise ValueError(Errors.R102.format(name="VocabEmbed", problem=problem))


def pretrained(table: WordTable, vocab: Vocab, width: int) -> Tensor:
    """What rows start from where the pipeline has word vectors: the vector of the word, or
    of its lower case, all scaled alike. A word without either starts near zero.

    Of wider vectors, the directions in which those of the vocabulary lie most are kept; beyond
    narrower ones, rows start near zero.

    RETURNS: A tensor of shape (len(table), width).
    RAISES: ValueError if there are no vectors, or some that are not finite numbers.
    """
    if not vocab.vectors.shape[0]:
        raise ValueError(Errors.R106.format(width=width))
    require_finite(vocab.vectors)
    data, rows = look_up_words(vocab.vectors, table.words)
    known = torch.from_numpy(rows)
    found = torch.from_numpy(get_array_ops(data).to_numpy(data)).float()[known]
    if found.shape[1] > width:
        _, directions = torch.linalg.eigh(found.t() @ found)
        found = found @ directions[:, -width:]
    start = torch.randn(len(table), width) * 1e-2
    start[1:, : found.shape[1]][known] = scaled(found)
    return start
