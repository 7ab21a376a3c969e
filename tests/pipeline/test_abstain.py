"""Texts that are given no label."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from tests.conftest import TEXTS, make_examples
from tests.pipeline.test_textcat_lstm import examples_for, make, make_trained

MIXED = "a warm and dull film"


@pytest.fixture(autouse=True)
def extensions():
    """None is left behind."""
    assert not Doc.has_extension("abstained")
    yield
    if Doc.has_extension("abstained"):
        Doc.remove_extension("abstained")


def abstained(nlp, texts):
    return [doc._.abstained for doc in nlp.pipe(texts)]


def best_of(nlp, texts):
    return [max(doc.cats.values()) for doc in nlp.pipe(texts)]


def test_off_there_is_nothing():
    nlp = make_trained()
    assert nlp.config["components"]["textcat_lstm"]["abstain"] == 0.0
    doc = nlp(MIXED)
    assert not Doc.has_extension("abstained") and not doc.user_data
    assert "cats_coverage" not in nlp.evaluate(make_examples(nlp))


def test_below_the_threshold():
    nlp = make_trained(abstain=0.5)
    texts = [*TEXTS, MIXED, ""]
    assert abstained(nlp, texts) == [[]] * len(texts)
    cats, scores = [doc.cats for doc in nlp.pipe(texts)], best_of(nlp, texts)
    middle = sorted(scores)[3]
    nlp.get_pipe("textcat_lstm").cfg["abstain"] = middle
    expected = [["textcat_lstm"] if score < middle else [] for score in scores]
    assert abstained(nlp, texts) == expected and expected.count([]) == len(texts) - 3
    assert [doc.cats for doc in nlp.pipe(texts)] == cats
    nlp.get_pipe("textcat_lstm").cfg["abstain"] = 1.0
    assert abstained(nlp, texts) == [["textcat_lstm"]] * len(texts)


def test_of_several_labels_each_must_be_decided():
    nlp = make_trained("textcat_multilabel_lstm", abstain=0.7)
    pipe = nlp.get_pipe("textcat_multilabel_lstm")
    texts = [*TEXTS, MIXED]
    for threshold in (0.5, 0.2):
        pipe.cfg["threshold"] = threshold
        rows = [doc.cats.values() for doc in nlp.pipe(texts)]
        least = [min(x if x >= threshold else 1.0 - x for x in row) for row in rows]
        pipe.cfg["abstain"] = sorted(least)[2]
        expected = [[pipe.name] if value < pipe.cfg["abstain"] else [] for value in least]
        assert abstained(nlp, texts) == expected and expected.count([]) == len(texts) - 2


def test_two_classifiers_and_a_second_look():
    nlp = make_trained(abstain=1.0)
    other = make_trained("textcat_multilabel_lstm", abstain=1.0)
    nlp.add_pipe("textcat_multilabel_lstm", source=other)
    doc = nlp(MIXED)
    assert doc._.abstained == ["textcat_lstm", "textcat_multilabel_lstm"]
    first = nlp.get_pipe("textcat_lstm")
    first.cfg["abstain"] = 0.01
    assert first(doc)._.abstained == ["textcat_multilabel_lstm"]
    assert first(first(doc))._.abstained == ["textcat_multilabel_lstm"]
    assert nlp.make_doc("a film")._.abstained == []


def test_saved_with_the_pipeline_and_with_documents(tmp_path):
    nlp = make_trained(abstain=0.9)
    nlp.get_pipe("textcat_lstm").cfg["abstain"] = 1.0
    nlp.to_disk(tmp_path)
    Doc.remove_extension("abstained")
    loaded = spacy.load(tmp_path)
    doc = loaded(MIXED)
    assert doc._.abstained == ["textcat_lstm"]
    (again,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    assert list(again._.abstained) == ["textcat_lstm"]
    changed = spacy.load(tmp_path, config={"components.textcat_lstm.abstain": 0.01})
    assert changed(MIXED)._.abstained == []


def test_in_other_processes():
    nlp = make_trained(abstain=1.0)
    found = [doc._.abstained for doc in nlp.pipe(TEXTS, n_process=2, batch_size=2)]
    assert found == [["textcat_lstm"]] * len(TEXTS)


def test_scores():
    nlp = make_trained(abstain=1.0)
    pipe = nlp.get_pipe("textcat_lstm")
    examples = examples_for(nlp)
    scores = nlp.evaluate(examples)
    assert scores["cats_coverage"] == 0.0 and scores["cats_selective_acc"] is None
    assert scores["cats_score"] == 1.0
    pipe.cfg["abstain"] = sorted(best_of(nlp, [eg.text for eg in examples]))[2] - 1e-6
    scores = nlp.evaluate(examples)
    assert scores["cats_coverage"] == pytest.approx(4 / 6) and scores["cats_selective_acc"] == 1.0


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
@pytest.mark.parametrize("value", [-0.1, 1.1, 30.0])
def test_out_of_its_range(factory, value):
    with pytest.raises(ValueError, match=f"R327.*{factory}.* is {value}.*from 0"):
        make(factory, abstain=value)
    assert not Doc.has_extension("abstained")


@pytest.mark.parametrize("other", [{"default": None}, {"getter": lambda doc: 3}])
def test_an_extension_of_something_else_stays(other):
    Doc.set_extension("abstained", **other)
    before = Doc.get_extension("abstained")
    make()
    with pytest.raises(ValueError, match=r"R328.*textcat_lstm.*abstain = 0\.0"):
        make(abstain=0.5)
    assert Doc.get_extension("abstained") == before


def test_scores_before_there_are_labels():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("textcat_lstm", config={"abstain": 0.5})
    example = Example.from_dict(nlp.make_doc("x"), {"cats": {"A": 1.0}})
    assert pipe.score([example])["cats_ece"] is None
