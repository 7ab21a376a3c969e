"""Random numbers that go on where they were, and those that are drawn apart."""

import json
import random

import numpy
import pytest
import torch
from thinc.api import fix_random_seed

from spacy_rnn.training.random_state import (
    OwnRandomState,
    gpu_state,
    random_state,
    seeded_state,
    set_gpu_state,
    set_random_state,
)


def draw(count=700):
    """Some numbers of all generators, more than they make at once."""
    return [
        *(random.random() for _ in range(count)),
        random.gauss(0, 1),
        *numpy.random.random(count),
        numpy.random.standard_normal(),
        *torch.rand(count).tolist(),
    ]


def test_goes_on_where_it_was():
    draw(31)
    state = random_state()
    expected = draw()
    set_random_state(state)
    assert draw() == expected != draw()
    set_random_state(json.loads(json.dumps(state, default=lambda value: value.tolist())))
    assert draw() == expected


def test_a_seed_is_a_state():
    set_random_state(seeded_state(3))
    found = draw()
    fix_random_seed(3)
    assert found == draw()


def test_what_is_drawn_apart_changes_nothing_outside():
    expected = draw(50)
    fix_random_seed(0)
    own = OwnRandomState(seeded_state(1))
    found = []
    for _ in range(5):
        with own:
            found += [random.random(), numpy.random.random(), torch.rand(1).item()]
    with pytest.raises(ZeroDivisionError), own:
        draw(3)
        raise ZeroDivisionError
    assert draw(50) == expected
    set_random_state(seeded_state(1))
    again = [[random.random(), numpy.random.random(), torch.rand(1).item()] for _ in range(5)]
    assert found == sum(again, [])


def test_no_gpu_no_state():
    if torch.cuda.is_available():
        pytest.skip("has a GPU")
    assert gpu_state() == []
    set_gpu_state([], 0)


@pytest.mark.gpu
def test_goes_on_on_a_gpu():
    state = gpu_state()
    expected = torch.rand(5, device="cuda").tolist()
    set_gpu_state(json.loads(json.dumps(state, default=lambda value: value.tolist())), 0)
    assert torch.rand(5, device="cuda").tolist() == expected
