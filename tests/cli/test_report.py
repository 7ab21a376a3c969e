"""`spacy-rnn report`."""

import re
import sys
from types import SimpleNamespace

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.cli._report_findings import Findings, Subject, around, find_findings, find_subject
from spacy_rnn.cli._report_page import Explained, make_page
from spacy_rnn.cli._report_scores import find_groups, interval
from tests.conftest import (
    GOOD,
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)
from tests.visual.conftest import Page

needs_matplotlib = pytest.mark.usefixtures("matplotlib")
ATTACK = "<script>alert('x')</script> \"&amp;"


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="needs the extra `figures`")


def run(*args):
    return CliRunner().invoke(app, ["report", *map(str, args)])


def opposite(text):
    """Wrong about the first text."""
    positive = float((text in GOOD) != (text == TEXTS[0]))
    return {"POSITIVE": positive, "NEGATIVE": 1 - positive}


def write(examples, path):
    DocBin(docs=[eg.reference for eg in examples], store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def classifier(trained, tmp_path):
    """A saved classifier, and texts with one label that it has learned otherwise."""
    trained.to_disk(tmp_path / "model")
    data = write(make_examples(trained, TEXTS, opposite), tmp_path / "dev.spacy")
    return tmp_path / "model", data


def page_of(path):
    """The page, and its text without the style sheet."""
    html = path.read_text("utf8")
    assert html.startswith("<!DOCTYPE html>")
    assert not re.search(
        r"<script|<link|<img|\ssrc=|url\((?!#)|@import|https?://(?!www\.w3\.org)", html
    )
    page = Page(html)
    (text,) = [page.texts[i] for i, (tag, _) in enumerate(page.elements) if tag == "body"]
    return page, text


def rows_of(page):
    """Cells of tables, by the first one of their row."""
    cells = [
        (tag, page.texts.get(i, ""))
        for i, (tag, _) in enumerate(page.elements)
        if tag in ("tr", "td")
    ]
    rows, row = {}, []
    for tag, text in [*cells, ("tr", "")]:
        if tag == "tr":
            if row:
                rows[row[0]] = row[1:]
            row = []
        else:
            row.append(text)
    return rows


@needs_matplotlib
def test_a_classifier(classifier, tmp_path):
    model, data = classifier
    result = run(model, data, "-o", tmp_path / "new" / "page.html")
    assert result.exit_code == 0, result.output
    page, text = page_of(tmp_path / "new" / "page.html")
    rows = rows_of(page)
    # 5 of 6 are right: 3 of NEGATIVE are found, and the mistake is of one that is POSITIVE to it.
    assert rows["83.33"][-1] == "6"
    assert rows["NEGATIVE"][:3] == ["100.00", "75.00", "85.71"]
    assert rows["NEGATIVE"][3:] == ["4", "3", "1", "0"]
    assert rows["POSITIVE"][:3] == ["66.67", "100.00", "80.00"]
    assert rows["cats_micro_f"] == ["0.8333"]
    assert "1 of 1 mistakes" in text and f"right is NEGATIVE: {TEXTS[0]}" in text
    assert "6 annotated texts" in text
    labels = [attrs["aria-label"] for tag, attrs in page.elements if tag == "svg"]
    assert [label.split()[0] for label in labels] == ["Confusion", "Share", "Share"]
    assert not list(tmp_path.glob("new/.*"))


@needs_matplotlib
def test_labels_of_other_classifiers_are_not_its_own(tmp_path):
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("textcat_lstm", config={"model": small_model()})

    def cats(text):
        return {"FILM": 1.0, "GOOD": float(text in GOOD), "BAD": float(text not in GOOD)}

    examples = make_examples(nlp, TEXTS, cats)
    with pytest.warns(UserWarning, match="W005.*FILM"):
        textcat.initialize(lambda: examples, nlp=nlp, labels=["GOOD", "BAD"])
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    data = write(examples, tmp_path / "dev.spacy")
    result = run(tmp_path / "model", data, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    rows = rows_of(page_of(tmp_path / "page.html")[0])
    assert rows["GOOD"][3:] == ["3", "3", "0", "0"] and "FILM" not in rows
    assert rows["cats_micro_f"] == ["1.0000"]


@needs_matplotlib
def test_limits(classifier, tmp_path):
    model, data = classifier
    assert run(model, data, "-o", tmp_path / "a.html", "--limit", 3).exit_code == 0
    assert "3 annotated texts" in page_of(tmp_path / "a.html")[1]
    assert run(model, data, "-o", tmp_path / "a.html", "--mistakes", 0).exit_code == 0
    assert "0 of 1 mistakes" in page_of(tmp_path / "a.html")[1]


@needs_matplotlib
def test_labels_that_do_not_exclude_each_other(tmp_path):
    nlp = spacy.blank("en")
    model = small_model()
    nlp.add_pipe("textcat_multilabel_lstm", config={"model": model, "threshold": 0.5})

    def cats_of(text):
        return {"good": float(text in GOOD), "film": float("film" in text)}

    train(nlp, make_examples(nlp, TEXTS, cats_of))
    nlp.to_disk(tmp_path / "model")

    def other(text):
        # Nothing is known of "film" in the last one.
        cats = {**cats_of(text), "good": 1.0}
        return {"good": 1.0} if text == TEXTS[-1] else cats

    data = write(make_examples(nlp, TEXTS, other), tmp_path / "dev.spacy")
    result = run(tmp_path / "model", data, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page, text = page_of(tmp_path / "page.html")
    rows = rows_of(page)
    assert rows["good"][3:] == ["6", "3", "3", "0"] and rows["film"][3:] == ["2", "2", "0", "0"]
    assert rows["50.00"][-1] == "6"
    assert text.count("right is good") == 3 and "found not good" in text


@needs_matplotlib
def test_a_tagger(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    # "Anna feeds the old", where "old" is said to be an adjective.
    examples[1].reference[3].pos_ = "ADJ"
    data = write(examples, tmp_path / "dev.spacy")
    result = run(tmp_path / "model", data, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page, text = page_of(tmp_path / "page.html")
    assert rows_of(page)["94.44"][-1] == "18"
    marked = [page.texts[i] for i, (tag, _) in enumerate(page.elements) if tag == "mark"]
    assert marked == ["old"] and "found NOUN" in text and "right is ADJ" in text
    assert "Anna feeds the old" in text


@needs_matplotlib
def test_one_of_several_components(trained, tmp_path):
    trained.add_pipe("textcat_multilabel_lstm", config={"model": small_model()})
    examples = make_examples(trained)
    trained.get_pipe("textcat_multilabel_lstm").initialize(lambda: examples)
    trained.to_disk(tmp_path / "model")
    data = write(examples, tmp_path / "dev.spacy")
    result = run(tmp_path / "model", data, "-o", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "R652" in result.output and "textcat_lstm, textcat_multilabel_lstm" in result.output
    command = (tmp_path / "model", data, "-o", tmp_path / "page.html", "--component")
    assert run(*command, "textcat_multilabel_lstm").exit_code == 0
    assert "Report on textcat_multilabel_lstm" in page_of(tmp_path / "page.html")[1]
    result = run(*command, "nothing")
    assert result.exit_code == 1 and "R651" in result.output and "'nothing'" in result.output


@needs_matplotlib
def test_what_cannot_be_reported_on(classifier, tmp_path, trained):
    model, data = classifier
    out = tmp_path / "page.html"
    out.write_text("old")
    plain = write([Example(doc, doc) for doc in map(trained.make_doc, TEXTS)], tmp_path / "a.spacy")
    (tmp_path / "b.spacy").write_bytes(b"no")
    DocBin().to_disk(tmp_path / "c.spacy")
    blank = tmp_path / "blank"
    spacy.blank("en").to_disk(blank)
    cases = [
        ((model, data, "-o", tmp_path / "page.pdf"), "R406.*page.pdf.*.html"),
        ((model, data, "-o", data.with_suffix(".html")), None),
        ((model, tmp_path / "none.spacy", "-o", out), "R401.*none.spacy"),
        ((model, plain, "-o", out), "R653.*a.spacy.*categories.*'textcat_lstm'"),
        ((model, tmp_path / "b.spacy", "-o", out), "R625.*b.spacy"),
        ((model, tmp_path / "c.spacy", "-o", out), "R405.*c.spacy holds no examples"),
        ((blank, data, "-o", out), "R605.*No component"),
        ((tmp_path, data, "-o", out), "E053|Can't|R621"),
        ((model, data, "-o", out, "--limit", "-1"), "--limit"),
    ]
    for arguments, message in cases:
        result = run(*arguments)
        if message is None:
            assert result.exit_code == 0
        else:
            assert result.exit_code and re.search(message, result.output), result.output
    assert out.read_text() == "old" and not list(tmp_path.glob(".*"))


def test_without_matplotlib(monkeypatch, tmp_path):
    """It is said before anything is loaded."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("no_model", "no_data", "-o", tmp_path / "a.html")
    assert result.exit_code == 1 and "R809" in result.output
    assert "spacy-rnn[figures]" in result.output


@needs_matplotlib
def test_nothing_is_half_written(classifier, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise OSError("no room")

    monkeypatch.setattr(sys.modules["spacy_rnn.cli.report"], "make_page", fail)
    result = run(*classifier, "-o", tmp_path / "new" / "page.html")
    assert result.exit_code == 1 and "no room" in result.output
    assert not list(tmp_path.glob("new/*"))


class FakePipe:
    """A classifier that says POSITIVE of all texts, and explains it by their first word."""

    name, labels, cfg = "fake", ("POSITIVE", ATTACK), {}

    def explain(self, doc, label=None):
        assert label == "POSITIVE"
        token = {"start": 0, "end": 5, "weight": 1.0}
        return {"text": doc.text, "label": label, "score": 0.75, "tokens": [token]}


def findings_of(pipe, texts, gold):
    examples = []
    for text in texts:
        doc, reference = (spacy.blank("en")(text) for _ in range(2))
        doc.cats = {"POSITIVE": 0.75, ATTACK: 0.25}
        reference.cats = gold
        examples.append(Example(doc, reference))
    return find_findings(Subject("fake", pipe, "cats"), examples)


def page_for(findings, mistakes=9):
    return make_page(findings, facts=[ATTACK], scores={ATTACK: 0.5}, mistakes=mistakes)


@needs_matplotlib
def test_mistakes_are_explained_and_all_text_is_escaped():
    findings = findings_of(FakePipe(), [f"Great {ATTACK}"], {ATTACK: 1.0, "POSITIVE": 0.0})
    html = page_for(findings)
    assert "<script" not in html
    page = Page(html)
    assert any(f"Great {ATTACK}" in text for _, text in page.of_class("rnn-text"))
    assert "rgba(0,114,178,0.6)" in html and "Words have no colours" not in html


@needs_matplotlib
def test_components_that_cannot_explain():
    class Fails(FakePipe):
        def explain(self, doc, label=None):
            raise ValueError(f"not of {ATTACK}")

    gold = {ATTACK: 1.0, "POSITIVE": 0.0}
    for pipe, problem in ((Fails(), "not of"), (SimpleNamespace(**vars(FakePipe)), "")):
        if not problem:
            del pipe.explain
        html = page_for(findings_of(pipe, ["A  text.\n", "More"], gold))
        page = Page(html)
        assert [text for _, text in page.of_class("rnn-text")] == ["A  text.\n", "More"]
        assert html.count("Words have no colours") == 1 and problem in html


def test_explained_asks_once():
    asked = []

    def explain(doc, label):
        asked.append(label)
        raise ValueError("no")

    explained = Explained(SimpleNamespace(explain=explain))
    doc = spacy.blank("en")("A text")
    for _ in range(2):
        explained.draw(SimpleNamespace(doc=doc, label="X"))
    assert asked == ["X"]


@needs_matplotlib
def test_no_mistakes_and_one_text():
    findings = findings_of(FakePipe(), ["Great"], {"POSITIVE": 1.0, ATTACK: 0.0})
    assert findings.accuracy == 1.0 and "<p>None.</p>" in page_for(findings)


def test_the_most_confident_mistakes_come_first():
    findings = Findings(Subject("fake", FakePipe(), "cats"))
    findings.mistakes = [SimpleNamespace(confidence=x) for x in (0.25, 0.75, 0.5)]
    assert [mistake.confidence for mistake in findings.worst(2)] == [0.75, 0.5]


def test_labels_that_the_component_does_not_have_are_mistakes():
    findings = findings_of(FakePipe(), ["Great"], {"OTHER": 1.0})
    assert findings.accuracy == 0.0 and findings.per_label["OTHER"].fn == 1
    assert findings.labels == ["POSITIVE", ATTACK, "OTHER"]


@needs_matplotlib
def test_many_labels():
    """Those with the fewest mistakes are left out of the figure, not of the table."""
    pipe = SimpleNamespace(name="fake", labels=tuple(f"L{i}" for i in range(40)), cfg={})
    findings = Findings(Subject("fake", pipe, "tag"))
    for i in range(40):
        for _ in range(i):
            findings.one_of(f"L{i}", "L39")
    findings.lengths.append((10, 1, 2))
    html = page_for(findings)
    assert "The 10 labels with the fewest mistakes are left out" in html
    assert ">L0<" in html and html.count(">L0<") == 1 and html.count(">L38<") == 3


def test_sentence_of_a_token():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp("One two. Three four five. Six.")
    assert around(doc[4]) == ("Three ", "four", " five.")
    doc = spacy.blank("en")(" ".join(map(str, range(99))))
    before, word, after = around(doc[50])
    assert (before.split()[0], word, after.split()[-1]) == ("35", "50", "65")


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_groups_by_length(lengths):
    groups = find_groups([(length, length % 2, 1) for length in lengths])
    assert len(groups) <= 8
    assert groups[0].shortest == min(lengths) and groups[-1].longest == max(lengths)
    for first, second in zip(groups, groups[1:]):
        assert first.longest < second.shortest
    for group in groups:
        inside = [x % 2 for x in lengths if group.shortest <= x <= group.longest]
        assert group.right == pytest.approx(numpy.mean(inside))
        assert group.low <= group.right + 1e-9 and group.right <= group.high + 1e-9


def test_interval():
    """Of 8 in 10, as in Wilson's formula."""
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert interval(0, 5)[0] == 0.0 and interval(5, 5)[1] == pytest.approx(1.0)


def test_a_threshold_of_zero_is_one():
    nlp = spacy.blank("en")
    config = {"model": small_model(exclusive_classes=False), "threshold": 0.0}
    nlp.add_pipe("textcat_multilabel_lstm", config=config)
    assert find_subject(nlp, None).threshold == 0.0


def test_a_function_has_no_report():
    @spacy.Language.component("leaves_cats", assigns=["doc.cats"])
    def leaves_cats(doc):
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("leaves_cats")
    with pytest.raises(ValueError, match="R654.*'leaves_cats'"):
        find_subject(nlp, None)
