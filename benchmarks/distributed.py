"""What training in two processes costs and brings: a step with the same batch in one process and in
two, what goes over the network for it, how long sums of gradients take by their size, and how fast
texts are read, which each process does for itself.

    python -m benchmarks.distributed
    python -m benchmarks.distributed --texts 200 --steps 10 --configs textcat_lstm
    python -m benchmarks.distributed --clock process_time

The last one counts each process' own time on a processor, without that of waiting: for a look at a
machine that has other things to do.

Processes are on this machine and have one thread each; Gloo connects them by its loopback device.
So the time of a sum is the least that a network takes: for what it takes on another one, see
`python -m benchmarks.scale`.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import spacy
import torch
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.util import load_config, load_model_from_config
from thinc.api import fix_random_seed
from torch import distributed

from spacy_rnn.configs import config_path
from spacy_rnn.training.all_reduce_adam import AllReduceAdam
from spacy_rnn.training.ranks import Ranks
from spacy_rnn.training.shares import Shares
from spacy_rnn.training.summed_gradients import weights_of

from .timing import markdown, reviews

# Configs, and about how many texts their batches have. The tagger's are of 25 words.
BATCHES = {"textcat_lstm": 32, "textcat_multilabel_lstm": 32, "tagger_bilstm": 40}
SENTENCE = 25
# Numbers of four bytes that are summed by themselves.
SIZES = (2_500, 25_000, 250_000, 2_500_000, 25_000_000)
TAGS = ("NOUN", "VERB", "DET", "ADJ", "ADP", "PUNCT")
# Steps that are not counted.
WARMUP = 3


# What is told of a step.
PARTS = ("step", "waits", "sums", "optimizer", "bytes", "words")


def write_texts(folder: Path, count: int) -> None:
    """Film reviews, whole and in sentences, with tags by their words: what is learned does not
    count here."""
    nlp = spacy.blank("en")
    packed = {name: DocBin(attrs=["ORTH", "POS", "TAG"]) for name in ("texts", "sentences")}
    for record in reviews(count):
        doc = nlp.make_doc(record.text)
        for token in doc:
            token.pos_ = token.tag_ = TAGS[token.orth % len(TAGS)]
        for start in range(0, len(doc), SENTENCE):
            packed["sentences"].add(doc[start : start + SENTENCE].as_doc())
        doc.cats = dict(record.cats)
        packed["texts"].add(doc)
    for name, docs in packed.items():
        docs.to_disk(folder / f"{name}.spacy")


def corpus_of(folder: Path, name: str) -> Corpus:
    return Corpus(folder / f"{'sentences' if name.startswith('tagger') else 'texts'}.spacy")


def make_pipeline(name: str, examples: List[Example]) -> Language:
    """The pipeline of a shipped config, before it has learned anything."""
    fix_random_seed(0)
    nlp = load_model_from_config(load_config(config_path(name)), auto_fill=True)
    nlp.initialize(lambda: examples)
    return nlp


def work(rank: int, count: int, name: str, steps: int, clock: str, folder: Path) -> None:
    """Train as one of several processes, and write what it took into a file."""
    torch.set_num_threads(1)
    now = getattr(time, clock)
    _join(rank, count, folder / f"group_{name}")
    examples = list(corpus_of(folder, name)(spacy.blank("en")))
    nlp = make_pipeline(name, examples)
    optimizer, ranks = AllReduceAdam(), Ranks()
    learner: Any = Shares(nlp, [], ranks, optimizer) if count > 1 else nlp
    size, models = BATCHES[name], [pipe.model for _, pipe in nlp.pipeline]
    found: Dict[str, List[float]] = {part: [] for part in PARTS}
    for step in range(WARMUP + steps):
        first = step * size % max(len(examples) - size, 1)
        batch = sorted(examples[first : first + size], key=lambda eg: len(eg.predicted))
        times = [now()]
        learner.update(batch, losses={}, sgd=False, drop=0.2)
        times.append(now())
        if count > 1:
            distributed.barrier()
        times.append(now())
        with _Counted() as counted:
            optimizer.all_reduce(models)
        times.append(now())
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
        times.append(now())
        if step >= WARMUP:
            values = (times[4] - times[0], *(times[i + 1] - times[i] for i in (1, 2, 3)))
            words = sum(len(eg.predicted) for eg in batch)
            for part, value in zip(PARTS, (*values, counted.bytes, words)):
                found[part].append(value)
    weights = sum(4 * weight.value.numel() for weight in weights_of(models))
    result = {part: statistics.median(values) for part, values in found.items()}
    (folder / f"{name}_{count}_{rank}.json").write_text(json.dumps({**result, "weights": weights}))
    if count > 1:
        distributed.destroy_process_group()


class _Counted:
    """Counts the bytes that are summed within the context."""

    bytes = 0

    def __enter__(self) -> "_Counted":
        self._sum = distributed.all_reduce

        def all_reduce(values: torch.Tensor, **settings: Any) -> Any:
            self.bytes += values.numel() * values.element_size()
            return self._sum(values, **settings)

        distributed.all_reduce = all_reduce
        return self

    def __exit__(self, *error: Any) -> None:
        distributed.all_reduce = self._sum


def sum_sizes(rank: int, count: int, rounds: int, folder: Path) -> None:
    """Sum arrays of several sizes, and write how long each took."""
    _join(rank, count, folder / "group_sizes")
    found = {}
    for size in SIZES:
        values, times = torch.zeros(size), []
        for _ in range(rounds + 1):
            distributed.barrier()
            start = time.perf_counter()
            distributed.all_reduce(values)
            times.append(time.perf_counter() - start)
        found[4 * size] = statistics.median(times[1:])
    (folder / f"sizes_{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def _join(rank: int, count: int, path: Path) -> None:
    if count > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{path}", rank=rank, world_size=count
        )


def in_processes(function: Any, count: int, *arguments: Any) -> None:
    """RAISES: RuntimeError if one of them has failed."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=function, args=(rank, count, *arguments)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"{function.__name__} has failed")


def reading_rate(folder: Path, clock: str) -> float:
    """Words a second from a .spacy file to examples, in the second pass over it."""
    nlp, now = spacy.blank("en"), getattr(time, clock)
    for _ in range(2):
        start = now()
        words = sum(len(eg.predicted) for eg in corpus_of(folder, "textcat_lstm")(nlp))
    return words / (now() - start)


def row_of(name: str, steps: int, clock: str, folder: Path) -> Tuple[str, ...]:
    """Measure one config. RETURNS: A row of the table."""
    for count in (1, 2):
        in_processes(work, count, name, steps, clock, folder)
    alone = json.loads((folder / f"{name}_1_0.json").read_text())
    ranks = [json.loads((folder / f"{name}_2_{rank}.json").read_text()) for rank in (0, 1)]
    step = max(found["step"] for found in ranks)
    waits = max(found["waits"] for found in ranks)
    sums, size = ranks[0]["sums"], ranks[0]["bytes"]
    return (
        f"`{name}`",
        f"{alone['words']:.0f}",
        f"{1e3 * alone['step']:.0f}",
        f"{1e3 * step:.0f}",
        f"{alone['step'] / step:.2f}",
        f"{1e3 * waits:.1f}",
        f"{1e3 * sums:.1f}",
        f"{1e3 * alone['optimizer']:.1f}",
        f"{size / 1e6:.2f}",
        f"{alone['weights'] / 1e6:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--texts", type=int, default=1000, help="reviews to learn from")
    parser.add_argument("--steps", type=int, default=30, help="steps of each training")
    parser.add_argument("--configs", nargs="+", choices=list(BATCHES), default=list(BATCHES))
    parser.add_argument("--clock", choices=("perf_counter", "process_time"), default="perf_counter")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_texts(folder, arguments.texts)
        header = (
            "config",
            "words",
            "one, ms",
            "two, ms",
            "ratio",
            "waiting, ms",
            "sums, ms",
            "optimizer, ms",
        )
        rows = [
            row_of(config, arguments.steps, arguments.clock, folder) for config in arguments.configs
        ]
        print(markdown((*header, "summed, MB", "weights, MB"), rows))
        in_processes(sum_sizes, 2, arguments.steps, folder)
        times = json.loads((folder / "sizes_0.json").read_text())
        rows = [
            (f"{int(size) / 1e6:g}", f"{1e3 * seconds:.2f}", f"{int(size) / seconds / 1e6:.0f}")
            for size, seconds in times.items()
        ]
        print("\n" + markdown(("sum of, MB", "ms", "MB/s"), rows))
        print(f"\nReading .spacy files: {reading_rate(folder, arguments.clock):,.0f} words/s")


if __name__ == "__main__":
    main()
