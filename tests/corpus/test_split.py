"""Train and dev: every label in both, no text in both."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.corpus.duplicates import find_duplicates, key_of
from spacy_rnn.corpus.records import Record
from spacy_rnn.corpus.rows import Row
from spacy_rnn.corpus.split import NO_LABEL, choose, count_labels, split_records
from spacy_rnn.corpus.table_reader import LabelledRow


def record(text, *labels):
    return Record(text, {name: float(name in labels) for name in ("A", "B", "C", "D")})


def test_a_share_of_every_label():
    records = [record(f"a {i}", "A") for i in range(100)] + [
        record(f"b {i}", "B") for i in range(30)
    ]
    records += [
        record("c 1", "C"),
        record("c 2", "C"),
        record("d", "D"),
        record("e 1"),
        record("e 2"),
    ]
    train, dev = split_records(records, 0.1, seed=0)
    assert count_labels(dev) == {"A": 10, "B": 3, "C": 1, NO_LABEL: 1}
    assert count_labels(train) == {"A": 90, "B": 27, "C": 1, "D": 1, NO_LABEL: 1}
    assert sorted(train + dev) == sorted(records)
    # In the order given.
    assert train == [r for r in records if r in train] and dev == [r for r in records if r in dev]


def test_by_seed():
    records = [record(str(i), "A") for i in range(50)]
    assert split_records(records, 0.2, seed=0) == split_records(records, 0.2, seed=0)
    assert split_records(records, 0.2, seed=0) != split_records(records, 0.2, seed=1)


def test_texts_alike_stay_together():
    texts = ["One  text", "one text", "ONE\ttext"]
    records = [record(f"{text} {i}", "A") for i in range(40) for text in texts]
    train, dev = split_records(records, 0.25, seed=0)
    assert len(dev) == 30
    assert not {key_of(r.text) for r in train} & {key_of(r.text) for r in dev}


def test_rare_labels_of_several_are_in_both():
    """Whatever the seed, though each rare label comes with a common one."""
    labels = [{"A", "B"}, {"A"}, {"B", "C"}, {"C"}] + [{"D", "E"}] * 20 + [{"A", "D"}] * 2
    for seed in range(20):
        chosen = choose(labels, 0.1, seed)
        inside = Counter(name for i in chosen for name in labels[i])
        outside = Counter(
            name for i, names in enumerate(labels) if i not in chosen for name in names
        )
        assert set(inside) == set(outside) == set("ABCDE"), seed
        assert inside["E"] == 2


@given(
    st.lists(st.sets(st.sampled_from("ABC"), min_size=1, max_size=1), max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_labels_that_exclude_each_other_are_in_both_parts(labels, share, seed):
    chosen = choose(labels, share, seed)
    for name, count in Counter(name for names in labels for name in names).items():
        inside = sum(name in labels[i] for i in chosen)
        assert inside == (0 if count == 1 else min(max(round(count * share), 1), count - 1))


def test_duplicates():
    texts = [("a", "A"), ("b", "B"), ("a", "B"), ("A ", "A"), ("b", "B")]
    records = [record(text, label) for text, label in texts]
    rows = [
        LabelledRow(Row("f", line, {}, ""), text, {label: 1.0})
        for line, (text, label) in enumerate(texts, start=2)
    ]
    unique, found = find_duplicates(rows, records)
    assert unique == [records[0], records[1], records[3]] and found.dropped == 2
    assert [[row.row.line for row in group] for group in found.disagreeing] == [[2, 4, 5]]
