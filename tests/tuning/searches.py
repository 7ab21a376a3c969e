"""Small searches: with trainings that are only acted, and in processes of their own."""

import io
import json
import multiprocessing
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config

from spacy_rnn.tuning import objective, results, search, storage
from spacy_rnn.tuning.search import Plan, tune
from tests.conftest import small_model
from tests.training.trainings import at_call, write_config, write_texts

SPACE = """
training.dropout: {type: float, low: 0.0, high: 0.5}
training.optimizer.learn_rate.initial_rate: {type: float, low: 1.0e-4, high: 0.1, log: true}
components.textcat_lstm.model.pooling: [last, [mean, max]]
components.textcat_lstm.model.encode.width: {type: int, low: 8, high: 16, step: 4}
"""
DROPOUT = "training.dropout"
RATE = "training.optimizer.learn_rate.initial_rate"
POOLING = "components.textcat_lstm.model.pooling"
WIDTH = "components.textcat_lstm.model.encode.width"
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "spacy_rnn.pipeline.textcat_lstm"])
# Seconds that no process here needs.
HANGS = 900


def write_search(folder, space=SPACE):
    """Texts, config and space. RETURNS: The config."""
    write_texts(folder, shuffled=True)
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    write_config(folder, nlp, logger={"@loggers": "spacy-rnn.console_logger.v1"})
    (folder / "space.yml").write_text(space, "utf8")
    return load(folder)


def load(folder, **settings):
    overrides = {name.replace("__", "."): value for name, value in settings.items()}
    return load_config(folder / "config.cfg", overrides=overrides, interpolate=False)


def rows_of(output):
    """The table of trials."""
    return [json.loads(line) for line in (output / "trials.jsonl").read_text("utf8").splitlines()]


def run(folder, config=None, output=None, stdout=None, storage=None, study="spacy-rnn", **plan):
    """Search. plan: Of `Plan`. RETURNS: What was found, and the table."""
    output = output or folder / "out"
    found = tune(
        config or load(folder),
        folder / "space.yml",
        output,
        Plan(**plan),
        storage=storage,
        study=study,
        stdout=stdout,
    )
    return found, rows_of(output)


@pytest.fixture
def act(monkeypatch):
    """What acts a training: takes a function of the config's values that gives the scores of the
    steps 0, 4 and 8, or raises. RETURNS: What takes it, and has the configs that were trained."""

    class Act:
        def __init__(self):
            self.configs, self.scores = [], lambda config: [0.5, 0.5, 0.5]

        def __call__(self, scores):
            self.scores = scores

        def train(self, config, output, *, on_evaluation, stdout, **others):
            self.configs.append(config.interpolate())
            (output / "model-best").mkdir(exist_ok=True)
            (output / "model-best" / "config.cfg").write_bytes(config.to_bytes())
            (output / "model-last").mkdir(exist_ok=True)
            (output / "checkpoint").write_text("", "utf8")
            for i, score in enumerate(self.scores(self.configs[-1])):
                print(score, file=stdout)
                on_evaluation({"step": 4 * i, "score": score, "other_scores": {"acc": score}})
            return 0

    acted = Act()
    monkeypatch.setattr(objective, "train", acted.train)
    # Both take a second, and are tested elsewhere.
    monkeypatch.setattr(search, "check_space", lambda *arguments: None)
    monkeypatch.setattr(results, "svg_file_of", lambda *arguments: b"")
    return acted


def _search(folder, output, fault, grace, plan, printed):
    storage.HEARTBEAT, storage.GRACE, search.WAIT = 1, grace, 0.2
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(text):
        if fault is not None:
            at_call(*fault)
        try:
            found = tune(load(folder), folder / "space.yml", output, Plan(**plan), stdout=text)
            status = found.status
        except Exception as error:
            status = 1
            text.write(f"{type(error).__name__}: {error}")
    printed.write_text(text.getvalue(), "utf8")
    os._exit(status)


class Process:
    """A search in a process of its own.

    fault: The name of a function, the number of a call of it, and what to do there.
    grace: Seconds after which another process is taken for dead.
    """

    def __init__(self, folder, output, name="one", fault=None, grace=3, **plan):
        self.printed = Path(folder) / f"{name}.txt"
        arguments = (folder, output, fault, grace, plan, self.printed)
        self.process = PROCESSES.Process(target=_search, args=arguments, daemon=True)
        self.process.start()

    def end(self):
        """RETURNS: The exit code, negative for a signal that killed it; and what was printed."""
        self.process.join(HANGS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        text = self.printed.read_text("utf8") if self.printed.exists() else ""
        self.printed.unlink(missing_ok=True)
        return self.process.exitcode, text
