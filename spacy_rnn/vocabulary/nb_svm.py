"""The fit of a linear model over n-grams to a labelled corpus."""

from typing import NamedTuple, Tuple

import numpy
import torch
from torch import Tensor
from torch.nn import functional as F

from .ngrams import Bags

# The value of each n-gram of a text that has so many. The values of a text have this root sum of
# squares, so that a long text is not more certain for its length alone.
LENGTH = 20.0
# n-grams count as if each had been in so many more texts of each kind.
SMOOTHING = 1.0
# Steps of the solver: no figure moves after them on 22,000 film reviews.
STEPS = 60


class Target(NamedTuple):
    """What is true of texts.

    truths: From 0 to 1, of shape (texts, labels).
    weights: How much each counts, 0 for what is not known, of the same shape.
    exclusive: One label is true of each text.
    """

    truths: numpy.ndarray
    weights: numpy.ndarray
    exclusive: bool

    def select(self, texts: numpy.ndarray) -> "Target":
        """Of some texts. texts: Whether each is wanted, of shape (texts,)."""
        return Target(self.truths[texts], self.weights[texts], self.exclusive)

    def log_frequencies(self) -> numpy.ndarray:
        """Logits of labels by how often they are true, of shape (labels,)."""
        positive = (self.truths * self.weights).sum(0)
        negative = ((1.0 - self.truths) * self.weights).sum(0)
        return log_frequencies(positive, negative, self.exclusive)


def log_frequencies(
    positive: numpy.ndarray, negative: numpy.ndarray, exclusive: bool
) -> numpy.ndarray:
    """Logits of labels that are so often true, and so often not, as if each were so once more.

    positive, negative: Of shape (labels,). exclusive: Whether labels exclude each other. Where one
        only is ever true, nothing is known of the others, and all are alike.
    RETURNS: Of shape (labels,).
    """
    if not exclusive:
        return numpy.log((positive + 1.0) / (negative + 1.0))
    if (positive > 0.0).sum() < 2:
        return numpy.zeros_like(positive)
    logits = numpy.log(positive + 1.0)
    return logits - logits.mean()


class NBSVM(NamedTuple):
    """A linear model: what a text adds to the logits of how frequent labels are is the sum of its
    n-grams' weights, times `value_of`, and the bias.

    weights: Of shape (n-grams, labels). bias: Of shape (labels,).
    """

    weights: numpy.ndarray
    bias: numpy.ndarray

    def logits(self, bags: Bags) -> numpy.ndarray:
        """RETURNS: Of shape (texts, labels)."""
        weights = torch.from_numpy(self.weights)
        return _Products(bags, len(weights)).of_ngrams(weights).numpy() + self.bias


def value_of(lengths: numpy.ndarray) -> numpy.ndarray:
    """The value of each n-gram of texts that have so many, of shape (texts,)."""
    if len(lengths) == 1:
        # As below, before numpy has begun.
        return numpy.asarray([LENGTH / max(lengths.item(), 1) ** 0.5], dtype="float32")
    return (LENGTH / numpy.sqrt(numpy.maximum(lengths, 1))).astype("float32")


def fit_nb_svm(bags: Bags, size: int, target: Target, C: float) -> NBSVM:
    """Logistic regression over n-grams scaled by their log-count ratio: by how much more often an
    n-gram is in texts of a label than in others (Wang and Manning 2012). With labels that exclude
    each other multinomial, else one regression for each label.

    bags: The n-grams of each text. size: Number of n-grams.
    target: What is true of the texts. C: Inverse strength of the L2 penalty, as in scikit-learn.
    """
    products = _Products(bags, size)
    truths, weights = (torch.from_numpy(part) for part in (target.truths, target.weights))
    ratios = _log_count_ratios(products, truths, weights)
    frequencies = torch.from_numpy(target.log_frequencies())
    # The bias is penalized as well: where a label is in no text, nothing else would hold it.
    found = torch.zeros(size + 1, truths.shape[1], dtype=torch.float32)

    def logits() -> Tensor:
        return products.of_ngrams(ratios * found[1:]) + frequencies + found[0]

    def loss_and_gradient() -> float:
        loss, gradient = _cross_entropy(logits(), truths, weights, target.exclusive)
        gradient *= C
        found.grad = found.clone()
        found.grad[0] += gradient.sum(0)
        found.grad[1:] += ratios * products.of_texts(gradient)
        return C * loss + 0.5 * float((found * found).sum())

    solver = torch.optim.LBFGS(
        [found], max_iter=STEPS, history_size=8, line_search_fn="strong_wolfe"
    )
    solver.step(loss_and_gradient)
    return NBSVM((ratios * found[1:]).numpy(), found[0].numpy())


def strongest(model: NBSVM, count: int) -> numpy.ndarray:
    """Whether each n-gram is among those that tell labels apart most, of shape (n-grams,)."""
    kept = numpy.zeros(len(model.weights), dtype="bool")
    strength = numpy.abs(model.weights).max(axis=1, initial=0.0)
    kept[numpy.argsort(-strength, kind="stable")[:count]] = True
    return kept


class _Products:
    """Products of the matrix of texts and n-grams, by rows and by columns: both ways, torch's
    `embedding_bag` is twice as fast as its sparse tensors, which some builds do not multiply."""

    def __init__(self, bags: Bags, size: int):
        lengths = bags.lengths
        # torch wants numbers and starts alike. 32 bits where they do, to save memory.
        dtype = "int32" if len(bags.columns) < 2**31 else "int64"
        texts = numpy.arange(len(lengths), dtype=dtype).repeat(lengths)
        columns = bags.columns.astype(dtype, copy=False)
        order = numpy.argsort(columns, kind="stable")
        value = value_of(lengths)[texts]
        counts = numpy.bincount(columns, minlength=size)
        starts = [(part.cumsum() - part).astype(dtype) for part in (lengths, counts)]
        self._texts = _tensors(columns, starts[0], value)
        self._ngrams = _tensors(texts[order], starts[1], value[order])

    def of_ngrams(self, weights: Tensor) -> Tensor:
        """Sums over the n-grams of each text. weights: Of shape (n-grams, columns)."""
        return _sum(weights, *self._texts)

    def of_texts(self, weights: Tensor) -> Tensor:
        """Sums over the texts of each n-gram. weights: Of shape (texts, columns)."""
        return _sum(weights, *self._ngrams)


def _tensors(*arrays: numpy.ndarray) -> Tuple[Tensor, ...]:
    return tuple(map(torch.from_numpy, arrays))


def _sum(weights: Tensor, rows: Tensor, starts: Tensor, value: Tensor) -> Tensor:
    if not len(rows):
        return weights.new_zeros(len(starts), weights.shape[1])
    return F.embedding_bag(rows, weights, starts, mode="sum", per_sample_weights=value)


def _log_count_ratios(products: _Products, truths: Tensor, weights: Tensor) -> Tensor:
    """By how much more often n-grams are in texts of each label, of shape (n-grams, labels)."""
    shares = []
    for part in (truths * weights, (1.0 - truths) * weights):
        counts = products.of_texts(part) + SMOOTHING
        shares.append(counts / counts.sum(0))
    return (shares[0] / shares[1]).log()


def _cross_entropy(
    logits: Tensor, truths: Tensor, weights: Tensor, exclusive: bool
) -> Tuple[float, Tensor]:
    """The sum over texts, and its gradient with respect to the logits."""
    if not exclusive:
        losses = F.binary_cross_entropy_with_logits(logits, truths, weights, reduction="sum")
        return float(losses), (logits.sigmoid() - truths) * weights
    weight = (truths * weights).sum(1, keepdim=True)
    losses = -(truths * logits.log_softmax(1)).sum(1, keepdim=True) * weight
    known = truths.sum(1, keepdim=True)
    return float(losses.sum()), (logits.softmax(1) * known - truths) * weight
