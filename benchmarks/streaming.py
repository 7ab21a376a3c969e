"""Speed and memory of texts that are scored while they arrive.

    python -m benchmarks.streaming

Models initialized but not trained, of the default config and of the one for streams: pieces
of one word each, the scores returned after each. One stream alone; many in one step; and one
of a million tokens, whose state must not grow.
"""

import argparse
import random
import statistics
from typing import Callable, Dict, List, Tuple

import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config

from .memory import peak
from .textcat import CONFIG
from .timing import markdown, median_ratio, rates_in_turns, reviews

CONFIGS = ("textcat_lstm", "textcat_lstm_streaming")


def make_pipeline(config: str) -> Tuple[Language, List[str]]:
    """A pipeline that was initialized on reviews, and words of these."""
    nlp = spacy.blank("en")
    path = CONFIG.with_name(f"{config}.cfg")
    model = load_config(path)["components"]["textcat_lstm"]["model"]
    nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = [Example.from_dict(nlp.make_doc(r.text), {"cats": r.cats}) for r in reviews(2000)]
    nlp.initialize(lambda: examples)
    return nlp, [word for eg in examples for word in eg.text.split()]


def runs(nlp: Language, words: List[str], count: int) -> Dict[str, Callable[[], int]]:
    """Push one word at a time into so many streams together; and the tokenizer alone over the
    same pieces. Both return the number of tokens."""
    rng = random.Random(0)
    streams = nlp.get_pipe("textcat_lstm").streams(nlp)  # type: ignore[attr-defined]
    opened = [streams.open() for _ in range(count)]
    size = max(20, 2000 // count)
    steps = [[f"{word} " for word in rng.choices(words, k=count)] for _ in range(size)]

    def tokenize() -> int:
        return sum(len(nlp.make_doc(piece)) for pieces in steps for piece in pieces)

    tokens = tokenize()

    def push() -> int:
        for pieces in steps:
            # Returns the categories of each.
            streams.push(opened, pieces)
        return tokens

    return {"push": push, "tokenizer": tokenize}


def speed(config: str, rounds: int) -> List[Tuple[str, ...]]:
    """Lines of the table."""
    nlp, words = make_pipeline(config)
    lines = []
    for count in (1, 8, 64, 512, 4096):
        found = rates_in_turns(runs(nlp, words, count), rounds=rounds)
        share = median_ratio(found, "push", "tokenizer")
        rates = (statistics.median(found["push"]), max(found["push"]))
        lines.append((f"`{config}`", f"{count:,}", *(f"{r:,.0f}" for r in rates), f"{share:.2f}"))
    return lines


def million(config: str) -> str:
    """Size of the state of a stream after a thousand and after a million words, and how much
    the process has grown between."""
    nlp, words = make_pipeline(config)
    stream = nlp.get_pipe("textcat_lstm").stream(nlp)  # type: ignore[attr-defined]
    text = " ".join(words[:1000]) + " "
    stream.push(text)
    small, before = len(stream.to_bytes()), peak()
    for _ in range(999):
        stream.push(text)
    large, grown = len(stream.to_bytes()), peak() - before
    return (
        f"`{config}`: {small:,} bytes after 1,000 words, {large:,} after 1,000,000; the process "
        f"has grown by {grown:.3f} GiB between"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    lines = [line for config in CONFIGS for line in speed(config, args.rounds)]
    header = ("config", "streams", "tokens/s", "in the best round", "of the tokenizer alone")
    print(markdown(header, lines))
    for config in CONFIGS:
        print(f"\n{million(config)}")


if __name__ == "__main__":
    main()
