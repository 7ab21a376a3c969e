"""Batches that come again as they came, whatever else is drawn by chance."""

import random

import numpy
import spacy
from spacy.training.loop import create_train_batches
from spacy.util import minibatch
from thinc.api import fix_random_seed

from spacy_rnn.training.batches import Batches
from tests.conftest import TEXTS, cats_of, make_examples


def batches(start=None, *, texts=TEXTS, cats=cats_of, epochs=3, rate=0.0):
    """spaCy's batches, of a reader that draws words by chance."""
    nlp = spacy.blank("en")

    def read(nlp):
        for eg in make_examples(nlp, texts, cats):
            if numpy.random.random() >= rate:
                yield eg

    return Batches(
        create_train_batches(nlp, read, lambda egs: minibatch(egs, size=4), epochs), start
    )


def texts_of(drawn, disturb=False):
    found = []
    for epoch, batch in drawn:
        found.append((epoch, [eg.text for eg in batch]))
        if disturb:
            random.random()
            numpy.random.random()
    return found


def test_as_spacy_draws_them():
    fix_random_seed(1)
    expected = texts_of(batches().batches)
    fix_random_seed(1)
    assert texts_of(batches(), disturb=True) == expected
    assert [epoch for epoch, _ in expected] == [0, 0, 1, 1, 2, 2]


def test_come_again():
    fix_random_seed(1)
    first = batches(rate=0.3, epochs=-1)
    steps = iter(first)
    expected = [next(steps) for _ in range(9)]
    fix_random_seed(2)
    again = batches(first.start, rate=0.3, epochs=-1)
    steps = iter(again)
    found = [next(steps) for _ in range(9)]
    assert texts_of(found) == texts_of(expected)
    assert again.checksum == first.checksum != 0


def test_a_checksum_of_texts_and_labels():
    def checksum(**changes):
        fix_random_seed(1)
        drawn = batches(**changes)
        list(drawn)
        return drawn.checksum

    swapped = [TEXTS[1], TEXTS[0], *TEXTS[2:]]
    assert checksum() == checksum()
    found = {
        checksum(),
        checksum(texts=swapped),
        checksum(texts=[*TEXTS[:-1], "a new text"]),
        checksum(cats=lambda text: {"POSITIVE": 1.0, "NEGATIVE": 0.0}),
        checksum(epochs=2),
    }
    assert len(found) == 5


def test_nothing_outside_changes():
    fix_random_seed(0)
    expected = random.random(), numpy.random.random()
    fix_random_seed(0)
    list(batches(rate=0.2))
    assert (random.random(), numpy.random.random()) == expected
