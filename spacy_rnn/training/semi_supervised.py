"""Learning from texts beside their labels: small changes of the embeddings should not change what
a classifier says (adversarial and virtual adversarial training), and it should be decided (entropy
minimization).

Miyato, Dai and Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
Classification"; Grandvalet and Bengio 2005, "Semi-supervised Learning by Entropy Minimization";
all together as in Sachan, Zaheer and Salakhutdinov 2019, "Revisiting LSTM Networks for
Semi-Supervised Text Classification via Mixed Objective Function".
"""

import math
from typing import Any, Callable, Dict, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model, Ops

from ..bridge.gradients import without_dropout
from ..bridge.ragged import Rows, read_tokens
from ..bridge.tokens import Tokens
from ..layers.checks import check, check_at_least
from ..layers.textcat_rnn import differentiate_net, models_beside, run_linear, run_net
from .loss import divergence, entropy
from .unlabelled_texts import Reader, UnlabelledTexts

# The loss of scores, and its gradient with respect to their logits.
LossOf = Callable[[Any], Tuple[float, Any]]

# Added to norms, of which some are zero.
TINY = 1e-12


@registry.misc("spacy-rnn.semi_supervised.v1")
def create_semi_supervised_v1(
    adversarial: float = 0.0,
    virtual_adversarial: float = 0.0,
    entropy: float = 0.0,
    epsilon: float = 5.0,
    xi: float = 0.1,
    texts: Optional[Reader] = None,
    batch_size: int = 32,
) -> "SemiSupervised":
    """What a classifier learns beside its labels, for `semi_supervised` of `textcat_lstm` and
    `textcat_multilabel_lstm`. See `SemiSupervised`.

    adversarial: Weight of the loss of labelled texts whose embeddings were moved to where it
        grows fastest.
    virtual_adversarial: Weight of the divergence between the scores of a text and those after its
        embeddings were moved to where these differ most: texts need no labels.
    entropy: Weight of the entropy of the scores.
    epsilon: How far the embeddings of a text are moved, all together, in units of the root mean
        square of their values: embeddings of mean 0 and variance 1, as in Miyato et al.,
        are moved by a vector of this length.
    xi: How far they are moved, in the same units, to find out where to.
    texts: Reader of texts for the last two, as those in [corpora]; labels are not looked at.
        null for those of the training corpus alone.
    batch_size: Number of these texts at each update.
    RAISES: ValueError for a setting out of its range.
    """
    weights = {
        "adversarial": adversarial,
        "virtual_adversarial": virtual_adversarial,
        "entropy": entropy,
    }
    return SemiSupervised(weights, epsilon, xi, UnlabelledTexts(texts), batch_size)


class SemiSupervised:
    """The losses of `create_semi_supervised_v1`, and how they are learned.

    Each loss is a mean over its texts, and all are added up. The embeddings of a batch are
    computed once, so that their dropout is the same wherever it is compared with itself; the rest
    of the net has no dropout where scores are compared. A linear model's logits are a constant as
    far as embeddings are concerned, and its weights learn from all losses.

    weights: Weight of each loss, by name. epsilon, xi, texts, batch_size: As in
        `create_semi_supervised_v1`.
    """

    def __init__(
        self,
        weights: Dict[str, float],
        epsilon: float,
        xi: float,
        texts: UnlabelledTexts,
        batch_size: int,
    ):
        for name, weight in weights.items():
            check(name, weight, 0.0 <= weight < math.inf, "a number of at least 0")
        for name, size in (("epsilon", epsilon), ("xi", xi)):
            check(name, size, 0.0 < size < math.inf, "a number above 0")
        check_at_least("batch_size", batch_size, 1)
        self.weights = weights
        self.epsilon = epsilon
        self.xi = xi
        self.texts = texts
        self.batch_size = batch_size

    @property
    def on(self) -> bool:
        """Whether anything is learned."""
        return any(self.weights.values())

    @property
    def compares(self) -> bool:
        """Whether anything is learned that needs no labels."""
        return bool(self.weights["virtual_adversarial"] or self.weights["entropy"])

    @property
    def reads_texts(self) -> bool:
        """Whether there are texts beside those of the training corpus."""
        return self.compares and self.texts.read is not None

    def learn(
        self, model: Model, docs: List[Doc], loss_of: LossOf
    ) -> Tuple[float, Dict[str, float]]:
        """Add the gradients of all losses to those of the model's parameters.

        model: `spacy-rnn.TextCatRNN.v2`. docs: The labelled texts. loss_of: Their loss.
        RETURNS: Their loss, and the other ones by name, without their weights.
        """
        others = self.texts.take(self.batch_size) if self.reads_texts else []
        batch = EmbeddedTexts(model, [*docs, *others])
        labelled = batch.first(len(docs))
        scores, backprop = batch.run(labelled)
        loss, gradient = loss_of(scores)
        d_rows = backprop(gradient)
        found: Dict[str, float] = {}
        if self.weights["adversarial"]:
            moved = move(model.ops, labelled, d_rows, self.epsilon)
            scores, backprop = batch.run(moved)
            found["adversarial"], gradient = loss_of(scores)
            backprop(gradient * self.weights["adversarial"])
        if self.compares:
            # spaCy sums over the labelled texts, where the papers take means.
            found.update(self._compare(batch, len(docs) / batch.count))
        batch.finish()
        return loss, found

    def _compare(self, batch: "EmbeddedTexts", scale: float) -> Dict[str, float]:
        """Learn what needs no labels. scale: Of the gradients."""
        found = {}
        xp: Any = batch.model.ops.xp
        settings: Dict[str, Any] = {"exclusive": batch.exclusive, "xp": xp}
        with without_dropout(batch.net.layers[1:]):
            weight = self.weights["entropy"]
            target, backprop = batch.run(batch.rows, is_train=weight > 0)
            if weight:
                found["entropy"], gradient = entropy(target, **settings)
                # A text without tokens tells nothing.
                backprop(gradient * batch.has_tokens * (weight * scale))
            weight = self.weights["virtual_adversarial"]
            if weight:
                moved = self._move_to_differ(batch, target)
                scores, backprop = batch.run(moved)
                found["virtual_adversarial"], gradient = divergence(target, scores, **settings)
                backprop(gradient * (weight * scale))
        return found

    def _move_to_differ(self, batch: "EmbeddedTexts", target: Any) -> Rows:
        """Embeddings moved to where scores differ most: by one step of the power method, from a
        random direction towards the first eigenvector of the divergence's Hessian."""
        ops, rows = batch.model.ops, batch.rows
        xp: Any = ops.xp
        noise: Any = ops.asarray2f(xp.random.standard_normal(rows.data.shape), dtype="float32")
        nearby = move(ops, rows, Rows(noise, rows.lengths), self.xi)
        logits, backprop = differentiate_net(batch.model, nearby)
        return move(ops, rows, backprop(batch.activate(logits) - target), self.epsilon)


class EmbeddedTexts:
    """Texts whose embeddings were computed once, in training mode, for several passes of the net:
    gradients of the embeddings and of the linear model's logits are gathered.

    model: `spacy-rnn.TextCatRNN.v2`. docs: The texts.
    """

    def __init__(self, model: Model, docs: List[Doc]):
        tokens = Tokens(docs)
        ops = model.ops
        self.model = model
        self.net = model.get_ref("net")
        self.exclusive = not model.attrs["multi_label"]
        self.count = len(docs)
        has_tokens: Any = tokens.lengths[:, None] > 0
        self.has_tokens: Any = ops.asarray2f(has_tokens, dtype="float32")
        self.rows, self._backprop_rows = read_tokens(model.get_ref("tok2vec"), tokens, True)
        self._d_rows: Any = ops.alloc2f(*self.rows.data.shape)
        labels = model.get_dim("nO")
        self._linear: Any = ops.alloc2f(len(docs), labels)
        self._d_linear: Any = ops.alloc2f(len(docs), labels)
        self._callbacks: List[Callable] = []
        for layer in models_beside(model):
            logits, backprop = run_linear(layer, tokens, labels, True)
            self._linear = self._linear + logits
            self._callbacks.append(backprop)

    def first(self, count: int) -> Rows:
        """The rows of the first texts."""
        lengths = self.rows.lengths[:count]
        return Rows(self.rows.data[: lengths.sum()], lengths)

    def activate(self, logits: Any) -> Any:
        """The scores of the first texts, from logits of the net."""
        return self.model.layers[-1].predict(logits + self._linear[: len(logits)])

    def run(self, rows: Rows, is_train: bool = True) -> Tuple[Any, Callable[[Any], Rows]]:
        """Run the net on rows of the first texts, as they are or moved.

        RETURNS: Scores, and a callback from the gradient of their logits to that of the rows.
        """
        logits, backprop_net = run_net(self.net, rows, is_train)

        def backprop(dY: Any) -> Rows:
            d_rows = backprop_net(dY)
            self._d_rows[: len(d_rows.data)] += d_rows.data
            self._d_linear[: len(dY)] += dY
            return d_rows

        return self.activate(logits), backprop

    def finish(self) -> None:
        """Pass the gradients on, once, to the embeddings and to the models beside the net."""
        for backprop in self._callbacks:
            backprop(self._d_linear)
        self._backprop_rows(Rows(self._d_rows, self.rows.lengths))


def move(ops: Ops, X: Rows, direction: Rows, size: float) -> Rows:
    """Rows moved in a direction, each text by a vector of its own.

    X: Embeddings. direction: Of the same shape; only its direction matters, text by text.
    size: Length of a text's vector, in units of the root mean square of its embeddings' values.
    RETURNS: The moved rows. A text whose direction is zero stays where it is.
    """
    xp: Any = ops.xp
    values = ops.asarray2f(X.lengths[:, None] * X.data.shape[1], dtype="float32")
    # Texts without tokens have no values.
    root_mean_square = text_norms(ops, X) / xp.sqrt(xp.maximum(values, 1.0))
    factors = size * root_mean_square / (text_norms(ops, direction) + TINY)
    lengths = ops.asarray1i(X.lengths)
    return Rows(X.data + direction.data * ops.backprop_reduce_sum(factors, lengths), X.lengths)


def text_norms(ops: Ops, X: Rows) -> Any:
    """The norm of all rows of a text taken together, of shape (texts, 1)."""
    xp: Any = ops.xp
    squares = (X.data**2).sum(axis=1, keepdims=True)
    return xp.sqrt(ops.reduce_sum(squares, ops.asarray1i(X.lengths)))
