"""What a component is right and wrong about, text by text, for `spacy-rnn report`."""

from collections import Counter
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Token
from spacy.training import Example

from ..annotation.results import best_label, find_writers
from ..errors import Errors
from ..pipeline.textcat_lstm import TextCatLSTM

# From which value on a soft label counts as true, as in scores.
TRUE = 0.5
# Tokens before and after a mistake, where sentences are not known.
AROUND = 15


class Subject(NamedTuple):
    """The component that a report is about.

    name: Its name. pipe: Itself. attr: What it writes: "cats", "pos" or "tag".
    """

    name: str
    pipe: Any
    attr: str

    @property
    def exclusive(self) -> bool:
        """Whether one answer at most is right."""
        return not isinstance(self.pipe, MultiLabel_TextCategorizer)

    @property
    def threshold(self) -> float:
        """From which score on a label counts, where labels do not exclude each other."""
        threshold = self.pipe.cfg.get("threshold")
        return TRUE if threshold is None else float(threshold)


class Mistake(NamedTuple):
    """A wrong answer.

    doc: The document. gold, found: The right answer and the one given. label: Whose probability
    it is. confidence: How sure the component was, from 0 to 1. token: Of a tag.
    """

    doc: Doc
    gold: str
    found: str
    label: str
    confidence: float
    token: Optional[Token] = None


class Findings:
    """Counts of all answers of a component.

    subject: The component.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.per_label: Dict[str, PRFScore] = {name: PRFScore() for name in subject.pipe.labels}
        # How often which answer was given: gold, found.
        self.confusions: Counter = Counter()
        # Of answers with a probability: that, and whether it came true.
        self.probs: List[float] = []
        self.true: List[bool] = []
        # Of each text: its tokens, answers that are right, and all.
        self.lengths: List[Tuple[int, int, int]] = []
        self.mistakes: List[Mistake] = []

    def one_of(self, gold: str, found: str) -> bool:
        """Count an answer that is one of several. RETURNS: Whether it is right."""
        self.confusions[gold, found] += 1
        if gold == found:
            self._score_of(gold).tp += 1
            return True
        self._score_of(gold).fn += 1
        if found:
            self._score_of(found).fp += 1
        return False

    def yes_or_no(self, label: str, gold: bool, found: bool) -> bool:
        """Count an answer about one label. RETURNS: Whether it is right."""
        score = self._score_of(label)
        score.tp += gold and found
        score.fn += gold and not found
        score.fp += found and not gold
        self.confusions[label, ("right" if gold == found else "wrong", found)] += 1
        return gold == found

    def probability(self, prob: float, true: bool) -> None:
        """Note the probability of an answer, and whether it came true."""
        self.probs.append(min(max(prob, 0.0), 1.0))
        self.true.append(bool(true))

    def _score_of(self, label: str) -> PRFScore:
        return self.per_label.setdefault(label, PRFScore())

    @property
    def labels(self) -> List[str]:
        """All labels of the component and of the texts."""
        return list(self.per_label)

    @property
    def accuracy(self) -> float:
        """The share of answers that are right."""
        _, right, total = numpy.asarray(self.lengths).sum(axis=0)
        return float(right / total)

    @property
    def macro_f(self) -> float:
        """The mean F of labels that texts have."""
        scores = [score.fscore for score in self.per_label.values() if score.tp + score.fn]
        return sum(scores) / max(len(scores), 1)

    @property
    def micro_f(self) -> float:
        """F of all answers."""
        total = PRFScore()
        for score in self.per_label.values():
            total += score
        return total.fscore

    def worst(self, count: int) -> List[Mistake]:
        """The most confident mistakes, of equal ones the first."""
        return sorted(self.mistakes, key=lambda mistake: -mistake.confidence)[:count]


def find_subject(nlp: Language, name: Optional[str]) -> Subject:
    """The component of a pipeline that a report is about.

    name: If it is given.
    RAISES: ValueError if there is none of this name, or several and none is named, and for one
        that does not say what its labels are.
    """
    writers = find_writers(nlp)
    attrs = {**dict.fromkeys(writers.cats, "cats")}
    attrs.update({name: found[0] for name, found in writers.tags.items()})
    if name is None and len(attrs) > 1:
        raise ValueError(Errors.R652.format(found=", ".join(attrs)))
    name = next(iter(attrs)) if name is None else name
    if name not in attrs:
        raise ValueError(Errors.R651.format(name=name, found=", ".join(attrs)))
    pipe = nlp.get_pipe(name)
    if not hasattr(pipe, "labels") or not hasattr(pipe, "cfg"):
        raise ValueError(Errors.R654.format(name=name))
    return Subject(name, pipe, attrs[name])


def find_findings(subject: Subject, examples: Sequence[Example]) -> Findings:
    """Compare what a component has written with what is true.

    examples: With the documents that the pipeline has read.
    """
    findings = Findings(subject)
    if subject.attr != "cats":
        _judge_tags(findings, examples)
    elif subject.exclusive:
        for eg in examples:
            _judge_label(findings, eg)
    else:
        for eg in examples:
            _judge_labels(findings, eg)
    return findings


def _judge_label(findings: Findings, eg: Example) -> None:
    doc, pipe = eg.predicted, findings.subject.pipe
    cats = pipe.own_cats(eg) if isinstance(pipe, TextCatLSTM) else eg.reference.cats
    gold = best_label(cats)
    if gold is None or cats[gold] <= 0:
        return
    found = best_label({name: doc.cats[name] for name in findings.subject.pipe.labels}) or ""
    right = findings.one_of(gold, found)
    findings.probability(doc.cats[found], right)
    findings.lengths.append((len(doc), int(right), 1))
    if not right:
        findings.mistakes.append(Mistake(doc, gold, found, found, doc.cats[found]))


def _judge_labels(findings: Findings, eg: Example) -> None:
    """All labels of a text that are known. It is right if all of them are."""
    doc, threshold = eg.predicted, findings.subject.threshold
    known = [name for name in findings.subject.pipe.labels if name in eg.reference.cats]
    wrong = 0
    for name in known:
        prob = doc.cats[name]
        gold, found = eg.reference.cats[name] >= TRUE, prob >= threshold
        findings.probability(prob, gold)
        if not findings.yes_or_no(name, gold, found):
            wrong += 1
            confidence = prob if found else 1.0 - prob
            answers = (name, f"not {name}") if gold else (f"not {name}", name)
            findings.mistakes.append(Mistake(doc, answers[0], answers[1], name, confidence))
    if known:
        findings.lengths.append((len(doc), int(not wrong), 1))


def _judge_tags(findings: Findings, examples: Sequence[Example]) -> None:
    pipe, name = findings.subject.pipe, f"{findings.subject.attr}_"
    labels = {label: i for i, label in enumerate(pipe.labels)}
    rows: Any = [None] * len(examples)
    if hasattr(pipe, "predict_proba"):
        found = pipe.predict_proba([eg.predicted for eg in examples])
        rows = [pipe.model.ops.to_numpy(probs) for probs in found]
    for eg, probs in zip(examples, rows):
        right = total = 0
        for gold, token in _pairs(eg, name):
            tag = getattr(token, name) if token is not None else ""
            is_right = findings.one_of(gold, tag)
            right, total = right + is_right, total + 1
            confidence = 0.0
            if token is not None and probs is not None and tag in labels:
                confidence = float(probs[token.i, labels[tag]])
                findings.probability(confidence, is_right)
            if not is_right and token is not None:
                mistake = Mistake(eg.predicted, gold, tag, tag, confidence, token)
                findings.mistakes.append(mistake)
        if total:
            findings.lengths.append((len(eg.predicted), right, total))


def _pairs(eg: Example, name: str) -> Iterator[Tuple[str, Optional[Token]]]:
    """Tags in the reference, and the token they are of; None where tokens differ."""
    to_token, back = eg.alignment.y2x, eg.alignment.x2y
    for gold in eg.reference:
        value = getattr(gold, name)
        if value and not gold.is_space:
            places = to_token[gold.i]
            same = len(places) == 1 and back.lengths[places[0]] == 1
            yield value, eg.predicted[int(places[0])] if same else None


def around(token: Token) -> Tuple[str, str, str]:
    """The sentence of a token: what is before it, itself, and what is after it."""
    doc = token.doc
    start, end = max(0, token.i - AROUND), min(len(doc), token.i + AROUND + 1)
    if doc.has_annotation("SENT_START"):
        start, end = token.sent.start, token.sent.end
    before, after = doc[start : token.i], doc[token.i + 1 : end]
    return before.text_with_ws, token.text, token.whitespace_ + after.text
