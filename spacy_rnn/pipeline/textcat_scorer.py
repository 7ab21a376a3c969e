"""Scores of categories: spaCy's, how far probabilities can be trusted, and what is left of texts
where a component abstains."""

from typing import Any, Callable, Dict, Iterable, List

import numpy
from spacy.pipeline.textcat import textcat_score
from spacy.pipeline.textcat_multilabel import textcat_multilabel_score
from spacy.training import Example
from spacy.util import registry

from ..training.calibration import calibration_error, certainty, expected_calibration_error


@registry.scorers("spacy-rnn.textcat_scorer.v1")
def create_textcat_scorer_v1() -> Callable[..., Dict[str, Any]]:
    """Make the scorer of `textcat_lstm`."""
    return score_cats


@registry.scorers("spacy-rnn.textcat_multilabel_scorer.v1")
def create_textcat_multilabel_scorer_v1() -> Callable[..., Dict[str, Any]]:
    """Make the scorer of `textcat_multilabel_lstm`."""
    return score_multilabel_cats


def score_cats(examples: Iterable[Example], **cfg: Any) -> Dict[str, Any]:
    """Score categories that exclude each other.

    examples: The examples. cfg: Settings of the component: `labels`, `abstain` and those that
        spaCy's scorer knows.
    RETURNS: The scores of `spacy.textcat_scorer.v2`, and
        `cats_ece`: the expected calibration error of the best label of each text, see
            `spacy_rnn.training.calibration`;
        `cats_ece_per_type`: that of each label, about all texts;
        with `abstain`, `cats_coverage`: the share of texts that are given a label, and
            `cats_selective_acc`: the share of these whose label is right.
        Each is None where there is nothing to score.
    """
    examples = list(examples)
    return {**textcat_score(examples, **cfg), **_score_probabilities(examples, True, **cfg)}


def score_multilabel_cats(examples: Iterable[Example], **cfg: Any) -> Dict[str, Any]:
    """Score categories that do not exclude each other.

    examples, cfg: As in `score_cats`.
    RETURNS: The scores of `spacy.textcat_multilabel_scorer.v2`, and those of `score_cats`:
        `cats_ece` is about all labels of all texts, and a text is right where all its labels are.
    """
    examples = list(examples)
    scores = textcat_multilabel_score(examples, **cfg)
    return {**scores, **_score_probabilities(examples, False, **cfg)}


def _score_probabilities(
    examples: List[Example],
    exclusive: bool,
    *,
    labels: Iterable[str] = (),
    threshold: float = 0.5,
    abstain: float = 0.0,
    **cfg: Any,
) -> Dict[str, Any]:
    labels = list(labels)
    shape = len(examples), len(labels)
    probs, truths, known = (numpy.zeros(shape) for _ in range(3))
    for i, eg in enumerate(examples):
        cats = eg.reference.cats
        # Where labels exclude each other, nothing is known of a text of which none is true.
        any_known = any(cats.get(label) for label in labels)
        for j, label in enumerate(labels):
            probs[i, j] = eg.predicted.cats.get(label, 0.0)
            truths[i, j] = cats.get(label, 0.0) > 0.0
            known[i, j] = any_known if exclusive else label in cats
    per_type = {
        label: expected_calibration_error(*(x[known[:, j] > 0, j] for x in (probs, truths)))
        for j, label in enumerate(labels)
    }
    scores: Dict[str, Any] = {
        "cats_ece": calibration_error(probs, truths, known, exclusive),
        "cats_ece_per_type": per_type,
    }
    if not abstain or not labels:
        return scores
    used = known.any(axis=1)
    probs, truths, known = probs[used], truths[used], known[used]
    given = certainty(probs, exclusive, threshold) >= abstain
    right = _are_right(probs, truths, known, exclusive, threshold)
    scores["cats_coverage"] = float(given.mean()) if len(given) else None
    scores["cats_selective_acc"] = float(right[given].mean()) if given.any() else None
    return scores


def _are_right(
    probs: numpy.ndarray,
    truths: numpy.ndarray,
    known: numpy.ndarray,
    exclusive: bool,
    threshold: float,
) -> numpy.ndarray:
    """Whether what is said of each text is right: its best label, or all labels."""
    if not exclusive:
        return (((probs >= threshold) == truths) | (known == 0)).all(axis=1)
    return truths[numpy.arange(len(probs)), probs.argmax(axis=1)] > 0
