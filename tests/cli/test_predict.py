"""`spacy-rnn predict`: texts in, results out, and nothing lost on the way."""

import base64
import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_rnn.annotation.results import Annotated
from spacy_rnn.annotation.text_writers import CsvWriter, score_column
from spacy_rnn.cli import app
from spacy_rnn.cli._prediction_files import _in_columns
from spacy_rnn.cli.predict import find_sources
from spacy_rnn.corpus.rows import Row
from tests.conftest import (
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)

REPOSITORY = Path(__file__).parents[2]
GOOD = "a warm and funny film"


@Language.component("writes_cats", assigns=["doc.cats"])
def writes_cats(doc):
    doc.cats = {f"WORDS_{len(doc)}": 1.0}
    return doc


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with pipelines: cat, tag, both (which writes Token.tag_)."""
    folder = tmp_path_factory.mktemp("models")
    fix_random_seed(0)
    cat, tag, both = (spacy.blank("en") for _ in range(3))
    cat.add_pipe("textcat_lstm", config={"model": small_model()})
    train(cat, make_examples(cat))
    tag.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    train(tag, make_tagged_examples(tag))
    both.add_pipe("tagger_bilstm", config={"model": small_tagger(), "attr": "TAG"})
    train(both, make_tagged_examples(both))
    both.add_pipe("textcat_lstm", source=cat)
    for name, nlp in (("cat", cat), ("tag", tag), ("both", both)):
        nlp.to_disk(folder / name)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*arguments, stdin=None):
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def bad_rows(path):
    return [(row["line"], row["reason"], row["raw"]) for row in rows_of(path.read_text("utf8"))]


def test_texts_given_as_options(models, here):
    result = predict(models / "cat", "--text", GOOD, "--text", "a dull film")
    nlp = spacy.load(models / "cat")
    assert result.exit_code == 0 and not list(here.iterdir())
    first, second = rows_of(result.stdout)
    assert first == {"text": GOOD, "cats": pytest.approx(nlp(GOOD).cats), "label": "POSITIVE"}
    # Highest first.
    assert list(second["cats"]) == ["NEGATIVE", "POSITIVE"] and second["label"] == "NEGATIVE"


def test_what_each_component_writes(models, here):
    (row,) = rows_of(predict(models / "tag", "--text", "Anna sees\ncats").stdout)
    tags = [(token["text"], token["pos"]) for token in row["tokens"]]
    assert tags == [("Anna", "PROPN"), ("sees", "VERB"), ("\n", "SPACE"), ("cats", "NOUN")]
    assert "cats" not in row and "tag" not in row["tokens"][0]
    (row,) = rows_of(predict(models / "both", "--text", "Anna sees cats").stdout)
    assert [token["tag"] for token in row["tokens"]] == ["NNP", "VBZ", "NNS"]
    assert row["cats"] and "pos" not in row["tokens"][0]


def test_probabilities(models, here):
    text = "Anna sees\ncats"
    (row,) = rows_of(predict(models / "tag", "--probabilities", "--text", text).stdout)
    nlp = spacy.load(models / "tag")
    pipe = nlp.get_pipe("tagger_bilstm")
    (expected,) = pipe.predict_proba([nlp(text)])
    for token, probs in zip(row["tokens"], expected):
        if token["text"] == "\n":
            assert "pos_probs" not in token
        else:
            found = [token["pos_probs"][label] for label in pipe.labels]
            numpy.testing.assert_allclose(found, probs, atol=1e-5)
            assert next(iter(token["pos_probs"])) == token["pos"]
    result = predict(models / "cat", "--probabilities", "--text", text)
    assert result.exit_code == 1 and "R606" in result.stderr and "textcat_lstm" in result.stderr


def test_files_of_all_formats_and_what_they_have_beside_texts(models, here):
    (here / "a.txt").write_text("one\n\ntwo\n")
    (here / "b.jsonl").write_text('{"id": 7, "text": "three", "more": {"x": [1]}, "label": "A"}\n')
    (here / "c.csv.gz").write_bytes(gzip.compress(b"id;text\n8;four\n"))
    rows = rows_of(predict(models / "cat", "a.txt", "b.jsonl").stdout)
    assert [row["text"] for row in rows] == ["one", "two", "three"]
    # What the input calls by a name stays.
    assert list(rows[2]) == ["id", "text", "more", "label", "cats", "predicted_label"]
    assert rows[2]["more"] == {"x": [1]} and rows[2]["label"] == "A"
    (row,) = rows_of(predict(models / "cat", "c.csv.gz", "--delimiter", ";").stdout)
    assert row["id"] == "8" and row["text"] == "four" and row["cats"]


def test_texts_of_a_spacy_file(models, here):
    """Only the texts: tokens are those of the pipeline, and categories its own."""
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=[GOOD[:6], GOOD[6:]], spaces=[False, False]), nlp("dull")]
    docs[0].cats = {"POSITIVE": 0.0}
    DocBin(docs=docs, store_user_data=True).to_disk("texts.spacy")
    predict(models / "cat", "texts.spacy", "--output", "found.jsonl")
    predict(models / "cat", "--text", GOOD, "--text", "dull", "--output", "wanted.jsonl")
    assert Path("found.jsonl").read_text() == Path("wanted.jsonl").read_text()


def test_another_column_and_encoding(models, here):
    (here / "a.tsv").write_bytes("n\treview\n1\tcafé\n".encode("cp1252"))
    settings = ("--text-column", "review", "--encoding", "cp1252")
    (row,) = rows_of(predict(models / "cat", "a.tsv", *settings).stdout)
    assert list(row) == ["n", "review", "cats", "label"] and row["review"] == "café"


@pytest.mark.parametrize(
    "stdin,arguments",
    [
        ("one\ntwo\n", []),
        ("one\ntwo\n", ["-"]),
        ('{"text": "one"}\n{"text": "two"}\n', ["--input-format", "jsonl"]),
        ("text\none\ntwo\n", ["-", "--input-format", "csv"]),
    ],
)
def test_standard_input(models, here, stdin, arguments):
    rows = rows_of(predict(models / "cat", *arguments, stdin=stdin).stdout)
    assert [row["text"] for row in rows] == ["one", "two"]


def test_csv(models, here):
    (here / "a.csv").write_text('text,label\n"Anna, sees",A\ncats,B\n')
    result = predict(models / "both", "a.csv", "-o", "out/b.csv", "--probabilities")
    assert result.exit_code == 0 and "2 texts to" in result.stdout
    rows = list(csv.reader((here / "out" / "b.csv").open(encoding="utf8", newline="")))
    scores = ["POSITIVE", "NEGATIVE"]
    assert rows[0] == ["text", "label", "predicted_label", *scores, "tag", "tag_probs"]
    assert rows[1][:2] == ["Anna, sees", "A"] and rows[1][2] in scores
    assert sum(map(float, rows[1][3:5])) == pytest.approx(1.0, abs=1e-5)
    tagged = [pair.rpartition("/") for pair in rows[1][5].split(" ")]
    assert [word for word, _, _ in tagged] == ["Anna", ",", "sees"] and tagged[0][2] == "NNP"
    assert all(0 < float(prob) <= 1 for prob in rows[1][6].split(" "))
    printed = predict(models / "both", "a.csv", "--probabilities", "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(printed))) == rows


def test_a_label_that_is_called_as_another_column():
    file, cats = io.StringIO(), {"label": 0.25, "tag": 0.75}
    writer = CsvWriter(file, list(cats))
    assert (
        writer.write(Annotated(Row("a", 1, {"text": "x"}, "x"), {"label": "tag", "cats": cats}))
        is None
    )
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row == {"text": "x", "label": "tag", "score_label": "0.25", "score_tag": "0.75"}
    assert score_column("label", ["label", "score_label"]) == "score_score_label"


def test_csv_of_rows_with_other_keys(models, here):
    lines = ['{"text": "one", "n": [1]}', '{"text": "two"}', '{"text": "3", "x": 1}']
    (here / "a.jsonl").write_text("\n".join(lines))
    assert predict(models / "cat", "a.jsonl", "-o", "b.csv").exit_code == 0
    rows = list(csv.DictReader((here / "b.csv").open(encoding="utf8", newline="")))
    assert [(row["text"], row["n"]) for row in rows] == [("one", "[1]"), ("two", "")]
    assert bad_rows(here / "b.csv.bad.jsonl")[0][::2] == (3, lines[2])


def test_spacy_file(models, here):
    (here / "a.jsonl").write_text('{"text": "Anna sees", "id": 3}\n')
    assert predict(models / "both", "a.jsonl", "-o", "b.spacy", "--probabilities").exit_code == 0
    (doc,) = DocBin(store_user_data=True).from_disk("b.spacy").get_docs(spacy.blank("en").vocab)
    assert [token.tag_ for token in doc] == ["NNP", "VBZ"]
    assert set(doc.cats) == {"POSITIVE", "NEGATIVE"}
    assert doc.user_data["row"] == {"text": "Anna sees", "id": 3}
    assert set(doc.user_data["probabilities"][0]["tag_probs"]) >= {"NNP", "VBZ"}


def test_table(models, here):
    text = "Anna sees cats"
    result = predict(models / "both", "--format", "table", "--text", text, "--text", "日本 Anna")
    first, second = result.stdout.strip().split("\n\n")
    lines = first.splitlines()
    assert lines[0] == text and lines[1].count(".") == 2
    assert lines[2:] == ["  Anna  sees  cats", "  NNP   VBZ   NNS"]
    words, tags = second.splitlines()[-2:]
    # Each of the first word's characters takes two columns.
    assert words.index("Anna") + 2 == tags.rindex(" ") + 1


def test_table_goes_on_in_the_next_line():
    columns = [["aaaa", "N"], ["bb", "VERB"], ["c", "N"]]
    expected = ["  aaaa  bb", "  N     VERB", "  c", "  N"]
    assert list(_in_columns(columns, 14)) == expected


def test_bad_rows_are_kept_and_the_rest_goes_on(models, here):
    data = b'id,text\n1,one\n2,\n3\n4,"two\n\xff"\n5,' + b"x" * 1_000_001 + b'\n"6"6,y\n7,three\n'
    (here / "a.csv").write_bytes(data)
    lines = ['{"text": 3}', "{oops", '{"text": null}', '{"text": "\\ud800"}', '{"text": "four"}']
    (here / "b.jsonl").write_text("\n".join(lines))
    result = predict(models / "cat", "a.csv", "b.jsonl", "-o", "out.jsonl")
    assert result.exit_code == 0
    rows = rows_of((here / "out.jsonl").read_text("utf8"))
    assert [row["text"] for row in rows] == ["one", "three", "four"]
    found = bad_rows(here / "out.jsonl.bad.jsonl")
    expected = [
        (3, "no text", "2,"),
        (4, "1 columns, where", "3"),
        (6, "the byte ff is not UTF-8", '4,"two\n\\xff"'),
        (7, "the text has 1000001 characters, more than nlp", "5," + "x" * 1_000_001),
        (8, "a malformed cell in quotes", '"6"6,y'),
        (1, "the text is 3, not a string", '{"text": 3}'),
        (2, "cannot read the JSON", "{oops"),
        (3, "no text", '{"text": null}'),
        (4, "'\\ud800' is half of a character", '{"text": "\\ud800"}'),
    ]
    assert [(line, raw) for line, _, raw in found] == [(line, raw) for line, _, raw in expected]
    for (_, reason, _), (_, begin, _) in zip(found, expected):
        assert reason.startswith(begin)
    kept = rows_of((here / "out.jsonl.bad.jsonl").read_text("utf8"))
    assert base64.b64decode(kept[2]["raw_base64"]) == b'4,"two\n\xff"'
    assert "a.csv, line 6: the byte ff" in result.stderr and "b.jsonl, line 2:" in result.stderr
    assert "9 row(s) could not be used: they are in out.jsonl.bad.jsonl" in result.stderr


def test_bad_rows_beside_standard_output(models, here):
    arguments = (models / "cat", "--input-format", "jsonl")
    result = predict(*arguments, stdin='{oops\n{"text": "one"}\n')
    assert result.exit_code == 0 and [row["text"] for row in rows_of(result.stdout)] == ["one"]
    assert bad_rows(here / "predict.bad.jsonl")[0][0] == 1
    result = predict(*arguments, "--strict", "--bad", "deep/bad", stdin='{oops\n{"text": "one"}\n')
    assert result.exit_code == 1 and [row["text"] for row in rows_of(result.stdout)] == ["one"]
    assert len(bad_rows(here / "deep" / "bad")) == 1


def test_when_no_row_is_good_nothing_is_written(models, here):
    (here / "a.jsonl").write_text("{oops\n" * 30)
    result = predict(models / "cat", "a.jsonl", "-o", "b.jsonl")
    assert result.exit_code == 1 and "R610" in result.stderr and not (here / "b.jsonl").exists()
    # The first ones are said, all are kept.
    assert result.stderr.count("cannot read") == 20
    assert len(bad_rows(here / "b.jsonl.bad.jsonl")) == 30


def test_bad_rows_of_an_earlier_run_do_not_stay(models, here):
    (here / "a.txt").write_text("one\n")
    (here / "b.jsonl.bad.jsonl").write_text("old")
    assert predict(models / "cat", "a.txt", "-o", "b.jsonl").exit_code == 0
    assert not (here / "b.jsonl.bad.jsonl").exists()


def test_no_texts_are_no_error(models, here):
    result = predict(models / "cat", "-o", "b.jsonl", stdin="")
    assert result.exit_code == 0 and (here / "b.jsonl").read_text() == ""


def test_half_characters_beside_a_text_stay(models, here):
    (here / "a.jsonl").write_text('{"text": "one", "x": "\\ud800"}\n')
    predict(models / "cat", "a.jsonl", "-o", "b.jsonl")
    assert rows_of((here / "b.jsonl").read_text("utf8"))[0]["x"] == "\ud800"


def test_processes_and_batches_change_nothing(models, here):
    (here / "a.txt").write_text("".join(f"a warm film number {i}\n" for i in range(12)))
    rows = rows_of(predict(models / "cat", "a.txt").stdout)
    for settings in (["--n-process", "2", "--batch-size", "5"], ["--batch-size", "1"]):
        found = rows_of(predict(models / "cat", "a.txt", *settings).stdout)
        assert [row["text"] for row in found] == [row["text"] for row in rows]
        for one, other in zip(found, rows):
            assert one["cats"] == pytest.approx(other["cats"], abs=1e-5)


def test_components_without_labels(models, here):
    nlp = spacy.blank("en")
    nlp.add_pipe("writes_cats")
    nlp.to_disk(here / "model")
    result = predict("model", "--format", "csv", "--text", "one", "--text", "two words")
    assert result.stdout == "text,label,WORDS_1\none,WORDS_1,1.0\n"
    assert "'WORDS_2' is not in the header" in result.stderr


def test_installed_packages(models, here, monkeypatch):
    package, path = here / "en_small", f"__import__('pathlib').Path({str(models / 'cat')!r})"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import spacy\n"
        "def load(**settings):\n"
        f"    return spacy.util.load_model_from_path({path}, **settings)\n"
    )
    monkeypatch.syspath_prepend(here)
    monkeypatch.setattr("spacy.util.is_package", lambda name: name == "en_small")
    (row,) = rows_of(predict("en_small", "--text", GOOD).stdout)
    assert row["label"] == "POSITIVE"


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["sentencizer", "--text", "x"], "R605.*Its components: sentencizer"),
        (["untrained", "--text", "x"], r"\[R101\] The layer 'VocabEmbed' has no weights"),
        (["untrained", "--text", "x", "--n-process", "2"], r"✘ \[R101\] The layer 'VocabEmbed'"),
        (["nothing", "--text", "x"], "E050.*'nothing'"),
        (["cat", "nothing.txt"], "R401.*nothing.txt.*--text"),
        (["cat", "a.xlsx"], "R406.*a.xlsx.*.txt, .csv, .tsv, .jsonl or .parquet"),
        (["cat", "a.csv", "-o", "b.xml"], "R406.*b.xml.*.jsonl, .csv or .spacy"),
        (["cat", "a.csv", "-o", "a.csv"], "R609.*a.csv"),
        (["cat", "a.csv", "--bad", "./a.csv"], "R609.*a.csv"),
        (["cat", "a.csv", "-o", "b.csv", "--bad", "b.csv"], "R609.*b.csv"),
        (["cat", "a.csv", "-o", "b.csv", "--format", "csv"], "R608.*b.csv"),
        (["cat", "a.csv", "-o", "folder.csv"], "R604.*folder.csv"),
        (["cat", "a.csv", "--text-column", "body"], "R402.*'body'.*'text'"),
        (["cat", "a.csv", "--encoding", "utf-9"], "R413.*'utf-9'"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(models, here, arguments, message):
    for name, factory in (("sentencizer", "sentencizer"), ("untrained", "textcat_lstm")):
        nlp = spacy.blank("en")
        nlp.add_pipe(factory)
        nlp.to_disk(here / name)
    (here / "cat").symlink_to(models / "cat")
    (here / "a.csv").write_text("text\none\n")
    (here / "a.xlsx").write_text("")
    (here / "folder.csv").mkdir()
    before = sorted(here.rglob("*"))
    result = predict(*arguments)
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert re.search(message, result.stderr), result.stderr
    assert sorted(here.rglob("*")) == before


def test_without_texts_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(ValueError, match="R607.*--text"):
        find_sources(None, None)


def test_a_reader_that_has_had_enough(models, here):
    (here / "a.txt").write_text("a warm film\n" * 3000)
    command = f"{sys.executable} -m spacy_rnn predict {models / 'cat'} a.txt | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    found = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
    assert len(rows_of(found.stdout)) == 1 and found.stderr == ""


def test_labels_that_do_not_exclude_each_other(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_multilabel_lstm", config={"threshold": 0.4})
    cats = [{"A": 1.0, "B": 1.0}, {"A": 0.0, "B": 0.0}]
    texts = ["both of them", "neither one"]
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": c}) for text, c in zip(texts, cats)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "several")
    args = ["predict", str(tmp_path / "several"), "--text", texts[0], "--text", texts[1]]

    def labels(*options):
        found = CliRunner().invoke(app, [*args, "--format", "jsonl", *options])
        return [json.loads(line)["labels"] for line in found.stdout.splitlines()]

    assert [sorted(found) for found in labels()] == [["A", "B"], []]
    assert [sorted(found) for found in labels("--threshold", "0")] == [["A", "B"]] * 2
    assert labels("--threshold", "1") == [[], []]
    table = CliRunner().invoke(app, [*args, "--format", "csv"]).stdout.splitlines()
    assert table[0] == "text,labels,A,B" and table[2].startswith("neither one,[],")


def test_a_threshold_where_labels_exclude_each_other(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    train(nlp, make_examples(nlp), steps=2)
    nlp.to_disk(tmp_path / "one")
    args = ["predict", str(tmp_path / "one"), "--text", "a", "--threshold", "0.3"]
    found = CliRunner().invoke(app, args)
    assert found.exit_code == 1 and "R620" in found.output


def test_the_folder_of_a_training_names_the_pipeline_in_it(tmp_path):
    (tmp_path / "model-best").mkdir()
    found = CliRunner().invoke(app, ["predict", str(tmp_path), "--text", "a"])
    assert found.exit_code == 1 and "R621" in found.output and "model-best" in found.output


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_a_component_that_abstains(factory, tmp_path):
    nlp = spacy.blank("en")
    model = small_model(exclusive_classes=factory == "textcat_lstm")
    nlp.add_pipe(factory, config={"model": model, "abstain": 1.0})
    train(nlp, make_examples(nlp), steps=5)
    nlp.to_disk(tmp_path / "never")
    spacy.load(tmp_path / "never", config={f"components.{factory}.abstain": 0.01}).to_disk(
        tmp_path / "always"
    )
    runner, key = CliRunner(), "label" if factory == "textcat_lstm" else "labels"
    try:
        for name, given in (("never", False), ("always", True)):
            args = ["predict", str(tmp_path / name), "--text", GOOD, "--format"]
            row = json.loads(runner.invoke(app, [*args, "jsonl"]).stdout)
            assert row["abstained"] is not given and len(row["cats"]) == 2
            best = max(row["cats"], key=row["cats"].get)
            counted = [name for name, score in row["cats"].items() if score >= 0.5]
            expected = best if key == "label" else counted
            nothing = None if key == "label" else []
            assert row[key] == (expected if given else nothing)
            (cells,) = csv.DictReader(io.StringIO(runner.invoke(app, [*args, "csv"]).stdout))
            assert cells["abstained"] == str(not given)
    finally:
        Doc.remove_extension("abstained")
