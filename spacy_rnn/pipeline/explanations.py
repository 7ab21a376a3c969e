"""Why a text has its score, and the scores of its parts: what both classifiers share."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy
from spacy.tokens import Doc, Span
from thinc.api import Model

from ..bridge.integrated_gradients import gauss_legendre
from ..bridge.tokens import Tokens, lengths_of
from ..engine.forks import forks_wait
from ..errors import Errors
from ..layers.checks import check, check_choice
from ..layers.explaining import AT_THE_INPUT, ExplainedTexts, Explanation
from ..layers.span_scores import ReadTexts

METHODS = ("integrated_gradients", "gradient_times_input", "attention")
# Gradients of integrated gradients by default: `python -m benchmarks.explain`.
STEPS = 16
EXTENSION = "cats"


class Explains:
    """A mixin for classifiers, which brings `explain`, `explain_pipe` and `score_spans`."""

    name: str
    model: Model
    labels: Any
    cfg: Dict[str, Any]
    _parts_of: Callable[[numpy.ndarray], List[numpy.ndarray]]

    def explain(
        self,
        doc: Doc,
        label: Optional[str] = None,
        method: str = "integrated_gradients",
        steps: Optional[int] = None,
    ) -> Dict[str, Any]:
        """What each token adds to the score of a label: as numbers and text, to be written as JSON.

        What is explained is the margin: the label's logit, minus the mean of those of the others
        where labels exclude each other. Of two labels that is the log-odds of the score. The margin
        is `baseline`, what it would be without any word, plus the `weight` of all tokens, up to
        `error`. A token's weight is the sum of what it adds in each part of the model: `net`, and
        `linear_model` and `fitted_model` where the model has them. The linear models' part is
        exact: an n-gram adds in equal parts by each of its words, and its occurrences share what it
        adds; one near the end may have a second weight, which is its own. The net's is that of
        integrated gradients of its embeddings, from vectors of zero (Sundararajan, Taly
        and Yan 2017). Tokens that `max_tokens` cuts out add nothing in the net.

        doc: The text. label: None for the label with the highest score.
        method: "integrated_gradients"; "gradient_times_input", which takes one gradient, at the
            text itself, and may be far from complete; or "attention", the weights of tokens by a
            model that pools by attention: these sum to 1, and are no parts of the margin, so that
            `baseline` and `error` are None.
        steps: Gradients that "integrated_gradients" takes for a text; the error falls with their
            number. None for 16.
        RETURNS: "component", "text", "label", "score", "method", "steps", "margin", "baseline",
            "error", and "tokens", each with "text", the characters "start" to "end" of the text,
            "weight" and its parts.
        RAISES: ValueError for an unknown label or method, for steps below 1, for a model that
            cannot be taken apart, and for one that listens to a component which has not read the
            document.
        """
        return next(self.explain_pipe([doc], label, method, steps))

    def explain_pipe(
        self,
        docs: Iterable[Doc],
        label: Optional[str] = None,
        method: str = "integrated_gradients",
        steps: Optional[int] = None,
    ) -> Iterator[Dict[str, Any]]:
        """As `explain`, of many texts, which are read together: so many at a time as have
        `max_batch_tokens` tokens.

        RETURNS: The explanations, in the order of the documents.
        """
        if label is not None and label not in self.labels:
            allowed = list(self.labels)
            raise ValueError(Errors.R330.format(name=self.name, label=label, allowed=allowed))
        check_choice("method", method, METHODS)
        return self._explain_parts(docs, label, method, _steps_of(method, steps))

    def _explain_parts(
        self, docs: Iterable[Doc], label: Optional[str], method: str, steps: int
    ) -> Iterator[Dict[str, Any]]:
        for part in self._batches(docs):
            with forks_wait:
                found = self._explain_batch(part, label, method, steps)
            yield from found

    def _batches(self, docs: Iterable[Doc]) -> Iterator[List[Doc]]:
        part: List[Doc] = []
        tokens = 0
        for doc in docs:
            self._check_kind_of(doc, Doc, "explain")
            if part and tokens + len(doc) > self.cfg["max_batch_tokens"]:
                yield part
                part, tokens = [], 0
            part.append(doc)
            tokens += len(doc)
        if part:
            yield part

    def _check_kind_of(self, value: Any, kind: type, method: str) -> None:
        if not isinstance(value, kind):
            facts = {"name": self.name, "method": method, "kind": kind.__name__}
            raise ValueError(Errors.R336.format(found=type(value).__name__, **facts))

    def _explain_batch(
        self, docs: List[Doc], label: Optional[str], method: str, steps: int
    ) -> List[Dict[str, Any]]:
        texts = ExplainedTexts(self.name, self.model, Tokens(docs))
        best = texts.scores.argmax(axis=1)
        chosen = best if label is None else numpy.full_like(best, self.labels.index(label))
        direction = texts.towards(chosen)
        if method == "attention":
            found = texts.attend(direction)
        else:
            integrated = method == "integrated_gradients"
            found = texts.add_up(direction, gauss_legendre(steps) if integrated else AT_THE_INPUT)
        ends = texts.tokens.lengths.cumsum().tolist()
        return [
            {
                "component": self.name,
                "text": doc.text,
                "label": self.labels[chosen[i]],
                "score": float(texts.scores[i, chosen[i]]),
                "method": method,
                "steps": steps,
                **_of_text(found, doc, i, slice(ends[i] - len(doc), ends[i])),
            }
            for i, doc in enumerate(docs)
        ]

    def score_spans(self, spans: Iterable[Span]) -> List[Dict[str, float]]:
        """The score of each label for parts of texts, as sentences. A part is read in its context:
        the net reads each document once, and what it has made of a part's tokens is pooled as
        that of a whole text is; to this comes what the linear models say of the part's own words
        and phrases. It is not the score that the part would have as a text of its own. A part that
        is the whole document has the document's score.

        spans: Of one or of several documents. They may overlap, and be empty.
        RETURNS: Categories, one dictionary for each span.
        RAISES: ValueError for a model without a recurrent net or with a model beside it that reads
            whole documents only, and for one that listens to a component which has not read the
            document.
        """
        spans = list(spans)
        for span in spans:
            self._check_kind_of(span, Span, "score_spans")
        docs = list({id(span.doc): span.doc for span in spans}.values())
        numbers = {id(doc): number for number, doc in enumerate(docs)}
        owners = numpy.asarray([numbers[id(span.doc)] for span in spans], dtype="int64")
        scores = numpy.zeros((len(spans), len(self.labels)))
        with forks_wait:
            for part in self._parts_of(lengths_of(docs)):
                own = numpy.isin(owners, part).nonzero()[0]
                found = self._score_batch([docs[i] for i in part], [spans[i] for i in own])
                scores[own] = found
        return [dict(zip(self.labels, row)) for row in scores.tolist()]

    def _score_batch(self, docs: List[Doc], spans: Sequence[Span]) -> numpy.ndarray:
        """Scores of spans of documents that are read together, of shape (spans, labels)."""
        texts, sizes = ReadTexts(self.name, self.model, docs), lengths_of(docs)
        before = dict(zip(map(id, docs), (sizes.cumsum() - sizes).tolist()))
        starts = numpy.asarray([before[id(span.doc)] + span.start for span in spans])
        lengths = lengths_of(list(spans))
        scores = numpy.zeros((len(spans), len(self.labels)))
        for part in self._parts_of(lengths):
            rows = rows_from(starts[part], lengths[part])
            scores[part] = self.model.ops.to_numpy(texts.scores(lengths[part], rows))
        return scores


def rows_from(starts: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """The numbers of the tokens of some parts, each of which begins at a token and has so many."""
    return numpy.arange(lengths.sum()) + (starts - lengths.cumsum() + lengths).repeat(lengths)


def _steps_of(method: str, steps: Optional[int]) -> int:
    """How many gradients are taken.

    RAISES: ValueError for a number that is not whole or not above 0, and for any where the method
        has no steps.
    """
    if method != "integrated_gradients":
        check("steps", steps, steps is None, f"left out for the method '{method}'")
        return int(method == "gradient_times_input")
    if steps is None:
        return STEPS
    whole = isinstance(steps, (int, numpy.integer)) and not isinstance(steps, bool)
    check("steps", steps, whole and steps >= 1, "a whole number of at least 1")
    return int(steps)


def _of_text(found: Explanation, doc: Doc, number: int, rows: slice) -> Dict[str, Any]:
    """An explanation of several texts, of one of them. number: Of the text. rows: Its tokens."""
    parts = {name: values[rows] for name, values in found.parts.items()}
    weights: Any = sum(parts.values())
    margin, baseline, error = float(found.margins[number]), None, None
    if found.baselines is not None:
        baseline = float(found.baselines[number])
        error = margin - baseline - float(weights.sum())
    columns = {"weight": weights.tolist(), **{name: v.tolist() for name, v in parts.items()}}
    tokens = [
        {"text": token.text, "start": token.idx, "end": token.idx + len(token)}
        | dict(zip(columns, values))
        for token, values in zip(doc, zip(*columns.values()))
    ]
    return {"margin": margin, "baseline": baseline, "error": error, "tokens": tokens}


class SpanCats:
    """What `Span._.cats` gives: the scores of a span by a component.

    component: Its name. pipe: The component itself.
    """

    def __init__(self, component: str, pipe: Explains):
        self.component = component
        self.pipe = pipe

    def __call__(self, span: Span) -> Dict[str, float]:
        return self.pipe.score_spans([span])[0]

    def register(self) -> None:
        """Make `Span._.cats`, in place of that of a component of the same name.

        RAISES: ValueError if something else has an extension of that name.
        """
        if Span.has_extension(EXTENSION):
            _, _, getter, _ = Span.get_extension(EXTENSION)
            owner = getter.component if isinstance(getter, SpanCats) else None
            if owner != self.component:
                found = f"the component '{owner}'" if owner else "something else"
                raise ValueError(Errors.R337.format(name=self.component, owner=found))
        Span.set_extension(EXTENSION, getter=self, force=True)
