"""Prediction runs no loop of Python's over tokens."""

import sys

import pytest
import spacy
import torch

from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger

PIPES = {
    "textcat_lstm": (small_model, make_examples),
    "tagger_bilstm": (small_tagger, make_tagged_examples),
}
WORDS = "the old dog sees a cat and Anna feeds dogs".split()
TEXTS = 64


@pytest.fixture
def one_thread():
    # Steps are counted in the thread that asks for it.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def count_steps(run):
    """How many instructions of its own Python's interpreter runs."""
    steps, before = 0, sys.gettrace()

    def count(frame, event, arg):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return count

    sys.settrace(count)
    try:
        run()
    finally:
        sys.settrace(before)
    return steps


def steps_for_texts_of(nlp, size):
    pipe = nlp.get_pipe(nlp.pipe_names[-1])
    docs = [nlp.make_doc(" ".join(WORDS * (size // len(WORDS)))) for _ in range(TEXTS)]
    # Not the first time, so that what is computed once for a word has been.
    pipe.predict(docs)
    return count_steps(lambda: pipe.set_annotations(docs, pipe.predict(docs)))


@pytest.mark.parametrize("factory", PIPES)
def test_a_token_more_costs_no_step(factory, one_thread):
    make_model, examples = PIPES[factory]
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config={"model": make_model()})
    nlp.initialize(lambda: examples(nlp))
    few, many = (steps_for_texts_of(nlp, size) for size in (100, 1000))
    # A loop takes five of them for each token, at the least.
    assert (many - few) / (TEXTS * 900) < 2


def test_counts_a_loop():
    assert count_steps(lambda: [-number for number in range(100)]) >= 500
