import math
from collections import Counter

import torch
from torch.nn.functional import cosine_similarity

from spacy_rnn.vocabulary import cooccurrence
from spacy_rnn.vocabulary.cooccurrence import cooccurrence_vectors


def test_words_of_like_contexts_have_like_vectors():
    # Words 1 and 2 stand in the same places, word 3 in others.
    generator = torch.Generator().manual_seed(0)
    good = torch.randint(1, 3, (400,), generator=generator)
    sentences = [[4, 5, int(word), 6, 7, 0, 0, 0, 0, 0] for word in good]
    sentences += [[8, 9, 3, 10, 11, 0, 0, 0, 0, 0]] * 200
    vectors = cooccurrence_vectors(torch.tensor(sentences).flatten(), 12, 6)
    assert cosine_similarity(vectors[1], vectors[2], dim=0) > 0.9
    assert cosine_similarity(vectors[1], vectors[3], dim=0) < 0.5


def test_pair_counts_by_hand():
    ids = [1, 2, 3, 0, 2, 1, 1]
    wanted = Counter()
    for i, a in enumerate(ids):
        for distance in range(1, cooccurrence.WINDOW + 1):
            if i + distance < len(ids) and a and ids[i + distance]:
                wanted[a, ids[i + distance]] += 1 / distance
                wanted[ids[i + distance], a] += 1 / distance
    for chunk in (3, 1000):
        cooccurrence.CHUNK, before = chunk, cooccurrence.CHUNK
        counts = cooccurrence._count_pairs(torch.tensor(ids), 4).to_dense()
        cooccurrence.CHUNK = before
        for a in range(4):
            for b in range(4):
                assert math.isclose(counts[a, b], wanted[a, b], abs_tol=1e-6)


def test_scale_and_unknown_row():
    vectors = cooccurrence_vectors(torch.randint(0, 50, (5000,)), 50, 16)
    assert vectors.shape == (50, 16)
    assert not vectors[0].any()
    length = vectors[1:].norm(dim=1).mean().item()
    assert math.isclose(length, cooccurrence.SCALE * 4.0, rel_tol=1e-4)


def test_tiny_corpora_give_finite_vectors():
    for ids in ([], [0, 0], [1], [1, 2, 1]):
        vectors = cooccurrence_vectors(torch.tensor(ids, dtype=torch.int64), 3, 8)
        assert vectors.shape == (3, 8)
        assert torch.isfinite(vectors).all()
        assert (vectors[1:] != 0).any()
