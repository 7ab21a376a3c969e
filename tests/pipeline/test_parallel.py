"""Processes and threads: they end, predict what one does, and leave all as it was."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import spacy
import torch
from thinc.api import fix_random_seed

from tests.conftest import (
    SENTENCES,
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)
from tests.pipeline.in_processes import COMPONENTS

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)
# Seconds after which a process is taken to hang.
PATIENCE = 300


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a pipeline of all components."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    for factory, (model, make) in COMPONENTS.items():
        one = spacy.blank("en")
        one.add_pipe(factory, config={"model": model})
        train(one, make(one), steps=20)
        nlp.add_pipe(factory, source=one)
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    return folder


def run_to_its_end(task, start, folder):
    """Run a task of in_processes.py, with several threads, whatever the machine has. A process
    that hangs is ended with all that it has started."""
    command = [sys.executable, "-m", "tests.pipeline.in_processes", task, start, str(folder)]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"it hangs:\n{process.communicate()[0]}")
    assert process.returncode == 0, output


@pytest.mark.own_process
@pytest.mark.parametrize("start", [pytest.param("fork", marks=needs_fork), "spawn"])
def test_other_processes_predict_what_one_does_and_refuse_a_gpu(saved, start):
    run_to_its_end("pipe", start, saved)


@pytest.mark.own_process
@needs_fork
def test_workers_that_a_server_forks(saved):
    run_to_its_end("preload", "fork", saved)


# Threads


def streaming_pipelines():
    """A classifier and a tagger of texts that arrive, trained."""
    textcat, tagger = spacy.blank("en"), spacy.blank("en")
    textcat.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=False)})
    model = small_tagger(tok2vec__encode__bidirectional=False)
    tagger.add_pipe("tagger_bilstm", config={"model": model})
    train(textcat, make_examples(textcat), steps=20)
    train(tagger, make_tagged_examples(tagger), steps=20)
    return textcat, tagger


def predict_and_stream(textcat, tagger):
    """Scores and tags, of whole texts and of texts that arrive word by word."""
    texts = [*TEXTS, *(words for words, _, _ in SENTENCES), " ".join(TEXTS * 10)]
    scores, tags = [], []
    streams = textcat.get_pipe("textcat_lstm").streams(textcat)
    words = tagger.get_pipe("tagger_bilstm").streams(tagger)
    for text in texts:
        stream, tagged = streams.open(), words.open()
        pushed = []
        for word in text.split():
            stream.push(word + " ")
            pushed += tagged.push(word + " ")
        pushed += tagged.close()
        stream.close()
        scores += [list(textcat(text).cats.values()), list(stream.cats.values())]
        tags.append([token.pos_ for token in tagger(text)])
        assert [word.tag for word in pushed] == tags[-1]
    return numpy.asarray(scores), tags


def global_state():
    """What a call must leave as it was."""
    numpys = numpy.random.get_state()
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "random": (random.getstate(), str(numpys), torch.get_rng_state().tolist()),
    }


def in_threads(function, count=8):
    """RETURNS: What a function gives in each of some threads, and the state that it leaves."""
    start = threading.Barrier(count)

    def run(_):
        start.wait(60)
        return function(), global_state()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def check_threads(found, expected):
    scores, tags = expected
    for (found_scores, found_tags), _ in found:
        assert found_tags == tags
        assert numpy.abs(found_scores - scores).max() < 1e-5


def test_threads_that_predict_and_stream():
    pipelines = streaming_pipelines()
    expected, before = predict_and_stream(*pipelines), global_state()
    found = in_threads(lambda: predict_and_stream(*pipelines))
    check_threads(found, expected)
    assert all(state == before for _, state in [*found, (None, global_state())])


def trained_weights(stop):
    """A pipeline that learns until it is told to stop, but for 15 steps at least.

    RETURNS: Its scores after 15 steps."""
    fix_random_seed(1)
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    train(nlp, make_examples(nlp), steps=15, drop=0.2)
    found = [list(doc.cats.values()) for doc in nlp.pipe(TEXTS)]
    while not stop.is_set():
        nlp.update(make_examples(nlp), drop=0.2)
    return numpy.asarray(found)


def test_threads_predict_while_another_one_trains():
    pipelines = streaming_pipelines()
    expected, stop = predict_and_stream(*pipelines), threading.Event()
    stop.set()
    learned = trained_weights(stop)
    before = {**global_state(), "random": None}
    stop.clear()
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(trained_weights, stop)
        try:
            found = in_threads(lambda: predict_and_stream(*pipelines))
        finally:
            stop.set()
        assert numpy.abs(training.result() - learned).max() < 1e-3
    check_threads(found, expected)
    # Training draws random numbers.
    states = [{**state, "random": None} for state in [*(s for _, s in found), global_state()]]
    assert all(state == before for state in states)
