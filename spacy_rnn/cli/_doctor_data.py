"""What is wrong with the texts of a corpus, whatever their labels are."""

from itertools import islice
from typing import Iterable, Iterator, List, NamedTuple

import numpy
from spacy.training import Example
from tqdm.auto import tqdm

from ..corpus.duplicates import key_of
from ._doctor_config import Setup
from ._doctor_findings import Finding, fail, good, percent, shortened, warn
from .init_vocab import find_corpus

# Texts that are read of a stream, which may have no end.
MOST_STREAMED = 20_000
# Texts of fewer tokens recur by themselves, as "Thank you !".
SHORT = 5


class Corpora(NamedTuple):
    """The texts that training learns from, and those that it is scored on."""

    train: List[Example]
    dev: List[Example]


def read_corpus(setup: Setup, which: str) -> List[Example]:
    """Read all texts of a corpus, or of a stream the first ones, with a progress bar.

    which: "train" or "dev".
    RAISES: Whatever the reader raises.
    """
    name = setup.values[f"{which}_corpus"]
    reader = find_corpus(setup.nlp, name)
    most = MOST_STREAMED if setup.streamed else None
    texts: Iterable[Example] = islice(reader(setup.nlp), most)
    return list(tqdm(texts, desc=f"Reading {name}", unit=" texts", disable=None, leave=False))


def check_texts(corpora: Corpora) -> Iterator[Finding]:
    """What is to be said of texts without their labels."""
    yield from check_sizes(corpora)
    yield from check_empty(corpora)
    yield from check_overlap(corpora)


def check_sizes(corpora: Corpora) -> Iterator[Finding]:
    """How many texts there are, and how long they are."""
    for name, examples in zip(("training", "dev"), corpora):
        if not examples:
            yield fail(
                f"There are no {name} texts: look at the path, and at settings of the reader that "
                "leave texts out, such as max_length and limit."
            )
            continue
        lengths = numpy.asarray([len(eg.predicted) for eg in examples])
        yield good(
            f"{len(examples):,} {name} texts of {numpy.median(lengths):.0f} tokens (median), the "
            f"longest of {lengths.max():,}"
        )


def check_empty(corpora: Corpora) -> Iterator[Finding]:
    """Texts of which there is nothing to read."""
    for name, examples in zip(("training", "dev"), corpora):
        empty = [i for i, eg in enumerate(examples) if not eg.reference.text.strip()]
        if empty:
            yield warn(
                f"{len(empty):,} {name} texts are empty ({percent(len(empty), len(examples))}), "
                f"the first is number {empty[0] + 1}: take them out, they count as well."
            )


def check_overlap(corpora: Corpora) -> Iterator[Finding]:
    """Texts of dev that training has seen."""
    texts = [eg.reference.text for eg in corpora.train]
    exact, alike = set(texts), {key_of(text) for text in texts}
    dev = [eg.reference.text for eg in corpora.dev if len(eg.predicted) >= SHORT]
    found = [text for text in dev if key_of(text) in alike]
    if not found:
        yield from [good("No dev text stands in the training texts")] if dev else ()
        return
    same = sum(text in exact for text in found)
    others = f"{same:,} word for word, {len(found) - same:,} but for case and white space"
    yield warn(
        f"{len(found):,} dev texts ({percent(len(found), len(dev))}) stand in the training texts, "
        f"{others}, such as {shortened(found[0])}: scores are too good by what was learned by "
        "heart. Take them out of the training texts."
    )
