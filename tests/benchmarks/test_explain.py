"""Figures of explanations: what is deleted, and that the tables are complete."""

import numpy
import pytest
import spacy
from spacy.tokens import DocBin

from benchmarks import explain
from tests.conftest import make_examples, small_model, train


def make_trained(pooling):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model(pooling=pooling)})
    train(nlp, make_examples(nlp), steps=30)
    return nlp


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pipeline, one that pools by attention, and labelled texts."""
    folder = tmp_path_factory.mktemp("explain")
    for name in ("max", "attention"):
        nlp = make_trained(name)
        nlp.to_disk(folder / name)
    docs = [eg.reference for eg in make_examples(nlp)]
    DocBin(docs=docs, store_user_data=True).to_disk(folder / "docs.spacy")
    return folder


def test_what_ranks_highest_is_deleted(files):
    texts = explain.load(files / "max", files / "docs.spacy", 4)
    # A tenth of a text, at least one token: here its last.
    ranks = numpy.concatenate([numpy.arange(len(doc)) for doc in texts.docs])
    shorter = [doc[:-1].as_doc() for doc in texts.docs]
    before, after = (texts.pipe.predict(docs) for docs in (texts.docs, shorter))
    expected = (before - after)[numpy.arange(4), texts.right].mean()
    assert texts.fall(ranks) == pytest.approx(expected, abs=1e-6)


def test_the_tables(files, capsys):
    paths = [str(files / "max"), str(files / "docs.spacy")]
    options = ["--attention", str(files / "attention"), "--texts", "5", "--rounds", "1"]
    explain.main([*paths, *options, "--steps", "4", "32"])
    tables = [table.splitlines() for table in capsys.readouterr().out.strip().split("\n\n")]
    assert [len(table) - 2 for table in tables] == [6, 6, 7, 2]
    assert [line.split(" | ")[1] for line in tables[0][2:]] == ["4", "32"] * 3
    assert "attention" in tables[2][-1] and not any("attention" in line for line in tables[1])
