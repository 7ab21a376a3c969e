import io

import pytest

from spacy_rnn.training import console_logger
from spacy_rnn.training.console_logger import clock, create_console_logger_v1
from tests.conftest import make_examples


@pytest.fixture
def ticking(monkeypatch):
    """A clock that moves one second each time it is read."""
    seconds = iter(range(10_000))
    monkeypatch.setattr(console_logger.time, "perf_counter", lambda: next(seconds))


def info(step, words, loss, score, **scores):
    return {
        "epoch": step // 20,
        "step": step,
        "words": words,
        "losses": {"textcat_lstm": loss},
        "score": score,
        "other_scores": {"cats_micro_f": score, **scores},
    }


def run(nlp, **weights):
    nlp.config["training"]["score_weights"] = weights
    nlp.config["training"]["max_steps"] = 40
    stdout = io.StringIO()
    log, close = create_console_logger_v1(progress_bar=False)(nlp, stdout, io.StringIO())
    log(info(0, 100, 0.7, 0.5, other=0.25))
    for _ in range(9):
        log(None)
    log(info(10, 1100, 5.0, 0.875, other=None))
    close()
    header, rule, *rows = stdout.getvalue().splitlines()
    assert set(rule) <= {"-", " "}
    return header.split(), [row.split() for row in rows]


def test_rows(nlp, ticking):
    header, rows = run(nlp, cats_micro_f=1.0, cats_score=None)
    assert header == ["EPOCH", "STEP", "LOSS", "ACCURACY", "WORDS/S", "TIME", "LEFT"]
    assert rows[0] == ["0", "0", "0.7000", "50.00", "-", "0:01", "-"]
    # 10 steps of one second each, 1000 words; 30 of 40 steps are left after 11 seconds.
    assert rows[1] == ["0", "10", "0.5000", "87.50", "100", "0:11", "0:33"]


def test_several_scores(nlp, ticking):
    header, rows = run(nlp, cats_micro_f=0.5, other=0.5, cats_score=None)
    assert header[2:6] == ["LOSS", "ACCURACY", "OTHER", "SCORE"]
    assert rows[0][3:6] == ["50.00", "25.00", "50.00"]
    assert rows[1][4] == "-"


def test_progress_bar_on_a_terminal(nlp, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stderr = Terminal()
    log, close = create_console_logger_v1()(nlp, io.StringIO(), stderr)
    log(info(0, 100, 0.7, 0.5))
    log(None)
    close()
    assert "Epoch 0" in stderr.getvalue()


def test_loss_is_per_batch_when_gradients_accumulate(nlp, ticking):
    nlp.config["training"]["accumulate_gradient"] = 2
    _, rows = run(nlp, cats_micro_f=1.0)
    assert rows[1][2] == "0.2500"


@pytest.mark.parametrize("seconds,text", [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_in_spacys_training_loop(nlp, tmp_path):
    """The logger is given what spaCy's loop gives, and prints a row for each evaluation."""
    from spacy.training.loop import train_while_improving

    examples = make_examples(nlp)
    nlp.config["training"]["score_weights"] = {"cats_micro_f": 1.0}
    optimizer = nlp.initialize(lambda: examples)
    stdout = io.StringIO()
    log, close = create_console_logger_v1()(nlp, stdout, io.StringIO())
    steps = train_while_improving(
        nlp,
        optimizer,
        iter([(0, examples)] * 7),
        lambda: (0.5, {"cats_micro_f": 0.5}),
        dropout=0.1,
        eval_frequency=3,
        accumulate_gradient=1,
        patience=0,
        max_steps=6,
        exclude=[],
        annotating_components=[],
        before_update=None,
    )
    for _, found, is_best in steps:
        log(found if is_best is not None else None)
    close()
    assert len(stdout.getvalue().splitlines()) == 2 + 3
