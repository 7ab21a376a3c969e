import json

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.corpus.table_reader import create_table_reader_v1

ROWS = [("Good, really.", "1"), ("Bad\nfilm", "0"), ("Fine", "1")]


NLP = spacy.blank("en")


def read(path, **options):
    options = {"seed": None, **options}
    return [(eg.text, eg.reference.cats) for eg in create_table_reader_v1(path, **options)(NLP)]


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


def test_soft_values(write):
    path = write("a.csv", "text,A,B\nx, 0.75 ,.25\ny,1,1e-3\n")
    expected = [("x", {"A": 0.75, "B": 0.25}), ("y", {"A": 1.0, "B": 0.001})]
    assert read(path, label_column=["A", "B"]) == expected
    path = write("a.jsonl", '{"text": "x", "A": 0.75, "B": 0}\n{"text": "y", "A": true, "B": 1}\n')
    expected = [("x", {"A": 0.75, "B": 0.0}), ("y", {"A": 1.0, "B": 1.0})]
    assert read(path, label_column=["A", "B"]) == expected


def test_shuffles_by_seed_and_drops_duplicates(write):
    path = write("a.csv", "text,label\n" + "".join(f"t{i % 40},{i % 2}\n" for i in range(80)))
    assert len(read(path)) == 40
    assert read(path, seed=1) == read(path, seed=1) != read(path)
    assert len(read(path, limit=7)) == 7


def test_columns_without_a_name_may_be_several(write):
    assert read(write("a.csv", "text,label,,\nx,A,,\n")) == [("x", {"A": 1.0})]


def test_long_cells(write):
    text = "word " * 100_000
    assert read(write("a.csv", f"text,label\n{text},1\n"))[0][0] == text.strip()


@pytest.mark.parametrize(
    "name,text,options,message",
    [
        ("a.csv", "text,label\nx,1\n", {"text_column": "body"}, r"R402.*'body'.*'text', 'label'"),
        ("a.jsonl", '{"text": "x"}', {}, r"R403.*line 1: no key 'label'.*'text'"),
        ("a.csv", "text,label\nx,1\ny\n", {}, "R403.*a.csv, line 3: 1 columns"),
        ("a.csv", "text,label\nx,1,2\n", {}, "R403.*line 2: 3 columns"),
        ("a.csv", 'text,label\n"x,1\ny,0\n', {}, "R403.*line 2: .*quotes begins here"),
        ("a.csv", 'text,label\n"x', {}, "R403.*line 2: .*quotes begins here"),
        ("a.csv", 'text,label\n"', {}, "R403.*line 2: .*quotes begins here"),
        ("a.csv", 'text,label\nx,1\n"x\n\ny","1\n\nz,0\n', {}, "R403.*line 5: .*quotes begins"),
        ("a.csv", 'text,label\r\n\r\n"x,1\r\n\r\n"y",0', {}, "R403.*line 3: .*quotes begins"),
        ("a.csv", 'text,label\nx,1\n"x"y,1\n', {}, "R403.*line 3: .*quotes begins here"),
        ("a.csv", b"text,label\n\xff,1\n", {}, "R403.*line 2: the byte ff is not UTF-8: set its"),
        ("a.csv", b"text,label\n" + b"x,1\n" * 9 + b'"\n\xe9",1\nx,1', {}, "R403.*line 12: .* e9"),
        ("a.tsv", b"text\tlabel\nx\t1\ny\t\xed\xa0\x80", {}, "R403.*line 3: the byte ed"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n\n{"text": "\xe9"}', {}, "R403.*line 3: .* e9"),
        ("a.csv", "\ntext,label,text\nx,1,y\n", {}, "R403.*line 2: two columns .* 'text'"),
        ("a.tsv", "text\tlabel\tid\tid\n", {}, "R403.*line 1: two columns .* 'id'"),
        ("a.csv", "text,,\nx,1,0\n", {"label_column": ""}, "R403.*line 1: two columns .* ''"),
        (
            "a.jsonl",
            '{"text": "x", "label": 1, "text": "y"}',
            {},
            "R403.*line 1: .*keys are 'text'",
        ),
        ("a.jsonl", '{"text": "\\ud800", "label": 1}', {}, r"R403.*line 1: '.ud800' is half of"),
        ("a.jsonl", '{"text": "x", "label": "\\udfff"}', {}, r"R403.*line 1: '.udfff' is half of"),
        ("a.jsonl", "[" * 100_000, {}, "R403.*line 1: cannot read the JSON"),
        ("a.jsonl", "9" * 5000, {}, "R403.*line 1: (cannot read the JSON|a JSON object)"),
        ("a.jsonl", '{"text": "x", "label": [[1]]}', {}, r"R403.*line 1: the label is \[1\]"),
        ("a.jsonl", '{"text": "x", "label": [null]}', {}, "R403.*line 1: no label"),
        ("a.csv", "text,label\nx,\n", {}, "R403.*line 2: no label"),
        ("a.csv", "text,label\nx,2\n", {"labels": MAPPING}, r"R403.*line 2.*'2'.*'1', '0'"),
        ("a.csv", "text,A\nx,2\n", {"label_column": ["A"]}, "R403.*line 2.*'A'.*'2'.*from 0 to 1"),
        ("a.csv", "text,A\nx,nan\n", {"label_column": ["A"]}, "R403.*line 2.*'A'.*'nan'"),
        ("a.csv", "text,A\nx,yes\n", {"label_column": ["A"]}, "R403.*line 2.*'A'.*'yes'"),
        ("a.csv", "text,A\nx,\n", {"label_column": ["A"]}, "R403.*line 2.*'A'.*''"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{oops\n', {}, "R403.*line 2: cannot read the JSON"),
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
def test_bad_input_names_file_and_line(write, name, text, options, message):
    with pytest.raises(ValueError, match=message):
        read(write(name, text), **options)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*a.csv"):
        read(tmp_path / "a.csv")


def test_limit_below_zero(tmp_path):
    with pytest.raises(ValueError, match="R411.*limit is -1"):
        create_table_reader_v1(tmp_path / "a.csv", limit=-1)


@pytest.mark.parametrize(
    "name,start,end",
    [
        ("any.csv", b"text,label\nx,1\n", b",1\n"),
        ("any.tsv", b"text\tlabel\nx\t1\n", b"\t1\n"),
        ("any.jsonl", b'{"text": "x", "label": 1}\n{"text": ', b', "label": 1}\n'),
    ],
)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_bytes_make_examples_or_an_error_that_names_the_file(
    tmp_path_factory, name, start, end, data
):
    odd = st.sampled_from([b'"', b'"y"', b",", b"\t", b"\n", b"\r", b'"\\ud800"', b"["])
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(start + b"".join(data.draw(st.lists(odd | st.binary(max_size=4)))) + end)
    try:
        read(path)
    except ValueError as error:
        assert str(error).startswith("[R40") and str(path) in str(error)
