"""`spacy-rnn predict`: run a pipeline over texts, and write what its components find."""

import contextlib
import io
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import IO, Any, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import typer
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab
from tqdm.auto import tqdm
from wasabi import msg

from ..annotation.faults import find_text_problem
from ..annotation.pipelines import load_pipeline
from ..annotation.results import Writers, find_writers, predict_rows
from ..annotation.text_writers import CsvWriter, JsonlWriter
from ..corpus.files import require_path
from ..corpus.rows import ENDINGS, Fault, Layout, Row, read_rows
from ..corpus.spacy_files import read_docs
from ..errors import Errors
from ..whole_file import appears_whole
from ._app import app, errors_as_messages
from ._bad_rows import BadRows, say
from ._prediction_files import SpacyWriter, TableWriter

OUTPUT_ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".spacy": "spacy"}
STDIN = "-"
BAD = "predict.bad.jsonl"


class InputFormat(str, Enum):
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"


class OutputFormat(str, Enum):
    table = "table"
    jsonl = "jsonl"
    csv = "csv"


@app.command("predict", short_help="Categories and tags of texts.")
def predict(
    model: str = typer.Argument(
        ...,
        metavar="MODEL",
        help="A trained pipeline: its folder, or its package's name.",
    ),
    files: Optional[List[str]] = typer.Argument(
        None,
        metavar="FILE",
        help="Files of texts: .txt with a text a line, .jsonl, .csv, .tsv, each also with .gz or "
        ".xz; .parquet, if pyarrow is installed; or .spacy, of which only the texts are read. - is "
        "standard input, also if no file is given.",
    ),
    text: Optional[List[str]] = typer.Option(None, help="A text. Can be given several times."),
    output: Optional[Path] = typer.Option(
        None,
        "--output",
        "-o",
        help="File to write, which ends in .jsonl, .csv or .spacy; standard output if not given.",
    ),
    format: Optional[OutputFormat] = typer.Option(
        None,
        help="What to print to standard output. If not given, a table on a terminal, "
        "and jsonl elsewhere.",
    ),
    text_column: str = typer.Option("text", help="Name of the key or column with the text."),
    input_format: Optional[InputFormat] = typer.Option(
        None,
        help="How the input is written. If not given, as the ending of each file says; "
        "text on standard input.",
    ),
    delimiter: Optional[str] = typer.Option(
        None,
        help="What stands between cells of a table, such as ';' or tab. "
        "If not given, a comma in CSV and a tab in TSV.",
    ),
    encoding: str = typer.Option(
        "utf-8", help="Encoding of the input, such as cp1252. A byte order mark is left out."
    ),
    probabilities: bool = typer.Option(
        False, "--probabilities", help="Also give the probability of each tag."
    ),
    threshold: Optional[float] = typer.Option(
        None,
        min=0.0,
        max=1.0,
        help="From which score on a label counts, where labels do not exclude each other. "
        "If not given, the component's own.",
    ),
    bad: Optional[Path] = typer.Option(
        None,
        help="File for rows that cannot be used, written only if there are any. "
        f"If not given, OUTPUT.bad.jsonl, or {BAD} without --output.",
    ),
    strict: bool = typer.Option(
        False, "--strict", help="Exit with 1 if any row cannot be used. The others are written."
    ),
    batch_size: Optional[int] = typer.Option(
        None, min=1, help="Texts in a batch; the pipeline's own number if not given."
    ),
    n_process: int = typer.Option(1, min=-1, help="Processes to use, -1 for one on each core."),
) -> None:
    """Run a trained pipeline over texts, and write the categories and tags that its components
    give.

    Each text comes with all that the input has beside it. Added are, where a component writes
    categories, `cats` with the score of each (in CSV: a column for each) and the best `label`, or
    all `labels` that count where they do not exclude each other, and, for a component with the
    setting `abstain`, whether it `abstained`, with no label then; where one writes tags, `tokens`
    (in CSV: one column of WORD/TAG pairs). What the input calls by one of these names
    stays: then `predicted_label` is added, and so on.

    A row that cannot be used (no text or not a string, malformed, not of the encoding, longer
    than the pipeline takes) is said on standard error, and is written to a file with its place
    and the reason. The rest goes on, and the exit code is 0, unless --strict is given or no row
    can be used. Blank lines are passed over.
    """
    with errors_as_messages():
        sources = find_sources(text, files)
        bad_path = bad or Path(f"{output}.bad.jsonl" if output else BAD)
        check_output(output, format, bad_path, sources)
        layout = Layout(input_format and input_format.value, delimiter, encoding)
        rows = read_inputs(text or [], sources, text_column, layout)
        nlp = load_pipeline(model)
        writers = find_writers(nlp, threshold)
        with BadRows(bad_path) as bad_rows, open_writer(output, format, text_column, writers) as to:
            found = predict_rows(
                nlp,
                usable_rows(rows, bad_rows, text_column, nlp.max_length),
                writers,
                probabilities=probabilities,
                batch_size=batch_size or nlp.batch_size,
                n_process=n_process,
            )
            count = write_all(found, to, bad_rows, quiet=isinstance(to, TableWriter))
            if bad_rows.count and not count:
                raise ValueError(Errors.R610.format(count=bad_rows.count, path=bad_path))
        if output:
            remove_old(bad, bad_path, bad_rows)
            msg.good(f"{count} texts to {output}")
    if bad_rows.count:
        say(f"{bad_rows.count} row(s) could not be used: they are in {bad_path}")
        raise typer.Exit(1 if strict else 0)


def find_sources(texts: Optional[List[str]], files: Optional[List[str]]) -> List[str]:
    """The files to read, "-" for standard input.

    RAISES: ValueError if nothing is given; FileNotFoundError.
    """
    if not files and not texts:
        if sys.stdin.isatty():
            raise ValueError(Errors.R607)
        return [STDIN]
    for name in files or ():
        if name != STDIN:
            require_path(Path(name), "Check the path. To give a text itself, use --text.")
    return files or []


def check_output(
    output: Optional[Path], format: Optional[OutputFormat], bad: Path, sources: Sequence[str]
) -> None:
    """RAISES: ValueError for an output of no known format, and for a file that is given twice."""
    if output is not None:
        if format is not None:
            raise ValueError(Errors.R608.format(path=output))
        if output.suffix.lower() not in OUTPUT_ENDINGS:
            raise ValueError(Errors.R406.format(path=output, endings=".jsonl, .csv or .spacy"))
    used = {Path(name).resolve() for name in sources if name != STDIN}
    for path in (output, bad):
        if path is not None and path.resolve() in used:
            raise ValueError(Errors.R609.format(path=path))
        used.update([path.resolve()] if path is not None else [])


def read_inputs(
    texts: List[str], sources: Sequence[str], column: str, layout: Layout
) -> Iterator[Union[Row, Fault]]:
    """The rows of all texts and files. Settings are checked at once, for all of them.

    RAISES: as `read_rows`.
    """
    given = [
        Row("--text", number, {column: text}, text, unit="text")
        for number, text in enumerate(texts, start=1)
    ]
    opened: List[Iterable[Union[Row, Fault]]] = [given]
    for name in sources:
        if name == STDIN:
            of_stdin = layout._replace(format=layout.format or "text")
            opened.append(read_rows("standard input", [column], of_stdin, file=sys.stdin.buffer))
        elif name.lower().endswith(FILE_TYPE):
            # It has neither delimiter nor encoding.
            opened.append(spacy_rows(name, column))
        else:
            opened.append(read_rows(Path(name), [column], layout, endings=ENDINGS))
    return (row for rows in opened for row in rows)


def spacy_rows(name: str, column: str) -> Iterator[Row]:
    """The texts of a .spacy file, of which all else is left."""
    for number, doc in enumerate(read_docs(Path(name), Vocab()), start=1):
        yield Row(name, number, {column: doc.text}, doc.text, unit="text")


def usable_rows(
    rows: Iterable[Union[Row, Fault]], bad: BadRows, column: str, max_length: int
) -> Iterator[Tuple[str, Row]]:
    """The text of each row that has one, and the row."""
    for row in rows:
        if isinstance(row, Fault):
            bad.add(row)
            continue
        problem = find_text_problem(row, column, max_length)
        if problem is None:
            yield row.cells[column], row
        else:
            bad.add(row.fault(problem))


@contextlib.contextmanager
def open_writer(
    output: Optional[Path], format: Optional[OutputFormat], column: str, writers: Writers
) -> Iterator[Any]:
    """What writes predictions. A file appears when it is complete."""
    if output is None:
        on_terminal = sys.stdout.isatty()
        kind = format.value if format else ("table" if on_terminal else "jsonl")
        with utf8_stdout() as file:
            yield make_writer(kind, file, column, writers)
        return
    kind = OUTPUT_ENDINGS[output.suffix.lower()]
    with appears_whole(output) as part:
        if kind == "spacy":
            writer = SpacyWriter(part)
            yield writer
            writer.save()
        else:
            # Half a character is written as JSON escapes it.
            with part.open("w", encoding="utf8", errors="backslashreplace", newline="") as file:
                yield make_writer(kind, file, column, writers)


def make_writer(kind: str, file: IO[str], column: str, writers: Writers) -> Any:
    """A writer of text."""
    if kind == "table":
        return TableWriter(file, column, shutil.get_terminal_size().columns)
    return CsvWriter(file, writers.labels) if kind == "csv" else JsonlWriter(file)


@contextlib.contextmanager
def utf8_stdout() -> Iterator[IO[str]]:
    """Standard output in UTF-8, whatever the locale is."""
    sys.stdout.flush()
    file = io.TextIOWrapper(
        sys.stdout.buffer, "utf8", errors="backslashreplace", newline="", write_through=True
    )
    try:
        yield file
    finally:
        file.detach()


def write_all(predictions: Iterable[Any], to: Any, bad: BadRows, *, quiet: bool) -> int:
    """Write predictions, with a progress bar on stderr unless it is `quiet` or no terminal.

    RETURNS: How many were written.
    """
    count = 0
    disable = True if quiet else None
    for prediction in tqdm(predictions, unit=" texts", disable=disable, leave=False):
        problem = to.write(prediction)
        if problem is None:
            count += 1
        else:
            bad.add(prediction.row.fault(problem))
    return count


def remove_old(bad: Optional[Path], path: Path, bad_rows: BadRows) -> None:
    """Bad rows of an earlier run do not stay beside an output that has none."""
    if bad is None and not bad_rows.count:
        path.unlink(missing_ok=True)
