"""The leaderboard of text classifiers, on a few texts."""

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import DocBin

from benchmarks import accuracy
from benchmarks.classifiers import Corpus, Texts, nb_svm
from tests.conftest import GOOD, TEXTS, make_examples


@pytest.fixture
def corpus(tmp_path):
    docs = [eg.reference for eg in make_examples(spacy.blank("en"))]
    DocBin(docs=docs * 4).to_disk(tmp_path / "corpus.spacy")
    return tmp_path / "corpus.spacy"


def run(corpus, *options, json=None):
    path = json or corpus.parent / "results.jsonl"
    quick = ["--max-steps", "2", "--rounds", "1", "--json", str(path)]
    accuracy.main([str(corpus), str(corpus), *quick, *options])
    return list(srsly.read_jsonl(path))


def cells_of(printed):
    lines = [line.strip("| ").split(" | ") for line in printed.splitlines() if line[:1] == "|"]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def test_ours_a_peer_and_a_trained_pipeline_are_measured_once(corpus, capsys, monkeypatch):
    models = ["--models", "textcat_lstm,bow", "--seeds", "0,1"]
    first = run(corpus, *models)
    trained = [(r["model"], r["seed"]) for r in first if "model" in r]
    assert trained == [("textcat_lstm", 0), ("textcat_lstm", 1), ("bow", 0), ("bow", 1)]
    folder = corpus.parent / "results" / "textcat_lstm-1"
    docs = list(spacy.load(folder).pipe(TEXTS))
    right = [(doc.cats["POSITIVE"] > 0.5) == (doc.text in GOOD) for doc in docs]
    assert first[1]["accuracy"] == sum(right) / len(right)
    found = cells_of(capsys.readouterr().out)
    assert list(found) == ["`textcat_lstm`", "spaCy's bag of words"]
    assert found["spaCy's bag of words"][1] == "524,290"
    # What is done is not trained again, nor timed.
    monkeypatch.setattr(accuracy, "train_all", lambda *args: None)
    monkeypatch.setattr(accuracy, "time_in_turns", None)
    assert run(corpus, *models) == first
    monkeypatch.undo()
    again = run(corpus, "--models", "bow", "--seeds", "0,1", "--extra", f"mine={folder}")
    added = again[len(first) :]
    assert [r.get("model") for r in added] == ["mine", None]
    assert added[0]["accuracy"] == first[1]["accuracy"] and added[0]["seconds"] is None
    assert set(added[1]["rates"]) == {"bow", "mine"}
    assert cells_of(capsys.readouterr().out)["mine"][3] == "-"


def test_an_interrupted_run_goes_on(corpus, monkeypatch):
    first = run(corpus, "--models", "nb_svm")
    path = corpus.parent / "results.jsonl"
    # Its pipeline is gone: it is trained again. That of seed 1 was never begun.
    (corpus.parent / "results" / "nb_svm-0").rename(corpus.parent / "gone")
    assert [r.get("model") for r in run(corpus, "--models", "nb_svm")] == ["nb_svm", None, "nb_svm"]
    monkeypatch.setattr(accuracy, "time_in_turns", None)
    assert run(corpus, "--models", "nb_svm")[0] == first[0]
    # Another corpus is another board.
    other = corpus.rename(corpus.parent / "other.spacy")
    with pytest.raises(SystemExit, match="Name another file with --json"):
        run(other, "--models", "nb_svm", json=path)


def test_nb_svm_alone_tells_labels_apart_and_knows_how_frequent_they_are(corpus):
    nlp = nb_svm(Corpus(corpus, corpus), seed=0)
    dev = Texts(corpus)
    assert dev.accuracy(list(nlp.pipe(dev.texts))) == 1.0
    layer = nlp.get_pipe("textcat").model
    assert abs(layer.get_param("scale")[0]) > 0.1
    unknown = numpy.array(list(nlp("zebra").cats.values()))
    # The fit has no bias where labels are as frequent as each other.
    numpy.testing.assert_allclose(unknown, numpy.log([0.5, 0.5]), rtol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 100])
def test_svm_is_saved_and_loaded(corpus, tmp_path, batch_size):
    pytest.importorskip("sklearn", reason="needs spacy-rnn[benchmarks]")
    (result, _) = run(corpus, "--models", "svm", "--seeds", "0")
    assert result["accuracy"] == 1.0 and result["parameters"] > 2 * len(TEXTS)
    nlp = spacy.load(tmp_path / "results" / "svm-0")
    texts = [*TEXTS, ""]
    *docs, empty = nlp.pipe(texts, batch_size=batch_size)
    assert [doc.cats["POSITIVE"] > doc.cats["NEGATIVE"] for doc in docs] == [
        text in GOOD for text in TEXTS
    ]
    assert set(empty.cats) == {"POSITIVE", "NEGATIVE"} and not len(empty)


def test_draws_a_figure(corpus):
    pytest.importorskip("matplotlib", reason="needs spacy-rnn[figures]")
    figure = corpus.parent / "figure.svg"
    run(corpus, "--models", "nb_svm", "--figure", str(figure))
    assert "NB-SVM, the fitted model alone" in figure.read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--models", "lstm"], "There is no model 'lstm'"),
        (["--models", "minilm"], "needs --transformer"),
        (["--models", "vectors"], "needs --vectors"),
        (["--models", "vectors", "--vectors", "nowhere"], "no pipeline nowhere"),
        (["--seeds", "a"], "--seeds wants numbers"),
        (["--models", "nb_svm", "--extra", "mine"], "NAME=TRAINED_PIPELINE"),
        (["--models", "nb_svm", "--extra", "bow=model"], "a new name: 'bow'"),
        (["--models", "nb_svm", "--extra", "mine=nowhere"], "'mine' cannot be loaded"),
    ],
)
def test_bad_options_leave_no_results(corpus, options, message):
    with pytest.raises(SystemExit, match=message):
        run(corpus, *options)
    assert not (corpus.parent / "results.jsonl").exists()


@pytest.mark.parametrize(
    "cats, message",
    [
        ({"A": 1.0, "B": 1.0}, "must have one label"),
        ({"A": 0.3, "B": 0.7}, "must have one label"),
        ({}, "must have one label"),
        ({"A": 1.0}, "has 1 text"),
    ],
)
def test_bad_corpora(tmp_path, cats, message):
    doc = spacy.blank("en")("a text")
    doc.cats = cats
    DocBin(docs=[doc]).to_disk(tmp_path / "bad.spacy")
    with pytest.raises(SystemExit, match=message):
        Texts(tmp_path / "bad.spacy")


def test_dev_has_no_other_labels_than_training(corpus, tmp_path):
    docs = [eg.reference for eg in make_examples(spacy.blank("en"))]
    docs[0].cats = {"NEUTRAL": 1.0}
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    options = ["--models", "nb_svm", "--json", str(tmp_path / "results.jsonl")]
    with pytest.raises(SystemExit, match="lacks: NEUTRAL"):
        accuracy.main([str(corpus), str(tmp_path / "dev.spacy"), *options])


def test_files_that_are_no_corpora(tmp_path):
    (tmp_path / "text.spacy").write_text("no corpus")
    for name in ("text.spacy", "nowhere.spacy"):
        with pytest.raises(SystemExit, match=f"{name} cannot be read"):
            Texts(tmp_path / name)
