import math
import re

import pytest
import spacy

from spacy_rnn.training import pretraining_log
from spacy_rnn.training.pretraining_log import EpochCount, PretrainingLog, perplexity_of

NLP = spacy.blank("en")
# Four texts of three tokens each.
TEXTS = [NLP.make_doc(f"text number {i}") for i in range(4)]


@pytest.fixture
def clock(monkeypatch):
    """A second passes each time that somebody looks."""
    seconds = iter(range(1000))
    monkeypatch.setattr(pretraining_log.time, "perf_counter", lambda: float(next(seconds)))


def run(log, epochs):
    for _ in range(epochs):
        for start in (0, 2):
            log.add(TEXTS[start : start + 2], 2 * math.log(50.0), 2)


def printed(capsys):
    """The lines that were printed, without colours."""
    return re.sub("\x1b.*?m", "", capsys.readouterr().out).splitlines()


def test_says_where_it_is(capsys, clock):
    run(PretrainingLog(1024, 6, 3), 3)
    lines = printed(capsys)
    facts = "perplexity among 1,024 sampled words 50.0, 6 tokens/s"
    assert lines[0].endswith(f"Epoch 0, 6 tokens, {facts}") and len(lines) == 6
    assert lines[1].endswith(f"Epoch 0, 12 tokens, {facts}")
    # Of three epochs of 12 tokens, 18 are left.
    assert lines[2].endswith(f"Epoch 1, 18 tokens, {facts}, 0:03 left")
    assert lines[5].endswith(f"Epoch 2, 36 tokens, {facts}, 0:00 left")


def test_reports_at_a_fixed_number_of_tokens(capsys):
    run(PretrainingLog(1024, 12, 0), 2)
    first, second = printed(capsys)
    assert "Epoch 0, 12 tokens" in first and "Epoch 1, 24 tokens" in second
    assert "left" not in second
    run(PretrainingLog(1024, 0, 0), 2)
    assert not printed(capsys)


def test_perplexity_of_texts_held_out(capsys):
    class HeldOut:
        def perplexity(self):
            return 12.34

    run(PretrainingLog(1024, 12, 0, HeldOut()), 1)
    assert "of dev among all words 12.3" in printed(capsys)[0]


def test_epochs_end_where_texts_come_again_in_any_order():
    count = EpochCount()
    numbers = []
    for order in ([0, 1, 2, 3], [2, 1, 3, 0], [3, 2, 1, 0]):
        for start in (0, 2):
            count.add([TEXTS[i] for i in order[start : start + 2]])
            numbers.append(count.number)
    assert numbers == [0, 0, 1, 1, 2, 2] and count.tokens == 12
    count = EpochCount()
    # One text that the corpus has twice ends no epoch.
    count.add(TEXTS[:2])
    count.add(TEXTS[1:3])
    assert count.number == 0


def test_perplexity():
    assert math.isclose(perplexity_of(math.log(20)), 20) and perplexity_of(1e4) == math.inf
