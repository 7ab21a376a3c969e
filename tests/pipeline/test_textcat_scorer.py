"""What the scorers of categories add to spaCy's."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.pipeline.textcat import textcat_score
from spacy.pipeline.textcat_multilabel import textcat_multilabel_score
from spacy.training import Example

from spacy_rnn.pipeline.textcat_scorer import score_cats, score_multilabel_cats
from tests.conftest import GOOD, make_examples
from tests.pipeline.test_textcat_lstm import make_trained

NLP = spacy.blank("en")


def example(predicted, gold):
    eg = Example.from_dict(NLP.make_doc("some text"), {"cats": gold})
    eg.predicted.cats = predicted
    return eg


def one(score, *, right):
    return example({"A": score, "B": 1.0 - score}, {"A": float(right), "B": float(not right)})


def test_by_hand():
    examples = [one(0.9, right=True), one(0.9, right=False), one(0.7, right=True)]
    scores = score_cats(examples, labels=["A", "B"], threshold=0.0, abstain=0.0)
    # 0.9 is right once in two, 0.7 once in one.
    assert scores["cats_ece"] == pytest.approx((2 * 0.4 + 0.3) / 3)
    assert scores["cats_ece_per_type"] == pytest.approx({"A": 1.1 / 3, "B": 1.1 / 3})
    assert "cats_coverage" not in scores


@pytest.mark.parametrize(
    "abstain,coverage,accuracy",
    [(0.5, 1.0, 0.75), (0.7, 1.0, 0.75), (0.71, 0.75, 2 / 3), (0.95, 0.25, 1.0), (1.0, 0.0, None)],
)
def test_what_is_left_where_it_abstains(abstain, coverage, accuracy):
    examples = [one(0.9, right=True), one(0.9, right=False), one(0.7, right=True)]
    examples += [one(0.04, right=False), example({"A": 0.9, "B": 0.1}, {"A": 0.0, "B": 0.0})]
    scores = score_cats(examples, labels=["A", "B"], abstain=abstain)
    assert scores["cats_coverage"] == pytest.approx(coverage)
    assert scores["cats_selective_acc"] == pytest.approx(accuracy)


def test_of_several_labels_by_hand():
    examples = [
        example({"A": 0.9, "B": 0.6}, {"A": 1.0, "B": 1.0}),
        example({"A": 0.9, "B": 0.3}, {"A": 0.0}),
    ]
    settings = {"labels": ["A", "B"], "threshold": 0.5}
    scores = score_multilabel_cats(examples, **settings)
    assert scores["cats_ece"] == pytest.approx((2 * 0.4 + 0.4) / 3)
    assert scores["cats_ece_per_type"] == pytest.approx({"A": 0.4, "B": 0.4})
    # The first is decided by 0.6, the second by 0.7 and wrong.
    for abstain, coverage, accuracy in ((0.6, 1.0, 0.5), (0.65, 0.5, 0.0), (0.8, 0.0, None)):
        scores = score_multilabel_cats(examples, **settings, abstain=abstain)
        assert scores["cats_coverage"] == coverage and scores["cats_selective_acc"] == accuracy


@pytest.mark.parametrize("scorer", [score_cats, score_multilabel_cats])
@pytest.mark.parametrize("examples", [[], [example({"A": 1.0}, {})], [example({}, {"C": 1.0})]])
def test_nothing_to_score(scorer, examples):
    scores = scorer(examples, labels=["A"], abstain=0.5)
    assert scores["cats_ece"] is None and scores["cats_ece_per_type"] == {"A": None}
    assert scores["cats_coverage"] is None and scores["cats_selective_acc"] is None


SHARES = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.booleans(), st.booleans()), max_size=20
)


@settings(max_examples=60, deadline=None)
@given(rows=SHARES, abstain=st.floats(0.01, 1.0))
def test_scores_are_shares_and_spacys_stay(rows, abstain):
    examples = [example({"A": a, "B": b}, {"A": float(x), "B": float(y)}) for a, b, x, y in rows]
    settings = {"labels": ["A", "B"], "threshold": 0.5}
    pairs = ((score_cats, textcat_score), (score_multilabel_cats, textcat_multilabel_score))
    for ours, spacys in pairs:
        scores = ours(examples, **settings, abstain=abstain)
        expected = spacys(examples, **settings)
        assert {name: scores[name] for name in expected} == expected
        for name in ("cats_ece", "cats_coverage", "cats_selective_acc"):
            assert scores[name] is None or 0.0 <= scores[name] <= 1.0
        # The higher the threshold, the fewer texts are left.
        stricter = ours(examples, **settings, abstain=min(1.0, abstain + 0.1))
        assert (stricter["cats_coverage"] or 0.0) <= (scores["cats_coverage"] or 0.0)


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_in_evaluate(factory):
    nlp = make_trained(factory)
    label = nlp.get_pipe(factory).labels[0]
    truth = {text: float(text in GOOD) for text in GOOD}
    examples = make_examples(nlp, GOOD, lambda text: {label: truth[text]})
    scores = nlp.evaluate(examples)
    probs = numpy.array([nlp(text).cats[label] for text in GOOD])
    assert scores["cats_ece_per_type"][label] == pytest.approx(abs((probs - 1.0).mean()), abs=1e-4)
    assert nlp.config["training"]["score_weights"]["cats_ece"] is None


def test_an_old_config_has_spacys_scores():
    nlp = make_trained(scorer={"@scorers": "spacy.textcat_scorer.v2"})
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["cats_score"] == 1.0 and "cats_ece" not in scores
