"""`spacy-rnn convert-porttinari`: a Portuguese treebank to .spacy files."""

from pathlib import Path

import spacy
import typer

from ..corpus.porttinari_reader import create_porttinari_reader_v1
from ..corpus.sentences import SPLITS
from ._app import TREEBANK_ATTRS, app, errors_as_messages, write_docs


@app.command("convert-porttinari", short_help="Portuguese treebank to .spacy files.")
def convert_porttinari(
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="Folder for train.spacy, dev.spacy and test.spacy.",
    ),
    n_sents: int = typer.Option(
        1, min=0, help="Sentences in a document at most, 0 for whole ones."
    ),
    seed: int = typer.Option(0, help="Seed of the split by news text."),
    limit: int = typer.Option(0, min=0, help="Number of documents for each file, 0 for all."),
) -> None:
    """Convert UD Portuguese-Porttinari, from the package `dante-corpora`, to .spacy files."""
    nlp = spacy.blank("pt")
    with errors_as_messages():
        for split in SPLITS:
            read = create_porttinari_reader_v1(split, seed=seed, n_sents=n_sents, limit=limit)
            write_docs(read(nlp), output / f"{split}.spacy", attrs=TREEBANK_ATTRS)
