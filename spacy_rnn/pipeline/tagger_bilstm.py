"""`tagger_bilstm`: part-of-speech tags, by a recurrent net over words and characters."""

from collections import Counter
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from spacy.attrs import IS_SPACE, ORTH, POS, TAG
from spacy.language import Language
from spacy.pipeline.tagger import Tagger
from spacy.tokens import Doc, Token
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..bridge.ragged import Rows, split_rows
from ..bridge.tokens import Tokens, lengths_of
from ..configs import defaults_of
from ..engine.forks import forks_wait
from ..errors import Errors
from ..layers.tagger import score_tokens
from ..streaming.tagger_streams import TaggerStream, TaggerStreams
from ..training.chance import chance_of_exclusive
from ..training.loss import token_cross_entropy
from .component import Component, sample_of
from .tagger_scorer import score_tags

# https://universaldependencies.org/u/pos
UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
ATTRS = {"POS": POS, "TAG": TAG}
# What blank tokens get.
BLANK = {"POS": "SPACE", "TAG": "_SP"}
# Where `top_k` writes.
EXTENSIONS = {"POS": "pos_probs", "TAG": "tag_probs"}

DEFAULTS, SCORE_WEIGHTS = defaults_of("tagger_bilstm")


@Language.factory(
    "tagger_bilstm",
    assigns=["token.pos"],
    default_config=DEFAULTS,
    default_score_weights=SCORE_WEIGHTS,
)
def make_tagger_bilstm(
    nlp: Language,
    name: str,
    model: Model[List[Doc], List[Floats2d]],
    attr: str,
    overwrite: bool,
    neg_prefix: str,
    label_smoothing: float,
    top_k: int,
    max_batch_tokens: int,
    scorer: Optional[Callable],
) -> "TaggerBiLSTM":
    """Make the component. For the arguments, see `TaggerBiLSTM`."""
    return TaggerBiLSTM(
        nlp.vocab,
        model,
        name,
        attr=attr,
        overwrite=overwrite,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
        top_k=top_k,
        max_batch_tokens=max_batch_tokens,
        scorer=scorer,
    )


class TaggerBiLSTM(Component, Tagger):
    """Part-of-speech tags, one for each token that is not blank.

    A `spacy.pipeline.Tagger` with a recurrent model, which writes `Token.pos_` or
    `Token.tag_`. Its vocabulary comes from the training texts. Blank tokens are tagged
    by rule, and kept from the recurrent net.

    vocab: The shared vocabulary.
    model: The model, as `spacy.Tagger.v2`.
    name: Name of the component in the pipeline, and of its loss.
    attr: "POS" writes `Token.pos_` and takes the 17 tags of Universal Dependencies;
        "TAG" writes `Token.tag_` and takes any labels.
    overwrite: Replace tags that tokens have already.
    neg_prefix: A training tag that begins with it says which tag is wrong. For "TAG".
    label_smoothing: Share of each truth that is spread over the other labels.
    top_k: Also write the k most likely tags with their probabilities, as a dictionary,
        most likely first, into `Token._.pos_probs` (or `Token._.tag_probs`). 0 for none.
    max_batch_tokens: In prediction, read so many tokens at a time, which bounds memory. A longer
        text is read on its own. Tags do not depend on it.
    scorer: The scoring method.
    RAISES: ValueError for an argument outside of these.
    """

    factory = "tagger_bilstm"

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], List[Floats2d]],
        name: str = "tagger_bilstm",
        *,
        attr: str = "POS",
        overwrite: bool = True,
        neg_prefix: str = "!",
        label_smoothing: float = 0.0,
        top_k: int = 0,
        max_batch_tokens: int = DEFAULTS["max_batch_tokens"],
        scorer: Optional[Callable] = score_tags,
    ) -> None:
        super().__init__(
            vocab,
            model,
            name,
            overwrite=overwrite,
            scorer=scorer,
            neg_prefix=neg_prefix,
            label_smoothing=label_smoothing,
        )
        self.cfg["attr"] = attr
        self.cfg["top_k"] = top_k
        self.cfg["max_batch_tokens"] = max_batch_tokens
        self.check_settings(self.cfg)
        self.remember_settings()

    def check_settings(self, cfg: Dict[str, Any]) -> None:
        """Check settings and labels, and register what they ask for.

        RAISES: ValueError for an attr, top_k, label_smoothing or max_batch_tokens out of its
            range, and for labels that are not of UPOS, with `attr = "POS"`.
        """
        attr, top_k = cfg["attr"], cfg["top_k"]
        if attr not in ATTRS:
            raise ValueError(Errors.R001.format(name="attr", value=attr, allowed=tuple(ATTRS)))
        if not isinstance(top_k, int) or top_k < 0:
            raise ValueError(Errors.R002.format(name="top_k", value=top_k, expected="at least 0"))
        self._check_smoothing(cfg["label_smoothing"])
        self._check_max_batch_tokens(cfg["max_batch_tokens"])
        for label in cfg["labels"]:
            self._check_label(attr, label)
        if top_k and not Token.has_extension(EXTENSIONS[attr]):
            Token.set_extension(EXTENSIONS[attr], default=None)

    def _check_label(self, attr: str, label: str) -> None:
        if attr == "POS" and label not in UPOS:
            raise self._error(Errors.R310, label=label, allowed=UPOS)

    @property
    def seen_words(self) -> numpy.ndarray:
        """Hashes of all tagged words that `initialize` has seen, sorted: saved in the model."""
        return self.model.attrs.get("seen_words", numpy.empty(0, dtype="uint64"))

    def add_label(self, label: str) -> int:
        """Add a label, before the model is initialized.

        RETURNS: 0 if the label is there already, otherwise 1.
        RAISES: ValueError for a label that is not one of UPOS, with `attr = "POS"`.
        """
        self._check_label(self.cfg["attr"], label)
        return super().add_label(label)

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        vocab: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn labels and vocabulary from all examples, in one pass, and make the
        model's weights.

        get_examples: Gives all training examples.
        nlp: The pipeline that the component is part of.
        labels: Labels to use, instead of those found in the data.
        vocab: Words to use, most frequent first, instead of those found in the data.
        RAISES: TypeError for a corpus that is empty, as spaCy's components; ValueError for one that
            has no tags, or has tags that are not of UPOS, with `attr = "POS"`; and for score
            weights of the other attribute.
        """
        if nlp is not None:
            self._check_score_weights(nlp)
        for label in self._learn(get_examples, labels, vocab):
            self.add_label(label)
        sample = [eg.predicted for eg in sample_of(get_examples())]
        truths = [self.model.ops.alloc2f(len(doc), len(self.labels)) for doc in sample]
        self.model.initialize(X=sample, Y=truths)

    def _check_score_weights(self, nlp: Language) -> None:
        """The score of training must not be about what the component does not write."""
        weights = nlp.config["training"]["score_weights"]
        mine = self.cfg["attr"].lower()
        other = "pos" if mine == "tag" else "tag"
        others = [nlp.get_pipe_meta(name) for name in nlp.pipe_names if name != self.name]
        if any(f"{other}_acc" in (meta.default_score_weights or {}) for meta in others):
            return
        if weights.get(f"{other}_acc") and not weights.get(f"{mine}_acc"):
            raise self._error(Errors.R317, attr=mine, other=other)

    def _learn(
        self,
        get_examples: Callable[[], Iterable[Example]],
        labels: Optional[Iterable[str]],
        vocab: Optional[Iterable[str]],
    ) -> List[str]:
        """Learn all that comes from the whole corpus. RETURNS: The labels."""
        counts = TagCounts(ATTRS[self.cfg["attr"]])
        self._read_corpus(get_examples, vocab, counts.add)
        if not counts.words:
            raise TypeError(Errors.R301.format(name=self.name))
        if not counts.tags and self.labels:
            self._warn_of_no_annotation(len(counts.words))
        self.model.attrs["seen_words"] = numpy.unique(numpy.concatenate(counts.words))
        positive = sorted(tag for tag in counts.tags if not self._is_negative(tag))
        self.chance_loss = self._chance_of([counts.tags[tag] for tag in positive])
        if labels is not None:
            return list(labels)
        if not positive and not self.labels:
            error = Errors.R316 if counts.tags else Errors.R311
            attr, prefix = self.cfg["attr"].lower(), self.cfg["neg_prefix"]
            raise self._error(error, attr=attr, prefix=prefix)
        return positive

    def _chance_of(self, counts: List[int]) -> Optional[float]:
        """The loss of guessing, of tags that stand there so often."""
        if not counts:
            return None
        # As `token_cross_entropy` spreads it: the true tag gets none.
        smoothing = self.cfg["label_smoothing"] * len(counts) / max(len(counts) - 1, 1)
        return chance_of_exclusive(counts, numpy.ones(len(counts)), smoothing)

    def _is_negative(self, label: str) -> bool:
        prefix = self.cfg["neg_prefix"]
        return bool(prefix) and self.cfg["attr"] == "TAG" and label.startswith(prefix)

    def predict(self, docs: Iterable[Doc]) -> List[Floats2d]:  # type: ignore[override]
        """Score the labels of each token, without changing the documents.

        A document's scores depend on that document alone. Long batches go through the
        model in parts of `max_batch_tokens` tokens, which bounds memory.

        docs: The documents; empty ones are legal.
        RETURNS: For each document an array of shape (tokens, labels): the higher, the
            likelier; zeros where a token is blank.
        RAISES: ValueError in a process that was made from another one, which holds the model on a
            GPU.
        """
        self._check_process()
        docs = list(docs)
        lengths = lengths_of(docs)
        parts = self._parts_of(lengths)
        if len(parts) == 1:
            with forks_wait:
                return self._predict_part(docs)
        # One array for all, made first: arrays of parts, kept between what each part needs for
        # a moment, would leave gaps in memory that no later part fits into.
        whole: Any = self.model.ops.alloc2f(int(lengths.sum()), len(self.labels))
        scores = split_rows(whole, lengths)
        for part in parts:
            with forks_wait:
                found = self._predict_part([docs[i] for i in part])
            for i, rows in zip(part, found):
                scores[i][:] = rows
        return scores

    def _predict_part(self, docs: List[Doc]) -> List[Any]:
        tokens = Tokens(docs)
        visible = tokens.visible()
        if visible is tokens and tokens.lengths.any():
            return split_rows(score_tokens(self.model, tokens, False)[0].data, tokens.lengths)
        whole: Any = self.model.ops.alloc2f(int(tokens.lengths.sum()), len(self.labels))
        if visible.lengths.any():
            rows: Any = visible.rows
            whole[self.model.ops.asarray1i(rows)] = score_tokens(self.model, visible, False)[0].data
        return split_rows(whole, tokens.lengths)

    def predict_proba(self, docs: Iterable[Doc]) -> List[Floats2d]:
        """The probability of each label for each token, without changing the documents.

        docs: The documents; empty ones are legal.
        RETURNS: For each document an array of shape (tokens, labels), in the order of
            `labels`. Rows sum to 1, but those of blank tokens are zeros.
        """
        docs = list(docs)
        probs = self._probabilities(self.predict(docs))
        for doc, rows in zip(docs, probs):
            blank: Any = doc.to_array(IS_SPACE).nonzero()[0]
            rows[self.model.ops.asarray1i(blank)] = 0.0
        return probs

    def _probabilities(self, scores: List[Floats2d]) -> List[Any]:
        """The model gives logits unless its output layer normalizes."""
        layers = [node for node in self.model.walk() if "softmax_normalize" in node.attrs]
        if layers and layers[-1].attrs["softmax_normalize"]:
            xp: Any = self.model.ops.xp
            return [xp.array(rows) for rows in scores]
        return [self.model.ops.softmax(rows) for rows in scores]

    def streams(self, nlp: Language) -> TaggerStreams:
        """Tag texts while they arrive, many of them in one step: as
        `TextCatLSTM.streams`, where each push returns the words that are complete.

        nlp: The pipeline, for its tokenizer.
        RAISES: ValueError for a model that reads in two directions.
        """
        blank = BLANK[self.cfg["attr"]]
        return TaggerStreams(nlp, self.name, self.model, list(self.labels), blank)

    def stream(self, nlp: Language) -> TaggerStream:
        """Tag one text while it arrives: `push` pieces of it, and `close` it. Both return
        the words that have become complete, each with its tag.

        nlp: The pipeline, for its tokenizer.
        RAISES: ValueError for a model that reads in two directions.
        """
        return self.streams(nlp).open()

    def set_annotations(  # type: ignore[override]
        self, docs: Iterable[Doc], scores: List[Floats2d]
    ) -> None:
        """Write tags into `Token.pos_` or `Token.tag_`.

        docs: The documents. scores: From `predict`.
        """
        docs = [docs] if isinstance(docs, Doc) else list(docs)
        if not docs:
            return
        attr = ATTRS[self.cfg["attr"]]
        tokens = Tokens(docs)
        stores: Dict[int, Any] = {id(doc.vocab.strings): doc.vocab.strings for doc in docs}
        for strings in stores.values():
            # Documents may have another vocabulary than the component. The hashes are the same.
            # Documents made before a memory zone keep what they get within it.
            values = [strings.add(label, allow_transient=False) for label in self.labels]
            blank = strings.add(BLANK[self.cfg["attr"]], allow_transient=False)
        xp: Any = self.model.ops.xp
        best = self.model.ops.to_numpy(xp.concatenate(scores).argmax(axis=1))
        tags = numpy.asarray(values, dtype="uint64")[best]
        tags = numpy.where(tokens.keys(IS_SPACE) != 0, numpy.uint64(blank), tags)
        if not self.cfg["overwrite"]:
            present = tokens.keys(attr)
            tags = numpy.where(present == 0, tags, present)
        for doc, row in zip(docs, split_rows(tags, tokens.lengths)):
            doc.from_array([attr], row)  # type: ignore[arg-type]
        if self.cfg["top_k"]:
            self._set_top_k(docs, scores)

    def _set_top_k(self, docs: List[Doc], scores: List[Floats2d]) -> None:
        extension, blank = EXTENSIONS[self.cfg["attr"]], {BLANK[self.cfg["attr"]]: 1.0}
        for doc, rows in zip(docs, self._probabilities(scores)):
            probs = self.model.ops.to_numpy(rows)
            order = numpy.argsort(-probs, axis=1, kind="stable")[:, : self.cfg["top_k"]]
            for token, best, row in zip(doc, order.tolist(), probs.tolist()):
                found = {self.labels[i]: row[i] for i in best}
                token._.set(extension, dict(blank) if token.is_space else found)

    def _tokens_of(self, docs: List[Doc]) -> Tokens:
        return Tokens(docs).visible()

    def _forward(self, model: Any, tokens: Tokens, is_train: bool) -> Tuple[Any, Callable]:
        scores, backprop = score_tokens(model, tokens, is_train)
        # In training the model normalizes them itself.
        probs = scores.data if is_train else self._probabilities([scores.data])[0]
        return probs, lambda gradient: backprop(Rows(gradient, tokens.lengths))

    def get_loss(  # type: ignore[override]
        self, examples: Iterable[Example], scores: List[Floats2d]
    ) -> Tuple[float, List[Floats2d]]:
        """The loss of predicted probabilities.

        examples: The examples. scores: From the model, one array for each example.
        RETURNS: The mean cross-entropy, and the gradient of the sum with respect to the
            logits, one array for each example.
        RAISES: ValueError if the loss is not a number.
        """
        examples = list(examples)
        xp: Any = self.model.ops.xp
        tokens = Tokens([eg.predicted for eg in examples])
        loss, d_scores = self._loss(examples, tokens, xp.concatenate(scores))
        return loss, split_rows(d_scores, lengths_of(scores))

    def _loss(self, examples: List[Example], tokens: Tokens, scores: Any) -> Tuple[float, Any]:
        rows: Any
        negative: Any
        rows, negative = self._truths(examples, tokens)
        xp: Any = self.model.ops.xp
        truths = xp.zeros((len(rows), len(self.labels)), dtype="float32")
        known = self.model.ops.asarray1i((rows >= 0).nonzero()[0])
        truths[known, self.model.ops.asarray1i(rows[rows >= 0])] = 1.0
        negative = self.model.ops.asarray(negative)
        smoothing = self.cfg["label_smoothing"]
        loss, d_scores = token_cross_entropy(scores, truths, negative, smoothing, xp=xp)
        if not numpy.isfinite(loss):
            raise self._not_a_number(examples)
        return loss, d_scores

    def loss_counts(self, examples: List[Example]) -> Dict[str, float]:
        """What the loss of `update` is the mean over: the tokens that have a tag. See
        `TextCatLSTM.loss_counts`."""
        if not examples:
            return {self.name: 0.0}
        rows, _ = self._truths(examples, self._tokens_of([eg.predicted for eg in examples]))
        return {self.name: float((rows >= 0).sum())}

    def _truths(
        self, examples: List[Example], tokens: Tokens
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The row of each token's tag among the labels, -1 where there is none, and
        whether it is the tag that is wrong. Both of shape (tokens,)."""
        values = numpy.concatenate([aligned_tags(eg, self.cfg["attr"]) for eg in examples])
        values = values if tokens.rows is None else values[tokens.rows]
        values[tokens.keys(IS_SPACE) != 0] = 0
        found, index = numpy.unique(values, return_inverse=True)
        # The reference may have another vocabulary than the component.
        names = Tokens([eg.reference for eg in examples]).strings(found)
        negative = numpy.asarray([self._is_negative(name) for name in names])
        rows = numpy.asarray([self._row_of(name) for name in names])
        return rows[index], negative[index]

    def _row_of(self, name: str) -> int:
        label = name[len(self.cfg["neg_prefix"]) :] if self._is_negative(name) else name
        if not label:
            return -1
        if label not in self.labels:
            self._check_label(self.cfg["attr"], label)
            raise self._error(Errors.R312, label=label, allowed=self.labels)
        return self.labels.index(label)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score a batch of examples. RETURNS: See `tagger_scorer`."""
        if self.scorer is None:
            return {}
        settings = {key: value for key, value in self.cfg.items() if key != "attr"}
        settings.update(token_attr=self.cfg["attr"], seen_words=self.seen_words)
        return self.scorer(examples, **{**settings, **kwargs})


class TagCounts:
    """What `initialize` wants to know of a corpus: the words that are tagged in it, and
    the tags.

    attr: The attribute to find tags in, as a number.
    """

    def __init__(self, attr: int) -> None:
        self.attr = attr
        self.words: List[numpy.ndarray] = []
        # How often each one stands there.
        self.tags: Any = Counter()

    def add(self, eg: Example) -> None:
        """Count the words of an example that have a tag, and the tags."""
        gold = eg.reference
        tags = gold.to_array(self.attr)
        tagged = (tags != 0) & (gold.to_array(IS_SPACE) == 0)
        self.words.append(gold.to_array(ORTH)[tagged])
        found, times = numpy.unique(tags[tagged], return_counts=True)
        names = [gold.vocab.strings[tag] for tag in found.tolist()]
        self.tags.update(dict(zip(names, times.tolist())))


def aligned_tags(eg: Example, attr: str) -> numpy.ndarray:
    """The reference's tags for the predicted tokens, 0 where there is none."""
    x, y = eg.predicted, eg.reference
    if numpy.array_equal(x.to_array(ORTH), y.to_array(ORTH)):
        return y.to_array(ATTRS[attr])
    values = [value or 0 for value in eg.get_aligned(attr)]
    return numpy.asarray(values, dtype="uint64")
