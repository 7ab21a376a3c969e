"""From texts with labels to spaCy's examples: what all readers share."""

import html
import random
import re
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional

from spacy.language import Language
from spacy.training import Example

from ..errors import Errors

Cleaner = Callable[[Language], Callable[[str], str]]

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_SPACE = re.compile(r"\s+")


class Record(NamedTuple):
    """A text and the value, from 0 to 1, of each of its labels."""

    text: str
    cats: Dict[str, float]


def true_labels(cats: Dict[str, float]) -> List[str]:
    """The labels that are rather true than not."""
    return [name for name, value in cats.items() if value >= 0.5]


def strip_html(text: str) -> str:
    """Replace tags by spaces, resolve entities, and make all white space one space."""
    return _SPACE.sub(" ", html.unescape(_TAG.sub(" ", text))).strip()


def drop_duplicates(records: Iterable[Record]) -> Iterator[Record]:
    """Keep the first of all records with the same text."""
    seen = set()
    for record in records:
        if record.text not in seen:
            seen.add(record.text)
            yield record


def without(records: Iterable[Record], held_out: Iterable[Record]) -> Iterator[Record]:
    """Leave out records whose text is among the held-out ones: corpora repeat texts, and
    one that is trained on must not be scored."""
    texts = {record.text for record in held_out}
    return (record for record in records if record.text not in texts)


def prepare(records: Iterable[Record], *, seed: Optional[int], limit: int) -> List[Record]:
    """Clean the markup of records, drop exact duplicates, shuffle.

    seed: Of the shuffling; None keeps the order.
    limit: Number of records to keep after that, 0 for all.
    """
    cleaned = (record._replace(text=strip_html(record.text)) for record in records)
    unique = list(drop_duplicates(cleaned))
    if seed is not None:
        random.Random(seed).shuffle(unique)
    return unique[: limit or None]


def to_examples(
    nlp: Language, records: Iterable[Record], clean: Optional[Cleaner]
) -> Iterator[Example]:
    """Tokenize records.

    nlp: The pipeline; only its tokenizer is used.
    clean: Makes the function that every text goes through first, or None.
    """
    clean_text = clean(nlp) if clean is not None else None
    for text, cats in records:
        doc = nlp.make_doc(clean_text(text) if clean_text is not None else text)
        yield Example.from_dict(doc, {"cats": cats})


def require_not_negative(**settings: int) -> None:
    """RAISES: ValueError that names a setting below 0."""
    for name, value in settings.items():
        if value < 0:
            raise ValueError(Errors.R411.format(name=name, value=value))
