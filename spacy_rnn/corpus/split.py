"""Split texts into train and dev, so that every label is in both, and no text is."""

import random
from collections import Counter
from typing import Dict, Iterable, List, Sequence, Set, Tuple

from .duplicates import key_of
from .records import Record, true_labels

# The label, for counting, of texts without one.
NO_LABEL = "(none)"


def labels_of(record: Record) -> List[str]:
    """The labels that are true of a record, `NO_LABEL` if none is."""
    return true_labels(record.cats) or [NO_LABEL]


def split_records(
    records: Sequence[Record], share: float, seed: int
) -> Tuple[List[Record], List[Record]]:
    """Put about a share of the texts of every label into dev.

    Records whose texts differ only by case or white space go to the same part. Labels are
    taken from the rarest on: one that at least two texts have is in both parts, unless the
    other labels of its texts leave no choice; one that a single text has is in train.

    share: Above 0 and below 1. seed: Of the choice.
    RETURNS: The records of train, and those of dev, in the order given.
    """
    groups: Dict[str, List[int]] = {}
    for i, record in enumerate(records):
        groups.setdefault(key_of(record.text), []).append(i)
    members = list(groups.values())
    labels = [{name for i in group for name in labels_of(records[i])} for group in members]
    in_dev = {i for group in choose(labels, share, seed) for i in members[group]}
    train = [record for i, record in enumerate(records) if i not in in_dev]
    return train, [records[i] for i in sorted(in_dev)]


def choose(labels: Sequence[Set[str]], share: float, seed: int) -> Set[int]:
    """Which items make a share of every label.

    labels: Those of each item.
    """
    counts = Counter(name for names in labels for name in names)
    # How many more are to be chosen.
    wanted = {name: _share_of(count, share) for name, count in counts.items()}
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    chosen: Set[int] = set()
    decided: Set[int] = set()
    for label in sorted(counts, key=lambda name: (counts[name], name)):
        free = [i for i in order if label in labels[i] and i not in decided]
        # Those first that are of no label of which enough are chosen.
        free.sort(key=lambda i: sum(wanted[name] <= 0 for name in labels[i]))
        taken = free[: max(wanted[label], 0)]
        for name, count in Counter(name for i in taken for name in labels[i]).items():
            wanted[name] -= count
        chosen.update(taken)
        decided.update(free)
    return chosen


def _share_of(count: int, share: float) -> int:
    """How many of a label to choose: at least one, and not all; none of a single one."""
    return min(max(round(count * share), 1), count - 1)


def count_labels(records: Iterable[Record]) -> Counter:
    """In how many texts each label is true."""
    return Counter(name for record in records for name in labels_of(record))
