"""Curves of a training, drawn while it goes on."""

import contextlib
import json
import random
import sys
import time
import warnings
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.training import Example
from spacy.util import registry
from thinc.api import fix_random_seed

from ..errors import Errors, Warnings
from ..visual.curves import SIZE, draw_curves, values_of
from ..visual.figures import png_file_of, require_matplotlib, svg_file_of
from ..whole_file import write_whole
from .console_logger import create_console_logger_v1, resumed_after
from .score_columns import score_headings

Info = Optional[Dict[str, Any]]
LogStep = Callable[[Info], None]
Logger = Callable[[Language, IO, IO], Tuple[LogStep, Callable[[], None]]]
Reader = Callable[[Language], Iterable[Example]]

NAME = "training_curves"
FORMATS = ("svg", "png")
# Of reading the samples, so that what is drawn by chance in it is the same each time.
SEED = 0


@registry.loggers("spacy-rnn.curve_logger.v1")
def create_curve_logger_v1(
    logger: Optional[Callable[..., Any]] = None,
    train_sample: Optional[Callable[..., Any]] = None,
    dev_sample: Optional[Callable[..., Any]] = None,
    format: str = "svg",
) -> Logger:
    """Make a logger that draws, after each evaluation, the curves of loss and scores so far, and
    marks the best step: `training_curves.svg` beside the pipelines, and the numbers in
    `training_curves.jsonl`. Both are there as a whole at any time, also of a training that was
    interrupted; a new training into the same folder replaces them, as it does the pipelines.

    Of training texts spaCy measures the loss only: the mean of a batch since the last evaluation.
    With samples, the pipeline that was just saved is loaded at each evaluation, which has the
    averaged weights that dev scores are of, and is run over them. The pipeline in training is not
    touched. Nothing that fails here ends a training: it is said once, as a warning.

    logger: The logger to go on with, `spacy-rnn.console_logger.v1` if it is not given.
    train_sample: A reader of training texts to measure scores on, as `spacy.Corpus.v1` with a
        `limit`. If it is not given, scores are of dev texts only.
    dev_sample: A reader of dev texts to measure the loss on, without dropout, of classifiers and
        of `tagger_bilstm`. If it is not given, the loss is of training texts only.
    format: "svg" or "png".
    RETURNS: The logger, for `[training.logger]`.
    RAISES: ImportError if matplotlib is not installed; ValueError for another format.
    """
    if format not in FORMATS:
        raise ValueError(Errors.R001.format(name="format", value=format, allowed=FORMATS))
    require_matplotlib("spacy-rnn.curve_logger.v1")
    inner: Logger = create_console_logger_v1() if logger is None else logger
    samples = {"train": train_sample, "dev": dev_sample}

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> Tuple[LogStep, Callable[[], None]]:
        log_step, close = inner(nlp, stdout, stderr)
        curves = CurveLog(nlp, stdout, samples, format)

        def step(info: Info) -> None:
            # First, so that the other one's clock counts it to the evaluation.
            curves.step(info)
            log_step(info)

        def end() -> None:
            close()
            curves.close()

        return step, end

    return setup


class CurveLog:
    """What was measured in one training, and its files.

    nlp: The pipeline in training. stdout: Where it is said where the curves are.
    samples: Readers of the texts to measure on, by "train" and "dev"; None for none.
    format: Of the figure.
    """

    def __init__(
        self, nlp: Language, stdout: IO, samples: Dict[str, Optional[Reader]], format: str
    ) -> None:
        settings = nlp.config.interpolate()["training"]
        self.updates_of_step = settings["accumulate_gradient"]
        self.pipes = [name for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)]
        self.headings = _headings(nlp, settings["score_weights"])
        self.samples = {kind: read for kind, read in samples.items() if read is not None}
        # `Span._.cats` stays that of the pipeline in training.
        settings_of = {name: getattr(pipe, "cfg", {}) for name, pipe in nlp.pipeline}
        set_on = [name for name, cfg in settings_of.items() if cfg.get("span_cats")]
        self.overrides = {f"components.{name}.span_cats": False for name in set_on}
        self.stdout = stdout
        self.format = format
        self.rows: List[Dict[str, Any]] = []
        self.path: Optional[Path] = None
        self.steps = 0
        self.started = time.perf_counter()
        self.said: set = set()

    def step(self, info: Info) -> None:
        """Note one step; `info` is given where the step was evaluated."""
        self.steps += 1
        if info is None:
            return
        row = self._row(info)
        self.steps = 0
        self.rows.append(row)
        if "output_path" not in info:
            self._say_once("Training curves are not written: there is no output path (--output).")
            return
        saved = Path(info["output_path"])
        if info["step"] <= resumed_after(info):
            with self._goes_on("read again"):
                row.update(_row_in(saved.parent, info["step"]))
            self.started = time.perf_counter() - info["seconds"]
            return
        for kind, read in self.samples.items():
            with self._goes_on("measured"):
                row.update(self._measured(saved, kind, read))
        self._write(saved.parent)

    def close(self) -> None:
        """Say where the curves are."""
        if self.path is not None:
            self._say_once(f"Training curves: {self.path}")

    def _row(self, info: Dict[str, Any]) -> Dict[str, Any]:
        updates = self.steps * self.updates_of_step
        losses = {name: info["losses"].get(name, 0.0) / updates for name in self.pipes}
        return {
            "epoch": info["epoch"],
            "step": info["step"],
            "words": info["words"],
            "seconds": round(time.perf_counter() - self.started, 1),
            "score": info["score"],
            "loss": values_of(losses, self.pipes),
            "dev_loss": {},
            "train": {},
            "dev": values_of({"score": info["score"], **info["other_scores"]}, [*self.headings]),
        }

    def _measured(self, saved: Path, kind: str, read: Reader) -> Dict[str, Any]:
        """What a pipeline has on a sample: scores of training texts, losses of dev texts."""
        with _random_state_stays():
            fix_random_seed(SEED)
            nlp = spacy.load(saved, config=self.overrides)
            examples = list(read(nlp))
            if not examples:
                raise ValueError(Errors.R405.format(path=f"The reader {kind}_sample"))
            if kind == "train":
                return {"train": values_of(nlp.evaluate(examples), [*self.headings])}
            for eg, doc in zip(examples, nlp.pipe([eg.predicted for eg in examples])):
                eg.predicted = doc
            losses = {name: _loss_of(nlp.get_pipe(name), examples) for name in self.pipes}
            return {"dev_loss": values_of(losses, self.pipes)}

    def _write(self, folder: Path) -> None:
        """First the numbers, which are there even if the figure fails."""
        with self._goes_on("written"):
            lines = [json.dumps(row, ensure_ascii=False) for row in self.rows]
            write_whole(folder / f"{NAME}.jsonl", "".join(f"{line}\n" for line in lines).encode())
        with self._goes_on("drawn"):
            draw = draw_curves(self.rows, self.headings)
            svg = self.format == "svg"
            label = "Training curves: loss and scores by step"
            data = svg_file_of(draw, SIZE, label) if svg else png_file_of(draw, SIZE)
            path = folder / f"{NAME}.{self.format}"
            write_whole(path, data)
            self.path = path

    @contextlib.contextmanager
    def _goes_on(self, what: str) -> Iterator[None]:
        """A training of hours does not end because of its picture."""
        try:
            yield
        except Exception as error:
            if what not in self.said:
                self.said.add(what)
                problem = f"{type(error).__name__}: {error}"
                warnings.warn(Warnings.W010.format(what=what, problem=problem), stacklevel=2)

    def _say_once(self, line: str) -> None:
        if line not in self.said:
            self.said.add(line)
            print(line, file=self.stdout, flush=True)


def _row_in(folder: Path, step: int) -> Dict[str, Any]:
    """What was written of a step before training was interrupted."""
    lines = (folder / f"{NAME}.jsonl").read_text("utf8").splitlines()
    return next((row for row in map(json.loads, lines) if row["step"] == step), {})


def _headings(nlp: Language, weights: Dict[str, Any]) -> Dict[str, str]:
    """The scores to draw: those that have a weight, and what to call them. Without any, spaCy's
    own sum of them."""
    names = [name for name, weight in weights.items() if weight]
    exclusive = not any(isinstance(pipe, MultiLabel_TextCategorizer) for _, pipe in nlp.pipeline)
    headings = [_as_title(heading) for heading in score_headings(names, exclusive=exclusive)]
    return dict(zip(names, headings)) or {"score": "Score"}


def _as_title(heading: str) -> str:
    """As "Macro F", of the heading of a table."""
    words = [word if len(word) == 1 else word.lower() for word in heading.split()]
    return heading[:1] + " ".join(words)[1:]


def _loss_of(pipe: Any, examples: List[Example]) -> Optional[float]:
    """The mean loss without dropout. None of components that do not compute it of their scores."""
    docs = [eg.predicted for eg in examples]
    if hasattr(pipe, "predict_proba"):
        return pipe.get_loss(examples, pipe.predict_proba(docs))[0]
    if isinstance(pipe, TextCategorizer):
        return float(pipe.get_loss(examples, pipe.predict(docs))[0])
    return None


@contextlib.contextmanager
def _random_state_stays() -> Iterator[None]:
    """Whatever is drawn by chance meanwhile, a training goes on as without it."""
    import torch

    of_python, of_numpy = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(of_python)
            numpy.random.set_state(of_numpy)
