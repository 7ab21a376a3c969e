"""Files that would take all memory: lines, cells and sentences without an end, and archives that
unpack to a thousand times their size."""

import csv
import gzip
import json
import lzma
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy

from spacy_rnn.corpus import conllu_reader, files, packed, rows, spacy_files
from spacy_rnn.corpus.conllu_reader import create_conllu_reader_v1
from spacy_rnn.corpus.imdb_reader import read_text
from spacy_rnn.corpus.raw_text_reader import create_raw_text_reader_v1
from spacy_rnn.corpus.rows import ENDINGS, Fault, Row, read_rows
from spacy_rnn.corpus.table_reader import create_table_reader_v1
from spacy_rnn.corpus.treebank_reader import read_members
from spacy_rnn.corpus.word_vectors import open_vectors, read_vectors

NLP = spacy.blank("en")
# Bytes of the files here, and limits in place of those of the package.
SIZE = 2**23
CHARS, LINES, PACKED_BYTES, GROWTH = 2**14, 2**9, 2**18, 20
# Memory that reading such a file may take: much less than the file.
MEMORY = SIZE // 3
LONG = "the line has more than 16,384 characters"
WORD = b"1\ta\t_\tX" + b"\t_" * 6 + b"\n"


@pytest.fixture
def small_limits(monkeypatch):
    for module in (files, rows, conllu_reader):
        monkeypatch.setattr(module, "MAX_CHARS", CHARS)
    for module in (rows, conllu_reader):
        monkeypatch.setattr(module, "MAX_LINES", LINES)
    for module in (packed, spacy_files):
        monkeypatch.setattr(module, "MAX_OF_SMALL", PACKED_BYTES)
        monkeypatch.setattr(module, "MAX_GROWTH", GROWTH)


def write(path, head, body, tail=b""):
    """Write a file of `SIZE` bytes, packed as its ending says."""
    data = head + body * (SIZE // len(body)) + tail
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem, data)
        return path
    pack = {".gz": gzip.compress, ".xz": lzma.compress, ".spacy": zlib.compress}
    path.write_bytes(pack.get(path.suffix, bytes)(data))
    return path


def peak_of(run):
    """What is raised, and the peak of memory, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as error:
            run()
        return str(error.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def table(path):
    return list(create_table_reader_v1(path)(NLP))


def raw(path):
    return list(create_raw_text_reader_v1(path)(NLP))


def treebank(path):
    return list(create_conllu_reader_v1(path)(NLP))


def vectors(path):
    return read_vectors(open_vectors(str(path)))


ROW = "the row has more than 16,384 characters or 512 lines"
ENDLESS = [
    (
        "a.csv",
        b'text,label\nx,1\n"',
        b"word " * 20 + b"\n",
        table,
        f"line 3: .*quotes begins.*{ROW}",
    ),
    ("a.csv", b'text,label\n"', b"a\n", table, f"line 2: .*quotes begins.*{ROW}"),
    ("a.csv", b'text,label\n"', b"word ", table, f"line 2: {LONG}"),
    ("a.csv", b"text", b",a", table, f"line 1: {LONG}"),
    ("a.tsv", b"text\tlabel\nx\t1\n", b"word ", table, f"line 3: {LONG}"),
    ("a.jsonl", b'{"text": "', b"word ", table, f"line 1: {LONG}"),
    ("a.jsonl", b'{"text": "x"}\n{"text": "', b"word ", raw, f"line 2: {LONG}"),
    ("a.conllu", b"# text\n", WORD, treebank, "line 514: the sentence has more than 512 lines"),
    ("a.conllu", WORD, b"2\t" + b"a" * 999 + b"\n", treebank, "line 18: the sentence has more"),
    ("a.conllu", b"", b"1\ta", treebank, f"line 1: {LONG}"),
    ("0_9.txt", b"", b"word\n" * 100, read_text, "line 3277: the file has more than 16,384"),
    ("a.vec", b"a 1 2\n", b"1 ", vectors, f"line 2: {LONG}"),
    ("a.bin", b"9 3\n", b"word", vectors, "word 1: it has more than 65,536 bytes"),
    ("a.json", b'{"size": 9, "dimensions": 3, "a": [', b"1,", vectors, "word 1: 3 numbers"),
    ("a.csv.gz", b"text,label\n", b"\0", table, f"line 2: {LONG}"),
]


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("name,head,body,read,message", ENDLESS)
def test_files_without_an_end(tmp_path, name, head, body, read, message):
    path = write(tmp_path / name, head, body, b"]" if name == "a.json" else b"")
    error, peak = peak_of(lambda: read(path))
    assert re.search(f"R403.*{name}, {message}", error) and len(error) < 500
    assert peak < MEMORY


GROWN = "the file unpacks to more than 20 times its size"


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    "name,body,read,message",
    [
        ("a.jsonl.xz", b" " * 99 + b"\n", raw, rf"R403.*a.jsonl.xz, line \d+: {GROWN}"),
        ("a.tsv.gz", b"text\tlabel" + b"x" * 999 + b"\n", table, "R402.*columns are: .*x ... x"),
        ("a.tsv.gz", b"text\tlabel\n", table, rf"R403.*a.tsv.gz, line \d+: {GROWN}"),
        ("a.vec.zip", b"\n", vectors, rf"R403.*a.vec.zip, line \d+: {GROWN}"),
        ("a.spacy", b"\0", raw, "R625.*a.spacy cannot be read.*unpacks to more than 20 times"),
    ],
)
def test_archives_that_grow_as_no_text_does(tmp_path, name, body, read, message):
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path / name, b"", body))


@pytest.mark.usefixtures("small_limits")
def test_archives_of_several_files_that_grow(tmp_path):
    path = tmp_path / "treebank.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(30):
            archive.writestr(f"tagged/{i}.pos", " " * CHARS)
        archive.writestr("other", " " * 2 * CHARS)
    with pytest.raises(ValueError, match="R637.*treebank.zip unpacks to more than 20 times"):
        read_members(path, r"tagged/\d+\.pos")
    assert len(read_members(path, r"tagged/[0-4]\.pos")) == 5
    with pytest.raises(ValueError, match="R403.*treebank.zip: other, line 1: the line has more"):
        read_members(path, "other")


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    "name,data,expected",
    [
        ("a.txt", b"one\n%s\ntwo\n" % (b"x" * SIZE), ["one", 2, "two"]),
        ("a.txt", b"one\r%s\r\ntwo" % (b"x" * SIZE), ["one", 2, "two"]),
        ("a.txt", b"%s\n" % (b"x" * CHARS), [1]),
        ("a.txt", b"%s\n%s" % (b"x" * (CHARS - 1), b"y"), ["x" * (CHARS - 1), "y"]),
        ("a.jsonl", b'{"text": "%s"}\n{"text": "b"}' % (b"x" * SIZE), [1, "b"]),
        ("a.csv", b"text\n%s\r\nb\r\n" % (b"x" * SIZE), [2, "b"]),
        ("a.csv", b'text\n"%s"\nb\n' % (b"x" * SIZE), [2, "b"]),
        ("a.csv", b'text\na\n"b\n%s"\nc\n' % (b"x" * SIZE), ["a", 3, 4, "c"]),
        ("a.csv", b'text\n"b\n%s' % (b"c\n" * LINES), [2, *"c" * LINES]),
        ("a.csv", b'text\n"%s"\nd' % (b"c\n" * (LINES - 2)), ["c\n" * (LINES - 2), "d"]),
    ],
)
def test_the_rest_goes_on(tmp_path, name, data, expected):
    """Texts, and the lines of what cannot be used."""
    (tmp_path / name).write_bytes(data)
    found = list(read_rows(tmp_path / name, ["text"], endings=ENDINGS))
    assert [row.cells["text"] if isinstance(row, Row) else row.line for row in found] == expected
    assert all(len(row.raw) <= CHARS + 1 for row in found)


def test_a_text_of_a_million_characters_passes_in_any_format(tmp_path):
    """The longest that spaCy takes, each of its characters escaped in JSON, or in markup."""
    text = "\U0001f600\n" * (NLP.max_length // 2)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text, "label": 1}))
    (tmp_path / "a.csv").write_text(f'text,label\n"{text}",1\n', encoding="utf8", newline="")
    (tmp_path / "b.csv").write_text(f"text,label\n{'<br/>' * 999_999} a,1\n")
    assert [row.cells["text"] for row in read_rows(tmp_path / "a.jsonl", ["text"])] == [text]
    assert [row.cells["text"] for row in read_rows(tmp_path / "a.csv", ["text"])] == [text]
    assert [eg.text for eg in table(tmp_path / "b.csv")] == ["a"]


@pytest.mark.usefixtures("small_limits")
def test_a_sentence_of_as_many_words_as_may_be(tmp_path):
    """Each hangs on the one before: the way to the root is as long as the sentence."""
    rows = [f"{i}\ta\t_\tX\t_\t_\t{i - 1}\tx\t_\t_" for i in range(1, LINES + 1)]
    (tmp_path / "a.conllu").write_text("\n".join(rows))
    (eg,) = treebank(tmp_path / "a.conllu")
    assert [token.head.i for token in eg.reference] == [0, *range(LINES - 1)]


def test_pythons_limit_of_a_cell_is_left_as_it_was(tmp_path):
    """Also by tables that are read at the same time, or not to their end."""
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + f"{'x' * 200_000},1\n" * 20)
    before = csv.field_size_limit(100)
    try:
        one, other = read_rows(path, ["text"]), read_rows(path, ["text"])
        assert isinstance(next(one), Row) and isinstance(next(other), Row)
        one.close()
        assert len(list(other)) == 19 and csv.field_size_limit() == 100
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: list(read_rows(path, ["text"])), range(8)))
        assert not any(isinstance(row, Fault) for rows in found for row in rows)
        assert csv.field_size_limit() == 100
    finally:
        csv.field_size_limit(before)


GIBIBYTE = """
import resource, sys
from spacy_rnn.corpus.rows import Fault, Layout, read_rows

found = read_rows("standard input", ["text"], Layout("csv"), file=sys.stdin.buffer)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(isinstance(row, Fault) for row in found), next(found, None))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the peak of memory is not known on Windows")
@pytest.mark.parametrize("line,faults", [(b"word " * 200 + b"\n", 1_072_000), (b"word ", 1)])
def test_a_cell_of_a_gibibyte(line, faults):
    """With the limits as they are: the peak of memory, in MiB, of a cell whose quotes never end."""
    block = line * (2**20 // len(line))
    with subprocess.Popen(
        [sys.executable, "-c", GIBIBYTE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.write(b'text,label\n"')
        for _ in range(1024):
            process.stdin.write(block)
        process.stdin.close()
        found, _, peak = process.stdout.read().split()
    assert int(found) >= faults and int(peak) < 300
