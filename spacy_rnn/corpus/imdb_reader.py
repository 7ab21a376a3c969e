"""Film reviews of the Large Movie Review Dataset (Maas et al. 2011), `aclImdb`."""

import random
import re
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import bad_line, read_lines, read_text, require_path
from .records import Cleaner, Record, prepare, require_not_negative, to_examples, without

LABELS = {"neg": "NEGATIVE", "pos": "POSITIVE"}
SPLITS = ("train", "dev", "test")
HINT = "It should be the folder aclImdb of the unpacked archive aclImdb_v1.tar.gz."

_FILM = re.compile(r"/title/(tt\d+)")
_NAME = re.compile(r"(\d+)_\d+\.txt$")


@registry.readers("spacy-rnn.imdb_reader.v1")
def create_imdb_reader_v1(
    path: Path,
    split: str,
    dev_share: float = 0.1,
    seed: int = 0,
    limit: int = 0,
    clean: Optional[Cleaner] = None,
) -> Callable[[Language], Iterator[Example]]:
    """Read the unpacked archive. "train" and "dev" share no film: reviews of one film
    mostly agree, so that a random split measures how well films are remembered.

    path: The folder aclImdb.
    split: "train" or "dev", both from the archive's training reviews, or "test".
    dev_share: Share of the training reviews to put into "dev", about.
    seed: Of the choice of films and of the order.
    limit: Number of reviews to read, 0 for all.
    clean: A cleaner, as `spacy-rnn.text_cleaner.v1`.
    RETURNS: A function from a pipeline to examples with labels POSITIVE and NEGATIVE.
    RAISES: ValueError for an unknown split and a limit below 0.
    """
    require_not_negative(limit=limit)
    if split not in SPLITS:
        raise ValueError(Errors.R001.format(name="split", value=split, allowed=SPLITS))

    def read(nlp: Language) -> Iterator[Example]:
        records = prepare(
            read_imdb(path, split, dev_share=dev_share, seed=seed), seed=seed, limit=limit
        )
        return to_examples(nlp, records, clean)

    return read


def read_imdb(path: Path, split: str, *, dev_share: float, seed: int) -> Iterator[Record]:
    """The reviews of one split, class after class. Texts of "dev" are not in "train",
    where the archive repeats them. See `create_imdb_reader_v1`.

    RAISES: FileNotFoundError if a folder or a list of films is missing; ValueError that
        names file and line for a text that is not UTF-8 and a review without a film.
    """
    if split == "train":
        held_out = _read_split(path, "dev", dev_share, seed)
        return without(_read_split(path, "train", dev_share, seed), held_out)
    return _read_split(path, split, dev_share, seed)


def read_unlabelled(path: Path) -> Iterator[str]:
    """The 50,000 reviews without a label, by their numbers. path: The folder aclImdb.

    RAISES: FileNotFoundError if they are not there; ValueError for a text that is not UTF-8.
    """
    return (read_text(file) for file in _files(Path(path) / "train" / "unsup"))


def _read_split(path: Path, split: str, dev_share: float, seed: int) -> Iterator[Record]:
    folder = Path(path) / ("test" if split == "test" else "train")
    require_path(folder, HINT)
    reviews = [(kind, file) for kind in LABELS for file in _files(folder / kind)]
    if split != "test":
        films = {kind: read_films(folder / f"urls_{kind}.txt") for kind in LABELS}
        reviews = _of_split(reviews, films, split, dev_share, seed)
    for kind, file in reviews:
        cats = {label: float(label == LABELS[kind]) for label in LABELS.values()}
        yield Record(read_text(file), cats)


def _files(folder: Path) -> List[Path]:
    require_path(folder, HINT)
    files = [file for file in folder.iterdir() if _NAME.search(file.name)]
    return sorted(files, key=_number)


def _number(file: Path) -> int:
    """A review's number, which is its line in the list of films."""
    match = _NAME.search(file.name)
    return int(match.group(1)) if match else -1


def read_films(path: Path) -> List[str]:
    """The film of each review, from the archive's list of their addresses.

    RAISES: ValueError for a line that names no film.
    """
    require_path(path, HINT)
    films = []
    for line, url in read_lines(path):
        match = _FILM.search(url)
        if match is None:
            raise bad_line(path, line, f"no film in the address '{url.strip()}'")
        films.append(match.group(1))
    return films


def _of_split(
    reviews: List[Tuple[str, Path]],
    films: Dict[str, List[str]],
    split: str,
    dev_share: float,
    seed: int,
) -> List[Tuple[str, Path]]:
    film_of = {file: _film_of(file, films[kind]) for kind, file in reviews}
    dev = choose_films(Counter(film_of.values()), dev_share, seed)
    return [(kind, file) for kind, file in reviews if (film_of[file] in dev) == (split == "dev")]


def _film_of(file: Path, films: List[str]) -> str:
    number = _number(file)
    if number >= len(films):
        path = file.parents[1] / f"urls_{file.parent.name}.txt"
        raise bad_line(path, number + 1, f"no such line, where the film of {file} should be")
    return films[number]


def choose_films(counts: Dict[str, int], share: float, seed: int) -> Iterable[str]:
    """Films that together have about a share of all reviews.

    counts: Number of reviews of each film.
    """
    names = sorted(counts)
    random.Random(seed).shuffle(names)
    wanted = share * sum(counts.values())
    chosen, total = set(), 0
    for film in names:
        if total + counts[film] <= wanted:
            chosen.add(film)
            total += counts[film]
    return chosen
