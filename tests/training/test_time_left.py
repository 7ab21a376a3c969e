"""Each step takes one second here, so that times are numbers of steps."""

import pytest

from spacy_rnn.training.time_left import TimeLeft, clock


def time_left(evaluations, *, max_steps=0, max_epochs=0, patience=0):
    """What is left after the last of some evaluations, of (step, epoch, score)."""
    left = TimeLeft({"max_steps": max_steps, "max_epochs": max_epochs, "patience": patience})
    for step, epoch, score in evaluations:
        left.note({"step": step, "epoch": epoch, "score": score})
    return left.after(step, float(step))


FALLING = [(0, 0, 0.6), (10, 0, 0.5), (20, 0, 0.4)]
RISING = [(0, 0, 0.4), (10, 0, 0.5), (20, 0, 0.6)]


@pytest.mark.parametrize("evaluations", [FALLING, RISING])
def test_steps(evaluations):
    assert time_left(evaluations, max_steps=50) == "0:30"
    assert time_left(evaluations, max_steps=20) == "0:00"


def test_no_limit_and_no_step_yet():
    assert time_left(RISING) == "-"
    assert time_left(RISING, max_epochs=-1) == "-"
    assert time_left(RISING[:1], max_steps=50, max_epochs=2, patience=5) == "-"


def test_patience_counts_from_the_best_score():
    assert time_left(FALLING, patience=50) == "0:30+"
    assert time_left(RISING, patience=50) == "0:50+"


def test_patience_counts_from_the_first_of_equal_scores():
    assert time_left([(0, 0, 0.1), (10, 0, 0.5), (20, 0, 0.5)], patience=30) == "0:20+"


def test_the_first_limit_counts():
    assert time_left(FALLING, max_steps=100, patience=50) == "0:30+"
    # Both end with the same step: a better score would not change that.
    assert time_left(FALLING, max_steps=50, patience=50) == "0:30"
    assert time_left(FALLING, max_steps=40, patience=50) == "0:20"


def test_patience_at_its_end_is_certain():
    assert time_left(FALLING, patience=20) == "0:00"
    assert time_left(FALLING, patience=15) == "0:00"


def evaluated(per_epoch, every, until):
    return [(step, step // per_epoch, 0.5) for step in range(0, until + 1, every)]


def test_epochs_are_known_after_the_first():
    assert time_left(evaluated(40, 10, 30), max_epochs=3) == "-"
    # Nor is it known whether other limits come first.
    assert time_left(evaluated(40, 10, 30), max_epochs=3, max_steps=500, patience=90) == "-"
    assert time_left(evaluated(40, 10, 40), max_epochs=3, max_steps=50, patience=90) == "0:10"
    # Step 30 is of the first epoch, and step 40 of the second: an epoch has 31 to 40 steps.
    assert time_left(evaluated(40, 10, 40), max_epochs=3) == clock(3 * (31 + 40) / 2 - 1 - 40)


@pytest.mark.parametrize("per_epoch", [7, 40, 701])
def test_epochs_are_known_more_closely_over_time(per_epoch):
    errors = []
    for epochs in (1, 3, 8):
        step = epochs * per_epoch + per_epoch // 2
        left = TimeLeft({"max_steps": 0, "max_epochs": 9, "patience": 0})
        for found, epoch, score in evaluated(per_epoch, max(1, per_epoch // 4), step):
            left.note({"step": found, "epoch": epoch, "score": score})
        minutes, seconds = left.after(step, float(step)).split(":")[-2:]
        truth = 9 * per_epoch - 1 - step
        found = (truth // 3600) * 3600 + int(minutes) * 60 + int(seconds)
        errors.append(abs(found - truth) / per_epoch)
    assert errors[-1] <= 0.15 and errors[0] <= 1.2, errors


def test_epochs_of_which_one_evaluation_skips_many():
    # After 100 steps in epoch 10, an epoch has from 101 / 11 to 10 steps.
    found = time_left([(0, 0, 0.5), (100, 10, 0.5)], max_epochs=20)
    assert found == clock(20 * (101 / 11 + 10) / 2 - 1 - 100)


def test_no_time_is_below_zero():
    assert time_left([(0, 0, 0.5), (10, 1, 0.5), (25, 1, 0.5)], max_epochs=1) == "0:00"
    assert time_left(RISING, max_steps=5) == "0:00"


@pytest.mark.parametrize("seconds,text", [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text
