"""`spacy-rnn annotate`: what a second worker brings, whether rows survive a kill, and what one
machine does a second.

    python -m benchmarks.annotate
    python -m benchmarks.annotate --kill --reviews 100000
    python -m benchmarks.annotate --parts

Film reviews, repeated as often as needed, each with a number; the pipeline is `en_sentiment_lstm`
from its wheel, or --model. Each worker has one thread.

The first command annotates the same file with one worker and with two, in turns, and gives the
median over rounds of the ratio of their rates. A rate counts from the time when as many parts are
done as there are workers, so that loading the pipeline is left out; what whole runs take, all
included, is printed as well.

`--kill` sends SIGKILL to a worker when half of the parts are done, and looks for each row in the
output.

`--parts` times each step by itself, in one thread: the tokenizer, the pipeline, cutting, reading
and writing files of each format, and what Ray takes for a part, without and with its files.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from itertools import count, cycle
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import psutil
import torch
from pyarrow import Table, parquet

from spacy_rnn.annotation.annotator import Annotator
from spacy_rnn.annotation.inputs import find_inputs
from spacy_rnn.annotation.job import Outcome, Worker, open_part
from spacy_rnn.annotation.partitions import cut_files, read_partition
from spacy_rnn.annotation.ray_session import ray_session, run_partitions
from spacy_rnn.annotation.results import Annotated
from spacy_rnn.annotation.run import Plan, carry_out, make_plan
from spacy_rnn.corpus.rows import Layout, Row

from .timing import markdown, median_ratio, rates_in_turns, reviews

ROOT = Path(__file__).parents[1]
FORMATS = ("parquet", "jsonl", "csv")
# Parts of one row, or of nothing at all, whose time is what Ray takes.
EMPTY = 300
MB = 1e6


class Times(NamedTuple):
    """Of a run. rate: Words a second, without the start. per_worker: Words a second of work of
    each worker. seconds: Of the whole run, but for the start of Ray."""

    rate: float
    per_worker: float
    seconds: float


def unpack_model(folder: Path) -> str:
    """The pipeline of the wheel, in a folder."""
    (wheel,) = (ROOT / "pipelines").glob("en_sentiment_lstm-*.whl")
    shutil.unpack_archive(wheel, folder, "zip")
    (config,) = folder.glob("en_sentiment_lstm/*/config.cfg")
    return str(config.parent)


def numbered(number: int) -> Iterator[Dict[str, Any]]:
    """Reviews with their numbers, again from the first one where they end."""
    texts = [record.text for record in reviews(0)]
    for index, text in zip(range(number), cycle(texts)):
        yield {"id": index, "text": text}


def write_reviews(path: Path, number: int) -> Path:
    with path.open("w", encoding="utf8") as file:
        for row in numbered(number):
            file.write(json.dumps(row) + "\n")
    return path


def new_plan(args: argparse.Namespace, path: Path, folder: Path, **settings: Any) -> Plan:
    """A plan of an output that nobody has begun."""
    output = tempfile.mkdtemp(dir=folder)
    settings = {"rows": args.rows, "format": args.format, **settings}
    return make_plan(args.model, [str(path)], output, **settings)


def time_run(plan: Plan, workers: int) -> Times:
    """Annotate all, in a session of Ray that is there already."""
    begin = time.perf_counter()
    ends: List[Tuple[float, Outcome]] = []
    carry_out(
        plan,
        workers=workers,
        progress=lambda outcome: ends.append((time.perf_counter(), outcome)),
    )
    seconds = time.perf_counter() - begin
    counted = ends[workers:]
    rate = sum(outcome.words for _, outcome in counted) / (ends[-1][0] - ends[workers - 1][0])
    # The first part of each worker has loaded the pipeline.
    steady = sorted((outcome for _, outcome in ends), key=lambda outcome: outcome.seconds)
    steady = steady[:-workers]
    work = sum(outcome.seconds for outcome in steady)
    return Times(rate, sum(outcome.words for outcome in steady) / work, seconds)


def compare_workers(args: argparse.Namespace, folder: Path) -> None:
    path = write_reviews(folder / "reviews.jsonl", args.reviews)
    found: Dict[int, List[Times]] = {workers: [] for workers in args.workers}
    with ray_session(max(args.workers)):
        for _ in range(args.rounds):
            for workers in args.workers:
                found[workers].append(time_run(new_plan(args, path, folder), workers))
    base = args.workers[0]
    rates = {str(workers): [times.rate for times in found[workers]] for workers in args.workers}
    rows = []
    for workers, times in found.items():
        one = [part.per_worker for part in times]
        rows.append(
            (
                str(workers),
                f"{statistics.median(rates[str(workers)]):,.0f}",
                f"{median_ratio(rates, str(workers), str(base)):.2f}",
                f"{statistics.median(one):,.0f}",
                f"{statistics.median(part.seconds for part in times):.1f}",
            )
        )
    header = ("workers", "words/s", "ratio", "words/s of a worker at work", "whole run, s")
    print(markdown(header, rows))


def annotators() -> List[psutil.Process]:
    """The worker processes of this one's Ray."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "(MapBatches(Worker))" in " ".join(process.cmdline())]


def kill_one(args: argparse.Namespace, folder: Path) -> None:
    path = write_reviews(folder / "reviews.jsonl", args.reviews)
    plan = new_plan(args, path, folder, format="parquet", columns=["id", "text"])
    killed: List[int] = []
    done = count(1)

    def progress(outcome: Outcome) -> None:
        if next(done) == len(plan.partitions) // 2:
            victim = annotators()[0]
            killed.append(victim.pid)
            victim.kill()

    begin = time.perf_counter()
    totals = carry_out(plan, workers=max(args.workers), progress=progress)
    seconds = time.perf_counter() - begin
    ids = parquet.read_table(plan.job.output, columns=["id"])["id"].to_pylist()
    assert killed, "no worker was killed"
    assert ids == list(range(args.reviews)), "rows are missing, twice, or out of order"
    print(
        f"{totals.written:,} reviews, {totals.words:,} words in {totals.parts} parts, "
        f"{max(args.workers)} workers, process {killed[0]} killed: every row once, in order, in "
        f"{seconds:.0f} s, {totals.words / seconds:,.0f} words/s"
    )


def time_parts(args: argparse.Namespace, folder: Path) -> None:
    torch.set_num_threads(1)
    annotator = Annotator(args.model)
    rows = list(numbered(args.reviews))
    texts = [row["text"] for row in rows]
    words = sum(len(annotator.nlp.make_doc(text)) for text in texts)

    def tokenize() -> int:
        return sum(len(annotator.nlp.make_doc(text)) for text in texts)

    def annotate() -> int:
        return sum(found.tokens for _, _, found in annotator.annotate((t, None) for t in texts))

    speed = rates_in_turns({"tokenizer": tokenize, "pipeline": annotate}, rounds=args.rounds)
    print(f"{len(texts):,} reviews, {words:,} words, {sum(map(len, texts)) / MB:.1f} MB of text\n")
    table = [(name, f"{statistics.median(rates):,.0f}") for name, rates in speed.items()]
    print(markdown(("step", "words/s"), table) + "\n")
    print(
        markdown(("format", "cut, MB/s", "read, MB/s", "write, MB/s"), _files(args, rows, folder))
    )
    print("\n" + markdown(("for a part", "ms"), _parts(args, folder)))


def _files(args: argparse.Namespace, rows: List[Dict[str, Any]], folder: Path) -> List[Any]:
    """Time each format. MB are those of the text alone, so that formats can be compared."""
    size = sum(len(row["text"].encode()) for row in rows) / MB
    annotator = Annotator(args.model)
    table = []
    for format in FORMATS:
        path = folder / f"reviews.{format}"
        write_input(path, rows)
        plan = new_plan(args, path, folder, format=format)

        def cut(path: Path = path) -> float:
            files = find_inputs([str(path)])
            list(cut_files(files, Layout(), "text", ["id", "text"], args.rows))
            return size

        def read(plan: Plan = plan) -> float:
            for partition in plan.partitions:
                for _ in read_partition(partition, Layout(), "text"):
                    pass
            return size

        def write(plan: Plan = plan) -> float:
            with open_part(folder / "part", plan.job, annotator) as writer:
                for row in rows:
                    writer.write(Annotated(Row("", 1, row, ""), annotator.probe))
            return size

        runs: Dict[str, Callable[[], Any]] = {"cut": cut, "read": read, "write": write}
        rates = rates_in_turns(runs, rounds=args.rounds)
        table.append((format, *(f"{statistics.median(rates[name]):,.1f}" for name in runs)))
    return table


def write_input(path: Path, rows: List[Dict[str, Any]]) -> None:
    table = Table.from_pylist(rows)
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=10_000)
    elif path.suffix == ".csv":
        table.to_pandas().to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")


class Idle(Worker):
    """A worker that does nothing."""

    def run(self, partition: Any) -> Outcome:
        return Outcome(partition.number)


def _parts(args: argparse.Namespace, folder: Path) -> List[Tuple[str, str]]:
    """What a part takes that has nothing to annotate, and one of a single word."""
    path = folder / "short.txt"
    path.write_text("word\n" * EMPTY)
    table = []
    with ray_session(1) as ray:
        for name, worker in (("Ray alone", Idle), ("a text of one word, and its files", Worker)):
            plan = new_plan(args, path, folder, rows=1)
            found = run_partitions(ray, plan.job, plan.missing, workers=1, worker=worker)
            ends = [time.perf_counter() for _ in found]
            # The first ones come together with the pipeline.
            later = ends[EMPTY // 10 :]
            table.append((name, f"{1000 * (later[-1] - later[0]) / (len(later) - 1):.1f}"))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a trained pipeline; of the wheel, if not given")
    parser.add_argument("--reviews", type=int, default=8000)
    parser.add_argument("--rows", type=int, default=250, help="rows in a part")
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="of the output")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kill", action="store_true", help="kill a worker in the middle")
    parser.add_argument("--parts", action="store_true", help="time each step by itself")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        args.model = args.model or unpack_model(folder / "model")
        mode = kill_one if args.kill else time_parts if args.parts else compare_workers
        mode(args, folder)


if __name__ == "__main__":
    main()
