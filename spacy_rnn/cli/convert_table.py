"""`spacy-rnn convert-table`: CSV, TSV or JSON lines to a .spacy file."""

from pathlib import Path
from typing import Dict, List, Optional

import spacy
import typer

from ..corpus.table_reader import create_table_reader_v1
from ..corpus.text_cleaner import create_text_cleaner_v1
from ..errors import Errors
from ._app import app, errors_as_messages, write_docs


@app.command("convert-table")
def convert_table(
    table: Path = typer.Argument(..., help="A file that ends in .csv, .tsv or .jsonl."),
    output: Path = typer.Argument(..., help="The .spacy file to write."),
    text_column: str = typer.Option("text", help="Name of the column with the text."),
    label_column: List[str] = typer.Option(
        ["label"], help="Name of the column with the label. Give several for columns of 0 and 1."
    ),
    label: Optional[List[str]] = typer.Option(
        None, help="VALUE=LABEL: what to call a value of the label column. Give one for each."
    ),
    lang: str = typer.Option("en", help="Language of the tokenizer."),
    seed: int = typer.Option(0, help="Seed of the order."),
    limit: int = typer.Option(0, min=0, help="Number of rows, 0 for all."),
    no_numbers: bool = typer.Option(False, "--no-numbers", help="Drop numbers."),
    no_punctuation: bool = typer.Option(False, "--no-punctuation", help="Drop punctuation."),
    no_stop_words: bool = typer.Option(False, "--no-stop-words", help="Drop stop words."),
    lemmas: bool = typer.Option(False, "--lemmas", help="Replace words by their lemmas."),
) -> None:
    """Convert a table of texts and labels to a .spacy file.

    Markup is cleaned, and texts that occur twice are kept once.
    """
    columns = label_column[0] if len(label_column) == 1 else label_column
    cleaner = create_text_cleaner_v1(
        numbers=no_numbers, punctuation=no_punctuation, stop_words=no_stop_words, lemmas=lemmas
    )
    clean = cleaner if no_numbers or no_punctuation or no_stop_words or lemmas else None
    with errors_as_messages():
        read = create_table_reader_v1(
            table,
            text_column=text_column,
            label_column=columns,
            labels=parse_labels(label),
            seed=seed,
            limit=limit,
            clean=clean,
        )
        write_docs(read(spacy.blank(lang)), output)


def parse_labels(pairs: Optional[List[str]]) -> Optional[Dict[str, str]]:
    """A mapping from ["VALUE=LABEL", ...], None from nothing.

    RAISES: ValueError for a pair without an equals sign.
    """
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(Errors.R601.format(found=pair))
    return dict(pair.split("=", 1) for pair in pairs)
