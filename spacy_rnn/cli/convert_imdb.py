"""`spacy-rnn convert-imdb`: film reviews to .spacy files, and those without labels to raw.jsonl."""

import gzip
import tarfile
import tempfile
import zlib
from enum import Enum
from pathlib import Path
from typing import Iterable, Iterator, List, Optional

import spacy
import srsly
import typer
from tqdm.auto import tqdm
from wasabi import msg

from ..corpus.imdb_reader import create_imdb_reader_v1, read_unlabelled
from ..corpus.movie_reviews_reader import create_movie_reviews_reader_v1
from ..corpus.raw_text_reader import read_json_lines
from ..corpus.records import Record, prepare
from ..corpus.text_cleaner import create_text_cleaner_v1
from ..errors import Errors
from ..whole_file import appears_whole
from ._app import app, errors_as_messages, write_docs

ARCHIVE = "aclImdb_v1.tar.gz"


class Split(str, Enum):
    train = "train"
    dev = "dev"
    test = "test"
    unsup = "unsup"


# What is written if nothing else is said: what has labels.
LABELLED = [Split.train, Split.dev, Split.test]


@app.command("convert-imdb", short_help="25,000 film reviews to .spacy files.")
def convert_imdb(
    assets: Path = typer.Argument(
        ...,
        metavar="ASSETS",
        help=f"Folder that holds {ARCHIVE} or the unpacked aclImdb, or neither; with "
        "--split unsup also a file of JSON lines, .jsonl, .jsonl.gz or .jsonl.xz.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="Folder for train.spacy, dev.spacy and the others.",
    ),
    split: Optional[List[Split]] = typer.Option(
        None, help="What to write, all that has labels if not given. Can be given several times."
    ),
    limit: int = typer.Option(0, min=0, help="Number of reviews for each file, 0 for all."),
    seed: int = typer.Option(0, help="Seed of the order, and of the films in dev."),
    stop_words: bool = typer.Option(True, help="Keep stop words."),
) -> None:
    """Convert the 25,000 labelled training reviews of aclImdb to .spacy files.

    Where the archive is there, dev is split off by film and test.spacy is written too.
    Where it is not, the reviews come from the package `movie-reviews`, and dev is a
    block of 1,250 reviews of each class.

    --split unsup writes raw.jsonl, to pretrain on: the 50,000 reviews without labels, of the
    archive or of the file that is given in place of its folder.
    """
    nlp = spacy.blank("en")
    clean = None if stop_words else create_text_cleaner_v1(stop_words=True)
    with errors_as_messages():
        if assets.is_file() and split != [Split.unsup]:
            raise ValueError(Errors.R636.format(path=assets))
        folder = None if assets.is_file() else find_archive(assets)
        if folder is None and Split.test in (split or ()):
            raise ValueError(Errors.R612.format(archive=ARCHIVE, folder=assets))
        if folder is None and split != [Split.unsup]:
            msg.info(f"No {ARCHIVE} in {assets}: reviews from the package movie-reviews")
        for part in split or (LABELLED if folder else [Split.train, Split.dev]):
            name = part.value
            if part == Split.unsup:
                records = [Record(text, {}) for text in unlabelled(assets, folder)]
                texts = [record.text for record in prepare(records, seed=seed, limit=limit)]
                write_raw(map(clean(nlp), texts) if clean else texts, output / "raw.jsonl")
                continue
            if folder is not None:
                read = create_imdb_reader_v1(folder, name, seed=seed, limit=limit, clean=clean)
            else:
                read = create_movie_reviews_reader_v1(name, seed=seed, limit=limit, clean=clean)
            write_docs(read(nlp), output / f"{name}.spacy")


def unlabelled(assets: Path, folder: Optional[Path]) -> Iterator[str]:
    """The reviews without labels, as they were written.

    assets: A file of JSON lines, or what holds the archive. folder: The unpacked archive, if any.
    RAISES: ValueError if there is neither.
    """
    if assets.is_file():
        return read_json_lines(assets)
    if folder is None:
        raise ValueError(Errors.R635.format(archive=ARCHIVE, path=assets))
    return read_unlabelled(folder)


def write_raw(texts: Iterable[str], path: Path) -> None:
    """Write texts as JSON lines, which `spacy-rnn.raw_text_reader.v1` and `spacy.JsonlCorpus.v1`
    read. The file appears under its name when it is complete.

    RAISES: ValueError if there is no text.
    """
    count = 0
    with appears_whole(path) as part, part.open("w", encoding="utf8") as file:
        for text in tqdm(texts, desc=path.name, unit=" texts", disable=None, leave=False):
            file.write(srsly.json_dumps({"text": text}) + "\n")
            count += 1
        if not count:
            raise ValueError(Errors.R405.format(path=f"The corpus for {path}"))
    msg.good(f"{count} texts to {path}")


def find_archive(assets: Path) -> Optional[Path]:
    """The unpacked archive in a folder, unpacked now if need be, or None.

    RAISES: ValueError if the archive is damaged.
    """
    folder, archive = assets / "aclImdb", assets / ARCHIVE
    if not folder.exists() and archive.exists():
        msg.info(f"Unpacking {archive}")
        try:
            # The folder appears under its name when it is complete.
            with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=assets) as part:
                tar.extractall(part, filter="data")
                (Path(part) / folder.name).rename(folder)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(Errors.R412.format(path=archive, error=error)) from error
    if folder.exists():
        msg.info(f"Reviews from {folder}, dev split by film")
        return folder
    return None
