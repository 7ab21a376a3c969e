"""Memory that predictions leave behind, and spaCy's memory zones."""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
import spacy

from tests.conftest import GOOD, train
from tests.pipeline import growth
from tests.pipeline.in_processes import COMPONENTS

# MiB beyond what spaCy's own tokens and strings take, for 160,000 words of which each is a new
# one: 50 bytes a word, less than remembering one takes.
BOUND = 8
# The third component has the layers of the first.
MEASURED = ("textcat_lstm", "tagger_bilstm")


@lru_cache(maxsize=None)
def growth_of(component, words, how):
    """In a process of its own, whose memory nothing else uses."""
    command = [sys.executable, "-m", growth.__name__, component, words, how]
    folder = Path(__file__).parents[2]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=True
    )
    return float(done.stdout)


@pytest.mark.own_process
@pytest.mark.skipif(sys.platform == "win32", reason="measures resident memory of Unix")
@pytest.mark.parametrize("how", ["zone", "batches"])
@pytest.mark.parametrize("component", MEASURED)
def test_unseen_words_are_not_kept(component, how):
    assert growth_of(component, "unseen", how) < growth_of("none", "unseen", how) + BOUND


@pytest.mark.own_process
@pytest.mark.skipif(sys.platform == "win32", reason="measures resident memory of Unix")
@pytest.mark.parametrize("component", MEASURED)
def test_ten_thousand_predictions_leave_nothing(component):
    assert growth_of(component, "known", "each") < BOUND / 2


@pytest.fixture(scope="module", params=COMPONENTS)
def nlp(request):
    model, make = COMPONENTS[request.param]
    nlp = spacy.blank("en")
    nlp.add_pipe(request.param, config={"model": model})
    train(nlp, make(nlp), steps=20)
    return nlp


def predictions(nlp, texts):
    """RETURNS: Categories and tags of texts as plain data, which outlive a memory zone."""
    return [(doc.cats, [token.pos_ for token in doc]) for doc in nlp.pipe(texts)]


def test_a_zone_changes_no_prediction(nlp):
    # Words that nobody has seen before, so that those of a zone are forgotten with it.
    texts = [*GOOD, f"an unseen {nlp.pipe_names[0]} of unheard films", "", "unheard"]
    with nlp.memory_zone():
        first = predictions(nlp, texts)
    outside = predictions(nlp, texts)
    with nlp.memory_zone():
        again = predictions(nlp, texts)
    for found in (first, again, predictions(nlp, texts)):
        for (cats, tags), (expected_cats, expected_tags) in zip(found, outside):
            assert cats == pytest.approx(expected_cats, abs=1e-5)
            assert tags == expected_tags


def test_a_word_of_a_zone_is_another_word_after_it(nlp):
    """Strings of a zone are freed, and their memory is used again for other words."""
    expected = predictions(nlp, GOOD[0].split())
    for begin in range(5):
        with nlp.memory_zone():
            predictions(nlp, [f"zone{begin}x{i}" for i in range(200)])
        found = predictions(nlp, GOOD[0].split())
        assert [tags for _, tags in found] == [tags for _, tags in expected]
        for (cats, _), (expected_cats, _) in zip(found, expected):
            assert cats == pytest.approx(expected_cats, abs=1e-5)
