"""`spacy-rnn convert-table`: one file, or train and dev."""

import gzip
from collections import Counter

import pytest

from tests.cli.test_commands import read, run
from tests.cli.test_commands import table as table


def write_table(path, rows, separator=","):
    path.write_text("\n".join(separator.join(row) for row in [("text", "label"), *rows]) + "\n")
    return path


def label_of(doc):
    return "|".join(name for name, value in doc.cats.items() if value)


def counts(path):
    return Counter(map(label_of, read(path)))


@pytest.fixture
def films(tmp_path):
    rows = [(f"Good film number {i}.", "1") for i in range(60)]
    rows += [(f"Bad film number {i}.", "0") for i in range(30)]
    return write_table(
        tmp_path / "films.csv", [*rows, ("A rare one.", "2"), ("GOOD  film number 1.", "1")]
    )


def test_one_file(table, tmp_path):
    output = tmp_path / "deep" / "table.spacy"
    result = run("convert-table", table, output, "--label", "1=POS", "--label", "0=NEG")
    assert result.exit_code == 0 and "2 texts" in result.output
    assert "Duplicates dropped: 1." in result.output
    docs = {doc.text: doc.cats for doc in read(output)}
    assert docs == {
        "A good film.": {"POS": 1.0, "NEG": 0.0},
        "The bad film.": {"POS": 0.0, "NEG": 1.0},
    }


def test_soft_values(tmp_path):
    path = tmp_path / "soft.csv"
    path.write_text("text,A,B\nOne film.,0.75,0.25\nAnother.,0,1\n")
    output = tmp_path / "soft.spacy"
    result = run("convert-table", path, output, "--label-column", "A", "--label-column", "B")
    assert result.exit_code == 0, result.output
    cats = {doc.text: doc.cats for doc in read(output)}
    assert cats == {"One film.": {"A": 0.75, "B": 0.25}, "Another.": {"A": 0.0, "B": 1.0}}


def test_cleans(table, tmp_path):
    output = tmp_path / "table.spacy"
    run("convert-table", table, output, "--no-stop-words", "--no-punctuation", "--limit", "1")
    (doc,) = read(output)
    assert doc.text in ("good film", "bad film")


def test_train_and_dev(films, tmp_path):
    output = tmp_path / "corpus"
    result = run(
        "convert-table", films, output, "--label", "1=POS", "--label", "0=NEG", "--label", "2=RARE"
    )
    assert result.exit_code == 0, result.output
    train, dev = counts(output / "train.spacy"), counts(output / "dev.spacy")
    assert dev == {"POS": 6, "NEG": 3} or dev == {"POS": 7, "NEG": 3}
    assert train + dev == {"POS": 61, "NEG": 30, "RARE": 1}
    texts = [
        {doc.text.lower() for doc in read(output / f"{part}.spacy")} for part in ("train", "dev")
    ]
    assert not texts[0] & texts[1]
    rows = [line.split() for line in result.output.splitlines()]
    assert ["NEG", "27", "3"] in rows and ["RARE", "1", "0"] in rows
    assert ["texts", str(train.total()), str(dev.total())] in rows
    assert "No text in dev has the label(s) RARE" in result.output
    assert "Duplicates dropped: 0." in result.output
    # All labels are in every document's cats.
    assert all(set(doc.cats) == {"POS", "NEG", "RARE"} for doc in read(output / "dev.spacy"))


def test_share_and_seed(films, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run("convert-table", films, tmp_path / name, "--dev", "0.5", "--seed", seed)
    texts = [[doc.text for doc in read(tmp_path / name / "dev.spacy")] for name in "abc"]
    assert texts[0] == texts[1] != texts[2] and 44 <= len(texts[0]) <= 47


def test_texts_that_cleaning_makes_alike_are_one(tmp_path):
    rows = [(text, "A") for i in range(30) for text in (f"film {i}", f"the film {i}")]
    write_table(tmp_path / "a.csv", rows)
    result = run("convert-table", tmp_path / "a.csv", tmp_path / "out", "--no-stop-words")
    assert "Duplicates dropped: 30." in result.output
    assert len(read(tmp_path / "out" / "train.spacy")) == 27


def test_duplicates_whose_labels_disagree(tmp_path):
    rows = [(f"text {i % 8}", "AB"[i // 8]) for i in range(16)] + [("TEXT  0", "A"), ("x", "A")]
    write_table(tmp_path / "a.csv", rows)
    result = run("convert-table", tmp_path / "a.csv", tmp_path / "out.spacy")
    assert "Duplicates dropped: 8." in result.output
    assert "Texts that occur with different labels: 8" in result.output
    assert "line 2 (A), line 10 (B), line 18 (A): text 0" in result.output
    assert "and 3 more" in result.output and result.output.count("line ") == 3 + 4 * 2


@pytest.mark.parametrize(
    "name,data,settings",
    [
        (
            "a.csv",
            "text;label\nx é;1\ny;0\n".encode("cp1252"),
            ["--delimiter", ";", "--encoding", "cp1252"],
        ),
        ("a.csv", b"text\tlabel\nx \xc3\xa9\t1\ny\t0\n", ["--delimiter", "tab"]),
        ("a.tsv.gz", gzip.compress(b"\xef\xbb\xbftext\tlabel\nx \xc3\xa9\t1\ny\t0\n", mtime=0), []),
        (
            "a.jsonl.gz",
            gzip.compress(
                b'{"text": "x \xc3\xa9", "label": 1}\n{"text": "y", "label": 0}', mtime=0
            ),
            [],
        ),
    ],
)
def test_formats(tmp_path, name, data, settings):
    (tmp_path / name).write_bytes(data)
    result = run("convert-table", tmp_path / name, tmp_path / "out.spacy", *settings)
    assert result.exit_code == 0, result.output
    assert {doc.text: label_of(doc) for doc in read(tmp_path / "out.spacy")} == {
        "x é": "1",
        "y": "0",
    }


@pytest.mark.parametrize(
    "extra,message",
    [
        (["--text-column", "body"], "R402"),
        (["--label", "nonsense"], "R601"),
        (["--label", "1="], "R601"),
        (["--label", "1=POS", "--label", "1=NEG"], "R602"),
        (["--label", "1=POS"], "R403"),
        (["--dev", "0"], "R002"),
        (["--dev", "1"], "R002"),
        (["--delimiter", ";;"], "R414"),
        (["--encoding", "nonsense"], "R413"),
        (["--lang", "xyz"], "E048"),
        (["--limit", "1"], "R418"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(films, tmp_path, extra, message):
    output = tmp_path / "out"
    result = run("convert-table", films, output, *extra)
    assert result.exit_code == 1 and f"[{message}]" in result.stderr
    assert result.stderr.count("\n") == 1 and result.stdout == "" and not output.exists()


def test_a_share_needs_a_folder(films, tmp_path):
    result = run("convert-table", films, tmp_path / "out.spacy", "--dev", "0.1")
    assert result.exit_code == 1 and "R603" in result.output
    assert not (tmp_path / "out.spacy").exists()


def test_a_text_that_is_too_long_is_named_by_line(tmp_path):
    write_table(tmp_path / "a.csv", [("x", "1"), ("y" * 1_000_001, "0")])
    result = run("convert-table", tmp_path / "a.csv", tmp_path / "out.spacy")
    assert (
        result.exit_code == 1 and "a.csv, line 3: the text has 1000001 characters" in result.output
    )


def test_both_files_or_none(films, tmp_path):
    output = tmp_path / "corpus"
    (output / "dev.spacy").mkdir(parents=True)
    (output / "train.spacy").write_text("old")
    result = run("convert-table", films, output)
    assert result.exit_code == 1 and "R604" in result.output
    assert (output / "train.spacy").read_text() == "old"
    assert sorted(path.name for path in output.iterdir()) == ["dev.spacy", "train.spacy"]
