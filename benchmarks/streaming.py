"""Speed and memory of texts that are scored while they arrive.

    python -m benchmarks.streaming

The model of `configs/textcat_lstm_streaming.cfg`, initialized but not trained: pieces of one
word each, the scores read after each. One stream alone; many in one step; and one of a
million tokens, whose state must not grow.
"""

import argparse
import random
import time
from typing import List, Tuple

import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config

from .memory import peak
from .textcat import CONFIG
from .timing import markdown, reviews


def make_pipeline() -> Tuple[Language, List[str]]:
    """A pipeline that was initialized on reviews, and words of these."""
    nlp = spacy.blank("en")
    path = CONFIG.with_name("textcat_lstm_streaming.cfg")
    model = load_config(path)["components"]["textcat_lstm"]["model"]
    nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = [Example.from_dict(nlp.make_doc(r.text), {"cats": r.cats}) for r in reviews(2000)]
    nlp.initialize(lambda: examples)
    return nlp, [word for eg in examples for word in eg.text.split()]


def rates(nlp: Language, words: List[str], count: int, seconds: float) -> Tuple[float, float]:
    """Push one word at a time into so many streams together. RETURNS: Words and tokens a second."""
    rng = random.Random(0)
    streams = nlp.get_pipe("textcat_lstm").streams(nlp)  # type: ignore[attr-defined]
    opened = [streams.open() for _ in range(count)]
    steps = [[f"{word} " for word in rng.choices(words, k=count)] for _ in range(100)]
    for pieces in steps[:10]:
        streams.push(opened, pieces)
    sizes = [sum(len(nlp.make_doc(piece)) for piece in pieces) for pieces in steps]
    tokens, start, i = 0, time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        pieces = steps[i % len(steps)]
        # Returns the categories of each.
        streams.push(opened, pieces)
        tokens, i = tokens + sizes[i % len(steps)], i + 1
    passed = time.perf_counter() - start
    return count * i / passed, tokens / passed


def million(nlp: Language, words: List[str]) -> Tuple[int, int, float]:
    """Size of the state of a stream after a thousand and after a million words, in bytes,
    and how much the process has grown between, in GiB."""
    stream = nlp.get_pipe("textcat_lstm").stream(nlp)  # type: ignore[attr-defined]
    text = " ".join(words[:1000]) + " "
    stream.push(text)
    small, before = len(stream.to_bytes()), peak()
    for _ in range(999):
        stream.push(text)
    return small, len(stream.to_bytes()), peak() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    nlp, words = make_pipeline()
    rows = []
    for count in (1, 8, 64, 512, 4096):
        rate, tokens = rates(nlp, words, count, args.seconds)
        rows.append((f"{count:,}", f"{rate:,.0f}", f"{tokens:,.0f}", f"{1e3 * count / rate:.2f}"))
    print(markdown(("streams", "words/s", "tokens/s", "ms a step"), rows))
    small, large, grown = million(nlp, words)
    print(f"\nbytes of a stream after 1,000 words: {small:,}; after 1,000,000: {large:,}")
    print(f"growth of the process between: {grown:.3f} GiB")


if __name__ == "__main__":
    main()
