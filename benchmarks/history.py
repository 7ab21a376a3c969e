"""Speed of each release on each machine, as ratios: one line of JSON, added to history.jsonl.

    python -m benchmarks.history
    python -m benchmarks.history --rounds 2 --note "while other programs run"

A short benchmark of a few minutes. Each figure is a rate by that of spaCy's tokenizer in the same
round, so that lines of different machines, and of a machine that is busy, can be compared more or
less; `load` says how busy it was. Models are initialized, not trained: speed is the same. A line is
added, never replaced. Then docs/images/benchmark_history.svg is drawn anew, with a line for each
machine.
"""

import argparse
import datetime
import os
import platform
import statistics
from pathlib import Path
from typing import Any, Callable, Dict, List

import spacy
import srsly
import thinc
import torch
from spacy.util import minibatch

from spacy_rnn import __version__
from spacy_rnn.visual.figures import svg_file_of

from .layers import make_pipeline
from .streaming import make_pipeline as make_streaming_pipeline
from .timing import median_ratio, rates_in_turns, reviews

HISTORY = Path(__file__).with_name("history.jsonl")
FIGURE = HISTORY.parents[1] / "docs" / "images" / "benchmark_history.svg"
TEXTS = 300
TOKENIZER = "tokenizer"
# What is measured, and how it is called in the figure. The names stay: lines are compared by them.
FIGURES = {
    "textcat_pipe": "textcat_lstm, nlp.pipe",
    "textcat_one": "textcat_lstm, one sentence at a time",
    "textcat_update": "textcat_lstm, training",
    "tagger_pipe": "tagger_bilstm, nlp.pipe",
    "streams_64": "64 texts that arrive word by word",
}


def machine() -> Dict[str, Any]:
    """What the figures depend on beside this package."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
    }


def cpu_name() -> str:
    """As the system calls it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def runs(texts: List[str]) -> Dict[str, Callable[[], int]]:
    """What is timed. Each returns the number of its tokens."""
    textcat, tagger = (make_pipeline(name, texts) for name in ("textcat_lstm", "tagger_bilstm"))
    sentences = [sentence for text in texts for sentence in text.split(". ")][:TEXTS]
    short = sum(len(textcat.make_doc(sentence)) for sentence in sentences)
    examples = [
        spacy.training.Example.from_dict(
            textcat.make_doc(text),
            {"cats": {"POSITIVE": float(i % 2), "NEGATIVE": float(not i % 2)}},
        )
        for i, text in enumerate(texts)
    ]
    optimizer = textcat.create_optimizer()
    streaming, words = make_streaming_pipeline("textcat_lstm_streaming")
    streams = streaming.get_pipe("textcat_lstm").streams(streaming)  # type: ignore[attr-defined]
    opened = [streams.open() for _ in range(64)]

    def one() -> int:
        for sentence in sentences:
            textcat(sentence)
        return short

    def update() -> int:
        for batch in minibatch(examples, 32):
            textcat.update(batch, sgd=optimizer)
        return sum(len(example.x) for example in examples)

    def push() -> int:
        for i in range(50):
            streams.push(opened, [f"{word} " for word in words[64 * i : 64 * (i + 1)]])
        return 64 * 50

    return {
        TOKENIZER: lambda: sum(map(len, textcat.tokenizer.pipe(texts))),
        "textcat_pipe": lambda: sum(map(len, textcat.pipe(texts))),
        "textcat_one": one,
        "textcat_update": update,
        "tagger_pipe": lambda: sum(map(len, tagger.pipe(texts))),
        "streams_64": push,
    }


def measure(rounds: int, note: str = "") -> Dict[str, Any]:
    """RETURNS: A line of the history."""
    texts = [record.text for record in reviews(TEXTS)]
    rates = rates_in_turns(runs(texts), rounds=rounds)
    return {
        "version": __version__,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "note": note,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "spacy": spacy.__version__,
        "thinc": thinc.__version__,
        "rounds": rounds,
        "tokenizer_tokens_per_second": round(statistics.median(rates[TOKENIZER])),
        "ratios": {name: round(median_ratio(rates, name, TOKENIZER), 4) for name in FIGURES},
    }


def draw(lines: List[Dict[str, Any]]) -> bytes:
    """A figure of the history as SVG: a part for each figure, a line for each machine.

    RAISES: ImportError without matplotlib.
    """
    machines: Dict[str, List[Dict[str, Any]]] = {}
    for line in lines:
        found = line["machine"]
        title = f"{found['cpu']}, {found['cores']} cores, {found['kernels']}"
        machines.setdefault(title, []).append(line)
    versions = list(dict.fromkeys(line["version"] for line in lines))

    def onto(figure: Any) -> None:
        parts = figure.subplots(len(FIGURES), 1, sharex=True, squeeze=False)[:, 0]
        for part, (name, title) in zip(parts, FIGURES.items()):
            for label, own in machines.items():
                known = [line for line in own if name in line["ratios"]]
                places = [versions.index(line["version"]) for line in known]
                values = [line["ratios"][name] for line in known]
                part.plot(places, values, marker="o", clip_on=False, label=label)
            part.set_title(title)
            part.set_ylim(bottom=0)
            part.grid(axis="y")
        parts[-1].set_xticks(range(len(versions)), versions)
        parts[-1].set_xlabel("tokens per second by those of the tokenizer alone, by version")
        figure.legend(*parts[0].get_legend_handles_labels(), loc="outside upper left")

    label = "Speed of each release by that of the tokenizer, for each machine"
    return svg_file_of(onto, (7, 1.6 * len(FIGURES) + 1), label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--note", default="", help="what else is to be known of this run")
    args = parser.parse_args()
    line = measure(args.rounds, args.note)
    srsly.write_jsonl(HISTORY, [line], append=True, append_new_line=False)
    print(srsly.json_dumps(line, indent=2))
    FIGURE.write_bytes(draw(list(srsly.read_jsonl(HISTORY))))


if __name__ == "__main__":
    main()
