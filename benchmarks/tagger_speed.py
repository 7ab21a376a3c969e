"""How fast pipelines with a tagger read film reviews, beside spaCy's `tagger`.

    OMP_NUM_THREADS=1 python -m benchmarks.tagger_speed PIPELINE...

A PIPELINE is a folder, such as `training/model-best`, or the name of an installed package. All
read the same texts, tokenized beforehand, by `nlp.pipe` in one process, in turns. spaCy's
tagger has random weights, which does not change its speed.
"""

import argparse
import statistics
from typing import Callable, List, Optional

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from .timing import markdown, median_ratio, rates_in_turns, reviews

SPACY = "spaCy's `tagger`"
# Of the tagger of spaCy: as many as there are universal tags.
LABELS = 17


def spacy_tagger() -> Language:
    """A pipeline of spaCy's tagger, with random weights."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("tagger")
    for label in range(LABELS):
        pipe.add_label(str(label))
    nlp.initialize()
    return nlp


def reader(nlp: Language, texts: List[List[str]], times: int) -> Callable[[], int]:
    """A function that reads all texts and returns the number of their words. It can be called
    `times` times."""
    rounds = [[Doc(nlp.vocab, words=words) for words in texts] for _ in range(times)]
    return lambda: sum(len(doc) for doc in nlp.pipe(rounds.pop()))


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipelines", nargs="+", help="names or folders of pipelines")
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    tokenizer = spacy.blank("en").tokenizer
    docs = tokenizer.pipe(record.text for record in reviews(args.texts))
    texts = [[token.text for token in doc] for doc in docs]
    pipelines = {name: spacy.load(name) for name in args.pipelines} | {SPACY: spacy_tagger()}
    rates = rates_in_turns(
        {name: reader(nlp, texts, args.rounds + 1) for name, nlp in pipelines.items()},
        rounds=args.rounds,
    )
    rows = [
        (name, f"{statistics.median(found):,.0f}", f"{median_ratio(rates, name, SPACY):.2f}x")
        for name, found in rates.items()
    ]
    print(f"{sum(map(len, texts)):,} words\n")
    print(markdown(("", "words per second", "by spaCy's"), rows))


if __name__ == "__main__":
    main()
