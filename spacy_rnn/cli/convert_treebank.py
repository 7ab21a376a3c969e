"""`spacy-rnn convert-treebank`: NLTK's sample of the Penn Treebank to .spacy files."""

from pathlib import Path

import spacy
import typer

from ..corpus.sentences import SPLITS
from ..corpus.treebank_reader import create_treebank_reader_v1
from ._app import TREEBANK_ATTRS, app, errors_as_messages, write_docs


@app.command("convert-treebank", short_help="Sample of the Penn Treebank to .spacy files.")
def convert_treebank(
    assets: Path = typer.Argument(
        ...,
        metavar="ASSETS",
        help="Folder that holds treebank.zip and universal_tagset.zip of nltk_data.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="Folder for train.spacy, dev.spacy and test.spacy.",
    ),
    n_sents: int = typer.Option(
        1, min=0, help="Sentences in a document at most, 0 for whole ones."
    ),
    seed: int = typer.Option(0, help="Seed of the split by text."),
    limit: int = typer.Option(0, min=0, help="Number of documents for each file, 0 for all."),
) -> None:
    """Convert the sample of the Penn Treebank that NLTK ships to .spacy files: universal
    tags as `pos`, its own as `tag`.
    """
    nlp = spacy.blank("en")
    with errors_as_messages():
        for split in SPLITS:
            read = create_treebank_reader_v1(
                assets / "treebank.zip",
                assets / "universal_tagset.zip",
                split,
                seed=seed,
                n_sents=n_sents,
                limit=limit,
            )
            write_docs(read(nlp), output / f"{split}.spacy", attrs=TREEBANK_ATTRS)
