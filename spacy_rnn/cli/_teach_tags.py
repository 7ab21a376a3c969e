"""Several taggers as one teacher: the tag of each token."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import Errors
from ..pipeline.tagger_bilstm import ATTRS, BLANK
from ._teachers import Report, Subject, Teacher

# What a document hands on to another teacher: its words as its tokenizer has made them.
TOKEN_ATTRS = ("ORTH", "NORM", "SENT_START")


class TagScores(NamedTuple):
    """What a teacher says of tokens: of shape (tokens, labels), each row sums to 1 or is 0."""

    labels: List[str]
    rows: Any


class TagTeachers:
    """Taggers that write the same attribute. Their probabilities are averaged; of one that gives
    none, its tag has all. The tag with the highest sum is taken, of several that of the teacher
    named first.

    teachers: The pipelines. The first one makes the tokens, for all.
    subject: The attribute.
    RAISES: ValueError if a teacher has no tag in common with the first one.
    """

    def __init__(self, teachers: Sequence[Teacher], subject: Subject) -> None:
        self.teachers = teachers
        self.attr = subject.value
        self.attrs: Sequence[str] = ("ORTH", self.attr.upper(), "SENT_START")
        self.sources = [_with_probabilities(teacher, self.attr) for teacher in teachers]
        self._check_labels()

    def _check_labels(self) -> None:
        known = [(t, set(t.labels_of(self.attr))) for t in self.teachers if t.labels_of(self.attr)]
        for teacher, labels in known:
            if not labels & known[0][1]:
                pair = known[0], (teacher, labels)
                both = "; ".join(f"{t.name}: {', '.join(sorted(names))}" for t, names in pair)
                raise ValueError(Errors.R627.format(found=both))

    def fit(self, dev: Sequence[Doc]) -> List[Report]:
        """Count how many tags are right: nothing is fitted.

        dev: Documents with tags. Their tokens are the ones that are tagged.
        RETURNS: How good each teacher is, and all together.
        """
        found = self._scores(copies(dev, self.teachers[0].nlp.vocab))
        tags = [(t.name, best_tags([scores])) for t, scores in zip(self.teachers, found)]
        if len(found) > 1:
            tags.append(("together", best_tags(found)))
        tokens = [token for doc in dev for token in doc]
        gold = ["" if token.is_space else getattr(token, f"{self.attr}_") for token in tokens]
        return [Report(name, share_right(guesses, gold)) for name, guesses in tags]

    def annotate(self, texts: Sequence[str]) -> List[Doc]:
        """Documents of texts with tags, and the sentences of the first teacher, if it finds any."""
        first = self.teachers[0].nlp
        docs = [first.make_doc(text) for text in texts]
        tags = best_tags(self._scores(docs))
        start = 0
        for doc in docs:
            self._set_tags(doc, tags[start : start + len(doc)])
            start += len(doc)
        return docs

    def _scores(self, docs: List[Doc]) -> List[TagScores]:
        """What each teacher says of the tokens of documents of the first one, which it runs over
        these; the others over copies."""
        given = [copies(docs, teacher.nlp.vocab) for teacher in self.teachers[1:]]
        pairs = zip(self.teachers, self.sources, [docs, *given])
        return [_scores_of(teacher, source, own, self.attr) for teacher, source, own in pairs]

    def _set_tags(self, doc: Doc, tags: List[str]) -> None:
        blank = BLANK[self.attr.upper()]
        pairs = zip(tags, doc.to_array(IS_SPACE).tolist())
        values = [doc.vocab.strings.add(blank if is_space else tag) for tag, is_space in pairs]
        row: Any = numpy.asarray(values, dtype="uint64")
        doc.from_array([ATTRS[self.attr.upper()]], row)


def copies(docs: Sequence[Doc], vocab: Vocab) -> List[Doc]:
    """The same tokens, without their tags, in a vocabulary."""
    return list(DocBin(docs=docs, attrs=TOKEN_ATTRS).get_docs(vocab))


def best_tags(scores: Sequence[TagScores]) -> List[str]:
    """The tag of each token with the highest mean, "" where no teacher has one."""
    column: Dict[str, int] = {}
    for found in scores:
        for label in found.labels:
            column.setdefault(label, len(column))
    # The last column is of no tag: less than anything that a teacher says.
    total = numpy.zeros((len(scores[0].rows), len(column) + 1))
    total[:, -1] = 1e-9
    for found in scores:
        total[:, [column[label] for label in found.labels]] += found.rows
    # So little more for the tag of the first one that it decides between equals only.
    total[:, [column[label] for label in scores[0].labels]] += 1e-6 * scores[0].rows
    labels = [*column, ""]
    return [labels[i] for i in total.argmax(axis=1)]


def share_right(guesses: Sequence[str], gold: Sequence[str]) -> float:
    """The share of tags that are right, where there are any."""
    right = [guess == tag for guess, tag in zip(guesses, gold) if tag]
    return sum(right) / max(len(right), 1)


def _with_probabilities(teacher: Teacher, attr: str) -> Optional[str]:
    """The component that gives the probabilities of a teacher's tags: None if the last one that
    writes them does not."""
    names = [name for name, attrs in teacher.writers.tags.items() if attr in attrs]
    gives = bool(names) and hasattr(teacher.nlp.get_pipe(names[-1]), "predict_proba")
    return names[-1] if gives else None


def _scores_of(teacher: Teacher, source: Optional[str], docs: List[Doc], attr: str) -> TagScores:
    if source is not None:
        # What it would write is not needed.
        list(teacher.nlp.pipe(docs, disable=[source]))
        tagger: Any = teacher.nlp.get_pipe(source)
        rows = [tagger.model.ops.to_numpy(rows) for rows in tagger.predict_proba(docs)]
        return TagScores(list(tagger.labels), numpy.concatenate(rows))
    found = list(teacher.nlp.pipe(docs))
    tags = [getattr(token, f"{attr}_") for doc in found for token in doc]
    labels = sorted(set(tags) - {""})
    rows = numpy.asarray([[tag == label for label in labels] for tag in tags], dtype="float64")
    return TagScores(labels, rows.reshape(len(tags), len(labels)))
