"""The page of some lines: its function, and, where Gradio is there, its answers over HTTP."""

import os

import pytest
import spacy

from examples.page.page import MOST_CHARACTERS, explain, make_page
from tests.conftest import GOOD, make_examples, small_model, train


@pytest.fixture(scope="module")
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    train(nlp, make_examples(nlp), steps=30)
    return nlp


def test_scores_and_words(nlp):
    cats, drawn = explain(nlp, GOOD[0])
    assert cats == pytest.approx(nlp(GOOD[0]).cats)
    assert all(f">{word}<" in drawn for word in GOOD[0].split())
    assert "<script" not in explain(nlp, "<script>alert(1)</script>")[1]
    assert explain(nlp, " \n") == ({}, "")


def test_long_texts_are_cut(nlp):
    text = "word " * MOST_CHARACTERS
    assert explain(nlp, text)[0] == pytest.approx(nlp(text[:MOST_CHARACTERS]).cats)


@pytest.fixture
def environment():
    """Gradio sets variables of the process when it starts."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_the_page_answers(nlp, environment, monkeypatch):
    pytest.importorskip("gradio", reason="needs Gradio: make test-demo")
    from gradio_client import Client

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    page = make_page(nlp)
    _, address, _ = page.launch(share=False, prevent_thread_lock=True, quiet=True)
    try:
        label, drawn = Client(address, verbose=False).predict(GOOD[0], api_name="/explain")
    finally:
        page.close()
    assert label["label"] == "POSITIVE"
    scores = {part["label"]: part["confidence"] for part in label["confidences"]}
    assert scores == pytest.approx(nlp(GOOD[0]).cats, abs=1e-4)
    assert ">warm<" in str(drawn)
