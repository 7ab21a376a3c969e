"""Predict in other processes: run by test_parallel.py in a process of its own, which it can end.

    python -m tests.pipeline.in_processes pipe fork PIPELINE

PIPELINE: A folder with the components of `COMPONENTS`.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import spacy
import torch
from thinc.api import NumpyOps

from tests.conftest import (
    GOOD,
    SENTENCES,
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
)

TOLERANCE = 1e-5


def several_labels(text):
    return {"FUNNY": float("funny" in text), "SHORT": float(len(text) < 25)}


# Component: its config, and what it learns from.
COMPONENTS = {
    "textcat_lstm": (small_model(), make_examples),
    # In one direction, so that texts can arrive in pieces.
    "textcat_multilabel_lstm": (
        small_model(exclusive_classes=False, encode__bidirectional=False),
        lambda nlp: make_examples(nlp, cats=several_labels),
    ),
    "tagger_bilstm": (small_tagger(), make_tagged_examples),
}
# Short, and so long that its parts are read by several threads.
WORDS = " ".join([*TEXTS, *(words for words, _, _ in SENTENCES)])
ALL_TEXTS = [*TEXTS, GOOD[0] + " " + WORDS, " ".join([WORDS] * 60)]


class MockedGPU(NumpyOps):
    """Says that it computes on a GPU."""

    def __init__(self, device_type="gpu", device_id=0, **kwargs):
        super().__init__(device_type, device_id, **kwargs)


def train(nlp):
    for name, (_, make) in COMPONENTS.items():
        with nlp.select_pipes(enable=name):
            nlp.update(make(nlp), sgd=nlp.create_optimizer())


def found_in(docs):
    return [(dict(doc.cats), [token.pos_ for token in doc]) for doc in docs]


def check(found, expected):
    """RAISES: AssertionError unless tags are equal and scores are close."""
    assert len(found) == len(expected)
    for (cats, tags), (expected_cats, expected_tags) in zip(found, expected):
        assert tags == expected_tags
        assert cats.keys() == expected_cats.keys() and len(cats) == 4
        assert max(abs(cats[key] - expected_cats[key]) for key in cats) < TOLERANCE


def predict(nlp, expected):
    """All texts at once, one by one, and one that arrives in pieces."""
    # One first: what a text alone needs of the weights may not have been computed yet.
    check(found_in(map(nlp, ALL_TEXTS)), expected)
    check(found_in(nlp.pipe(ALL_TEXTS)), expected)
    stream = nlp.get_pipe("textcat_multilabel_lstm").stream(nlp)
    for word in ALL_TEXTS[0].split():
        stream.push(word + " ")
    stream.close()
    differences = (abs(stream.cats[key] - expected[0][0][key]) for key in stream.cats)
    assert max(differences) < TOLERANCE


def pipe(nlp):
    """`nlp.pipe` in two processes, after this one has trained and predicted; then on a GPU."""
    train(nlp)
    expected = found_in(nlp.pipe(ALL_TEXTS))
    check(found_in(nlp.pipe(ALL_TEXTS, n_process=2, batch_size=2)), expected)
    classifier = nlp.get_pipe("textcat_lstm")
    ops, classifier.model.ops = classifier.model.ops, MockedGPU()
    try:
        list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
    except ValueError as error:
        assert "R340" in str(error) and "'textcat_lstm'" in str(error), error
    else:
        raise AssertionError("another process has used the GPU")
    check(found_in(nlp.pipe(ALL_TEXTS)), expected)
    classifier.model.ops = ops


def fork_worker(nlp, expected, begins_itself):
    """A process that predicts in three threads and in the one that came through the fork, which
    begins if that is wanted. RETURNS: Its id."""
    worker = os.fork()
    if not worker:
        if begins_itself:
            predict(nlp, expected)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: predict(nlp, expected), range(3)))
        predict(nlp, expected)
        assert torch.get_num_threads() == 1
        sys.exit()
    return worker


def preload(nlp):
    """Workers that a server forks, each with threads, after this process has predicted, and once
    more after it has trained."""
    for _ in range(2):
        expected = found_in(nlp.pipe(ALL_TEXTS))
        workers = [fork_worker(nlp, expected, begins_itself) for begins_itself in (True, False)]
        assert {os.waitpid(worker, 0)[1] for worker in workers} == {0}
        predict(nlp, expected)
        train(nlp)


if __name__ == "__main__":
    task, start, folder = sys.argv[1:]
    multiprocessing.set_start_method(start)
    {"pipe": pipe, "preload": preload}[task](spacy.load(folder))
