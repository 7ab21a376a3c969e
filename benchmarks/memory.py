"""Peak memory of `nlp.pipe` over long texts.

    python -m benchmarks.memory

200 texts of 20,000 tokens with the model of the default config, initialized but not
trained, and no limit on tokens.
"""

import argparse
import resource
import sys

import spacy
from spacy.training import Example

from .textcat import our_model
from .timing import reviews


def peak() -> float:
    """Peak memory of this process so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=20_000)
    args = parser.parse_args()
    nlp = spacy.blank("en")
    model = our_model()
    model["max_tokens"] = 0
    nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = [
        Example.from_dict(nlp.make_doc(record.text), {"cats": record.cats})
        for record in reviews(500)
    ]
    words = [token.text for eg in examples for token in eg.predicted]
    nlp.initialize(lambda: examples)
    text = " ".join((words * (1 + args.tokens // len(words)))[: args.tokens])
    before = peak()
    tokens = sum(len(doc) for doc in nlp.pipe(text for _ in range(args.texts)))
    print(f"{args.texts} texts, {tokens:,} tokens: peak {peak():.2f} GiB, before {before:.2f} GiB")


if __name__ == "__main__":
    main()
