"""Several classifiers as one teacher: soft values of categories."""

from typing import Any, List, Optional, Sequence

import numpy
from spacy.tokens import Doc

from ..errors import Errors
from ..training.blend import Blend, accuracy, fit_blend, log_loss
from ._teachers import Report, Teacher


class CatsTeachers:
    """Classifiers with the same labels, whose log-probabilities are averaged.

    teachers: The pipelines.
    RAISES: ValueError if one has several classifiers, or their labels differ.
    """

    # The attributes of tokens that are written.
    attrs: Sequence[str] = ("ORTH",)

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = teachers
        self.labels = teachers[0].writers.labels
        self.exclusive = teachers[0].writers.threshold is None
        self.blend = Blend([1.0 / len(teachers)] * len(teachers), 1.0)
        for teacher in teachers:
            self._check(teacher)

    def _check(self, teacher: Teacher) -> None:
        first, cats = self.teachers[0], teacher.writers.cats
        if len(cats) != 1 or not teacher.writers.labels:
            found = f"{', '.join(cats)} ({len(teacher.writers.labels)} labels)"
            raise ValueError(Errors.R626.format(name=teacher.name, found=found))
        theirs = (set(teacher.writers.labels), teacher.writers.threshold is None)
        if theirs != (set(self.labels), self.exclusive):
            both = "; ".join(f"{t.name}: {_described(t)}" for t in (first, teacher))
            raise ValueError(Errors.R627.format(found=both))

    def fit(self, dev: Sequence[Doc]) -> List[Report]:
        """Find the weights of the teachers, and the temperature.

        dev: Documents with categories. Of those without, nothing is known.
        RETURNS: How good each teacher is, and all together.
        RAISES: ValueError for a label that the teachers do not have.
        """
        # Where labels exclude each other, zeros only say nothing; elsewhere that none is true.
        known = [doc for doc in dev if any(doc.cats.values() if self.exclusive else doc.cats)]
        truths, mask = self._truths(known)
        _, probs = self._probabilities([doc.text for doc in known])
        rows, truths = self._to_rows(probs, mask), self._to_rows(truths[None], mask)[0]
        self.blend = fit_blend(rows, truths)
        names = [teacher.name for teacher in self.teachers]
        reports = [_report(*found, truths) for found in zip(names, self.blend.weights, rows)]
        last = "together" if len(names) > 1 else "at the temperature"
        return [*reports, _report(last, None, self.blend.mix(rows), truths)]

    def annotate(self, texts: Sequence[str]) -> List[Doc]:
        """Documents of texts, with the value of each label."""
        docs, probs = self._probabilities(texts)
        mixed = self.blend.mix(self._to_rows(probs, numpy.ones(probs.shape[1:], dtype=bool)))
        values = mixed if self.exclusive else mixed[:, 0].reshape(probs.shape[1:])
        for doc, row in zip(docs, values.tolist()):
            doc.cats = dict(zip(self.labels, row))
        return docs

    def _probabilities(self, texts: Sequence[str]) -> Any:
        """The documents of the first teacher, and what all say, of shape (teachers, texts,
        labels). Each has its own tokenizer."""
        docs = [teacher.classify(texts) for teacher in self.teachers]
        probs = numpy.stack([values_of(found, self.labels) for found in docs])
        return docs[0], probs

    def _truths(self, docs: Sequence[Doc]) -> Any:
        """The truths, and whether they are known. Both of shape (docs, labels)."""
        for doc in docs:
            unknown = [label for label in doc.cats if label not in self.labels]
            if unknown:
                raise ValueError(Errors.R628.format(label=unknown[0], allowed=self.labels))
        known = [[label in doc.cats for label in self.labels] for doc in docs]
        return values_of(docs, self.labels), numpy.asarray(known)

    def _to_rows(self, probs: Any, known: Any) -> Any:
        """Distributions: over the labels of each text or, where they do not exclude each other,
        over true and false of each label that is known of a text.

        probs: Of shape (anything, texts, labels). RETURNS: Of shape (anything, rows, classes).
        """
        if self.exclusive:
            return probs / numpy.maximum(probs.sum(axis=-1, keepdims=True), 1e-12)
        true = probs[:, known]
        return numpy.stack([true, 1.0 - true], axis=-1)


def _report(name: str, weight: Optional[float], probs: Any, truths: Any) -> Report:
    return Report(name, accuracy(probs, truths), log_loss(probs, truths), weight)


def values_of(docs: Sequence[Doc], labels: Sequence[str]) -> numpy.ndarray:
    """The values of labels, of shape (docs, labels); 0 where a document has none."""
    rows = [[doc.cats.get(label, 0.0) for label in labels] for doc in docs]
    return numpy.asarray(rows, dtype="float64")


def _described(teacher: Teacher) -> str:
    kind = "exclusive" if teacher.writers.threshold is None else "not exclusive"
    return f"{', '.join(sorted(teacher.writers.labels))} ({kind})"
