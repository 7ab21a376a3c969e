"""Word vectors from which words occur near which, in the training texts themselves."""

import math

import torch
from torch import Tensor

WINDOW = 5
# Contexts are counted by their frequency to this power, which keeps rare contexts
# from dominating (Levy, Goldberg and Dagan 2015).
SMOOTHING = 0.75
# Mean length of a vector, as a share of that of a standard normal one. A recurrent
# net that starts from longer vectors saturates.
SCALE = 0.3
# Pairs counted at a time: bounds memory, changes nothing.
CHUNK = 4_000_000


def cooccurrence_vectors(ids: Tensor, rows: int, width: int) -> Tensor:
    """Factorize the positive pointwise mutual information of words and their
    neighbours (Levy and Goldberg 2014): in a minute of text processing time, vectors
    that know which words are alike before training sees a label.

    ids: The words of all texts one after the other, of shape (tokens,); 0 for the
        unknown word, which takes no part, and between texts.
    rows: Rows of the table to fill, so that all ids are below it.
    width: Width of a vector.
    RETURNS: Vectors of shape (rows, width). Row 0 is zero.
    """
    counts = _count_pairs(ids, rows)
    pmi = _positive_pmi(counts, rows)
    rank = min(width, rows)
    vectors = torch.randn(rows, width) * 1e-2
    if len(pmi.values()):
        left, strength, _ = torch.svd_lowrank(pmi, q=min(rank + 10, rows), niter=4)
        vectors[:, :rank] = (left * strength.sqrt())[:, :rank]
    vectors[0] = 0.0
    vectors[1:] = scaled(vectors[1:])
    return vectors


def scaled(vectors: Tensor) -> Tensor:
    """Vectors of the mean length that training starts from, of shape (n, width)."""
    return vectors * scale_of(vectors)


def scale_of(vectors: Tensor) -> Tensor:
    """What makes the mean length of vectors, of shape (n, width), that which training starts
    from."""
    length = vectors.norm(dim=1).mean().clamp(min=1e-8)
    return SCALE * math.sqrt(vectors.shape[1]) / length


def _count_pairs(ids: Tensor, rows: int) -> Tensor:
    """How often words stand near each other, nearer ones counted more: a sparse
    symmetric tensor of shape (rows, rows)."""
    total = _sparse(torch.empty(2, 0, dtype=torch.int64), torch.empty(0), rows)
    for distance in range(1, WINDOW + 1):
        for start in range(0, len(ids) - distance, CHUNK):
            end = min(start + CHUNK, len(ids) - distance)
            left, right = ids[start:end], ids[start + distance : end + distance]
            known = (left > 0) & (right > 0)
            pairs = torch.stack((left[known], right[known]))
            weights = torch.full((pairs.shape[1],), 1.0 / distance)
            total = total + _sparse(pairs, weights, rows)
    return (total + total.t()).coalesce()


def _positive_pmi(counts: Tensor, rows: int) -> Tensor:
    """log(p(a, b) / (p(a) p(b))) where that is above zero."""
    indices, values = counts.indices(), counts.values()
    word = torch.zeros(rows).index_add_(0, indices[0], values)
    context = word**SMOOTHING
    context = context / context.sum().clamp(min=1e-8)
    pmi = torch.log(values / (word[indices[0]] * context[indices[1]]))
    positive = pmi > 0
    return _sparse(indices[:, positive], pmi[positive], rows)


def _sparse(indices: Tensor, values: Tensor, rows: int) -> Tensor:
    tensor = torch.sparse_coo_tensor(indices, values, (rows, rows), check_invariants=False)
    return tensor.coalesce()
