"""Rows that can be read, and those that cannot, of all formats."""

import encodings.aliases
import gzip
import io
import json
import lzma
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.corpus.files import find_bad_byte, scan_lines, to_bytes
from spacy_rnn.corpus.rows import (
    ENDINGS,
    Fault,
    Layout,
    Row,
    find_problem,
    format_of,
    read_rows,
    require_rows,
)

CSV = 'text,label\n"a\nb",1\nc,2\n'
EXPECTED = [(2, {"text": "a\nb", "label": "1"}), (4, {"text": "c", "label": "2"})]


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf8"))
        return path

    return write


def read(path, columns=("text",), **layout):
    return list(read_rows(path, list(columns), Layout(**layout), endings=ENDINGS))


def good(rows):
    return [(row.line, row.cells) for row in rows if isinstance(row, Row)]


def faults(rows):
    return [(row.line, row.problem, row.raw) for row in rows if isinstance(row, Fault)]


@pytest.mark.parametrize(
    "name,data,layout",
    [
        ("a.csv", CSV.encode(), {}),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode(), {"encoding": "UTF8"}),
        ("a.csv", CSV.replace(",", ";").encode(), {"delimiter": ";"}),
        ("a.csv", CSV.replace(",", "\t").encode(), {"delimiter": "tab"}),
        ("a.tsv", CSV.replace(",", "\t").encode(), {}),
        ("a.tsv.gz", gzip.compress(CSV.replace(",", "\t").encode(), mtime=0), {}),
        ("a.CSV.GZ", gzip.compress(CSV.encode(), mtime=0), {}),
        ("a.csv.xz", lzma.compress(CSV.encode()), {}),
        ("a.csv", CSV.encode("utf-16"), {"encoding": "utf-16"}),
        ("a.data", CSV.encode(), {"format": "csv"}),
    ],
)
def test_tables_agree(write, name, data, layout):
    assert good(read(write(name, data), ["text", "label"], **layout)) == EXPECTED


def test_text_and_json_lines(write):
    assert good(read(write("a.txt", "one\n\n two \r\n"))) == [
        (1, {"text": "one"}),
        (3, {"text": " two "}),
    ]
    packed = gzip.compress('{"text": "é", "n": [1]}\n'.encode("cp1252"))
    found = read(write("a.jsonl.gz", packed), encoding="cp1252")
    assert good(found) == [(1, {"text": "é", "n": [1]})]


def test_faults_are_set_aside_and_the_rest_goes_on(write):
    data = b'text,n\na,1\n"b"c,2\nd\n"e\n\xff",3\n"f,4\ng,"5"\nh,6\n"i\nj",7\n'
    rows = read(write("a.csv", data), ["text"])
    assert good(rows) == [
        (2, {"text": "a", "n": "1"}),
        (8, {"text": "g", "n": "5"}),
        (9, {"text": "h", "n": "6"}),
        (10, {"text": "i\nj", "n": "7"}),
    ]
    assert [(line, raw) for line, _, raw in faults(rows)] == [
        (3, '"b"c,2'),
        (4, "d"),
        (6, '"e\n\\xff",3'),
        (7, '"f,4'),
    ]
    assert next(row for row in rows if row.line == 6).raw_bytes == b'"e\n\xff",3'
    with pytest.raises(ValueError, match="R403.*a.csv, line 3: a malformed cell"):
        list(require_rows(rows))


def test_quotes_that_are_never_closed_take_one_row_only(write):
    rows = read(write("a.csv", 'text\n"x\n' + "y\n" * 3))
    assert good(rows) == [(line, {"text": "y"}) for line in (3, 4, 5)]
    assert [(line, raw) for line, _, raw in faults(rows)] == [(2, '"x')]


def test_faults_of_json_lines(write):
    rows = read(
        write("a.jsonl", b'{"text": "a"}\n{oops\n[1]\n{"n": 1}\n{"text": "\xe9"}\n{"text": "b"}')
    )
    assert [cells["text"] for _, cells in good(rows)] == ["a", "b"]
    assert [line for line, _, _ in faults(rows)] == [2, 3, 4, 5]
    assert faults(rows)[2][1:] == ("no key 'text'. Its keys are: ['n']", '{"n": 1}')


@pytest.mark.parametrize(
    "data,encoding,byte,line",
    [
        (b"a\n\nb\x81\nc\n", "cp1252", "81", 3),
        ("a\nb\n".encode("utf-16-le") + b"\x00\xd8a\x00\n\x00", "utf-16-le", "00", 3),
        ("a\n日本\n".encode("shift_jis") + b"\x81", "shift_jis", "81", 3),
    ],
)
def test_bad_bytes_of_other_encodings_by_line(write, data, encoding, byte, line):
    (fault,) = [r for r in read(write("a.txt", data), encoding=encoding) if isinstance(r, Fault)]
    assert fault.raw_bytes in data
    assert fault.line == line and f"the byte {byte} is not {encoding.upper()}" in fault.problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_another_encoding_than_that_of_the_whole_file(write, name, encoding):
    *found, last = read(write(name, CSV), encoding=encoding)
    assert not found and isinstance(last, Fault) and last.line == 1
    assert "does not start with BOM: set another encoding" in last.problem


def test_bytes_that_an_encoding_reads_and_cannot_write(write):
    found = read(write("a.txt", b"\x1b$)C\x92\xff\n"), encoding="iso2022_kr")
    (fault,) = (row for row in found if isinstance(row, Fault))
    assert fault.raw_bytes is None or isinstance(fault.raw_bytes, bytes)


@pytest.mark.parametrize("encoding", sorted({*encodings.aliases.aliases.values()}))
@given(data=st.binary(max_size=60), name=st.sampled_from(["a.txt", "a.csv", "a.jsonl"]))
@settings(max_examples=10, deadline=None)
def test_any_bytes_in_any_encoding_are_rows_faults_or_an_error(encoding, data, name):
    try:
        layout = Layout(format_of(name, ENDINGS), None, encoding)
        found = list(read_rows(name, ["text"], layout, file=io.BytesIO(data)))
    except ValueError as error:
        assert str(error).startswith("[R40") or str(error).startswith("[R413")
    else:
        assert all(isinstance(row, (Row, Fault)) for row in found)


def test_lines_are_written_as_they_were(tmp_path):
    data = b"a\xff\xc3\n\xc3\xa9\n"
    path = tmp_path / "a"
    path.write_bytes(data)
    with path.open("rb") as file:
        lines = list(scan_lines(file))
        assert not file.closed
    assert b"".join(map(to_bytes, lines)) == data
    assert find_bad_byte(lines[1]) is None and "the byte ff" in find_bad_byte(lines[0])


@pytest.mark.parametrize("module", [gzip, lzma])
def test_a_damaged_archive_ends_with_a_fault(write, module):
    lines = "".join(f"line {i} {i * i * i}\n" for i in range(20_000))
    name = f"a.txt.{'gz' if module is gzip else 'xz'}"
    rows = read(write(name, module.compress(lines.encode())[:-2000]))
    assert rows[0].cells == {"text": "line 0 0"} and len(rows) > 1000
    assert isinstance(rows[-1], Fault) and "damaged" in rows[-1].problem
    assert rows[-1].line == len(rows)


@pytest.mark.parametrize(
    "name,layout,message",
    [
        ("a.csv", {"delimiter": "ab"}, "R414.*'ab'"),
        ("a.csv", {"delimiter": '"'}, "R414"),
        ("a.jsonl", {"delimiter": ";"}, "R415.*delimiter.*.csv and .tsv"),
        ("a.parquet", {"encoding": "cp1252"}, "R415.*encoding"),
        ("a.csv", {"encoding": "utf-9"}, "R413.*'utf-9'"),
        ("a.csv", {"encoding": "rot13"}, "R413.*'rot13'"),
        ("a.csv", {"encoding": "idna"}, "R413.*'idna'"),
        ("a.csv", {"encoding": "punycode"}, "R413.*'punycode'"),
        ("a.parquet.gz", {}, "R406"),
        ("a.parquet.xz", {}, "R406"),
        ("gz", {}, "R406.*.txt, .csv, .tsv, .jsonl or .parquet"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_once(name, layout, message):
    with pytest.raises(ValueError, match=message):
        read_rows(name, ["text"], Layout(**layout), endings=ENDINGS)


def test_formats_by_endings():
    names = ("a.b.csv", "a.TSV.gz", "a.jsonl", "csv.txt.gz", "a.parquet")
    found = [format_of(name, ENDINGS) for name in names]
    assert found == ["csv", "tsv", "jsonl", "text", "parquet"]


@pytest.mark.parametrize(
    "text,problem",
    [
        ("fine", None),
        (3, "the text is 3, not a string"),
        ("\ud800", "'\\ud800' is half of a character: write it with its other half"),
        ("x" * 11, "the text has 11 characters, more than nlp.max_length = 10"),
        (" x" * 6, None),
    ],
)
def test_texts_that_cannot_be_used(text, problem):
    row = Row("a.csv", 1, {"text": text}, "")
    assert find_problem(row, "text", 10, lambda text: text.replace(" ", "")) == problem


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", None], "n": [[1], [2]]}), path)
    rows = read(path)
    assert good(rows) == [(1, {"text": "a", "n": [1]}), (2, {"text": None, "n": [2]})]
    assert json.loads(rows[1].raw) == {"text": None, "n": [2]} and rows[1].unit == "row"
    assert "a.parquet, row 2: no" in str(rows[1].fault("no").to_error())
    with pytest.raises(ValueError, match=r"R402.*'body'.*'text', 'n'"):
        read(path, ["body"])
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="R417.*a.parquet"):
        read(path)


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="R416.*a.parquet.*pip install pyarrow"):
        read(write("a.parquet", b""))
