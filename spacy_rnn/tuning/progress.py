"""What a search says while it goes on: a table, a row for each trial of this process."""

import time
from typing import IO, Any, List, Optional

from optuna import Trial
from optuna.trial import FrozenTrial, TrialState
from tqdm.auto import tqdm
from wasabi import Printer

from ..training.time_left import clock
from .results import best_of, score_of
from .space import short_names
from .storage import GRACE
from .trials import error_of, first_number, is_default

HEADINGS = ("TRIAL", "SCORE", "BEST", "STEPS", "TIME", "LEFT")
WIDTH = 7


class Progress:
    """names: Of the settings that are searched. budget: The number of trials.
    stdout: Where the table goes, None for nowhere. stderr: Where the bar of a trial goes, None for
    no bar."""

    def __init__(
        self, names: List[str], budget: int, stdout: Optional[IO], stderr: Optional[IO]
    ) -> None:
        self.short, self.budget = short_names(names), budget
        self.stdout, self.stderr = stdout, stderr
        self.printer = Printer(no_print=True)
        self.bar: Optional[tqdm] = None
        self.done_before = 0
        self.waiting = False
        self.started = self.trial_started = time.monotonic()

    def begin(self, trials: List[FrozenTrial]) -> None:
        """Say what is there, and begin the table. trials: Those that count."""
        self.done_before = _finished(trials)
        if self.done_before:
            best = best_of(trials)
            score = "" if best is None else f"; best score: {_percent(score_of(best))}"
            self._say(f"Going on: {self.done_before} of {self.budget} trials are done{score}")
        self._row([*HEADINGS, "VALUES"])
        self._row(["-" * WIDTH] * len(HEADINGS) + ["-" * WIDTH])

    def start(self, trial: FrozenTrial) -> None:
        """A trial begins."""
        self.trial_started = time.monotonic()
        if self.stderr is not None:
            name = f"Trial {first_number(trial)}"
            # disable=None: no bar where the output is neither a terminal nor a notebook.
            self.bar = tqdm(desc=name, unit=" steps", disable=None, leave=False, file=self.stderr)

    def score(self, trial: Trial, step: int, score: float) -> None:
        """A trial was evaluated."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"score {_percent(score)}", refresh=False)
            self.bar.update(step - self.bar.n)

    def end(self, trial: FrozenTrial, trials: List[FrozenTrial]) -> None:
        """A trial is over. trials: Those that count."""
        self.close()
        now = time.monotonic()
        best = best_of(trials)
        self._row(
            [
                str(first_number(trial)),
                _outcome(trial),
                "-" if best is None else _percent(score_of(best)),
                "-" if trial.last_step is None else str(trial.last_step),
                clock(now - self.trial_started),
                self._left(_finished(trials), now - self.started),
                self._values(trial),
            ]
        )

    def wait(self, running: int) -> None:
        """Say, once, that others are waited for. running: The number of their trials."""
        if not self.waiting:
            self.waiting = True
            self._say(
                f"Waiting for {running} trial(s) of other processes. One whose process was killed "
                f"is taken over after {GRACE} seconds."
            )

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _left(self, finished: int, seconds: float) -> str:
        """The time that all processes together need for the other trials, as fast as so far."""
        done = finished - self.done_before
        return clock(seconds / done * max(self.budget - finished, 0)) if done > 0 else "-"

    def _values(self, trial: FrozenTrial) -> str:
        if trial.state == TrialState.FAIL:
            return error_of(trial)
        if is_default(trial):
            return "as the config has them"
        values = [f"{self.short[name]} {_plain(value)}" for name, value in trial.params.items()]
        pruned = [f"pruned at step {trial.last_step}"] if trial.state == TrialState.PRUNED else []
        return ", ".join([*pruned, *values])

    def _row(self, cells: List[str]) -> None:
        # The last one is not cut, or padded.
        widths = [WIDTH] * len(HEADINGS) + [len(cells[-1])]
        aligns = ["r"] * len(HEADINGS) + ["l"]
        self._print(self.printer.row(cells, widths=widths, aligns=aligns))

    def _say(self, text: str) -> None:
        self._print(self.printer.info(text).replace("\n", " "))

    def _print(self, line: str) -> None:
        if self.stdout is not None:
            print(line, file=self.stdout, flush=True)


def _finished(trials: List[FrozenTrial]) -> int:
    return sum(trial.state.is_finished() for trial in trials)


def _outcome(trial: FrozenTrial) -> str:
    return "failed" if trial.state == TrialState.FAIL else _percent(score_of(trial))


def _percent(score: float) -> str:
    return f"{100 * score:.2f}"


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
