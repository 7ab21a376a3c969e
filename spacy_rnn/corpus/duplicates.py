"""Texts that a table has more than once."""

from typing import Dict, List, NamedTuple, Sequence, Tuple

from .records import Record
from .table_reader import LabelledRow


def key_of(text: str) -> str:
    """What two texts share that differ only by case or white space."""
    return " ".join(text.casefold().split())


class Duplicates(NamedTuple):
    """What was found.

    dropped: How many texts were dropped, because the same one stands before.
    disagreeing: Rows whose texts differ by no more than case or white space, but whose labels
        differ; a list for each such text.
    """

    dropped: int
    disagreeing: List[List[LabelledRow]]


def find_duplicates(
    rows: Sequence[LabelledRow], records: Sequence[Record]
) -> Tuple[List[Record], Duplicates]:
    """Tell duplicates from other records.

    rows: Where each record comes from.
    RETURNS: The first of all records with exactly the same text; and what is said of the others.
    """
    unique: Dict[str, Record] = {}
    alike: Dict[str, List[LabelledRow]] = {}
    for row, record in zip(rows, records):
        unique.setdefault(record.text, record)
        alike.setdefault(key_of(record.text), []).append(row)
    disagreeing = [
        group for group in alike.values() if len({frozenset(r.labels) for r in group}) > 1
    ]
    return list(unique.values()), Duplicates(len(records) - len(unique), disagreeing)
