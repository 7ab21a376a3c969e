"""Annotate files by workers side by side, on this machine or on a cluster."""

import csv
import os
from io import TextIOWrapper
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from ..corpus.files import require_encoding
from ..corpus.rows import Layout, long_cells
from ..errors import Errors
from .annotator import BATCH_TOKENS, Annotator
from .columns import check_columns, find_columns
from .inputs import find_inputs
from .job import Job, Outcome
from .manifest import check_output, make_manifest, read_partitions, write_manifest
from .output_folder import BAD, OutputFolder
from .partitions import Partition, cut_files
from .pipelines import identify
from .ray_session import import_ray, ray_session, run_partitions

FORMATS = ("parquet", "jsonl", "csv")
# Rows of a partition: some seconds of work for a pipeline of this package.
ROWS = 10_000


class Totals(NamedTuple):
    """Of a whole output: how many parts it has, and how many of them were there before; rows
    written, and rows that could not be annotated; tokens that this run has read."""

    parts: int
    before: int
    written: int
    bad: int
    words: int


class Plan(NamedTuple):
    """A job, its partitions, and those that are not done."""

    job: Job
    partitions: List[Partition]
    missing: List[Partition]

    def rows(self) -> Optional[int]:
        """How many rows are to be done; None where nobody knows."""
        counts = [partition.part.rows for partition in self.missing]
        return None if None in counts else sum(count or 0 for count in counts)


def make_plan(
    model: str,
    inputs: Sequence[str],
    output: str,
    *,
    format: str = "parquet",
    text_column: str = "text",
    columns: Optional[Sequence[str]] = None,
    layout: Layout = Layout(),
    threshold: Optional[float] = None,
    rows: int = ROWS,
    batch_tokens: int = BATCH_TOKENS,
    gpu: bool = False,
    overwrite: bool = False,
) -> Plan:
    """Find out what is to be done, and write it down in the output.

    model: A trained pipeline: its folder, or its package's name.
    inputs: Files, folders or patterns, as paths or URLs.
    output: The folder to write. If it was begun with the same arguments, what is there is kept.
    format: Of the output: "parquet", "jsonl" or "csv".
    text_column: The column of the text. columns: Those to keep of the input; None for all.
    layout: How the input is written.
    threshold: From which score on a label counts, where labels do not exclude each other.
    rows: How many a file of the output has at most.
    batch_tokens: Tokens that a worker reads at a time. gpu: Whether workers compute on a GPU.
    overwrite: Begin the output anew, whatever it was begun with.
    RAISES: ImportError without what is needed; FileNotFoundError; ValueError for inputs, columns
        and outputs that do not fit, as `find_inputs`, `find_columns` and `check_output`.
    """
    import_ray()
    require_encoding(layout.encoding)
    files = find_inputs(inputs, layout.format, output=output)
    # It must load here as well: wrong names and settings are said before anything is begun.
    annotator = Annotator(model, threshold=threshold)
    kept = find_columns(files[0], layout, text_column, columns)
    keep = [column.name for column in kept] if columns else None
    if format != "jsonl":
        check_columns(files[1:], layout, text_column, kept, keep)
    folder = OutputFolder(output, format)
    settings = {
        "format": format,
        "text_column": text_column,
        "columns": keep,
        "rows": rows,
        "threshold": threshold,
        "delimiter": layout.delimiter,
        "encoding": layout.encoding,
    }
    manifest = make_manifest(identify(annotator.nlp), files, settings)
    if check_output(folder, manifest, overwrite=overwrite):
        partitions = read_partitions(folder)
    else:
        read = None if keep is None and format == "jsonl" else [column.name for column in kept]
        partitions = list(cut_files(files, layout, text_column, read, rows))
        write_manifest(folder, manifest, partitions)
    done = set(folder.done())
    missing = [partition for partition in partitions if partition.number not in done]
    place = folder.path if folder.local else output
    job = Job(
        _absolute(model),
        text_column,
        threshold,
        batch_tokens,
        gpu,
        layout,
        place,
        format,
        keep,
        kept,
    )
    return Plan(job, partitions, missing)


def _absolute(model: str) -> str:
    """A folder by its whole path, as workers may be in another one."""
    return os.path.abspath(model) if os.path.isdir(model) else model


def carry_out(
    plan: Plan,
    *,
    workers: int = 1,
    gpu: float = 0.0,
    address: Optional[str] = None,
    progress: Callable[[Outcome], Any] = lambda outcome: None,
) -> Totals:
    """Annotate what is missing, and count what is there then.

    workers: Processes that annotate, each of which loads the pipeline. gpu: The share of a GPU
        that each takes; 0 for none.
    address: Of a Ray cluster; None for this machine.
    progress: Called with the outcome of each partition.
    RAISES: ChildProcessError if workers die again and again, or cannot load the pipeline;
        ValueError for a partition that cannot be read or written, and where rows are missing.
    """
    words = 0
    counts: Dict[int, Outcome] = {}
    if plan.missing:
        with ray_session(workers, address) as ray:
            places = {partition.number: partition for partition in plan.missing}
            for outcome in run_partitions(ray, plan.job, plan.missing, workers=workers, gpu=gpu):
                _check_outcome(plan.job, places[outcome.number], outcome)
                counts[outcome.number] = outcome
                words += outcome.words
                progress(outcome)
        # Of workers that died. Nobody writes now.
        OutputFolder(plan.job.output, plan.job.format).remove_unfinished()
    return _count(plan, counts, words)


def _check_outcome(job: Job, partition: Partition, outcome: Outcome) -> None:
    """RAISES: what has failed, in one line."""
    if outcome.stage == "load":
        raise ChildProcessError(Errors.R857.format(model=job.model, problem=outcome.error))
    if outcome.error:
        unit = "row" if partition.file.format == "parquet" else "line"
        where = {"path": partition.file.path, "unit": unit, "line": partition.part.span.line}
        raise ValueError(Errors.R864.format(problem=outcome.error.rstrip("."), **where))


def _count(plan: Plan, counts: Dict[int, Outcome], words: int) -> Totals:
    """Compare each part with the rows that it is made of.

    counts: Of the parts of this run. The others are counted in their files.
    RAISES: ValueError where they differ, and if no row of any part could be annotated.
    """
    output = OutputFolder(plan.job.output, plan.job.format)
    written = bad = 0
    for partition in plan.partitions:
        outcome = counts.get(partition.number)
        if outcome is None:
            found = count_rows(output, partition.number), output.count_bad(partition.number)
        else:
            found = outcome.written, outcome.bad
        expected = partition.part.rows
        if expected is not None and sum(found) != expected:
            facts = {"part": partition.number, "path": partition.file.path, "expected": expected}
            raise ValueError(Errors.R860.format(written=found[0], bad=found[1], **facts))
        written, bad = written + found[0], bad + found[1]
    if bad and not written:
        raise ValueError(Errors.R610.format(count=bad, path=output.place(BAD)))
    before = len(plan.partitions) - len(plan.missing)
    return Totals(len(plan.partitions), before, written, bad, words)


def count_rows(output: OutputFolder, index: int) -> int:
    """How many rows a part of the output has."""
    with output.open(output.part_name(index)) as file:
        if output.format == "parquet":
            from pyarrow import parquet

            return parquet.ParquetFile(file).metadata.num_rows
        if output.format == "jsonl":
            return sum(1 for _ in file)
        with long_cells():
            text = TextIOWrapper(file, "utf8", newline="")
            return sum(1 for _ in csv.reader(text)) - 1
