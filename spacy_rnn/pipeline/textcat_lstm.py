"""`textcat_lstm`: one label per text, by a recurrent net."""

import warnings
from collections import Counter
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

import numpy
from spacy.language import Language
from spacy.pipeline.textcat import TextCategorizer, textcat_score
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model
from thinc.types import Floats2d

from ..errors import Errors, Warnings
from ..layers.convert import lengths_of
from ..layers.keep_ends import count_cuts
from ..layers.vocabulary import embeddings_in, learn_vocab, set_vocab
from ..streaming.textcat_streams import RunningHead, TextCatStream, TextCatStreams
from ..training.loss import softmax_cross_entropy
from .checked_folder import CheckedFolder
from .parts_by_tokens import TOKENS_AT_ONCE, parts_by_tokens

ClassWeight = Union[None, str, Dict[str, float]]

DEFAULT_MODEL_CONFIG = """
[model]
@architectures = "spacy-rnn.TextCatRNN.v1"
pooling = ["mean", "max"]
max_tokens = 0
exclusive_classes = true

[model.tok2vec]
@architectures = "spacy-rnn.VocabEmbed.v1"
width = 64
word_dropout = 0.25

[model.encode]
@architectures = "spacy-rnn.RNNEncoder.v1"
width = 64
bidirectional = false

[model.linear_model]
@architectures = "spacy-rnn.NgramLinear.v1"
"""
DEFAULT_MODEL = Config().from_str(DEFAULT_MODEL_CONFIG)["model"]

SCORE_WEIGHTS = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_micro_p": None,
    "cats_micro_r": None,
    "cats_micro_f": None,
    "cats_macro_p": None,
    "cats_macro_r": None,
    "cats_macro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
}


@Language.factory(
    "textcat_lstm",
    assigns=["doc.cats"],
    default_config={
        "model": DEFAULT_MODEL,
        "threshold": 0.0,
        "class_weight": None,
        "label_smoothing": 0.0,
        "scorer": {"@scorers": "spacy.textcat_scorer.v2"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_textcat_lstm(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    class_weight: Union[None, str, Dict[str, float]],
    label_smoothing: float,
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
        scorer=scorer,
    )


class TextCatLSTM(CheckedFolder, TextCategorizer):
    """Text classification with labels that exclude each other.

    A `spacy.pipeline.TextCategorizer` with a recurrent model, trained on
    cross-entropy. Its vocabulary comes from the training texts.

    vocab: The shared vocabulary.
    model: The model, as `spacy-rnn.TextCatRNN.v1`.
    name: Name of the component in the pipeline, and of its loss.
    threshold: For the scorer, and for `spacy find-threshold`.
    class_weight: Weight of each label's examples in the loss: None, a mapping from
        label to weight, where labels not named weigh 1, or "balanced" for
        examples / (labels * examples of the label).
    label_smoothing: Share of each truth that is spread over all labels.
    scorer: The scoring method.
    RAISES: ValueError for a class_weight or label_smoothing outside of these.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "textcat_lstm",
        *,
        threshold: float = 0.0,
        class_weight: ClassWeight = None,
        label_smoothing: float = 0.0,
        scorer: Optional[Callable] = textcat_score,
    ) -> None:
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
        _check_class_weight(name, class_weight)
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(Errors.R307.format(name=name, value=label_smoothing))
        self.cfg["label_smoothing"] = label_smoothing
        self.cfg["class_weight"] = class_weight
        # What "balanced" came to: learned in `initialize`, saved with the component.
        self.cfg["balanced_weights"] = {}

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
        labels: Labels to use, instead of those found in the data.
        positive_label: The label that the score is about, of two.
        vocab: Words to use, most frequent first, instead of those found in the data.
        RAISES: ValueError for a corpus that is empty, has values other than 0 and 1,
            more than one true label in a text, or one label only.
        """
        names = self._learn(get_examples, labels, vocab)
        sample = list(islice(get_examples(), 10))
        super().initialize(lambda: sample, nlp=nlp, labels=names, positive_label=positive_label)
        self._check_weight_labels()

    def _learn(
        self,
        get_examples: Callable[[], Iterable[Example]],
        labels: Optional[Iterable[str]],
        vocab: Optional[Iterable[str]],
    ) -> List[str]:
        """Learn all that comes from the whole corpus. RETURNS: The labels."""
        if not callable(get_examples):
            # Raises. Not called otherwise, since it reads the whole corpus.
            validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        layers = embeddings_in(self.model)
        if vocab is not None:
            set_vocab(layers, list(vocab))
        counts = CorpusCounts()
        learn_vocab(layers, (eg.predicted for eg in self._counted(get_examples(), counts)))
        names = counts.labels if labels is None else list(labels)
        self._check_counts(counts, names)
        self._set_balanced_weights(counts, names)
        count_cuts(self.model, numpy.asarray(counts.lengths))
        return names

    def _counted(self, examples: Iterable[Example], counts: "CorpusCounts") -> Iterator[Example]:
        """Pass examples on, each checked and counted."""
        for eg in examples:
            self._validate_categories([eg])
            counts.add(eg)
            yield eg

    def _check_counts(self, counts: "CorpusCounts", labels: List[str]) -> None:
        if not counts.examples:
            raise ValueError(Errors.R301.format(name=self.name))
        if not counts.positive and not counts.negative:
            raise ValueError(Errors.R309.format(name=self.name))
        self._check_contrast(counts)
        unseen = [label for label in labels if not counts.positive[label]]
        if unseen:
            warnings.warn(Warnings.W003.format(name=self.name, labels=unseen), stacklevel=3)

    def _check_contrast(self, counts: "CorpusCounts") -> None:
        """There must be at least two labels to tell apart."""
        if len(counts.positive) == 1 and counts.examples > 1:
            label, count = counts.positive.most_common(1)[0]
            raise ValueError(Errors.R304.format(name=self.name, label=label, count=count))

    def _set_balanced_weights(self, counts: "CorpusCounts", labels: List[str]) -> None:
        if self.cfg["class_weight"] == "balanced":
            total = sum(counts.positive.values())
            self.cfg["balanced_weights"] = {
                label: total / (len(labels) * counts.positive[label])
                for label in labels
                if counts.positive[label]
            }

    def _check_weight_labels(self) -> None:
        weights = self.cfg["class_weight"]
        for label in weights if isinstance(weights, dict) else ():
            if label not in self.labels:
                raise ValueError(
                    Errors.R305.format(name=self.name, label=label, labels=self.labels)
                )

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score documents without changing them.

        A document's scores depend on that document alone. Long batches go through the
        model in parts of `TOKENS_AT_ONCE` tokens, which bounds memory.

        docs: The documents; empty ones are legal.
        RETURNS: Scores of shape (docs, labels), from 0 to 1.
        """
        docs = list(docs)
        lengths = lengths_of(docs)
        scores: Any = self.model.ops.alloc2f(len(docs), len(self.labels))
        rows: Callable[[Any], Any] = self.model.ops.asarray1i
        for part in parts_by_tokens(lengths, TOKENS_AT_ONCE):
            scores[rows(part)] = self.model.predict([docs[i] for i in part])
        empty = (lengths == 0).nonzero()[0]
        if len(empty):
            scores[rows(empty)] = self._score_of_empty()
        return scores

    def streams(self, nlp: Language) -> TextCatStreams:
        """Score texts while they arrive, many of them in one step:

            streams = textcat.streams(nlp)
            first, second = streams.open(), streams.open()
            streams.push([first, second], ["some more te", "hello "])
            first.cats

        nlp: The pipeline, for its tokenizer.
        RAISES: ValueError for a model that reads in two directions, or cuts texts.
        """
        return TextCatStreams(nlp, self.name, self.model, list(self.labels), self._score_of_empty)

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
        RAISES: ValueError for a model that listens to another component.
        """
        if any("listener" in node.name for node in self.model.walk()):
            raise ValueError(Errors.R703.format(name=self.name, layer="listener"))
        if not len(doc):
            return []
        try:
            head = RunningHead(self.name, self.model)
        except ValueError:
            scores = self._scores_of_beginnings(doc)
        else:
            scores = head.after_each(doc)
        return [dict(zip(self.labels, row)) for row in scores.tolist()]

    def _scores_of_beginnings(self, doc: Doc) -> numpy.ndarray:
        scores, start = [], 1
        while start <= len(doc):
            # As many as go through the model at once: no more of them need be there.
            end = start + max(1, TOKENS_AT_ONCE // len(doc))
            beginnings = [doc[:i].as_doc() for i in range(start, min(end, len(doc) + 1))]
            scores.append(self.model.ops.to_numpy(self.predict(beginnings)))
            start = end
        return numpy.concatenate(scores)

    def _score_of_empty(self) -> Any:
        """The scores of no tokens at all, of shape (labels,). Not all layers of spaCy
        take an empty document on its own, but beside another one they do."""
        beside = Doc(self.vocab, words=["a"])
        return self.model.predict([beside, Doc(self.vocab)])[1]

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Write scores into `Doc.cats`.

        docs: The documents. scores: From `predict`, of shape (docs, labels).
        """
        rows = self.model.ops.to_numpy(scores).tolist()
        for doc, row in zip(docs, rows):
            doc.cats.update(zip(self.labels, row))

    def get_loss(  # type: ignore[override]
        self, examples: Iterable[Example], scores: Floats2d
    ) -> Tuple[float, Floats2d]:
        """The loss of predicted scores.

        examples: The examples. scores: From the model, of shape (examples, labels).
        RETURNS: The mean cross-entropy, and the gradient of the sum with respect to
            the logits, of shape (examples, labels).
        """
        validate_examples(examples, f"{type(self).__name__}.get_loss")
        truths, known = self._examples_to_truth(examples)
        return self._cross_entropy(scores, truths, self.model.ops.asarray(known))  # type: ignore

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
        several components learn from, nothing is known of them."""
        return super().score([eg for eg in examples if eg.reference.cats], **kwargs)

    def _validate_categories(self, examples: Iterable[Example]) -> None:
        for eg in examples:
            cats = eg.reference.cats
            self._check_values(cats, eg.reference)
            true = [label for label, value in cats.items() if value == 1.0]
            if len(true) > 1:
                text = _start_of(eg.reference)
                raise ValueError(Errors.R303.format(name=self.name, text=text, labels=true))

    def _check_values(self, cats: Mapping[str, float], doc: Doc) -> None:
        for label, value in cats.items():
            if value not in (0.0, 1.0):
                text = _start_of(doc)
                raise ValueError(
                    Errors.R302.format(name=self.name, label=label, value=value, text=text)
                )


class CorpusCounts:
    """What `initialize` wants to know of a corpus: texts' lengths, and how often each
    label is true, and how often annotated as not true."""

    def __init__(self) -> None:
        self.lengths: List[int] = []
        self.labels: List[str] = []
        self.positive: Counter = Counter()
        self.negative: Counter = Counter()

    @property
    def examples(self) -> int:
        return len(self.lengths)

    def add(self, eg: Example) -> None:
        """Count one example."""
        self.lengths.append(len(eg.predicted))
        for label, value in eg.reference.cats.items():
            if label not in self.positive and label not in self.negative:
                self.labels.append(label)
            (self.positive if value else self.negative)[label] += 1


def _check_class_weight(name: str, value: Any) -> None:
    valid = value is None or value == "balanced"
    if isinstance(value, dict):
        valid = all(isinstance(w, (int, float)) and w > 0 for w in value.values())
    if not valid:
        raise ValueError(Errors.R306.format(name=name, value=value))


def _start_of(doc: Doc) -> str:
    return doc.text if len(doc.text) <= 60 else doc.text[:60] + "..."
