"""`textcat_multilabel_lstm`: any number of labels per text, by a recurrent net."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..configs import defaults_of
from ..training.chance import chance_of_binary
from ..training.loss import binary_cross_entropy
from ..training.semi_supervised import SemiSupervised
from .component import sample_of
from .textcat_lstm import ClassWeight, CorpusCounts, TextCatLSTM, for_pipeline
from .textcat_scorer import score_multilabel_cats

DEFAULTS, SCORE_WEIGHTS = defaults_of("textcat_multilabel_lstm")


@Language.factory(
    "textcat_multilabel_lstm",
    assigns=["doc.cats"],
    default_config=DEFAULTS,
    default_score_weights=SCORE_WEIGHTS,
)
def make_textcat_multilabel_lstm(
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
) -> "MultiLabelTextCatLSTM":
    """Make the component. For the arguments, see `MultiLabelTextCatLSTM`."""
    return MultiLabelTextCatLSTM(
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


class MultiLabelTextCatLSTM(TextCatLSTM, MultiLabel_TextCategorizer):
    """Text classification with labels that do not exclude each other.

    As `TextCatLSTM`, trained on binary cross-entropy of each label. A label that a
    text's `cats` do not name is missing, and is not learned from. In training, values may be
    any from 0 to 1: the probability that the label is true.

    threshold: Score from which on a label counts as predicted.
    class_weight: Weight of a label where it is true: None, a mapping from label to
        weight, where labels not named weigh 1, or "balanced" for negatives / positives
        of the label.
    label_smoothing: Share of each truth that is spread over true and false.
    abstain: Give a text no label if some decision about a label is less certain than this: that it
        is true, from `threshold` on, by its score, and otherwise that it is not, by 1 - its score.
    max_batch_tokens: In prediction, read so many tokens at a time, which bounds memory. A longer
        text is read on its own. Scores do not depend on it.
    """

    factory = "textcat_multilabel_lstm"
    exclusive_classes = False

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "textcat_multilabel_lstm",
        *,
        threshold: float = 0.5,
        scorer: Optional[Callable] = score_multilabel_cats,
        **settings: Any,
    ) -> None:
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer, **settings)

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        vocab: Optional[Iterable[str]] = None,
    ) -> None:
        """Learn labels, vocabulary and class weights from all examples, in one pass,
        and make the model's weights. See `TextCatLSTM.initialize`."""
        names, counts = self._learn(get_examples, labels, vocab)
        sample = sample_of(get_examples())
        MultiLabel_TextCategorizer.initialize(self, lambda: sample, nlp=nlp, labels=names)
        self._check_weight_labels()
        self._start(counts)

    def _weigh(self, truths: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
        return truths * weights + (1.0 - truths)

    def _chance_of(
        self, positive: numpy.ndarray, negative: numpy.ndarray, weights: numpy.ndarray
    ) -> float:
        return chance_of_binary(positive, negative, weights, self.cfg["label_smoothing"])

    def _balanced_weights(self, counts: CorpusCounts, labels: List[str]) -> Dict[str, float]:
        true, false = counts.positive, counts.negative
        both = [name for name in labels if counts.has(name) and counts.has(name, true=False)]
        return {name: false[name] / true[name] for name in both}

    def _count_known(self, truths: numpy.ndarray, known: numpy.ndarray) -> float:
        return float(known.sum())

    def _cross_entropy(self, scores: Floats2d, truths: Any, known: Any) -> Tuple[float, Floats2d]:
        smoothing, xp = self.cfg["label_smoothing"], self.model.ops.xp
        return binary_cross_entropy(scores, truths, known, self._weights(), smoothing, xp=xp)
