"""One annotation of many files: what is to be done, and how workers do a part of it."""

import contextlib
import json
import time
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import torch

from ..corpus.rows import Fault, Layout, Row
from .annotator import Annotator
from .columns import Column
from .faults import fault_to_json, find_text_problem
from .output_folder import OutputFolder
from .parquet_writer import ParquetWriter
from .partitions import Partition, partition_from_json, read_partition
from .results import Annotated
from .text_writers import CsvWriter, JsonlWriter


class Job(NamedTuple):
    """What all workers are told.

    model, text_column, threshold, batch_tokens, gpu: As those of `Annotator`.
    layout: How the input is written; formats are those of its files.
    output: The folder to write. format: "parquet", "jsonl" or "csv".
    keep: The columns of the input that are kept; None for all.
    columns: The same with their types, for tables.
    """

    model: str
    text_column: str
    threshold: Optional[float]
    batch_tokens: int
    gpu: bool
    layout: Layout
    output: str
    format: str
    keep: Optional[List[str]]
    columns: List[Column]


class Outcome(NamedTuple):
    """What became of a partition.

    number: Of the partition. written, bad: Rows. words: Tokens in the rows that were read.
    seconds: How long it took. error: Why it could not be done; "" if it was.
    stage: What has failed, "load" or "work"; "" if nothing has.
    """

    number: int
    written: int = 0
    bad: int = 0
    words: int = 0
    seconds: float = 0.0
    error: str = ""
    stage: str = ""


class Worker:
    """Annotates partitions, with a pipeline that is loaded with the first one. An error is an
    outcome, so that it can be said in one line wherever the worker is.

    job: What is to be done.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._annotator: Optional[Annotator] = None

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, Any]:
        """Do the partitions of a batch of Ray Data, in "partition" as JSON.

        RETURNS: Their outcomes, a column for each field.
        """
        # More threads would only get in the way of the other workers.
        torch.set_num_threads(1)
        outcomes = [self.run(partition_from_json(line)) for line in batch["partition"]]
        return {name: list(values) for name, values in zip(Outcome._fields, zip(*outcomes))}

    def run(self, partition: Partition) -> Outcome:
        """Annotate a partition, and write what comes of it. Never raises."""
        begin = time.perf_counter()
        stage = "load"
        try:
            annotator = self._load()
            stage = "work"
            written, bad, words = annotate_partition(annotator, partition, self.job)
        except Exception as error:
            return Outcome(partition.number, error=_describe(error), stage=stage)
        return Outcome(partition.number, written, bad, words, time.perf_counter() - begin)

    def _load(self) -> Annotator:
        if self._annotator is None:
            self._annotator = Annotator(
                self.job.model,
                text_column=self.job.text_column,
                threshold=self.job.threshold,
                batch_tokens=self.job.batch_tokens,
                gpu=self.job.gpu,
            )
        return self._annotator


def _describe(error: Exception) -> str:
    """An error in one line. Those that are expected need no name."""
    message = " ".join(str(error).split())
    if isinstance(error, (OSError, ValueError, ImportError)) and message:
        return message
    return f"{type(error).__name__}: {message}"


def annotate_partition(
    annotator: Annotator, partition: Partition, job: Job
) -> Tuple[int, int, int]:
    """Annotate a partition. Its file of the output appears as a whole, after that of its rows that
    could not be annotated, which is there only if there are any.

    RETURNS: How many rows were written, how many could not be, and the number of tokens read.
    """
    output = OutputFolder(job.output, job.format)
    with output.scratch() as folder:
        path, bad_path = Path(folder) / "part", Path(folder) / "bad"
        with open_part(path, job, annotator) as writer, _BadFile(bad_path) as bad:
            written, words = _annotate_rows(annotator, partition, job, writer, bad)
        if bad.count:
            output.publish(bad_path, output.bad_name(partition.number))
        else:
            output.remove(output.bad_name(partition.number))
        output.publish(path, output.part_name(partition.number))
    return written, bad.count, words


def _annotate_rows(
    annotator: Annotator, partition: Partition, job: Job, writer: Any, bad: "_BadFile"
) -> Tuple[int, int]:
    written = words = 0
    for _, row, annotation in annotator.annotate(_usable(annotator, partition, job, bad)):
        words += annotation.tokens
        problem = annotation.problem
        if annotation.result is not None:
            problem = writer.write(Annotated(_kept(row, job.keep), annotation.result))
        if problem is None:
            written += 1
        else:
            bad.add(row.fault(problem))
    return written, words


def _usable(
    annotator: Annotator, partition: Partition, job: Job, bad: "_BadFile"
) -> Iterator[Tuple[str, Row]]:
    """The rows that have a text."""
    for row in read_partition(partition, job.layout, job.text_column):
        if isinstance(row, Fault):
            bad.add(row)
            continue
        problem = find_text_problem(row, job.text_column, annotator.nlp.max_length)
        if problem is None:
            yield row.cells[job.text_column], row
        else:
            bad.add(row.fault(problem))


def _kept(row: Row, keep: Optional[List[str]]) -> Row:
    """A row with the columns that are kept. One that it does not have is not made."""
    if keep is None:
        return row
    return row._replace(cells={name: row.cells[name] for name in keep if name in row.cells})


@contextlib.contextmanager
def open_part(path: Path, job: Job, annotator: Annotator) -> Iterator[Any]:
    """What writes the rows of a partition."""
    if job.format == "parquet":
        writer = ParquetWriter(path, job.columns, annotator.writers)
        try:
            yield writer
        finally:
            writer.close()
        return
    # Half a character is written as JSON escapes it.
    with path.open("w", encoding="utf8", errors="backslashreplace", newline="") as file:
        if job.format == "csv":
            names = [column.name for column in job.columns]
            yield CsvWriter(file, annotator.writers.labels, names, annotator.probe)
        else:
            yield JsonlWriter(file)


class _BadFile:
    """Takes rows that cannot be annotated, and writes them to a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._file: IO[str] = path.open("w", encoding="utf8", errors="backslashreplace")

    def __enter__(self) -> "_BadFile":
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def add(self, fault: Fault) -> None:
        self.count += 1
        self._file.write(json.dumps(fault_to_json(fault), ensure_ascii=False) + "\n")
