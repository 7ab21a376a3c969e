"""`spacy-rnn convert-table`: a table of texts and labels to .spacy files."""

import random
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import spacy
import typer
from spacy.language import Language
from wasabi import msg
from wasabi import table as format_table

from ..corpus.duplicates import Duplicates, find_duplicates
from ..corpus.records import Cleaner, Record, strip_html, to_examples
from ..corpus.rows import Layout
from ..corpus.split import NO_LABEL, count_labels, split_records
from ..corpus.table_reader import read_labelled_rows, to_records
from ..corpus.text_cleaner import create_text_cleaner_v1
from ..errors import Errors
from ..whole_file import appears_whole
from ._app import app, errors_as_messages, pack_docs, write_docs

DEV_SHARE = 0.1
# Duplicates with other labels that are printed, and how much of their text.
SHOWN = 5
SHOWN_TEXT = 60


@app.command("convert-table", short_help="CSV, TSV, JSON lines or Parquet to .spacy files.")
def convert_table(
    table: Path = typer.Argument(
        ...,
        metavar="TABLE",
        help="A file that ends in .csv, .tsv or .jsonl, or one of these and .gz or .xz; or in "
        ".parquet, if pyarrow is installed.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="The .spacy file to write; or a folder, for train.spacy and dev.spacy.",
    ),
    dev: Optional[float] = typer.Option(
        None, help=f"Share of the texts in dev, if OUTPUT is a folder: {DEV_SHARE} if not given."
    ),
    text_column: str = typer.Option("text", help="Name of the column with the text."),
    label_column: List[str] = typer.Option(
        ["label"],
        help="Name of the column with the label. Give several for columns of values from 0 to 1.",
    ),
    label: Optional[List[str]] = typer.Option(
        None, help="VALUE=LABEL: what to call a value of the label column. Give one for each."
    ),
    delimiter: Optional[str] = typer.Option(
        None,
        help="What stands between cells, such as ';' or tab. "
        "If not given, a comma in .csv and a tab in .tsv.",
    ),
    encoding: str = typer.Option(
        "utf-8", help="Encoding of the file, such as cp1252. A byte order mark is left out."
    ),
    lang: str = typer.Option("en", help="Language of the tokenizer."),
    seed: int = typer.Option(0, help="Seed of the order, and of the texts in dev."),
    limit: int = typer.Option(0, min=0, help="Number of texts in all, 0 for no limit."),
    no_numbers: bool = typer.Option(False, "--no-numbers", help="Drop numbers."),
    no_punctuation: bool = typer.Option(False, "--no-punctuation", help="Drop punctuation."),
    no_stop_words: bool = typer.Option(False, "--no-stop-words", help="Drop stop words."),
    lemmas: bool = typer.Option(False, "--lemmas", help="Replace words by their lemmas."),
) -> None:
    """Convert a table of texts and labels to a .spacy file, or to train.spacy and dev.spacy.

    Markup is cleaned, and texts that occur twice are kept once.

    If OUTPUT does not end in .spacy, it is a folder. Then a share of the texts of every label
    goes to dev, chosen by the seed, and no text is in both parts, nor one that differs from it
    by case or white space only.
    """
    columns = label_column[0] if len(label_column) == 1 else label_column
    cleaner = create_text_cleaner_v1(
        numbers=no_numbers, punctuation=no_punctuation, stop_words=no_stop_words, lemmas=lemmas
    )
    clean = cleaner if no_numbers or no_punctuation or no_stop_words or lemmas else None
    with errors_as_messages():
        share = check_share(dev, output)
        nlp = spacy.blank(lang)
        layout = Layout(delimiter=delimiter, encoding=encoding)
        records, duplicates = read_unique(
            nlp, table, text_column, columns, parse_labels(label), layout, clean
        )
        random.Random(seed).shuffle(records)
        records = records[: limit or None]
        if share is None:
            write_docs(to_examples(nlp, records, None), output)
        else:
            train, held_out = split_records(records, share, seed)
            if not held_out:
                raise ValueError(Errors.R418.format(path=table, count=len(records)))
            write_parts(nlp, train, held_out, output)
            print_labels(train, held_out)
        print_duplicates(duplicates)


def check_share(dev: Optional[float], output: Path) -> Optional[float]:
    """The share of dev, None for a single file.

    RAISES: ValueError if it is not between 0 and 1, or given for a single file.
    """
    if output.suffix.lower() == ".spacy":
        if dev is not None:
            raise ValueError(Errors.R603.format(path=output))
        return None
    if dev is not None and not 0.0 < dev < 1.0:
        expected = "above 0 and below 1, as 0.1 for a tenth of the texts"
        raise ValueError(Errors.R002.format(name="--dev", value=dev, expected=expected))
    return DEV_SHARE if dev is None else dev


def read_unique(
    nlp: Language,
    table: Path,
    text_column: str,
    label_column: Union[str, List[str]],
    labels: Optional[Dict[str, str]],
    layout: Layout,
    clean: Optional[Cleaner],
) -> Tuple[List[Record], Duplicates]:
    """The texts of a table, cleaned, each once."""
    rows = read_labelled_rows(
        table, text_column, label_column, labels, layout, max_length=nlp.max_length
    )
    clean_text = clean(nlp) if clean is not None else str
    records = [
        record._replace(text=clean_text(strip_html(record.text)))
        for record in to_records(rows, None if isinstance(label_column, str) else label_column)
    ]
    return find_duplicates(rows, records)


def write_parts(nlp: Language, train: List[Record], dev: List[Record], folder: Path) -> None:
    """Write train.spacy and dev.spacy, both or neither."""
    paths = [folder / "train.spacy", folder / "dev.spacy"]
    packed = [
        pack_docs(to_examples(nlp, records, None), path)
        for records, path in zip((train, dev), paths)
    ]
    with appears_whole(paths[0]) as train_part, appears_whole(paths[1]) as dev_part:
        for docs, part in zip(packed, (train_part, dev_part)):
            docs.to_disk(part)
    for docs, path in zip(packed, paths):
        msg.good(f"{len(docs)} texts to {path}")


def print_labels(train: List[Record], dev: List[Record]) -> None:
    """Print how many texts of both parts have each label, and which part lacks one."""
    counts = [count_labels(part) for part in (train, dev)]
    names = list(dict.fromkeys([*train[0].cats, *counts[0], *counts[1]]))
    rows = [(name, *(count[name] for count in counts)) for name in names]
    rows.append(("texts", len(train), len(dev)))
    header = ("Label", "Train", "Dev")
    print(format_table(rows, header=header, divider=True, aligns=("l", "r", "r")))
    for part, count in zip(("train", "dev"), counts):
        missing = [name for name in names if not count[name] and name != NO_LABEL]
        if missing:
            msg.warn(f"No text in {part} has the label(s) {', '.join(missing)}: too few have")


def print_duplicates(duplicates: Duplicates) -> None:
    """Print how many texts were dropped, and the first of those whose labels differ."""
    msg.info(f"Duplicates dropped: {duplicates.dropped}. The first of each text is kept")
    count = len(duplicates.disagreeing)
    if not count:
        return
    msg.warn(f"Texts that occur with different labels: {count}")
    for rows in duplicates.disagreeing[:SHOWN]:
        places = ", ".join(
            f"{row.row.unit} {row.row.line} ({'|'.join(row.labels) or NO_LABEL})" for row in rows
        )
        text = " ".join(rows[0].text.split())
        shortened = text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}..."
        print(f"  {places}: {shortened}")
    if count > SHOWN:
        print(f"  and {count - SHOWN} more")


def parse_labels(pairs: Optional[List[str]]) -> Optional[Dict[str, str]]:
    """A mapping from ["VALUE=LABEL", ...], None from nothing.

    RAISES: ValueError for a pair without an equals sign, and for a value that is given twice.
    """
    labels: Dict[str, str] = {}
    for pair in pairs or ():
        value, equals, name = pair.partition("=")
        if not equals or not name:
            raise ValueError(Errors.R601.format(found=pair))
        if value in labels:
            raise ValueError(Errors.R602.format(value=value, first=labels[value], second=name))
        labels[value] = name
    return labels or None
