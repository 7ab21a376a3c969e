"""Dropout whose masks follow the structure of text."""

import torch
from torch import Tensor

from .transfer import to_device


def locked_dropout(data: Tensor, lengths: Tensor, rate: float, training: bool) -> Tensor:
    """Drop the same features at every time step of a row (Gal and Ghahramani 2016).

    data: Rows, one after the other, of shape (tokens, width).
    lengths: Number of tokens of each row, of shape (rows,), on the CPU.
    rate: Share of features to drop, 0 to 1.
    training: Return the data as they are where this is not set.
    RETURNS: Data of the same shape, what is kept scaled by 1 / (1 - rate).
    """
    if not training or rate <= 0.0:
        return data
    if rate >= 1.0:
        return data * 0.0
    mask = torch.empty(len(lengths), data.shape[1], dtype=data.dtype, device=data.device)
    mask.bernoulli_(1.0 - rate).div_(1.0 - rate)
    counts = to_device(lengths, data.device)
    # Without its size a GPU would be waited for.
    return data * mask.repeat_interleave(counts, dim=0, output_size=len(data))


def word_dropout(ids: Tensor, rate: float, unknown: int, training: bool) -> Tensor:
    """Replace whole words by the unknown word, so that its row learns a meaning
    and no single word is relied on (Iyyer et al. 2015).

    ids: Rows of the embedding table, of shape (tokens,).
    rate: Share of tokens to replace, 0 to 1.
    unknown: The row of the unknown word.
    training: Return the ids as they are where this is not set.
    RETURNS: Ids of the same shape.
    """
    if not training or rate <= 0.0:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < rate
    return ids.masked_fill(dropped, unknown)
