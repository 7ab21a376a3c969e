"""Losses against torch's, value and gradient."""

import numpy
import pytest
import torch

from spacy_rnn.training.loss import (
    binary_cross_entropy,
    divergence,
    entropy,
    softmax_cross_entropy,
)

LOGITS = numpy.random.default_rng(0).normal(size=(5, 3))
WEIGHTS = numpy.array([[1.0, 2.0, 0.5]])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_softmax_cross_entropy_equals_torch(smoothing):
    logits = torch.tensor(LOGITS, requires_grad=True)
    classes = torch.tensor([0, 1, 2, 1, 1])
    plain = torch.nn.functional.cross_entropy(
        logits, classes, reduction="none", label_smoothing=smoothing
    )
    # torch weighs each smoothed part by its own label; we weigh examples by theirs.
    losses = plain * torch.tensor(WEIGHTS[0])[classes]
    losses.sum().backward()
    loss, gradient = softmax_cross_entropy(
        torch.softmax(logits, 1).detach().numpy(),
        numpy.eye(3)[classes],
        WEIGHTS,
        smoothing,
        xp=numpy,
    )
    assert loss == pytest.approx(losses.mean().item())
    assert numpy.allclose(gradient, logits.grad)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_binary_cross_entropy_equals_torch(smoothing):
    logits = torch.tensor(LOGITS, requires_grad=True)
    truths = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]]).double()
    known = torch.ones(5, 3).double()
    known[0, 1] = known[4, 0] = 0
    target = truths * (1 - smoothing) + smoothing / 2
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    losses = losses * known * torch.where(truths > 0, torch.tensor(WEIGHTS), 1.0)
    losses.sum().backward()
    loss, gradient = binary_cross_entropy(
        torch.sigmoid(logits).detach().numpy(),
        truths.numpy(),
        known.numpy(),
        WEIGHTS,
        smoothing,
        xp=numpy,
    )
    assert loss == pytest.approx(losses.sum().item() / known.sum().item())
    assert numpy.allclose(gradient, logits.grad)


def test_certain_and_wrong_is_finite():
    probs, truths = numpy.array([[1.0, 0.0]]), numpy.array([[0.0, 1.0]])
    loss, gradient = softmax_cross_entropy(probs, truths, numpy.ones((1, 2)), 0.0, xp=numpy)
    assert numpy.isfinite(loss) and gradient.tolist() == [[1.0, -1.0]]
    loss, _ = binary_cross_entropy(probs, truths, truths * 0 + 1, truths * 0 + 1, 0.0, xp=numpy)
    assert numpy.isfinite(loss)


def test_nothing_known():
    zeros, ones = numpy.zeros((2, 2)), numpy.ones((1, 2))
    probs = numpy.full((2, 2), 0.5)
    loss, gradient = softmax_cross_entropy(probs, zeros, ones, 0.1, xp=numpy)
    assert loss == 0.0 and not gradient.any()
    loss, gradient = binary_cross_entropy(probs, zeros, zeros, ones, 0.1, xp=numpy)
    assert loss == 0.0 and not gradient.any()


KINDS = pytest.mark.parametrize("exclusive", [True, False])


def torch_distribution(logits, exclusive):
    if exclusive:
        return torch.distributions.Categorical(logits=logits)
    return torch.distributions.Independent(torch.distributions.Bernoulli(logits=logits), 1)


def probs_of(logits, exclusive):
    found = torch.softmax(logits, 1) if exclusive else torch.sigmoid(logits)
    return found.detach().numpy()


@KINDS
def test_divergence_equals_torch(exclusive):
    logits = torch.tensor(LOGITS, requires_grad=True)
    target = torch.tensor(LOGITS[::-1].copy())
    pair = (torch_distribution(found, exclusive) for found in (target, logits))
    expected = torch.distributions.kl_divergence(*pair)
    expected.sum().backward()
    probs = (probs_of(found, exclusive) for found in (target, logits))
    loss, gradient = divergence(*probs, exclusive=exclusive, xp=numpy)
    assert loss == pytest.approx(expected.mean().item()) and loss > 0.1
    assert numpy.allclose(gradient, logits.grad)


@KINDS
def test_entropy_equals_torch(exclusive):
    logits = torch.tensor(LOGITS, requires_grad=True)
    expected = torch_distribution(logits, exclusive).entropy()
    expected.sum().backward()
    loss, gradient = entropy(probs_of(logits, exclusive), exclusive=exclusive, xp=numpy)
    assert loss == pytest.approx(expected.mean().item())
    assert numpy.allclose(gradient, logits.grad)


@KINDS
def test_a_step_against_the_gradient_of_entropy_decides(exclusive):
    """The likelier outcome becomes likelier still."""
    probs = numpy.array([[0.6, 0.4]])
    _, gradient = entropy(probs, exclusive=exclusive, xp=numpy)
    assert gradient[0, 0] < 0 < gradient[0, 1]


@KINDS
def test_certain_scores_have_finite_divergence_and_no_entropy(exclusive):
    certain, wrong = numpy.array([[1.0, 0.0]]), numpy.array([[0.0, 1.0]])
    loss, gradient = divergence(certain, wrong, exclusive=exclusive, xp=numpy)
    assert numpy.isfinite(loss) and gradient.tolist() == [[-1.0, 1.0]]
    loss, gradient = entropy(certain, exclusive=exclusive, xp=numpy)
    assert loss == 0.0 and not gradient.any()
