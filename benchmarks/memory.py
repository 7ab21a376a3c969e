"""Peak memory of `nlp.pipe` over long texts.

    python -m benchmarks.memory textcat_lstm
    python -m benchmarks.memory tagger_bilstm

200 texts of 20,000 tokens to classify, or one text of 200,000 tokens to tag, with the model
of the default config, initialized but not trained, and no limit on tokens.
"""

import argparse
import resource
import sys
from typing import Any, Dict, List, Tuple

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("component", choices=TEXTS)
    args = parser.parse_args()
    texts, tokens = TEXTS[args.component]
    nlp, words = make_pipeline(args.component)
    text = (words * (1 + tokens // len(words)))[:tokens]
    before = peak()
    found = sum(len(doc) for doc in nlp.pipe(Doc(nlp.vocab, words=text) for _ in range(texts)))
    print(f"{texts} texts, {found:,} tokens: peak {peak():.2f} GiB, before {before:.2f} GiB")


if __name__ == "__main__":
    main()
