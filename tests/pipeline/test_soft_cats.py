"""Values of categories between 0 and 1, in training."""

from functools import cache

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.training import Corpus, Example

from spacy_rnn.pipeline.textcat_lstm import CorpusCounts
from tests.conftest import TEXTS, cats_of, make_examples, train
from tests.pipeline.test_textcat_lstm import make

SOFT = {"A": 0.7, "B": 0.2, "C": 0.1}
ABC = [{"A": 1.0, "B": 0.0, "C": 0.0}, {"B": 1.0}, {"C": 1.0}]


def examples_of(nlp, cats):
    """One example for each dictionary of categories."""
    texts = [TEXTS[i % len(TEXTS)] for i in range(len(cats))]
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": dict(row)}) for text, row in zip(texts, cats)
    ]


def initialized(factory="textcat_lstm", cats=ABC, **config):
    nlp = make(factory, **config)
    nlp.initialize(lambda: examples_of(nlp, cats))
    return nlp, nlp.get_pipe(factory)


def test_loss_and_gradient_of_a_distribution():
    nlp, pipe = initialized()
    scores = numpy.array([[0.5, 0.3, 0.2]], dtype="f")
    loss, gradient = pipe.get_loss(examples_of(nlp, [SOFT]), scores)
    assert pipe.labels == ("A", "B", "C")
    assert loss == pytest.approx(
        -0.7 * numpy.log(0.5) - 0.2 * numpy.log(0.3) - 0.1 * numpy.log(0.2)
    )
    assert numpy.allclose(gradient, [[-0.2, 0.1, 0.1]])


def test_a_text_weighs_as_the_mean_of_its_labels():
    nlp, pipe = initialized(class_weight={"A": 3.0, "C": 11.0}, label_smoothing=0.3)
    scores = numpy.array([[0.5, 0.3, 0.2]], dtype="f")
    loss, gradient = pipe.get_loss(examples_of(nlp, [SOFT]), scores)
    target, weight = numpy.array([0.59, 0.24, 0.17]), 0.7 * 3 + 0.2 * 1 + 0.1 * 11
    assert loss == pytest.approx(-(target * numpy.log(scores[0])).sum() * weight, rel=1e-5)
    assert numpy.allclose(gradient, (scores - target) * weight)


def test_loss_and_gradient_of_labels_on_their_own():
    nlp, pipe = initialized("textcat_multilabel_lstm", class_weight={"B": 3.0})
    scores = numpy.array([[0.5, 0.3, 0.2]], dtype="f")
    loss, gradient = pipe.get_loss(examples_of(nlp, [{"A": 0.8, "B": 0.25}]), scores)
    first = -0.8 * numpy.log(0.5) - 0.2 * numpy.log(0.5)
    second = -0.25 * numpy.log(0.3) - 0.75 * numpy.log(0.7)
    # Of the weights 3 where it is true and 1 where it is not: 0.25 * 3 + 0.75 * 1.
    assert loss == pytest.approx((first + 1.5 * second) / 2, rel=1e-5)
    assert numpy.allclose(gradient, [[-0.3, 0.05 * 1.5, 0.0]])


@cache
def made_once(smoothing):
    return initialized(label_smoothing=smoothing)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), smoothing=st.sampled_from([0.0, 0.2]))
def test_any_distribution_as_torch(data, smoothing):
    number = st.floats(-4.0, 4.0, width=32)
    row = st.lists(number, min_size=3, max_size=3)
    rows = data.draw(st.lists(st.tuples(row, row), min_size=1, max_size=4))
    logits = torch.tensor([logits for logits, _ in rows], dtype=torch.float64, requires_grad=True)
    truths = torch.softmax(torch.tensor([truth for _, truth in rows], dtype=torch.float64), 1)
    expected = torch.nn.functional.cross_entropy(logits, truths, label_smoothing=smoothing)
    (expected * len(rows)).backward()
    nlp, pipe = made_once(smoothing)
    cats = [dict(zip("ABC", row)) for row in truths.tolist()]
    scores = torch.softmax(logits.detach(), 1).float().numpy()
    loss, gradient = pipe.get_loss(examples_of(nlp, cats), scores)
    assert loss == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    assert numpy.allclose(gradient, logits.grad, atol=1e-5)


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_the_scores_become_the_values(factory):
    values = [0.9, 0.6, 0.25]
    cats = [{"POSITIVE": value, "NEGATIVE": 1.0 - value} for value in values]
    # Without a fitted model, of which training does not see what it says of these texts.
    nlp = make(factory, model={"fitted_model": None})
    train(nlp, examples_of(nlp, cats), steps=150)
    for text, value in zip(TEXTS, values):
        assert nlp(text).cats["POSITIVE"] == pytest.approx(value, abs=0.03)


def test_counts_are_sums():
    counts = CorpusCounts()
    nlp = spacy.blank("en")
    for eg in examples_of(nlp, [{"A": 0.75, "B": 0.25}, {"A": 1.0, "B": 0.0}, {"A": 0.5}]):
        counts.add(eg)
    assert counts.positive == {"A": 2.25, "B": 0.25} and counts.negative == {"A": 0.75, "B": 1.75}
    assert counts.has("A") and not counts.has("B") and counts.has("B", true=False)


def test_balanced_weights_and_the_start_are_of_sums():
    cats = [{"A": 0.75, "B": 0.25}, {"A": 0.75, "B": 0.25}, {"A": 1.0}, {"A": 0.5, "B": 0.5}]
    _, pipe = initialized(cats=cats, class_weight="balanced")
    assert pipe.cfg["balanced_weights"] == pytest.approx({"A": 4 / (2 * 3), "B": 4 / (2 * 1)})
    _, pipe = initialized(cats=cats)
    start = pipe.model.get_ref("output_layer").get_param("b")
    # Sums of 3 and 1, with one more each.
    assert start[0] - start[1] == pytest.approx(numpy.log(4.0 / 2.0), rel=1e-4)
    cats = [{"A": 0.75}, {"A": 0.75}]
    _, pipe = initialized("textcat_multilabel_lstm", cats=cats, class_weight="balanced")
    assert pipe.cfg["balanced_weights"] == pytest.approx({"A": 0.5 / 1.5})


def test_a_label_that_is_hardly_ever_likely_is_unseen():
    cats = [{"A": 0.5, "B": 0.49, "C": 0.01}] * 4
    with pytest.warns(UserWarning, match=r"W003.*\['C'\]"):
        _, pipe = initialized(cats=cats, class_weight="balanced")
    assert set(pipe.cfg["balanced_weights"]) == {"A", "B"}


def scores_of(factory, gold, labels=("A", "B")):
    """The scores of predictions that are (0.6, 0.4), (0.8, 0.2) and (0.1, 0.9)."""
    nlp, pipe = initialized(factory, cats=[{"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0}])
    examples = examples_of(nlp, gold)
    for eg, value in zip(examples, (0.6, 0.8, 0.1)):
        eg.predicted.cats = {"A": value, "B": 1.0 - value}
    found = pipe.score(examples)
    assert [eg.reference.cats for eg in examples] == [dict(row) for row in gold]
    return found


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_scores_are_of_the_likeliest_labels(factory):
    soft = [{"A": 0.3, "B": 0.7}, {"A": 0.6, "B": 0.4}, {"A": 0.2, "B": 0.8}]
    hard = [{"A": 0.0, "B": 1.0}, {"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0}]
    found = scores_of(factory, soft)
    assert found == scores_of(factory, hard)
    assert found["cats_micro_f"] == pytest.approx(2 / 3) and found["cats_macro_auc"] == 1.0


def test_no_value_from_one_half_on():
    """Where labels exclude each other the likeliest counts; elsewhere none does."""
    gold = [{"A": 0.45, "B": 0.35}, {"A": 0.45, "B": 0.35}]
    assert scores_of("textcat_lstm", gold)["cats_micro_f"] == 1.0
    assert scores_of("textcat_multilabel_lstm", gold)["cats_micro_p"] == 0.0


def test_soft_values_in_a_file(tmp_path):
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in examples_of(nlp, [SOFT, {"A": 1 / 3, "B": 2 / 3}])]
    DocBin(docs=docs).to_disk(tmp_path / "soft.spacy")
    found = [eg.reference.cats for eg in Corpus(tmp_path / "soft.spacy")(nlp)]
    assert found == [SOFT, {"A": 1 / 3, "B": 2 / 3}]


# Bad input


@pytest.mark.parametrize(
    "cats", [{"A": 0.7}, {"A": 0.7, "B": 0.6}, {"A": 1.0, "B": 0.5}, {"A": 0.5, "B": 0.48}]
)
def test_values_that_do_not_sum_to_1(cats):
    nlp, pipe = initialized()
    total = f"{sum(cats.values()):.4g}"
    with pytest.raises(ValueError, match=f"R320.*film' sum to {total}.*multilabel"):
        nlp.update(examples_of(nlp, [cats]))
    with pytest.raises(ValueError, match="R320"):
        initialized(cats=[*ABC, cats])


def test_rounded_values_and_none():
    nlp, pipe = initialized()
    nlp.update(examples_of(nlp, [{"A": 0.33, "B": 0.33, "C": 0.33}]))
    zeros = examples_of(nlp, [{"A": 0.0, "B": 0.0, "C": 0.0}])
    loss, gradient = pipe.get_loss(zeros, numpy.full((1, 3), 1 / 3, dtype="f"))
    assert loss == 0.0 and not gradient.any()


def test_hard_values_are_learned_as_ever():
    """Floats, ints and booleans of 0 and 1 give the same losses."""
    losses = []
    for kind in (float, int, bool, numpy.float32, numpy.bool_):
        spacy.util.fix_random_seed(0)
        nlp = make()
        examples = make_examples(
            nlp, cats=lambda text, kind=kind: {k: kind(v) for k, v in cats_of(text).items()}
        )
        losses.append(train(nlp, examples, steps=3))
    assert len(set(losses)) == 1
