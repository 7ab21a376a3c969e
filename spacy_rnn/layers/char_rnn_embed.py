"""`spacy-rnn.CharRNNEmbed.v1`: vectors of words from their characters."""

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy
import torch
from spacy.attrs import ORTH
from spacy.util import registry
from thinc.api import ArgsKwargs, Model
from torch import Tensor, nn

from ..bridge.ragged import Rows, takes_lists
from ..bridge.shim import RNNShim, run_module, shim_of, to_array
from ..bridge.tokens import Tokens
from ..engine.dropout import locked_dropout
from ..engine.plan import FORMS_AT_ONCE
from ..engine.ragged_rnn import RaggedRNN
from ..engine.threads import limit_threads_in_children
from ..engine.transfer import to_device
from ..errors import Errors
from ..types import RowsOut, TokensIn
from ..vocabulary.char_table import CharTable, most_frequent_chars
from ..vocabulary.form_cache import FormCache
from ..vocabulary.learning import CorpusKeys
from .checks import check_at_least, check_rate
from .rnn_encoder import net_settings
from .running import TokensAlone


@registry.architectures("spacy-rnn.CharRNNEmbed.v1")
def build_char_rnn_embed_v1(
    width: int,
    char_width: int = 32,
    cell: str = "lstm",
    num_layers: int = 1,
    bidirectional: bool = True,
    precision: str = "float32",
    min_count: int = 5,
    max_chars: int = 48,
    char_dropout: float = 0.2,
    dropout: Optional[float] = None,
    max_grad_norm: float = 0.0,
    cache_size: int = 20000,
) -> Model[TokensIn, RowsOut]:
    """A recurrent net over the characters of each word, case kept: what is known of a
    word that training has never seen. Each form is computed once in a batch, and in
    prediction remembered from one batch to the next.

    width: Width of a word's vector. With two directions, each has half of it.
    char_width: Width of a character's vector.
    cell, num_layers, bidirectional, precision, max_grad_norm: As in
        `spacy-rnn.RNNEncoder.v1`.
    min_count: Characters that occur less often in the training texts share a vector
        with all others of their Unicode category, and so do those never seen. In a corpus
        of less than 10,000 tokens, each character has its own.
    max_chars: Of a longer word, read the first and the last half of so many characters.
    char_dropout: Share of the features of characters dropped, each on its own.
    dropout: Share of a word's features dropped in training, the same ones at each token
        of a text. null follows the dropout that `[training]` sets.
    cache_size: Remember the vectors of so many forms, of width * 4 bytes each. 0 for
        none. Training and loading empty the memory.
    RETURNS: A model from documents to one array per document, of shape (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_at_least("width", width, 1)
    check_at_least("char_width", char_width, 1)
    check_at_least("min_count", min_count, 1)
    check_at_least("max_chars", max_chars, 1)
    check_at_least("cache_size", cache_size, 0)
    check_at_least("max_grad_norm", max_grad_norm, 0)
    check_rate("char_dropout", char_dropout)
    check_rate("dropout", dropout)
    settings = net_settings(
        width, bidirectional, cell=cell, num_layers=num_layers, precision=precision
    )
    settings.update(embedding_dim=char_width, char_dropout=char_dropout, dropout=dropout or 0.0)
    attrs: Dict[str, Any] = {
        "config": settings,
        "min_count": min_count,
        "max_chars": max_chars,
        "learn": True,
        "chars": CharTable(),
        "cache": FormCache(cache_size),
        "attr": "ORTH",
        "learn_vocab": learn_chars,
        "set_vocab": set_chars,
        "reads_flat": True,
        "running": TokensAlone,
        "check": check_size,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    shim = RNNShim(CharRNN, "CharRNNEmbed", max_grad_norm=max_grad_norm)
    return Model(
        "char_rnn_embed", forward, init=init, dims={"nO": width}, attrs=attrs, shims=[shim]
    )


class CharRNN(nn.Module):
    """Read each word's characters; the last state of each direction is its vector
    (Ling et al. 2015).

    num_embeddings: Rows of the table of characters.
    embedding_dim: Width of such a row.
    char_dropout, dropout: As in `build_char_rnn_embed_v1`.
    settings: Of `RaggedRNN`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        char_dropout: float = 0.0,
        dropout: float = 0.0,
        **settings: Any,
    ):
        super().__init__()
        self.char_dropout = char_dropout
        self.dropout = dropout
        self.table = nn.Embedding(num_embeddings, embedding_dim)
        self.rnn = RaggedRNN(embedding_dim, **settings)

    def forward(
        self,
        chars: Tensor,
        char_lengths: Tensor,
        words: Optional[Tensor] = None,
        lengths: Optional[Tensor] = None,
    ) -> Tensor:
        """Vectors of words, or of the tokens that have them.

        chars: Rows of the table for all words, one after the other, of shape (chars,).
        char_lengths: Number of characters of each word, of shape (words,), on the CPU.
        words: Which word each token is, of shape (tokens,). None for one row a word.
        lengths: Number of tokens of each text, of shape (texts,), where `words` is given.
        RETURNS: Vectors of shape (words or tokens, directions * hidden_size). A word
            without characters has zeros.
        """
        data = nn.functional.dropout(self.table(chars), self.char_dropout, self.training)
        output, _ = self.rnn(data, char_lengths)
        vectors = self._last_states(output, to_device(char_lengths, chars.device))
        if words is None or lengths is None:
            return vectors
        tokens = vectors.index_select(0, words)
        return locked_dropout(tokens, lengths, self.dropout, self.training)

    def _last_states(self, output: Tensor, lengths: Tensor) -> Tensor:
        """What each direction knows at the end of a word that it reaches last."""
        if not len(output):
            return output.new_zeros(len(lengths), output.shape[1])
        ends = lengths.cumsum(0)
        size = self.rnn.hidden_size
        # A word without characters points at any row; its vector is zeroed below.
        last = output[:, :size].index_select(0, (ends - 1).clamp(min=0))
        if self.rnn.bidirectional:
            starts = (ends - lengths).clamp(max=len(output) - 1)
            last = torch.cat((last, output[:, size:].index_select(0, starts)), dim=1)
        return last * (lengths > 0).unsqueeze(1)


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """Vectors of tokens, each form of the batch computed once."""
    lengths = tokens.lengths
    forms, words = numpy.unique(tokens.keys(ORTH), return_inverse=True)
    if not len(forms):
        return Rows(model.ops.alloc2f(0, model.get_dim("nO")), lengths), lambda dY: None
    index = to_device(torch.from_numpy(words), shim_of(model).device)
    if is_train:
        args = (*_encode(model, tokens, forms), index, torch.from_numpy(lengths))
        Y, backprop = run_module(model, args, is_train)
        return Rows(Y, lengths), lambda dY: backprop(dY.data)
    vectors = _vectors_of(model, tokens, forms).index_select(0, index)
    return Rows(to_array(vectors), lengths), lambda dY: None


def _vectors_of(model: Model, tokens: Tokens, forms: numpy.ndarray) -> Tensor:
    """Vectors of forms, from the cache where they are there, of shape (forms, width)."""
    shim = shim_of(model)
    # What is remembered is looked up without the module, which would see to this.
    limit_threads_in_children()

    def compute(keys: numpy.ndarray) -> Tensor:
        parts = [keys[i : i + FORMS_AT_ONCE] for i in range(0, len(keys), FORMS_AT_ONCE)]
        inputs = (ArgsKwargs(args=_encode(model, tokens, part), kwargs={}) for part in parts)
        return torch.cat([shim.predict(part) for part in inputs])

    return model.attrs["cache"].get(forms, shim.version, compute)


def _encode(model: Model, tokens: Tokens, forms: numpy.ndarray) -> Tuple[Tensor, Tensor]:
    """Characters of forms, and their number in each, as the module takes them."""
    words = tokens.strings(forms)
    chars, lengths = model.attrs["chars"].encode(words, model.attrs["max_chars"])
    data = to_device(torch.from_numpy(chars), shim_of(model).device)
    return data, torch.from_numpy(lengths)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Make the net. RAISES: ValueError if no characters were learned."""
    table: CharTable = model.attrs["chars"]
    if not table.chars:
        raise ValueError(Errors.R103.format(name="CharRNNEmbed"))
    shim_of(model).build(num_embeddings=len(table), **model.attrs["config"])


def learn_chars(model: Model, corpus: CorpusKeys) -> None:
    """Take the characters that a corpus uses most, unless they were learned before."""
    if not model.attrs["learn"]:
        return
    min_count = corpus.min_count(model.attrs["min_count"])
    model.attrs["chars"] = CharTable(most_frequent_chars(corpus.counts(ORTH), min_count))


def set_chars(model: Model, words: Sequence[str]) -> None:
    """Take the characters of given words."""
    model.attrs["chars"] = CharTable(most_frequent_chars(((word, 1) for word in words), 1))


def check_size(model: Model) -> None:
    """RAISES: ValueError if the characters loaded are not as many as the vectors."""
    rows, chars = len(shim_of(model).module.table.weight), len(model.attrs["chars"])
    if rows != chars:
        problem = f"{rows} vectors for {chars} characters and categories"
        raise ValueError(Errors.R102.format(name="CharRNNEmbed", problem=problem))
