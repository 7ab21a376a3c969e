"""A table of word vectors with dropout of words and of features."""

import torch
from torch import Tensor, nn

from .dropout import locked_dropout, word_dropout


class WordEmbedding(nn.Module):
    """Look up one row per token.

    num_embeddings: Rows of the table. Row 0 stands for every unknown word.
    embedding_dim: Width of a row.
    dropout: Share of features dropped, the same at each token of a text.
    word_dropout: Share of tokens that training reads as the unknown word.
    sparse: The gradient holds the rows that were looked up only, as in `nn.Embedding`.
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
        """ids: Rows of the table, of shape (tokens,). lengths: Tokens of each text, of
        shape (texts,). RETURNS: Vectors of shape (tokens, embedding_dim)."""
        ids = word_dropout(ids, self.word_dropout, 0, self.training)
        lengths = lengths.to(ids.device)
        return locked_dropout(self.table(ids), lengths, self.dropout, self.training)

    def start_from(self, vectors: Tensor) -> None:
        """Start from given vectors, of shape (num_embeddings, embedding_dim)."""
        with torch.no_grad():
            self.table.weight.copy_(vectors)
