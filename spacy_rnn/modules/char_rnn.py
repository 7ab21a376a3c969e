"""Vectors of words from their characters, by a recurrent net."""

from typing import Optional

import torch
from torch import Tensor, nn

from .dropout import locked_dropout
from .ragged_rnn import RaggedRNN


class CharRNN(nn.Module):
    """Read each word's characters; the last state of each direction is its vector
    (Ling et al. 2015).

    num_embeddings: Rows of the table of characters.
    embedding_dim: Width of such a row.
    hidden_size: Width of one direction.
    cell, num_layers, bidirectional, precision: As in `RaggedRNN`.
    char_dropout: Share of the features of characters dropped, each on its own.
    dropout: Share of the features of words dropped, the same at each token of a text.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        hidden_size: int,
        *,
        cell: str = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        precision: str = "float32",
        char_dropout: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.char_dropout = char_dropout
        self.dropout = dropout
        self.table = nn.Embedding(num_embeddings, embedding_dim)
        self.rnn = RaggedRNN(
            embedding_dim,
            hidden_size,
            cell=cell,
            num_layers=num_layers,
            bidirectional=bidirectional,
            precision=precision,
        )

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
        vectors = self._last_states(output, char_lengths.to(chars.device))
        if words is None or lengths is None:
            return vectors
        tokens = vectors.index_select(0, words)
        return locked_dropout(tokens, lengths.to(chars.device), self.dropout, self.training)

    def _last_states(self, output: Tensor, lengths: Tensor) -> Tensor:
        """What each direction knows at the end of a word that it reaches last."""
        if not len(output):
            return output.new_zeros(len(lengths), output.shape[1])
        ends = lengths.cumsum(0)
        size = self.rnn.hidden_size
        # A word without characters reads some row that there is, and is zeroed below.
        last = output[:, :size].index_select(0, (ends - 1).clamp(min=0))
        if self.rnn.bidirectional:
            starts = (ends - lengths).clamp(max=len(output) - 1)
            last = torch.cat((last, output[:, size:].index_select(0, starts)), dim=1)
        return last * (lengths > 0).unsqueeze(1)
