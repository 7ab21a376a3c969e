"""Parts of files have the rows that the whole file has, each once."""

import codecs
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.corpus import cuts, files
from spacy_rnn.corpus import rows as rows_module
from spacy_rnn.corpus.cuts import can_cut, cut_parquet, cut_text
from spacy_rnn.corpus.rows import ENDINGS, Fault, Layout, read_rows

COLUMNS = ["text"]


def rows_of(data, layout, span=None):
    settings = {} if span is None else {"span": span}
    rows = read_rows("a", COLUMNS, layout, endings=ENDINGS, file=io.BytesIO(data), **settings)
    return [(type(row).__name__, row.line, row.raw, getattr(row, "cells", None)) for row in rows]


def parts_of(data, layout, rows):
    return list(cut_text("a", io.BytesIO(data), layout, COLUMNS, rows))


def check(data, layout, rows):
    """The rows of all parts are those of the whole. RETURNS: How many parts there are."""
    found = []
    for part in parts_of(data, layout, rows):
        inner = rows_of(data[part.begin : part.end], layout, part.span)
        assert len(inner) == part.rows > 0
        found.extend(inner)
    assert found == rows_of(data, layout)
    return len(parts_of(data, layout, rows))


# Quotes, commas, all kinds of line ends, blanks of Unicode, and characters of several bytes.
PIECES = ['"', '""', ",", "\n", "\r\n", "\r", "a", "two words", "é", "日本", " ", "\u3000", "\x1c"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@settings(deadline=None, max_examples=400)
@given(text=TEXTS, rows=st.integers(1, 5), bom=st.booleans(), bad=st.booleans())
def test_any_file(text, rows, bom, bad):
    begin = codecs.BOM_UTF8 if bom else b""
    end = b"\xff\n" if bad else b""
    for format, header in (
        ("text", b""),
        ("jsonl", b""),
        ("csv", b"text\n"),
        ("csv", b"id,text\n"),
    ):
        check(begin + header + text.encode() + end, Layout(format), rows)


CELLS = st.lists(st.sampled_from(['"', ",", "\n", "\r\n", "x", "ü"]), max_size=6).map("".join)


@settings(deadline=None, max_examples=200)
@given(table=st.lists(st.tuples(CELLS, CELLS), max_size=12), rows=st.integers(1, 4), data=st.data())
def test_tables_as_they_should_be(table, rows, data):
    quoted = [
        [f'"{cell}"'.replace(cell, cell.replace('"', '""'), 1) for cell in row] for row in table
    ]
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    last = data.draw(st.sampled_from(["", end, end + end]))
    text = end.join(["id,text", *map(",".join, quoted)]) + last
    layout = Layout("csv")
    count = check(text.encode(), layout, rows)
    assert count == -(-len(table) // rows)
    cells = [tuple(found[3].values()) for found in rows_of(text.encode(), layout)]
    assert cells == table


def test_a_part_goes_up_to_where_rows_end():
    data = b'id,text\r\n1,"two\nlines"\r\n\r\n2,"a ""b"""\r\n3,c'
    first, second, third = parts_of(data, Layout("csv"), 1)
    assert data[first.begin : first.end] == b'id,text\r\n1,"two\nlines"\r\n\r\n'
    assert data[second.begin : second.end] == b'2,"a ""b"""\r\n'
    assert data[third.begin : third.end] == b"3,c" and third.span.line == 6
    assert second.span.header == ["id", "text"] and first.span.header is None


def test_blank_lines_are_no_rows():
    assert parts_of(b"\n \n\xe3\x80\x80\n", Layout("text"), 2) == []
    (part,) = parts_of(b"\n\n\n\none\n", Layout("text"), 2)
    assert part.rows == 1 and part.span.line == 5


def test_encodings():
    for name in ("utf-8", "UTF8", "latin-1", "cp1252", "ascii", "iso8859-15", "koi8-r"):
        assert can_cut("text", name), name
    for name in ("utf-16", "utf-32-le", "utf-7", "iso2022_jp", "shift_jis", "cp037"):
        assert not can_cut("csv", name), name
    assert can_cut("parquet", "utf-8")
    with pytest.raises(ValueError, match="R413"):
        can_cut("text", "utf-9")
    data = "text\ncafé\n\xa0\nü,\nz".encode("cp1252")
    assert check(data, Layout("csv", None, "cp1252"), 1) == 4
    # The space that does not break is white as well.
    assert check(data, Layout("text", None, "cp1252"), 1) == 4


def test_a_header_without_the_column():
    with pytest.raises(ValueError, match="R402.*'text'"):
        parts_of(b"id,body\n1,2\n", Layout("csv"), 1)
    with pytest.raises(ValueError, match="R414"):
        parts_of(b"text\n1\n", Layout("csv", "::"), 1)


def test_lines_that_are_too_long(monkeypatch):
    """Of which readers leave out the rest, so that nobody knows where in bytes they are."""
    for module in (files, cuts, rows_module):
        monkeypatch.setattr(module, "MAX_CHARS", 100)
    monkeypatch.setattr(cuts, "_MAX_BYTES", 400)
    long = b'{"text": "' + b"x" * 1000 + b'"}\n'
    data = b'{"text": "a"}\n' + long + b'{"text": "b"}\n' * 3
    assert check(data, Layout("jsonl"), 1) == 5
    rows = [part.rows for part in parts_of(data, Layout("text"), 1)]
    assert rows == [1, None, 1, 1, 1]
    (part,) = parts_of(b"a\r" * 500, Layout("text"), 3)
    assert part.rows is None
    table = b"text\n1\n2\n" + b"x" * 150 + b"\n3\n4\n5\n"
    # Behind the long line nothing is cut.
    assert check(table, Layout("csv"), 1) == 2
    assert [part.rows for part in parts_of(table, Layout("csv"), 1)] == [1, 5]
    assert rows_of(table, Layout("csv"))[2][0] == Fault.__name__


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 100])
def test_parquet(tmp_path, rows):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"text": [f"text {i}" for i in range(23)], "id": range(23), "x": ["-"] * 23})
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path, row_group_size=5)
    with parquet.ParquetFile(path) as file:
        parts = list(cut_parquet(file, ["id", "text"], rows))
    assert len(parts) == -(-23 // rows)
    found = [row for part in parts for row in read_rows(path, COLUMNS, span=part.span)]
    assert [row.line for row in found] == list(range(1, 24))
    assert [row.cells for row in found] == [{"text": f"text {i}", "id": i} for i in range(23)]
