"""`spacy-rnn convert-conllu`: a treebank to a .spacy file."""

from pathlib import Path

import spacy
import typer

from ..corpus.conllu_reader import create_conllu_reader_v1
from ._app import TREEBANK_ATTRS, app, errors_as_messages, write_docs


@app.command("convert-conllu", short_help="Treebank in CoNLL-U format to a .spacy file.")
def convert_conllu(
    treebank: Path = typer.Argument(
        ...,
        metavar="TREEBANK",
        help="A file in CoNLL-U format, plain or .gz.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="The .spacy file to write.",
    ),
    lang: str = typer.Option("en", help="Language of the treebank."),
    n_sents: int = typer.Option(
        1, min=0, help="Sentences in a document at most, 0 for whole ones."
    ),
    merge_subtokens: bool = typer.Option(
        False, "--merge-subtokens", help="Make a multiword token one token, as it is written."
    ),
    limit: int = typer.Option(0, min=0, help="Number of documents, 0 for all."),
) -> None:
    """Convert a treebank of Universal Dependencies to a .spacy file, with tags, lemmas,
    morphology, heads and relations.
    """
    with errors_as_messages():
        read = create_conllu_reader_v1(
            treebank, n_sents=n_sents, merge_subtokens=merge_subtokens, limit=limit
        )
        write_docs(read(spacy.blank(lang)), output, attrs=TREEBANK_ATTRS)
