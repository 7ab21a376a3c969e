"""How much memory predictions leave behind: run by test_memory_zone.py in a process of its own.

    python -m tests.pipeline.growth tagger_bilstm unseen zone

Prints by how many MiB the process has grown between a fifth of the texts and the last one.
COMPONENT: One of `COMPONENTS`, or "none" for spaCy's tokens and strings alone. WORDS: "unseen", of
which each is a new one, or "known". HOW: In a memory "zone" for every thousand texts, in "batches"
without one, or one text "each" time.
"""

import ctypes
import gc
import itertools
import sys
from contextlib import nullcontext

import psutil
import spacy
from spacy.tokens import Doc

from tests.conftest import TEXTS, train
from tests.pipeline.in_processes import COMPONENTS

TEXTS_OF_A_ZONE, ZONES, TOKENS = 1000, 10, 20


def make_pipeline(component):
    nlp = spacy.blank("en")
    if component != "none":
        model, make = COMPONENTS[component]
        nlp.add_pipe(component, config={"model": model})
        train(nlp, make(nlp), steps=2)
    return nlp


def predict(nlp, words, how):
    with nlp.memory_zone() if how == "zone" else nullcontext():
        texts = (list(itertools.islice(words, TOKENS)) for _ in range(TEXTS_OF_A_ZONE))
        docs = (Doc(nlp.vocab, words=text) for text in texts)
        for _ in map(nlp, docs) if how == "each" else nlp.pipe(docs):
            pass


def megabytes():
    """What the process has, but for what glibc keeps of memory that is free again: how much that
    is changes from one run to the next by more than what is looked for."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return psutil.Process().memory_info().rss / 2**20


def main(component, words, how):
    nlp = make_pipeline(component)
    seen = itertools.cycle(" ".join(TEXTS).split())
    words = (f"w{i:x}" for i in itertools.count()) if words == "unseen" else seen
    for zone in range(ZONES):
        predict(nlp, words, how)
        if zone + 1 == ZONES // 5:
            before = megabytes()
    print(megabytes() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
