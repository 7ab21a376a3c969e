"""`spacy-rnn annotate`: run a pipeline over many files, by workers side by side."""

import os
import time
from enum import Enum
from typing import List, Optional

import typer
from tqdm.auto import tqdm
from wasabi import msg

from ..annotation.annotator import BATCH_TOKENS
from ..annotation.job import Outcome
from ..annotation.output_folder import BAD
from ..annotation.run import ROWS, Plan, Totals, carry_out, make_plan
from ..corpus.rows import Layout
from ._app import app, errors_as_messages
from ._bad_rows import say


class InputFormat(str, Enum):
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"
    parquet = "parquet"


class OutputFormat(str, Enum):
    parquet = "parquet"
    jsonl = "jsonl"
    csv = "csv"


@app.command("annotate", short_help="Categories and tags of many files, by several workers.")
def annotate(
    model: str = typer.Argument(
        ...,
        metavar="MODEL",
        help="A trained pipeline: its folder, or its package's name.",
    ),
    inputs: List[str] = typer.Argument(
        ...,
        metavar="INPUT...",
        help="Files of texts: .parquet, .jsonl, .csv, .tsv or .txt with a text a line, all but the "
        "first also with .gz or .xz; folders of such files; patterns as 'reviews/*.jsonl'. "
        "Paths, or URLs that fsspec knows, as s3://bucket/reviews.",
    ),
    output: str = typer.Argument(
        ..., metavar="OUTPUT", help="Folder to write, a path or a URL. It is made if needed."
    ),
    format: OutputFormat = typer.Option(OutputFormat.parquet, help="How the output is written."),
    text_column: str = typer.Option("text", help="Name of the key or column with the text."),
    columns: Optional[str] = typer.Option(
        None,
        help="Columns of the input to keep, as 'id,text'. If not given, all of them.",
    ),
    input_format: Optional[InputFormat] = typer.Option(
        None, help="How the input is written. If not given, as the ending of each file says."
    ),
    delimiter: Optional[str] = typer.Option(
        None,
        help="What stands between cells of a table, such as ';' or tab. "
        "If not given, a comma in CSV and a tab in TSV.",
    ),
    encoding: str = typer.Option(
        "utf-8", help="Encoding of the input, such as cp1252. A byte order mark is left out."
    ),
    threshold: Optional[float] = typer.Option(
        None,
        min=0.0,
        max=1.0,
        help="From which score on a label counts, where labels do not exclude each other. "
        "If not given, the component's own.",
    ),
    rows: int = typer.Option(ROWS, min=1, help="Rows in a file of the output, at most."),
    batch_tokens: int = typer.Option(
        BATCH_TOKENS, min=1, help="Tokens that a worker reads at a time."
    ),
    workers: Optional[int] = typer.Option(
        None, min=1, help="Processes to use. If not given, one for each core of this machine."
    ),
    gpu: float = typer.Option(
        0.0, min=0.0, help="Share of a GPU for each worker, as 0.5 for two on each; 0 for the CPU."
    ),
    address: Optional[str] = typer.Option(
        None,
        help="Address of a Ray cluster to use, as ray://host:10001 or auto. "
        "If not given, Ray is started on this machine, and ended again.",
    ),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Begin OUTPUT anew, if it was begun by another command."
    ),
    strict: bool = typer.Option(
        False, "--strict", help="Exit with 1 if any row cannot be used. The others are written."
    ),
) -> None:
    """Run a trained pipeline over many texts, and write the categories and tags that its
    components give, as `spacy-rnn predict` does, by several processes, on one machine or on a
    cluster. Needs the extra `ray`: pip install "spacy-rnn[ray]"

    The input is cut into parts of --rows rows. Each gives a file of OUTPUT, such as
    part-000017.parquet, which is there as a whole or not at all, in the order of the input. If a
    worker dies, its part is begun again. If the command itself is interrupted, the same command
    does what is missing. One with other arguments is refused, unless --overwrite is given.

    Rows that cannot be used are in OUTPUT/_bad, with their place and the reason. The rest goes on,
    and the exit code is 0, unless --strict is given or no row can be used.
    """
    with errors_as_messages():
        plan = make_plan(
            model,
            inputs,
            output,
            format=format.value,
            text_column=text_column,
            columns=columns.split(",") if columns is not None else None,
            layout=Layout(input_format and input_format.value, delimiter, encoding),
            threshold=threshold,
            rows=rows,
            batch_tokens=batch_tokens,
            gpu=gpu > 0,
            overwrite=overwrite,
        )
        say_what_is_there(plan, output)
        begin = time.perf_counter()
        with _Progress(plan) as progress:
            totals = carry_out(
                plan,
                workers=workers or os.cpu_count() or 1,
                gpu=gpu,
                address=address,
                progress=progress.add,
            )
        say_totals(totals, output, time.perf_counter() - begin)
    raise typer.Exit(1 if strict and totals.bad else 0)


def say_what_is_there(plan: Plan, output: str) -> None:
    """Say how much an earlier run has done."""
    done = len(plan.partitions) - len(plan.missing)
    if done:
        msg.info(f"{done} of {len(plan.partitions)} parts are in {output} already")


def say_totals(totals: Totals, output: str, seconds: float) -> None:
    """Say what is there now, and where bad rows are."""
    msg.good(f"{totals.written:,} texts in {totals.parts} part(s) of {output}")
    if totals.words:
        msg.info(
            f"{totals.words:,} words in {seconds:.1f} s, {totals.words / seconds:,.0f} a second"
        )
    if totals.bad:
        say(f"{totals.bad} row(s) could not be used: they are in {output.rstrip('/')}/{BAD}")


class _Progress:
    """A bar of rows, with words a second, on a terminal."""

    def __init__(self, plan: Plan) -> None:
        self._bar = tqdm(
            total=plan.rows(), unit=" rows", unit_scale=True, disable=None, leave=False
        )
        self._words = 0
        self._begin = time.perf_counter()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def add(self, outcome: Outcome) -> None:
        """Take the outcome of a partition."""
        self._words += outcome.words
        rate = self._words / (time.perf_counter() - self._begin)
        self._bar.set_postfix_str(f"{rate:,.0f} words/s", refresh=False)
        self._bar.update(outcome.written + outcome.bad)
