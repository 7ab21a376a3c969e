"""A training log that a person can read."""

import sys
import time
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

import tqdm
from spacy.language import Language
from spacy.util import registry
from wasabi import Printer

Info = Optional[Dict[str, Any]]
LogStep = Callable[[Info], None]

# Labels that exclude each other: each text has one right answer, and spaCy's micro F
# over all labels is the share of texts answered right.
ACCURACY = "cats_micro_f"


@registry.loggers("spacy-rnn.console_logger.v1")
def create_console_logger_v1(
    progress_bar: bool = True,
) -> Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]:
    """Make a logger that prints, at each evaluation, the mean loss of a batch since the
    last one, the scores in percent, the words trained on a second, and the time left.
    spaCy's own logger prints summed losses, and neither speed nor time.

    progress_bar: Show the way to the next evaluation, on a terminal.
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
        settings = nlp.config["training"]
        self.max_steps = settings["max_steps"]
        self.eval_frequency = settings["eval_frequency"]
        self.updates_of_step = settings["accumulate_gradient"]
        self.pipes = [name for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)]
        self.scores = [name for name, w in settings["score_weights"].items() if w is not None]
        self.stdout = stdout
        self.stderr = stderr
        self.bar: Optional[tqdm.tqdm] = None
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
        if info is None:
            self.training_seconds += now - self.last
            if self.bar is not None:
                self.bar.update(1)
        else:
            self._report(info, now)
            self.steps, self.words, self.training_seconds = 0, info["words"], 0.0
            self._restart_bar(info["epoch"])
        self.last = now

    def close(self) -> None:
        """Remove the progress bar."""
        if self.bar is not None:
            self.bar.close()

    def _columns(self) -> List[Tuple[str, int]]:
        """Name and width of each column."""
        losses = [f"LOSS {name}".upper() if len(self.pipes) > 1 else "LOSS" for name in self.pipes]
        scores = [
            "ACCURACY" if name == ACCURACY else name.upper().replace("_", " ")
            for name in self.scores
        ]
        # One score alone is the overall score, in spaCy's terms, too.
        total = ["SCORE"] if len(scores) != 1 else []
        names = ["EPOCH", "STEP", *losses, *scores, *total, "WORDS/S", "TIME", "LEFT"]
        return [(name, max(len(name), 7)) for name in names]

    def _report(self, info: Dict[str, Any], now: float) -> None:
        updates = self.steps * self.updates_of_step
        losses = [f"{info['losses'].get(name, 0.0) / updates:.4f}" for name in self.pipes]
        scores = [self._score(info["other_scores"].get(name)) for name in self.scores]
        elapsed = now - self.started
        row = [str(info["epoch"]), str(info["step"]), *losses, *scores]
        row += [self._score(info["score"])] if len(scores) != 1 else []
        row += [self._speed(info["words"]), clock(elapsed), self._left(info["step"], elapsed)]
        self.close()
        self._print(row)

    def _speed(self, words: int) -> str:
        """Words per second of training since the last report. The step that ends with
        an evaluation counts as long as the others were on average."""
        others = self.steps - 1
        if not others or not self.training_seconds:
            return "-"
        seconds = self.training_seconds * self.steps / others
        return f"{(words - self.words) / seconds:,.0f}"

    def _left(self, step: int, elapsed: float) -> str:
        """Time until the last step that is allowed, at the pace so far."""
        if not self.max_steps or not step:
            return "-"
        return clock(elapsed * (self.max_steps - step) / step)

    def _score(self, value: Any) -> str:
        return f"{100 * value:.2f}" if isinstance(value, (int, float)) else "-"

    def _restart_bar(self, epoch: int) -> None:
        if self.stderr is not None:
            # disable=None: no bar where the output is not a terminal.
            self.bar = tqdm.tqdm(
                total=self.eval_frequency,
                desc=f"Epoch {epoch}",
                unit=" steps",
                disable=None,
                leave=False,
                file=self.stderr,
            )

    def _print(self, cells: List[str]) -> None:
        widths = [width for _, width in self.columns]
        aligns = ["r"] * len(widths)
        print(self.printer.row(cells, widths=widths, aligns=aligns), file=self.stdout, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
