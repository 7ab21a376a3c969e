"""Whether a pipeline can learn one batch of texts by heart. What cannot do that learns nothing."""

import time
import warnings
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.training import Example
from spacy.util import get_sourced_components
from thinc.api import Optimizer, fix_random_seed, set_gpu_allocator
from thinc.compat import has_cupy_gpu

from ..pipeline.component import Component
from ..pipeline.textcat_lstm import TextCatLSTM
from ._doctor_config import Setup
from ._doctor_data import Corpora
from ._doctor_findings import Finding, describe, fail, good, listed, warn
from ._doctor_labels import components_with_labels, labels_of
from ._random_state import random_state_kept

# Texts to initialize from: the first ones, so many of each label, and no more than that.
FIRST, OF_LABEL, MOST = 100, 20, 300
# The batch: texts, and tokens, of which one text may have more.
BATCH, BATCH_TOKENS = 16, 4000
UPDATES = 100
# Seconds after which no update begins.
SECONDS = 60.0
# Of the loss at the beginning, what may be left; what is so little that no more is learned; and the
# score that is reached at least.
LEFT, ALL, LEARNED = 0.7, 0.02, 0.85
# Losses that are averaged at the end: dropout that layers have of their own makes them differ.
LAST = 5
# The highest learning rate that is not said to be one.
MOST_RATE = 0.05
# Updates in which the learning rate may rise.
MOST_WARMUP = 100_000
# Dev texts that are scored, to see which scores there are.
SCORED = 200
# The score of a component of this package that is 1 where all labels are right.
SCORES = ("cats_micro_f", "tagging_acc")


class Lesson(NamedTuple):
    """How a component has learned a batch.

    losses: After each update. score: At the end; None if the component has none of `SCORES`.
    """

    losses: List[float]
    score: Any

    @property
    def first(self) -> float:
        return self.losses[0]

    @property
    def last(self) -> float:
        return float(numpy.mean(self.losses[-LAST:]))

    @property
    def learned(self) -> bool:
        """Whether loss and score say so."""
        return self.last <= LEFT * self.first and (self.score is None or self.score >= LEARNED)

    @property
    def cut_short(self) -> bool:
        """Whether there was no time for more updates."""
        return len(self.losses) < UPDATES


def check_batch(setup: Setup, corpora: Corpora) -> List[Finding]:
    """Initialize the pipeline on a sample of the training texts, train it on a batch of them at the
    highest learning rate of the config, and look which scores it gives. Random states stay as they
    are; the pipeline does not."""
    with random_state_kept(), warnings.catch_warnings():
        # They are about the sample.
        warnings.simplefilter("ignore")
        return list(_check_batch(setup, corpora))


def _check_batch(setup: Setup, corpora: Corpora) -> Iterator[Finding]:
    if not setup.learners:
        yield fail("Nothing is trained: look at the pipeline, and at [training] frozen_components.")
        return
    sample = choose_sample(setup, corpora.train)
    try:
        optimizer = initialize(setup, sample)
    except Exception as error:
        yield fail(f"The pipeline cannot be initialized. {describe(error)}")
        return
    batch = choose_batch(setup, sample)
    try:
        lessons = learn_by_heart(setup, batch, optimizer)
    except Exception as error:
        yield fail(f"The pipeline cannot be trained. {describe(error)}")
        return
    yield from check_rate(optimizer)
    yield from check_lessons(lessons, len(batch), optimizer.learn_rate)
    yield from check_score_weights(setup, corpora.dev)


def choose_sample(setup: Setup, examples: Sequence[Example]) -> List[Example]:
    """The first examples, and further ones until there are some of each label."""
    pipes = components_with_labels(setup)
    seen: Dict[Tuple[str, str], int] = Counter()
    sample: List[Example] = []
    for eg in examples:
        labels = {(name, label) for name, pipe in pipes.items() for label in labels_of(pipe, eg)}
        if len(sample) < FIRST or any(seen[label] < OF_LABEL for label in labels):
            sample.append(eg)
            for label in labels:
                seen[label] += 1
        if len(sample) == MOST:
            break
    return sample


def choose_batch(setup: Setup, sample: Iterable[Example]) -> List[Example]:
    """Examples that have tokens and labels, of each label of a classifier in turn."""
    pipes = components_with_labels(setup).values()
    classifiers = [pipe for pipe in pipes if isinstance(pipe, TextCatLSTM)]
    turns: Dict[Any, int] = Counter()
    ordered: List[Tuple[int, int, Example]] = []
    for eg in sample:
        if len(eg.predicted) and (not pipes or any(labels_of(pipe, eg) for pipe in pipes)):
            labels = tuple(labels_of(pipe, eg) for pipe in classifiers)
            turns[labels] += 1
            ordered.append((turns[labels], len(ordered), eg))
    batch: List[Example] = []
    tokens = 0
    for _, _, eg in sorted(ordered, key=lambda turn: turn[:2])[:BATCH]:
        tokens += len(eg.predicted)
        if len(batch) < 2 or tokens <= BATCH_TOKENS:
            batch.append(eg)
    return batch


def initialize(setup: Setup, sample: List[Example]) -> Optimizer:
    """Initialize the pipeline as `spacy train` does, on some examples."""
    nlp, training = setup.nlp, setup.training
    if training["seed"] is not None:
        fix_random_seed(training["seed"])
    if has_cupy_gpu and training["gpu_allocator"]:
        set_gpu_allocator(training["gpu_allocator"])
    limit_corpora(setup)
    optimizer = training["optimizer"]
    resumed = [name for name in get_sourced_components(setup.config) if name in setup.learners]
    if resumed:
        with nlp.select_pipes(enable=resumed):
            nlp.resume_training(sgd=optimizer)
    # As spaCy does before it initializes; `initialize` links them once more.
    link: Any = getattr(nlp, "_link_components", bool)
    link()
    with nlp.select_pipes(disable=[*setup.frozen, *resumed]):
        nlp.initialize(lambda: sample, sgd=optimizer)
    return optimizer


def limit_corpora(setup: Setup) -> None:
    """Let callbacks that read a corpus read no more than a sample, where its reader has a limit."""
    for corpus in setup.nlp.config.get("corpora", {}).values():
        if isinstance(corpus, dict) and corpus.get("limit") == 0:
            corpus["limit"] = MOST


def learn_by_heart(setup: Setup, batch: List[Example], optimizer: Optimizer) -> Dict[str, Lesson]:
    """Train on a batch, without dropout but that which layers have of their own.

    RETURNS: What each component has learned that has a loss of its own.
    """
    go_to_highest_rate(optimizer)
    losses: Dict[str, List[float]] = {}
    started = time.monotonic()
    for _ in range(UPDATES):
        for name, loss in update(setup, batch, optimizer).items():
            losses.setdefault(name, []).append(loss)
        learned = all(max(found[-LAST:]) <= ALL * found[0] for found in losses.values())
        if learned or time.monotonic() - started > SECONDS:
            break
    scores = setup.nlp.evaluate(batch, per_component=True)
    return {
        name: Lesson(losses[name], score_of(setup, name, scores))
        for name, pipe in setup.learners.items()
        # What others listen to has no loss that means anything.
        if name in losses and not hasattr(pipe, "listeners")
    }


def go_to_highest_rate(optimizer: Optimizer) -> None:
    """Step the schedules as long as the learning rate rises."""
    for _ in range(MOST_WARMUP):
        before = optimizer.learn_rate
        optimizer.step_schedules()
        if optimizer.learn_rate <= before:
            break


def update(setup: Setup, batch: List[Example], optimizer: Optimizer) -> Dict[str, float]:
    """One step, as `spacy train` takes it. RETURNS: The losses."""
    nlp, training = setup.nlp, setup.training
    losses: Dict[str, float] = {}
    annotates = training["annotating_components"]
    step: Any = {"sgd": False, "losses": losses, "exclude": setup.frozen, "annotates": annotates}
    nlp.update(batch, drop=0.0, **step)
    for pipe in setup.learners.values():
        pipe.finish_update(optimizer)
    return losses


def score_of(setup: Setup, name: str, scores: Dict[str, Dict[str, Any]]) -> Any:
    """What is right of what a component of this package finds; None for others."""
    found = scores.get(name) or {}
    ours = isinstance(setup.nlp.get_pipe(name), Component)
    return next((found[key] for key in SCORES if key in found), None) if ours else None


def check_rate(optimizer: Optimizer) -> Iterator[Finding]:
    """Whether the learning rate is too high for Adam, which learns one batch at any."""
    if optimizer.b1 and optimizer.learn_rate > MOST_RATE:
        yield warn(
            f"The learning rate rises to {optimizer.learn_rate:.2g}: with Adam, 0.0005 to 0.01 is "
            "usual. A net at a higher one learns a batch, and forgets all others."
        )


def check_lessons(lessons: Dict[str, Lesson], texts: int, rate: float) -> Iterator[Finding]:
    """Whether each component has learned its batch. rate: The learning rate that it had."""
    for name, lesson in lessons.items():
        score = "" if lesson.score is None else f", {lesson.score:.0%} of its labels right"
        found = (
            f"a batch of {texts} texts by heart: loss {lesson.first:.3g}, after "
            f"{len(lesson.losses)} updates {lesson.last:.3g}{score}, at learning rate {rate:.2g}"
        )
        if lesson.learned:
            yield good(f"{name} learns {found}")
        else:
            level = warn if lesson.score is None or lesson.cut_short else fail
            yield level(f"{name} does not learn {found}. {advice(lesson)}")


def advice(lesson: Lesson) -> str:
    """What to look at, for a component that does not learn."""
    if lesson.cut_short:
        return f"There was no time for more, after {SECONDS:.0f} seconds."
    if lesson.last > lesson.first:
        return "The loss rises: lower [training.optimizer] learn_rate."
    if lesson.last > LEFT * lesson.first:
        return (
            "The loss hardly falls: raise [training.optimizer] learn_rate, and look at "
            "frozen_components, at labels, whether they follow from the texts, and at dropout "
            "that layers have of their own."
        )
    return (
        "The loss falls, but not far: look at labels, whether texts that are alike have the same, "
        "at dropout and label_smoothing, and at [training.optimizer] learn_rate."
    )


def check_score_weights(setup: Setup, dev: List[Example]) -> Iterator[Finding]:
    """Whether there is each score that the best step is chosen by. spaCy takes others as 0."""
    weights = {name: w for name, w in setup.training["score_weights"].items() if w}
    if not dev:
        return
    if not weights:
        yield fail("No score has a weight in [training.score_weights]: each step is the best.")
        return
    examples = dev[:: -(-len(dev) // SCORED)]
    scores = setup.nlp.evaluate(examples)
    missing = [name for name in weights if scores.get(name) is None]
    if not missing:
        yield good(f"The best step is chosen by {listed(weights)}")
        return
    given = sorted(name for name, value in scores.items() if isinstance(value, float))
    level = fail if len(missing) == len(weights) else warn
    yield level(
        f"[training.score_weights] has scores that no component gives, {listed(missing)}: they "
        f"count as 0. There are {', '.join(given)}."
    )
