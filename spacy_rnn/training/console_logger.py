"""A training log that a person can read."""

import shlex
import sys
import time
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.training.loop import DIR_MODEL_BEST
from spacy.util import registry
from tqdm.auto import tqdm
from wasabi import Printer

from .chance import ChanceWatch
from .score_columns import score_cell, score_headings
from .time_left import TimeLeft, clock

Info = Optional[Dict[str, Any]]
LogStep = Callable[[Info], None]


@registry.loggers("spacy-rnn.console_logger.v1")
def create_console_logger_v1(
    progress_bar: bool = True,
) -> Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]:
    """Make a logger that prints, at each evaluation, the mean loss of a batch since the
    last one, the scores in percent, the words trained on a second, and the time left; and at the
    end the best step, where its pipeline lies, and how to use it.
    spaCy's own logger prints summed losses, and neither speed nor time.

    The time left is that until the first of `max_steps`, the end of `max_epochs`, and `patience`
    steps without a better score than the best one. Where that is `patience`, it ends in "+": a
    better score makes training go on for longer. `max_epochs` counts from the first evaluation
    after the first epoch on, which is when spaCy says how long an epoch is, if only roughly. "-"
    is printed where there is no limit, or none is known yet.

    Of a component of this package whose loss stays at that of guessing for an epoch, it warns once.

    progress_bar: Show the way to the next evaluation, on a terminal or in a notebook.
    RETURNS: The logger, for `[training.logger]`.
    """

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> Tuple[LogStep, Callable[[], None]]:
        log = ConsoleLog(nlp, stdout, stderr if progress_bar else None)
        return log.step, log.close

    return setup


class ConsoleLog:
    """The state of one training run's log.

    nlp: The pipeline in training. stdout: Where the table goes. stderr: Where the
    progress bar goes, None for no bar.
    """

    def __init__(self, nlp: Language, stdout: IO, stderr: Optional[IO]):
        settings = nlp.config.interpolate()["training"]
        self.time_left = TimeLeft(settings)
        self.chance = ChanceWatch(nlp, settings)
        self.eval_frequency = settings["eval_frequency"]
        self.updates_of_step = settings["accumulate_gradient"]
        self.pipes = [name for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)]
        self.scores = [name for name, w in settings["score_weights"].items() if w is not None]
        pipes = [pipe for _, pipe in nlp.pipeline]
        exclusive = not any(isinstance(pipe, MultiLabel_TextCategorizer) for pipe in pipes)
        self.headings = score_headings(self.scores, exclusive=exclusive)
        self.stdout = stdout
        self.stderr = stderr
        self.bar: Optional[tqdm] = None
        # Of the evaluation whose pipeline spaCy keeps: the last of equal scores.
        self.best: Info = None
        self.last_step = self.last_reported = -1
        self.steps = 0
        self.words = 0
        self.started = self.last = time.perf_counter()
        self.training_seconds = 0.0
        self.printer = Printer(no_print=True)
        self.columns = self._columns()
        self._print([name for name, _ in self.columns])
        self._print(["-" * width for _, width in self.columns])

    def step(self, info: Info) -> None:
        """Note one step; `info` is given where the step was evaluated."""
        now = time.perf_counter()
        self.steps += 1
        self.last_step += 1
        if info is None:
            self.training_seconds += now - self.last
            if self.bar is not None:
                self.bar.update(1)
        else:
            if info["step"] <= resumed_after(info):
                self.started = now - info["seconds"]
            if self.best is None or info["score"] >= self.best["score"]:
                self.best = info
            self.time_left.note(info)
            self._report(info, now)
            self.steps, self.words, self.training_seconds = 0, info["words"], 0.0
            self.last_reported = info["step"]
            self._restart_bar(info["epoch"])
        self.last = now

    def close(self) -> None:
        """Remove the progress bar, and say what has come of training. spaCy also calls this
        when training was interrupted, or has failed: the best pipeline so far is there then,
        too. Nothing is said where nothing was evaluated."""
        self._close_bar()
        if self.best is not None:
            self._print_result(self.best)
            # Once.
            self.best = None

    def _columns(self) -> List[Tuple[str, int]]:
        """Name and width of each column."""
        losses = [f"LOSS {name}".upper() if len(self.pipes) > 1 else "LOSS" for name in self.pipes]
        names = ["EPOCH", "STEP", *losses, *self.headings, *self._total("SCORE")]
        return [(name, max(len(name), 7)) for name in [*names, "WORDS/S", "TIME", "LEFT"]]

    def _total(self, cell: str) -> List[str]:
        """A cell about the overall score. One score alone is that, in spaCy's terms, too."""
        return [cell] if len(self.scores) != 1 else []

    def _report(self, info: Dict[str, Any], now: float) -> None:
        updates = self.steps * self.updates_of_step
        losses = {name: info["losses"].get(name, 0.0) / updates for name in self.pipes}
        elapsed = now - self.started
        row = [str(info["epoch"]), str(info["step"])]
        row += [*(f"{loss:.4f}" for loss in losses.values()), *self._score_cells(info)]
        row += [self._speed(info), clock(elapsed)]
        row += [self.time_left.after(info["step"], elapsed)]
        self._close_bar()
        self._print(row)
        self.chance.note(info["step"], info["epoch"], losses)

    def _score_cells(self, info: Dict[str, Any]) -> List[str]:
        scores = [score_cell(name, info["other_scores"].get(name)) for name in self.scores]
        return [*scores, *self._total(score_cell("score", info["score"]))]

    def _speed(self, info: Dict[str, Any]) -> str:
        """Words per second of training since the last report. The step that ends with
        an evaluation counts as long as the others were on average."""
        others = self.steps - 1
        done_before = self.last_reported < resumed_after(info)
        if done_before or not others or not self.training_seconds:
            return "-"
        seconds = self.training_seconds * self.steps / others
        return f"{(info['words'] - self.words) / seconds:,.0f}"

    def _print_result(self, best: Dict[str, Any]) -> None:
        headings = [*self.headings, *self._total("SCORE")]
        cells = zip(headings, self._score_cells(best))
        scores = ", ".join(f"{heading} {cell}" for heading, cell in cells)
        if best["step"] == 0 and self.last_step > 0:
            found = self.printer.warn(
                f"None of {self.last_step} steps is better than no training: {scores}. Steps are "
                f"evaluated every {self.eval_frequency} ([training] eval_frequency)."
            )
        else:
            found = self.printer.good(
                f"Best of {self.last_step} steps: step {best['step']}, {scores}"
            )
        # wasabi wraps lines, and a wrapped command could not be copied.
        lines = [found.replace("\n", " "), f"  {_next(best)}"]
        print(*lines, sep="\n", file=self.stdout, flush=True)

    def _restart_bar(self, epoch: int) -> None:
        if self.stderr is not None:
            # disable=None: no bar where the output is neither a terminal nor a notebook.
            self.bar = tqdm(
                total=self.eval_frequency,
                desc=f"Epoch {epoch}",
                unit=" steps",
                disable=None,
                leave=False,
                file=self.stderr,
            )

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _print(self, cells: List[str]) -> None:
        widths = [width for _, width in self.columns]
        aligns = ["r"] * len(widths)
        print(self.printer.row(cells, widths=widths, aligns=aligns), file=self.stdout, flush=True)


def resumed_after(info: Dict[str, Any]) -> int:
    """The last step that was done before a training went on after an interruption, -1 if it was
    not interrupted. `spacy-rnn train --resume` tells loggers of all steps, and of this one."""
    return info.get("resumed_after", -1)


def _next(best: Dict[str, Any]) -> str:
    """Where the pipeline of the best step lies, and what to do with it."""
    # spaCy says where it has just saved the last pipeline. It copies the best one beside that.
    if "output_path" not in best:
        return "It was not saved: training was given no output path (--output)."
    path = Path(best["output_path"]).parent / DIR_MODEL_BEST
    return f"To use it: spacy-rnn predict {shlex.quote(str(path))} FILE"
