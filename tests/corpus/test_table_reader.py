import json

import pytest
import spacy

from spacy_rnn.corpus.table_reader import create_table_reader_v1

ROWS = [("Good, really.", "1"), ("Bad\nfilm", "0"), ("Fine", "1")]


def read(path, **settings):
    settings = {"seed": None, **settings}
    return [
        (eg.text, eg.reference.cats)
        for eg in create_table_reader_v1(path, **settings)(spacy.blank("en"))
    ]


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text.encode("utf8") if isinstance(text, str) else text)
        return path

    return write


EXPECTED = [
    ("Good, really.", {"POS": 1.0, "NEG": 0.0}),
    ("Bad film", {"POS": 0.0, "NEG": 1.0}),
    ("Fine", {"POS": 1.0, "NEG": 0.0}),
]
MAPPING = {"1": "POS", "0": "NEG"}


def test_csv_tsv_and_jsonl_agree(write):
    csv = 'id,review,stars\n1,"Good, really.",1\n2,"Bad\nfilm",0\n3,Fine,1\n'
    tsv = 'review\tstars\nGood, really.\t1\n"Bad\nfilm"\t0\nFine\t1\n'
    lines = [json.dumps({"review": text, "stars": int(label)}) for text, label in ROWS]
    for name, text in (("a.csv", csv), ("a.TSV", tsv), ("a.jsonl", "\n".join(lines) + "\n\n")):
        path = write(name, text)
        found = read(path, text_column="review", label_column="stars", labels=MAPPING)
        assert found == EXPECTED, name


def test_labels_as_they_are_and_byte_order_mark(write):
    path = write("a.csv", "\ufefftext,label\nx,A\ny,B\n")
    assert read(path) == [("x", {"A": 1.0, "B": 0.0}), ("y", {"A": 0.0, "B": 1.0})]


def test_several_labels(write):
    path = write("a.jsonl", '{"text": "x", "label": ["A", "B"]}\n{"text": "y", "label": []}\n')
    assert read(path) == [("x", {"A": 1.0, "B": 1.0}), ("y", {"A": 0.0, "B": 0.0})]
    path = write("b.csv", "text,A,B\nx,1,0\ny,true,1.0\n")
    expected = [("x", {"A": 1.0, "B": 0.0}), ("y", {"A": 1.0, "B": 1.0})]
    assert read(path, label_column=["A", "B"]) == expected


def test_shuffles_by_seed_and_drops_duplicates(write):
    path = write("a.csv", "text,label\n" + "".join(f"t{i % 40},{i % 2}\n" for i in range(80)))
    assert len(read(path)) == 40
    assert read(path, seed=1) == read(path, seed=1) != read(path)
    assert len(read(path, limit=7)) == 7


def test_long_cells(write):
    text = "word " * 100_000
    assert read(write("a.csv", f"text,label\n{text},1\n"))[0][0] == text.strip()


@pytest.mark.parametrize(
    "name,text,settings,message",
    [
        ("a.csv", "text,label\nx,1\n", {"text_column": "body"}, r"R402.*'body'.*'text', 'label'"),
        ("a.jsonl", '{"text": "x"}', {}, r"R402.*'label'.*'text'"),
        ("a.csv", "text,label\nx,1\ny\n", {}, "R403.*a.csv, line 3: 1 columns"),
        ("a.csv", "text,label\nx,1,2\n", {}, "R403.*line 2: 3 columns"),
        ("a.csv", 'text,label\n"x,1\n', {}, "R403.*line"),
        ("a.csv", b"text,label\n\xff,1\n", {}, "R403.*decode"),
        ("a.csv", "text,label\nx,\n", {}, "R403.*line 2: no label"),
        ("a.csv", "text,label\nx,2\n", {"labels": MAPPING}, r"R403.*line 2.*'2'.*'1', '0'"),
        ("a.csv", "text,A\nx,2\n", {"label_column": ["A"]}, "R403.*line 2.*'A'.*'2'"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{oops\n', {}, "R403.*line 2: not JSON"),
        ("a.jsonl", '{"text": "x", "label": 1}\n[1]\n', {}, "R403.*line 2.*object"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": "y"}\n', {}, "R403.*line 2.*'label'"),
        ("a.jsonl", '{"text": 3, "label": 1}\n', {}, "R403.*line 1: the text is 3"),
        ("a.jsonl", '{"text": "x", "label": null}\n', {}, "R403.*line 1: no label"),
        ("a.csv", "text,label\n", {}, "R405"),
        ("a.csv", "", {}, "R402"),
        ("a.jsonl", "", {}, "R405"),
        ("a.xlsx", "x", {}, "R406.*csv"),
    ],
)
def test_bad_input_names_file_and_line(write, name, text, settings, message):
    with pytest.raises(ValueError, match=message):
        read(write(name, text), **settings)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*a.csv"):
        read(tmp_path / "a.csv")
