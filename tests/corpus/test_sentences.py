import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.corpus.sentences import SPLITS, Sentence, group_sentences, pick_split


def sentence(word, begins_doc=False):
    return Sentence([word], [True], ["X"], ["x"], begins_doc=begins_doc)


@given(st.lists(st.booleans()), st.integers(0, 4))
def test_groups_keep_all_sentences_and_respect_documents(begins, n_sents):
    sentences = [sentence(str(i), begin) for i, begin in enumerate(begins)]
    groups = list(group_sentences(sentences, n_sents))
    assert sum(groups, []) == sentences
    for group in groups:
        assert n_sents == 0 or len(group) <= n_sents
        assert not any(part.begins_doc for part in group[1:])


@given(st.sets(st.integers(), min_size=20), st.integers(0, 5))
def test_splits_are_disjoint_whole_and_the_same_for_a_seed(names, seed):
    parts = {split: pick_split(names, split, seed) for split in SPLITS}
    assert sorted(sum(parts.values(), [])) == sorted(names)
    assert len(parts["dev"]) == len(parts["test"]) == len(names) // 10
    assert parts["dev"] == pick_split(sorted(names, reverse=True), "dev", seed)


def test_another_seed_is_another_split():
    assert pick_split(range(200), "dev", 0) != pick_split(range(200), "dev", 1)


def test_unknown_split():
    with pytest.raises(ValueError, match="R001.*split.*train2"):
        pick_split(["a"], "train2", 0)
