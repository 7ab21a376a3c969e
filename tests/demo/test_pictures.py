"""What the page shows beside scores."""

import pytest

from spacy_rnn.demo import pictures
from spacy_rnn.demo.pictures import draw_pictures, draw_scores, heading, note, sentence_of

BAD = "<img src=x onerror=alert(1)> \"'& film"


def titles(page):
    return [page.texts[i] for i, (tag, _) in enumerate(page.elements) if tag == "h3"]


def shown(page):
    return [text for _, text in page.of_class("rnn-text")]


def test_all_pictures_of_a_text(joint, read):
    page = read(draw_pictures(joint, "Anna sees a warm film"))
    assert titles(page) == [pictures.TITLES[style] for style in ("words", "running", "tags")]
    words, running, tags = shown(page)
    assert words == running == "Anna sees a warm film"
    doc = joint.nlp("Anna sees a warm film")
    assert [text.split()[0] for _, text in page.of_class("rnn-tag")] == [t.pos_ for t in doc]
    best = max(doc.cats, key=doc.cats.get)
    labels = [text for _, text in page.of_class("rnn-label")]
    assert labels == [f"{best} {doc.cats[best]:.3f}"] * 2


def test_a_label_that_was_chosen_is_explained(joint, read):
    for label in joint.labels:
        page = read(draw_pictures(joint, "a warm film", label))
        assert [text.split()[0] for _, text in page.of_class("rnn-label")] == [label] * 2


def test_a_label_of_another_component_is_none_of_its_own(joint, read):
    assert draw_pictures(joint, "a film", "OTHER") == draw_pictures(joint, "a film")


@pytest.mark.parametrize("name", ["forward", "tagger"])
def test_texts_are_escaped(name, request, read):
    page = read(draw_pictures(request.getfixturevalue(name), BAD))
    for text in shown(page):
        assert BAD.split()[0] in text or name == "tagger"


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_nothing_is_drawn_of_a_blank_text(joint, text):
    assert draw_pictures(joint, text) == ""


def test_one_picture_that_fails_says_so_and_others_are_drawn(joint, read, monkeypatch, capsys):
    pipe = joint.nlp.get_pipe("textcat_lstm")
    monkeypatch.setattr(pipe, "running_cats", lambda doc: 1 / 0)
    page = read(draw_pictures(joint, "a warm film"))
    ((_, said),) = page.of_class("demo-note")
    assert "R829" in said and "ZeroDivisionError: division by zero" in said
    assert len(shown(page)) == 2 and len(titles(page)) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_expected_error_is_a_sentence_without_a_traceback(capsys):
    assert sentence_of(ValueError("[R703] It cannot.")) == "[R703] It cannot."
    assert capsys.readouterr().err == ""
    assert sentence_of(ValueError("odd")).startswith("[R829]")
    assert "odd" in capsys.readouterr().err


def test_no_running_line_of_a_long_text_that_is_read_in_two_directions(
    both_ways, forward, read, monkeypatch
):
    monkeypatch.setattr(pictures, "MOST_TOKENS", 3)
    page = read(draw_pictures(both_ways, "a warm film ,"))
    ((_, said),) = page.of_class("demo-note")
    assert "R828" in said and "3 tokens. This one has 4." in said
    assert not read(draw_pictures(both_ways, "a warm film")).of_class("demo-note")
    assert not read(draw_pictures(forward, "a warm film ,")).of_class("demo-note")


def test_scores_in_the_order_of_labels(read):
    page = read(draw_scores({"<b>": 0.25, "b": 0.75}))
    cells = [page.texts[i] for i, (tag, _) in enumerate(page.elements) if tag in ("th", "td")]
    assert cells == ["<b>", "", "0.250", "b", "", "0.750"]
    bars = [attrs["style"] for tag, attrs in page.elements if tag == "i"]
    assert bars == ["width:25.0%", "width:75.0%"]


def test_of_many_labels_those_with_the_highest_scores(read):
    page = read(draw_scores({f"L{i}": i / 100 for i in range(30)}))
    labels = [page.texts[i] for i, (tag, _) in enumerate(page.elements) if tag == "th"]
    assert labels == [f"L{i}" for i in range(29, 19, -1)]


def test_headings_say_how_a_classifier_reads(forward, both_ways, tagger, read):
    assert pictures.STREAMS in heading(forward) and pictures.READS_ANEW in heading(both_ways)
    assert pictures.READS_ANEW not in heading(tagger)
    assert read(heading(forward._replace(name="<b>"))).of_class("demo-name")[0][1] == "<b>"


def test_notes_are_escaped(read):
    ((attrs, text),) = read(note(BAD)).of_class("demo-note")
    assert text == BAD and attrs["role"] == "alert"
