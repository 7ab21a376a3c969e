import io

import pytest
import spacy
from spacy.training.loop import train as train_nlp
from spacy.util import registry

from spacy_rnn.training import console_logger
from spacy_rnn.training.console_logger import create_console_logger_v1
from tests.conftest import make_examples, small_model, small_tagger


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
    # Beside the weights of the component, that of macro F is set.
    nlp.config["training"]["score_weights"] = {"cats_macro_f": None, **weights}
    nlp.config["training"]["max_steps"] = 40
    stdout = io.StringIO()
    log, close = create_console_logger_v1(progress_bar=False)(nlp, stdout, io.StringIO())
    log(info(0, 100, 0.7, 0.5, other=0.25))
    for _ in range(9):
        log(None)
    log(info(10, 1100, 5.0, 0.875, other=None))
    close()
    header, rule, *rows = stdout.getvalue().splitlines()[:-2]
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
    assert header[2:6] == ["LOSS", "CATS", "ACC", "OTHER"]
    assert rows[0][3:6] == ["50.00", "25.00", "50.00"]
    assert rows[1][4] == "-"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_on_a_terminal(nlp):
    stderr = Terminal()
    log, close = create_console_logger_v1()(nlp, io.StringIO(), stderr)
    log(info(0, 100, 0.7, 0.5))
    log(None)
    close()
    assert "Epoch 0" in stderr.getvalue()
    # The line is wiped, and stays so.
    assert stderr.getvalue().rsplit("\r", 2)[1].strip() == ""
    wiped = stderr.getvalue()
    log(None)
    close()
    assert stderr.getvalue() == wiped


@pytest.mark.parametrize("progress_bar,stderr", [(False, Terminal()), (True, io.StringIO())])
def test_no_progress_bar(nlp, progress_bar, stderr):
    log, close = create_console_logger_v1(progress_bar)(nlp, io.StringIO(), stderr)
    log(info(0, 100, 0.7, 0.5))
    log(None)
    close()
    assert stderr.getvalue() == ""


def test_loss_is_per_batch_when_gradients_accumulate(nlp, ticking):
    nlp.config["training"]["accumulate_gradient"] = 2
    _, rows = run(nlp, cats_micro_f=1.0)
    assert rows[1][2] == "0.2500"


def test_in_spacys_training_loop(nlp, tmp_path):
    """The logger is given what spaCy's loop gives, and prints a row for each evaluation."""
    from spacy.training.loop import train_while_improving

    examples = make_examples(nlp)
    nlp.config["training"]["score_weights"] = {"cats_micro_f": 1.0, "cats_score": None}
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
    assert len(stdout.getvalue().splitlines()) == 2 + 3 + 2


def lines_of(nlp, *infos, weights=(("cats_micro_f", 1.0), ("cats_score", None))):
    """What is printed at the end of a run, after some evaluations."""
    nlp.config["training"]["score_weights"] = dict(weights)
    stdout = io.StringIO()
    log, close = create_console_logger_v1()(nlp, stdout, io.StringIO())
    for found in infos:
        log(found)
    close()
    close()
    return stdout.getvalue().splitlines()[2 + len([i for i in infos if i]) :]


def test_the_best_step_is_the_last_of_equal_ones_as_spacy_saves_it(nlp):
    scores = (0.5, 0.75, 0.75, 0.6)
    result, _ = lines_of(nlp, *(info(i, 100, 0.7, score) for i, score in enumerate(scores)))
    assert "✔ Best of 3 steps: step 2, ACCURACY 75.00" in result


def test_all_scores_of_the_best_step(nlp):
    weights = (("cats_micro_f", 0.5), ("cats_macro_f", 0.5), ("cats_score", None))
    best = {**info(0, 100, 0.7, 0.5), "other_scores": {"cats_micro_f": 0.25, "cats_macro_f": 0.75}}
    result, _ = lines_of(nlp, best, weights=weights)
    assert "step 0, ACCURACY 25.00, MACRO F 75.00, SCORE 50.00" in result


def test_where_the_best_pipeline_lies(nlp):
    best = {**info(0, 100, 0.7, 0.9), "output_path": "my models/a/model-last"}
    # A later one that is worse, of which spaCy says the same.
    later = {**info(1, 200, 0.7, 0.5), "output_path": "my models/a/model-last"}
    _, where = lines_of(nlp, best, later)
    assert where == "  To use it: spacy-rnn predict 'my models/a/model-best' FILE"


def test_a_pipeline_that_is_not_saved(nlp):
    _, where = lines_of(nlp, info(0, 100, 0.7, 0.5))
    assert where == "  It was not saved: training was given no output path (--output)."


def test_nothing_was_evaluated(nlp):
    assert lines_of(nlp) == []
    assert lines_of(nlp, None) == []


def test_labels_that_do_not_exclude_each_other(ticking):
    nlp = spacy.blank("en")
    model = small_model(exclusive_classes=False)
    nlp.add_pipe("textcat_multilabel_lstm", config={"model": model})
    header, _ = run(nlp, cats_micro_f=1.0, cats_score=None)
    assert header[2:5] == ["LOSS", "MICRO", "F"]


def test_several_components(nlp, ticking):
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    header, rows = run(nlp, cats_micro_f=0.5, tagging_acc=0.5, tagging_acc_unseen=None)
    heading = " ".join(header)
    expected = "LOSS TEXTCAT_LSTM LOSS TAGGER_BILSTM CATS ACC TAGGING ACC SCORE"
    assert heading == f"EPOCH STEP {expected} WORDS/S TIME LEFT"
    # The tagger has no loss and no score here.
    assert rows[1][2:7] == ["0.5000", "0.0000", "87.50", "-", "87.50"]


def test_settings_that_are_variables(nlp, ticking):
    nlp.config["vars"] = {"patience": 40}
    nlp.config["training"]["patience"] = "${vars.patience}"
    _, rows = run(nlp, cats_micro_f=1.0)
    assert rows[1][-1] == "0:33"


def test_a_training_that_goes_on(nlp, ticking):
    """The rows of before stand there again, with the time they took then; the time left follows
    from all of it. Speed is that of steps that were done here."""
    nlp.config["training"].update(max_steps=40, eval_frequency=10)
    nlp.config["training"]["score_weights"] = {"cats_micro_f": 1.0, "cats_macro_f": None}
    stdout = io.StringIO()
    log, close = create_console_logger_v1(progress_bar=False)(nlp, stdout, io.StringIO())
    before = {"resumed_after": 12}
    log({**info(0, 100, 0.7, 0.5), "seconds": 60, **before})
    for _ in range(9):
        log(None)
    log({**info(10, 1100, 5.0, 0.9), "seconds": 600, **before})
    for step in (20, 30):
        for _ in range(9):
            log(None)
        log({**info(step, 100 * step + 100, 4.0, 0.8), "seconds": 7, **before})
    close()
    rows = [line.split() for line in stdout.getvalue().splitlines()[2:-2]]
    assert [row[2] for row in rows] == ["0.7000", "0.5000", "0.4000", "0.4000"]
    # 100 words a step, of a second each.
    assert [row[4] for row in rows] == ["-", "-", "-", "100"]
    assert [row[5] for row in rows] == ["1:00", "10:00", "10:10", "10:20"]
    assert [row[6] for row in rows[1:]] == ["30:00", "10:10", "3:27"]
    assert "Best of 30 steps: step 10" in stdout.getvalue()


@pytest.fixture
def training(nlp):
    """A pipeline ready for spaCy's own training, of 4 epochs of 2 steps."""
    examples = make_examples(nlp)
    registry.readers("test_six_texts.v1", func=lambda: lambda nlp: iter(examples))
    settings = nlp.config["training"]
    settings["logger"] = {"@loggers": "spacy-rnn.console_logger.v1"}
    settings["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": 3}
    settings.update(max_epochs=4, max_steps=0, patience=0, eval_frequency=2)
    settings["score_weights"] = {"cats_micro_f": 1.0, "cats_score": None}
    reader = {"@readers": "test_six_texts.v1"}
    nlp.config["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    nlp.initialize(lambda: examples)
    yield nlp
    registry.readers.get_all()


def test_spacys_training_by_epochs(training, tmp_path):
    stdout = io.StringIO()
    train_nlp(training, tmp_path, stdout=stdout, stderr=io.StringIO())
    lines = stdout.getvalue().splitlines()
    (best,) = (i for i, line in enumerate(lines) if "Best of 7 steps: step" in line)
    assert lines[best + 1] == f"  To use it: spacy-rnn predict {tmp_path / 'model-best'} FILE"
    # Each epoch has 2 steps, and the last row is that of step 6.
    assert lines[best - 1].split()[:2] == ["3", "6"] and lines[best - 1].endswith("0:00")
    spacy.load(tmp_path / "model-best")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("step,said", [(0, []), (3, ["Best of 2 steps: step"])])
def test_training_that_is_interrupted(training, tmp_path, error, step, said):
    """By the user, or by an error: the best pipeline so far is there, and it is said where."""
    textcat, steps = training.get_pipe("textcat_lstm"), iter(range(100))

    def update(*args, **kwargs):
        if next(steps) == step:
            raise error
        return type(textcat).update(textcat, *args, **kwargs)

    textcat.update = update
    stdout = io.StringIO()
    with pytest.raises(error):
        train_nlp(training, tmp_path, stdout=stdout, stderr=io.StringIO())
    del textcat.update
    found = [line for line in stdout.getvalue().splitlines() if "Best" in line]
    assert len(found) == len(said) and all(a in b for a, b in zip(said, found))
    assert (tmp_path / "model-best").exists() == bool(said)


def test_says_so_where_only_the_untrained_pipeline_was_evaluated(nlp):
    nlp.config["training"]["eval_frequency"] = 175
    stdout = io.StringIO()
    log, close = create_console_logger_v1(progress_bar=False)(nlp, stdout, io.StringIO())
    log(info(0, 100, 0.7, 0.5))
    for _ in range(60):
        log(None)
    close()
    text = " ".join(stdout.getvalue().split())
    assert "None of 60 steps is better than no training" in text
    assert "every 175 ([training] eval_frequency)" in text and "Best of" not in text
