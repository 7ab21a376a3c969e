"""`textcat_lstm`: one label per text, by a recurrent net."""

import numbers
import warnings
from collections import Counter
from functools import partial
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.errors import Errors as SpacyErrors
from spacy.language import Language
from spacy.pipeline.textcat import TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d
from tqdm.auto import tqdm

from ..bridge.ragged import reads_flat
from ..bridge.tokens import Tokens, lengths_of
from ..configs import defaults_of
from ..engine.forks import forks_wait
from ..errors import Errors, Warnings
from ..layers.nb_svm import as_in_prediction
from ..layers.running import running_form
from ..layers.span_scores import reader_of_documents
from ..layers.temperature import can_be_calibrated, set_temperature
from ..streaming.textcat_streams import TextCatStream, TextCatStreams
from ..training.calibration import Calibration, calibrate, certainty
from ..training.chance import chance_of_exclusive
from ..training.loss import softmax_cross_entropy
from ..training.semi_supervised import SemiSupervised
from ..vocabulary.learning import learners_in
from ..vocabulary.nb_svm import Target, log_frequencies
from . import abstained
from .component import Component, sample_of, start_of
from .explanations import Explains, SpanCats, rows_from
from .textcat_scorer import score_cats

# Tokens from which on it is shown that a fit takes a while.
LONG_FIT = 1_000_000
ClassWeight = Union[None, str, Dict[str, float]]

# What the values of a text may sum to above or below 1: as when they are rounded to two digits.
SUM_TOLERANCE = 0.015
# From which value on a label counts as true, where only 0 and 1 are of use.
TRUE = 0.5
# Texts whose logits are computed at once to calibrate.
TEXTS_AT_ONCE = 1000

DEFAULTS, SCORE_WEIGHTS = defaults_of("textcat_lstm")


@Language.factory(
    "textcat_lstm",
    assigns=["doc.cats"],
    default_config=DEFAULTS,
    default_score_weights=SCORE_WEIGHTS,
)
def make_textcat_lstm(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    class_weight: ClassWeight,
    label_smoothing: float,
    semi_supervised: Optional[SemiSupervised],
    span_cats: bool,
    abstain: float,
    max_batch_tokens: int,
    scorer: Optional[Callable],
) -> "TextCatLSTM":
    """Make the component. For the arguments, see `TextCatLSTM`."""
    return TextCatLSTM(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        semi_supervised=for_pipeline(semi_supervised, nlp),
        span_cats=span_cats,
        abstain=abstain,
        max_batch_tokens=max_batch_tokens,
        scorer=scorer,
    )


class TextCatLSTM(Component, Explains, TextCategorizer):
    """Text classification with labels that exclude each other.

    A `spacy.pipeline.TextCategorizer` with a recurrent model, trained on
    cross-entropy. Its vocabulary comes from the training texts.

    In training, `Doc.cats` may be 0 and 1, or soft: the probability of each label. A label that
    is left out counts as 0, and a text whose values are all 0 is not learned from.

    vocab: The shared vocabulary.
    model: The model, as `spacy-rnn.TextCatRNN.v2`.
    name: Name of the component in the pipeline, and of its loss.
    threshold: For the scorer, and for `spacy find-threshold`.
    class_weight: Weight of each label's examples in the loss: None, a mapping from
        label to weight, where labels not named weigh 1, or "balanced" for
        examples / (labels * examples of the label).
    label_smoothing: Share of each truth that is spread over all labels.
    semi_supervised: What to learn beside labels, as `spacy-rnn.semi_supervised.v1`; None for
        nothing.
    span_cats: Make `Span._.cats`: the scores of any part of a text, see `score_spans`.
    abstain: Give a text no label if the best one has a lower score than this; 0 for never.
        `Doc.cats` has the scores all the same; `Doc._.abstained`, which is registered if this is
        set, then lists the component's name.
    max_batch_tokens: In prediction, read so many tokens at a time, which bounds memory. A longer
        text is read on its own. Scores do not depend on it.
    scorer: The scoring method.
    RAISES: ValueError for a class_weight, label_smoothing, abstain or max_batch_tokens outside of
        these, for a model of the other kind of labels, for one that cannot learn what
        semi_supervised says, and where `Span._.cats` or `Doc._.abstained` is something else's.
    """

    factory = "textcat_lstm"
    exclusive_classes = True
    learned = ("labels", "positive_label", "balanced_weights", "other_labels")

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "textcat_lstm",
        *,
        threshold: float = 0.0,
        class_weight: ClassWeight = None,
        label_smoothing: float = 0.0,
        semi_supervised: Optional[SemiSupervised] = None,
        span_cats: bool = False,
        abstain: float = 0.0,
        max_batch_tokens: int = DEFAULTS["max_batch_tokens"],
        scorer: Optional[Callable] = score_cats,
    ) -> None:
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
        self._check_kind(model)
        self.semi_supervised = semi_supervised
        self._check_semi_supervised()
        self.cfg["label_smoothing"] = label_smoothing
        self.cfg["class_weight"] = class_weight
        self.cfg["span_cats"] = span_cats
        self.cfg["abstain"] = abstain
        self.cfg["max_batch_tokens"] = max_batch_tokens
        self.check_settings(self.cfg)
        # What "balanced" came to: learned in `initialize`, saved with the component.
        self.cfg["balanced_weights"] = {}
        # Labels of the corpus of `initialize` that are not among those it was given.
        self.cfg["other_labels"] = []
        self.remember_settings()
        if span_cats:
            SpanCats(name, self).register()

    def check_settings(self, cfg: Dict[str, Any]) -> None:
        """RAISES: ValueError for a class_weight, label_smoothing, abstain or max_batch_tokens out
        of its range."""
        self._check_smoothing(cfg["label_smoothing"])
        self._check_max_batch_tokens(cfg["max_batch_tokens"])
        self._check_abstain(cfg["abstain"])
        weights = cfg["class_weight"]
        valid = weights is None or weights == "balanced"
        if isinstance(weights, dict):
            valid = all(isinstance(w, (int, float)) and w > 0 for w in weights.values())
        if not valid:
            raise self._error(Errors.R306, value=weights)

    def _check_abstain(self, value: Any) -> None:
        if not is_probability(value) or isinstance(value, bool):
            raise self._error(Errors.R327, value=value)
        if value and not abstained.register():
            raise self._error(Errors.R328)

    def _check_kind(self, model: Model) -> None:
        multi_label = model.attrs.get("multi_label")
        if multi_label is not None and multi_label == self.exclusive_classes:
            factories = ("textcat_lstm", "textcat_multilabel_lstm")
            factory, other = factories if self.exclusive_classes else factories[::-1]
            found, expected = (str(value).lower() for value in (not multi_label, multi_label))
            raise self._error(
                Errors.R313, factory=factory, other=other, found=found, expected=expected
            )

    def _check_semi_supervised(self) -> None:
        settings = self.semi_supervised
        if settings is None or not settings.on:
            return
        if not self.model.has_ref("net"):
            raise self._error(Errors.R318)
        if settings.reads_texts and _listener_in(self.model) is not None:
            raise self._error(Errors.R319)

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        positive_label: Optional[str] = None,
        vocab: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn labels, vocabulary and class weights from all examples, in one pass,
        and make the model's weights.

        get_examples: Gives all training examples.
        nlp: The pipeline that the component is part of.
        labels: Labels to use, instead of those found in the data. Others of the data are left to
            other components.
        positive_label: The label that the score is about, of two.
        vocab: Words to use, most frequent first, instead of those found in the data.
        RAISES: TypeError for a corpus that is empty, as spaCy's components; ValueError for one that
            has values outside of 0 to 1, or values of a text that do not sum to 1, or one label
            only where no labels are given.
        """
        names, counts = self._learn(get_examples, labels, vocab)
        sample = sample_of(get_examples())
        super().initialize(lambda: sample, nlp=nlp, labels=names, positive_label=positive_label)
        self._check_weight_labels()
        self._start(counts)

    def _learn(
        self,
        get_examples: Callable[[], Iterable[Example]],
        labels: Optional[Iterable[str]],
        vocab: Optional[Iterable[str]],
    ) -> Tuple[List[str], "CorpusCounts"]:
        """Learn all that comes from the whole corpus. RETURNS: The labels, and the counts."""
        set_temperature(self.model, 1.0)
        if self.semi_supervised is not None and self.semi_supervised.reads_texts:
            self.semi_supervised.texts.check()
        counts = CorpusCounts()
        names = None if labels is None else list(labels)
        self.cfg["other_labels"] = []

        def count(eg: Example) -> None:
            if names is not None:
                self.leave_others([eg], names)
            self._validate_categories([eg])
            counts.add(eg)

        counts.words = self._read_corpus(get_examples, vocab, count)
        if not counts.lengths:
            raise TypeError(Errors.R301.format(name=self.name))
        if names is None and not self.labels:
            # Where labels are given, the examples may be a few of many.
            self._check_contrast(counts)
        names = list(counts.labels) if names is None else names
        if not counts.labels:
            self._warn_of_no_annotation(len(counts.lengths))
        self._warn_of_unseen(counts, names)
        self._warn_of_others(counts, names)
        if self.cfg["class_weight"] == "balanced":
            self.cfg["balanced_weights"] = self._balanced_weights(counts, names)
        for node in self.model.walk():
            if "cut" in node.attrs:
                node.attrs["cut"].add(numpy.asarray(counts.lengths))
        return names, counts

    def leave_others(self, examples: Iterable[Example], labels: Iterable[str]) -> None:
        """Leave all labels of examples to other components that are not among those given, or the
        component's own."""
        others, own = self.cfg["other_labels"], {*labels, *self.labels}
        known = own.union(others)
        for eg in examples:
            found = [label for label in eg.reference.cats if label not in known]
            others.extend(found)
            known.update(found)

    def _warn_of_others(self, counts: "CorpusCounts", labels: List[str]) -> None:
        others = self.cfg["other_labels"]
        if not counts.labels.keys() & {*labels, *self.labels}:
            # More likely spelled otherwise: `update` says so.
            self.cfg["other_labels"] = []
        elif others:
            warnings.warn(Warnings.W005.format(name=self.name, labels=others), stacklevel=4)

    def _check_contrast(self, counts: "CorpusCounts") -> None:
        """RAISES: ValueError unless there are two labels to tell apart or, where they do not
        exclude each other, one that is not true of all texts."""
        if not counts.labels:
            raise self._error(Errors.R309)
        told_apart = counts.negative and not self.exclusive_classes
        if len(counts.positive) == 1 and len(counts.lengths) > 1 and not told_apart:
            label, count = counts.positive.most_common(1)[0]
            raise self._error(Errors.R304, label=label, count=round(count))

    def _warn_of_unseen(self, counts: "CorpusCounts", labels: List[str]) -> None:
        unseen = [label for label in labels if not counts.has(label)]
        if counts.labels and unseen:
            warnings.warn(Warnings.W003.format(name=self.name, labels=unseen), stacklevel=4)

    def _balanced_weights(self, counts: "CorpusCounts", labels: List[str]) -> Dict[str, float]:
        true = counts.positive
        total = sum(true[name] for name in labels)
        return {name: total / (len(labels) * true[name]) for name in labels if counts.has(name)}

    def _check_weight_labels(self) -> None:
        weights = self.cfg["class_weight"]
        for label in weights if isinstance(weights, dict) else ():
            if label not in self.labels:
                raise self._error(Errors.R305, label=label, labels=self.labels)

    def _start(self, counts: "CorpusCounts") -> None:
        """Begin with what labels alone say, before the net learns: how frequent they are, since a
        bias would take hundreds of steps to the scores of a rare one; and a fit to them of layers
        that are fitted."""
        # Texts of one label only may be the first ones of a sorted stream, which says nothing.
        told_apart = sum(map(counts.has, self.labels)) > int(self.exclusive_classes)
        self.chance_loss = self._chance_of(*self._sums(counts)) if told_apart else None
        layers = [node for node in learners_in(self.model) if "fit_labels" in node.attrs]
        target = self._target(counts) if told_apart and layers else None
        if self.labels and "start_from" in self.model.attrs:
            positive, negative, weights = self._sums(counts)
            logits = log_frequencies(positive * weights, negative, self.exclusive_classes)
            # What is fitted adds to the logits of its target.
            logits = logits if target is None else target.log_frequencies()
            self.model.attrs["start_from"](self.model, logits)
        if target is not None:
            self._fit(layers, counts, target)

    def _sums(self, counts: "CorpusCounts") -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        """How often each label is true, how often it is not, and its weight, of shape (labels,)."""
        positive, negative = (
            numpy.asarray([number[label] for label in self.labels], dtype="float32")
            for number in (counts.positive, counts.negative)
        )
        return positive, negative, self.model.ops.to_numpy(self._weights())[0]

    def _fit(self, layers: List[Model], counts: "CorpusCounts", target: Target) -> None:
        shown = {"disable": None if sum(counts.lengths) > LONG_FIT else True, "leave": False}
        for layer in layers:
            with tqdm(desc="Fitting n-grams to labels", bar_format="{desc} ...", **shown):
                layer.attrs["fit_labels"](layer, counts.words, target)

    def _target(self, counts: "CorpusCounts") -> Target:
        """What is known of all texts of a corpus, and how much each counts."""
        truths, known = self._truths_of(counts.cats)
        weights = self.model.ops.to_numpy(self._weights())
        return Target(truths, self._weigh(truths, weights) * known, self.exclusive_classes)

    def _weigh(self, truths: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
        """How much each truth counts, as in the loss. weights: Of labels, of shape (1, labels)."""
        return numpy.where(truths > 0, weights, numpy.float32(1.0))

    def _chance_of(
        self, positive: numpy.ndarray, negative: numpy.ndarray, weights: numpy.ndarray
    ) -> float:
        """The loss of guessing, of labels that are so often true, and so often not."""
        return chance_of_exclusive(positive, weights, self.cfg["label_smoothing"])

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score documents without changing them.

        A document's scores depend on that document alone. Long batches go through the
        model in parts of `max_batch_tokens` tokens, which bounds memory.

        docs: The documents; empty ones are legal. With a model of another architecture than
            `spacy-rnn.TextCatRNN.v2`, their scores are 0, as in spaCy.
        RETURNS: Scores of shape (docs, labels), from 0 to 1.
        RAISES: ValueError in a process that was made from another one, which holds the model on a
            GPU.
        """
        self._check_process()
        with forks_wait:
            return self._predict(self.model, list(docs))

    def _predict(self, model: Model, docs: List[Doc]) -> Any:
        """What a model says of documents, part by part. model: The component's, or its logits."""
        lengths = lengths_of(docs)
        flat = reads_flat(self.model)
        if flat and lengths.sum() <= self.cfg["max_batch_tokens"]:
            return model.predict(Tokens(docs, lengths))
        scored: Any = numpy.arange(len(docs)) if flat else lengths.nonzero()[0]
        scores: Any = model.ops.alloc2f(len(docs), len(self.labels))
        for part in self._parts_of(lengths[scored]):
            rows = scored[part]
            scores[model.ops.asarray1i(rows)] = model.predict([docs[i] for i in rows])
        return scores

    @property
    def can_be_calibrated(self) -> bool:
        """Whether the model divides its logits by a temperature."""
        return can_be_calibrated(self.model)

    def calibrate(self, examples: Iterable[Example]) -> Calibration:
        """Fit the temperature that logits are divided by in `predict`, so that probabilities say
        how often the component is right. It is saved with the model. A step of training, after
        which other weights need another one, sets it back to 1.

        Where labels exclude each other, the best one stays the best; where they do not, a score of
        0.5 stays one, and all others move.

        examples: Texts that were not trained on, with what the components before this one write.
            Those of which no label is known do not count. Soft values are taken as they are.
        RETURNS: The temperature, and what it changed on these texts.
        RAISES: ValueError for a model without a temperature, for values outside of 0 to 1, and if
            no text is left.
        """
        if not self.can_be_calibrated:
            raise self._error(Errors.R325)
        parts = [
            part for batch in minibatch(examples, TEXTS_AT_ONCE) for part in self._known(batch)
        ]
        if not parts:
            raise self._error(Errors.R326, labels=self.labels)
        logits, truths, known = (numpy.concatenate(arrays) for arrays in zip(*parts))
        found = calibrate(logits, truths, known, self.exclusive_classes)
        set_temperature(self.model, found.temperature)
        return found

    def _known(self, examples: List[Example]) -> Iterator[Tuple[numpy.ndarray, ...]]:
        """Logits, truths, and whether they are known: of the examples that say anything."""
        validate_examples(examples, f"{type(self).__name__}.calibrate")
        self._validate_categories(examples)
        truths, known = self._truths_of(cats_of(examples))
        if self.exclusive_classes:
            # Rounded values sum to almost 1.
            totals = truths.sum(axis=1, keepdims=True)
            truths = numpy.divide(truths, totals, out=truths, where=totals > 0)
        used = numpy.flatnonzero(known.any(axis=1))
        if len(used):
            docs = [examples[i].predicted for i in used]
            with forks_wait:
                logits = self._predict(self.model.get_ref("logits"), docs)
            yield self.model.ops.to_numpy(logits), truths[used], known[used]

    def streams(self, nlp: Language) -> TextCatStreams:
        """Score texts while they arrive, many of them in one step:

            streams = textcat.streams(nlp)
            first, second = streams.open(), streams.open()
            streams.push([first, second], ["some more te", "hello "])
            first.cats

        nlp: The pipeline, for its tokenizer.
        RAISES: ValueError for a model that reads in two directions, or cuts texts.
        """
        return TextCatStreams(nlp, self.name, self.model, list(self.labels))

    def stream(self, nlp: Language) -> TextCatStream:
        """Score one text while it arrives: `push` pieces of it, read `cats` at any time,
        and `close` it. After that, its cats are those of the whole text.

        nlp: The pipeline, for its tokenizer.
        RAISES: ValueError for a model that reads in two directions, or cuts texts.
        """
        return self.streams(nlp).open()

    def running_cats(self, doc: Doc) -> List[Dict[str, float]]:
        """The score of each label after each token of a text: of the text up to there.

        One pass over the text for a model that can stream; otherwise each beginning of
        the text is scored, which takes the square of its length.

        RETURNS: Categories, one dictionary for each token.
        RAISES: ValueError for a model that listens to another component, or reads whole documents
            only.
        """
        self._check_kind_of(doc, Doc, "running_cats")
        listener = _listener_in(self.model)
        if listener is not None:
            raise ValueError(Errors.R703.format(name=self.name, layer=listener.name))
        if not len(doc):
            return []
        try:
            running = running_form(self.name, self.model)
        except ValueError:
            scores = self._scores_of_beginnings(doc)
        else:
            with forks_wait:
                scores = running.after_each(Tokens([doc]))
        return [dict(zip(self.labels, row)) for row in scores.tolist()]

    def _scores_of_beginnings(self, doc: Doc) -> numpy.ndarray:
        layer = reader_of_documents(self.model)
        if layer is not None:
            raise ValueError(Errors.R335.format(name=self.name, layer=layer.name))
        lengths = numpy.arange(1, len(doc) + 1)
        scores = numpy.zeros((len(doc), len(self.labels)), dtype="float32")
        with forks_wait:
            for part in self._parts_of(lengths):
                rows = rows_from(numpy.zeros_like(part), lengths[part])
                found = self.model.predict(Tokens([doc], lengths[part], rows))
                scores[part] = self.model.ops.to_numpy(found)
        return scores

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Write scores into `Doc.cats`.

        docs: The documents. scores: From `predict`, of shape (docs, labels).
        """
        array = self.model.ops.to_numpy(scores)
        docs = list(docs)
        for doc, row in zip(docs, array.tolist()):
            doc.cats.update(zip(self.labels, row))
        least = self.cfg["abstain"]
        if least:
            sure = certainty(array, self.exclusive_classes, self.cfg["threshold"]) >= least
            for doc, is_sure in zip(docs, sure):
                abstained.note(doc, self.name, not is_sure)

    def _forward(self, model: Any, tokens: Tokens, is_train: bool) -> Tuple[Any, Callable]:
        return model(tokens.docs, is_train)

    def _loss(self, examples: List[Example], tokens: Tokens, scores: Any) -> Tuple[float, Any]:
        return self.get_loss(examples, scores)

    def _rehearse_batch(self, examples: List[Example], tokens: Tokens) -> Dict[str, float]:
        for model in (self.model, self._rehearsal_model):
            set_temperature(model, 1.0)
        # The copy says what it says in prediction: what is fitted has to be the same there.
        with as_in_prediction(self.model):
            return super()._rehearse_batch(examples, tokens)

    def _learn_batch(self, examples: List[Example], tokens: Tokens) -> Dict[str, float]:
        set_temperature(self.model, 1.0)
        settings = self.semi_supervised
        if settings is None or not settings.on:
            return super()._learn_batch(examples, tokens)
        loss_of = partial(self.get_loss, examples)
        loss, others = settings.learn(self.model, tokens.docs, loss_of)
        return {self.name: loss, **{f"{self.name}.{kind}": v for kind, v in others.items()}}

    def get_progress(self) -> Dict[str, Any]:
        """What the next steps of training depend on beside the model, as JSON values: how far the
        texts of semi_supervised were read."""
        return {} if self.semi_supervised is None else self.semi_supervised.texts.get_progress()

    def set_progress(self, progress: Dict[str, Any]) -> None:
        """Go on as another component would have. progress: As that one gave it."""
        if self.semi_supervised is not None:
            self.semi_supervised.texts.set_progress(progress)

    def _load_cfg(self, loaded: Any) -> None:
        # Versions before 0.10.1 have none.
        others = loaded.setdefault("other_labels", [])
        if not isinstance(others, list) or not all(isinstance(label, str) for label in others):
            raise ValueError(f"the labels of others are {others!r}, not a list of names")
        super()._load_cfg(loaded)

    def _check_truths(self, examples: List[Example]) -> None:
        if not self.labels:
            raise ValueError(SpacyErrors.E109.format(name=self.name))
        for eg in examples:
            unknown = [label for label in self.own_cats(eg) if label not in self.cfg["labels"]]
            if unknown:
                text, allowed = start_of(eg.reference), self.labels
                raise self._error(Errors.R315, label=unknown[0], text=text, allowed=allowed)
        self._validate_categories(examples)

    def get_loss(  # type: ignore[override]
        self, examples: Iterable[Example], scores: Floats2d
    ) -> Tuple[float, Floats2d]:
        """The loss of predicted scores.

        examples: The examples. scores: From the model, of shape (examples, labels).
        RETURNS: The mean cross-entropy, and the gradient of the sum with respect to
            the logits, of shape (examples, labels).
        RAISES: ValueError if a score is not a number.
        """
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.get_loss")
        xp: Any = self.model.ops.xp
        if not xp.isfinite(scores).all():
            raise self._not_a_number(examples)
        ops: Any = self.model.ops
        truths, known = map(ops.asarray2f, self._truths_of(cats_of(examples)))
        return self._cross_entropy(scores, truths, known)

    def loss_counts(self, examples: List[Example]) -> Dict[str, float]:
        """What the losses of `update` are the means over, by their names: by that, the losses of
        shares of a batch make the loss of the batch.

        examples: The batch.
        """
        known = self._count_known(*self._truths_of(cats_of(examples)))
        names = (self.name, f"{self.name}.adversarial")
        others = (f"{self.name}.entropy", f"{self.name}.virtual_adversarial")
        return {**dict.fromkeys(names, known), **dict.fromkeys(others, float(len(examples)))}

    def _count_known(self, truths: numpy.ndarray, known: numpy.ndarray) -> float:
        """How many truths a batch has. truths, known: As from `_truths_of`."""
        return float(truths.sum())

    def _truths_of(self, cats: Sequence[Dict[str, float]]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """What the categories of texts say of each label, and 1 where they say anything: both of
        shape (texts, labels). Of labels that exclude each other, those that are not named are
        false, and where none is true, nothing is known."""
        places = {label: i for i, label in enumerate(self.labels)}
        shape = len(cats), len(places)
        truths, known = numpy.zeros(shape, dtype="float32"), numpy.zeros(shape, dtype="float32")
        for truth, is_known, found in zip(truths, known, cats):
            for label, value in found.items():
                if label in places:
                    truth[places[label]], is_known[places[label]] = value, 1.0
        if self.exclusive_classes:
            known[:] = truths.any(axis=1, keepdims=True)
        return truths, known

    def _cross_entropy(self, scores: Floats2d, truths: Any, known: Any) -> Tuple[float, Floats2d]:
        return softmax_cross_entropy(
            scores, truths, self._weights(), self.cfg["label_smoothing"], xp=self.model.ops.xp
        )

    def _weights(self) -> Floats2d:
        """Weight of each label, of shape (1, labels)."""
        weights = self.cfg["class_weight"]
        if weights == "balanced":
            weights = self.cfg["balanced_weights"]
        row = [float((weights or {}).get(label, 1.0)) for label in self.labels]
        return self.model.ops.asarray2f([row])

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score a batch of examples. Those without cats do not count: in a corpus that
        several components learn from, nothing is known of them. Of soft values the highest
        counts as true, or all from 0.5 on where labels do not exclude each other.

        RAISES: ValueError for a value outside of 0 to 1.
        """
        examples = list(examples)
        for eg in examples:
            self._check_values(eg)
        # Where labels exclude each other, nothing is known of a text of which none is true.
        known = [(eg, self.own_cats(eg)) for eg in examples]
        if self.exclusive_classes:
            known = [(eg, cats) for eg, cats in known if any(cats.values())]
        return super().score(
            [with_hard_cats(eg, cats, self.exclusive_classes) for eg, cats in known if cats],
            **kwargs,
        )

    def _validate_categories(self, examples: Iterable[Example]) -> None:
        for eg in examples:
            self._check_values(eg)
            if self.exclusive_classes:
                self._check_sum(eg)

    def own_cats(self, eg: Example) -> Dict[str, float]:
        """The categories of an example, without those that are left to other components."""
        others, cats = self.cfg["other_labels"], eg.reference.cats
        if not others:
            return cats
        left = set(others).difference(self.labels)
        return {label: value for label, value in cats.items() if label not in left}

    def _check_values(self, eg: Example) -> None:
        for label, value in self.own_cats(eg).items():
            if not is_probability(value):
                text = start_of(eg.reference)
                raise self._error(Errors.R302, label=label, value=value, text=text)

    def _check_sum(self, eg: Example) -> None:
        cats, text = self.own_cats(eg), start_of(eg.reference)
        true = [label for label, value in cats.items() if value == 1.0]
        if len(true) > 1:
            raise self._error(Errors.R303, text=text, labels=true)
        total = sum(cats.values())
        if total and abs(total - 1.0) > SUM_TOLERANCE:
            raise self._error(Errors.R320, text=text, total=f"{total:.4g}")


def is_probability(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    # Integers beyond those of float are compared as they are.
    is_number = isinstance(value, (numbers.Real, numpy.bool_))
    return is_number and bool(0.0 <= value <= 1.0)


def with_hard_cats(eg: Example, cats: Dict[str, float], exclusive: bool) -> Example:
    """An example whose soft values are 0 and 1, for a scorer, which takes all above 0 as true.

    cats: The values of the example that count. exclusive: Whether one label is true: that of the
        highest value.
    RETURNS: The example itself, if it has no others.
    """
    if cats == eg.reference.cats and all(value in (0.0, 1.0) for value in cats.values()):
        return eg
    best = max(cats, key=lambda label: cats[label], default=None)
    reference = eg.reference.copy()
    reference.cats = {
        label: float(label == best and value > 0.0 if exclusive else value >= TRUE)
        for label, value in cats.items()
    }
    return Example(eg.predicted, reference)


def cats_of(examples: Iterable[Example]) -> List[Dict[str, float]]:
    """The categories that examples are annotated with."""
    return [eg.reference.cats for eg in examples]


def for_pipeline(
    semi_supervised: Optional[SemiSupervised], nlp: Language
) -> Optional[SemiSupervised]:
    """Settings that read their texts with the tokenizer of a pipeline. None if there are none."""
    if semi_supervised is not None:
        semi_supervised.texts.nlp = nlp
    return semi_supervised


def _listener_in(model: Model) -> Optional[Model]:
    """The layer that gets its rows from another component, if there is one."""
    return next((node for node in model.walk() if hasattr(node, "upstream_name")), None)


class CorpusCounts:
    """What `initialize` wants to know of a corpus: texts' lengths, categories and words, and how
    often each label is true, and how often annotated as not true: of soft values, their sums."""

    def __init__(self) -> None:
        self.lengths: List[int] = []
        # In the order in which they were seen.
        self.labels: Dict[str, None] = {}
        self.cats: List[Dict[str, float]] = []
        self.words: Any = None
        # Typeshed knows integers only.
        self.positive: Any = Counter()
        self.negative: Any = Counter()

    def add(self, eg: Example) -> None:
        """Count one example."""
        self.lengths.append(len(eg.predicted))
        self.cats.append(eg.reference.cats)
        for label, value in eg.reference.cats.items():
            self.labels[label] = None
            true = float(value)
            for counter, share in ((self.positive, true), (self.negative, 1.0 - true)):
                if share:
                    counter[label] += share

    def has(self, label: str, *, true: bool = True) -> bool:
        """Whether a label is true of some text, or not true of some. Of soft values, what sums
        to less than half a text is none."""
        return (self.positive if true else self.negative)[label] >= TRUE
