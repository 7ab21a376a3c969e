"""Peak memory of `nlp.pipe`, and how it grows.

    python -m benchmarks.memory textcat_lstm
    python -m benchmarks.memory tagger_bilstm

200 texts of 20,000 tokens to classify, or one text of 200,000 tokens to tag, with the model
of the default config, initialized but not trained, and no limit on tokens.

    python -m benchmarks.memory tagger_bilstm --texts 50000 --tokens 20 --batch-size 10000
    python -m benchmarks.memory tagger_bilstm --texts 50000 --tokens 20 --unseen
    python -m benchmarks.memory none --texts 50000 --tokens 20 --unseen --memory-zone

A million tokens of short texts in large batches, or a million words of which each is a new one;
with `none`, by spaCy's tokens and strings alone. "after a tenth" is the peak when a tenth of the
texts was read: what is beyond it at the end has grown.
"""

import argparse
import itertools
import resource
import sys
from contextlib import nullcontext
from typing import Any, Dict, Iterator, List, Tuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config

from .tagger import CONFIG as TAGGER_CONFIG
from .textcat import our_model
from .timing import reviews

# Component: texts, tokens of each.
TEXTS = {"textcat_lstm": (200, 20_000), "tagger_bilstm": (1, 200_000)}


def peak() -> float:
    """Peak memory of this process so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def make_pipeline(component: str) -> Tuple[Language, List[str]]:
    """A pipeline that was initialized on reviews, and the words of these."""
    nlp = spacy.blank("en")
    if component == "textcat_lstm":
        model: Dict[str, Any] = our_model()
        model["max_tokens"] = 0
    else:
        model = load_config(TAGGER_CONFIG)["components"]["tagger_bilstm"]["model"]
    nlp.add_pipe(component, config={"model": model})
    examples = []
    for record in reviews(500):
        reference = nlp.make_doc(record.text)
        reference.cats = record.cats
        for token in reference:
            token.pos_ = "NOUN" if token.is_alpha else "PUNCT"
        examples.append(Example(nlp.make_doc(record.text), reference))
    nlp.initialize(lambda: examples)
    return nlp, [token.text for eg in examples for token in eg.predicted]


def make_docs(nlp: Language, words: Iterator[str], texts: int, tokens: int) -> Iterator[Doc]:
    """Documents of the words that come next."""
    for _ in range(texts):
        yield Doc(nlp.vocab, words=list(itertools.islice(words, tokens)))


def read(nlp: Language, words: Iterator[str], texts: int, args: argparse.Namespace) -> None:
    """Predict documents, a thousand in a memory zone where that is wanted."""
    part = 1000 if args.memory_zone else max(texts, 1)
    for start in range(0, texts, part):
        with nlp.memory_zone() if args.memory_zone else nullcontext():
            docs = make_docs(nlp, words, min(part, texts - start), args.tokens)
            for _ in nlp.pipe(docs, batch_size=args.batch_size):
                pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("component", choices=[*TEXTS, "none"])
    parser.add_argument("--texts", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--batch-size", type=int, default=1000)
    parser.add_argument("--max-batch-tokens", type=int)
    parser.add_argument("--unseen", action="store_true")
    parser.add_argument("--memory-zone", action="store_true")
    args = parser.parse_args()
    texts, tokens = TEXTS.get(args.component, (10_000, 20))
    texts, args.tokens = args.texts or texts, args.tokens or tokens
    if args.component == "none":
        nlp, known = spacy.blank("en"), ["word"]
    else:
        nlp, known = make_pipeline(args.component)
        if args.max_batch_tokens:
            nlp.get_pipe(args.component).cfg["max_batch_tokens"] = args.max_batch_tokens
    new = (f"w{i:x}" for i in itertools.count())
    words = new if args.unseen else itertools.cycle(known)
    before = peak()
    read(nlp, words, texts // 10, args)
    tenth = peak()
    read(nlp, words, texts - texts // 10, args)
    print(
        f"{texts:,} texts, {texts * args.tokens:,} tokens: peak {1024 * peak():,.0f} MiB, after a "
        f"tenth {1024 * tenth:,.0f}, before {1024 * before:,.0f}"
    )


if __name__ == "__main__":
    main()
