"""Treebanks of Universal Dependencies, in their CoNLL-U format."""

import re
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Tuple

from spacy.language import Language
from spacy.parts_of_speech import IDS
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import MAX_CHARS, bad_line, read_lines, require_path
from .records import require_not_negative
from .sentences import Sentence, to_examples

# No sentence has a word with a number of ten digits.
_RANGE_ID = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")
_EMPTY_ID = re.compile(r"[0-9]+\.[1-9][0-9]*")
_HEAD = re.compile(r"0|[1-9][0-9]{0,8}")
_FEATURE = re.compile(r"[^=]+=[^=]+")
_NEWDOC = re.compile(r"#\s*newdoc\b")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(.*)")
COLUMNS = 10
# Lines of a sentence: more are a file without the empty lines between sentences.
MAX_LINES = 2**16
# https://universaldependencies.org/u/pos. spaCy knows three more, which are not universal.
UPOS = ", ".join(sorted(set(IDS) - {"", "CONJ", "EOL", "SPACE"}))


@registry.readers("spacy-rnn.conllu_reader.v1")
def create_conllu_reader_v1(
    path: Path,
    n_sents: int = 1,
    merge_subtokens: bool = False,
    gold_preproc: bool = True,
    limit: int = 0,
) -> Callable[[Language], Iterator[Example]]:
    """Read a treebank (https://universaldependencies.org/format.html): tags, lemmas,
    morphology and, where all are there, heads and relations.

    path: A file in UTF-8, plain or .gz.
    n_sents: Sentences in a document at most, 0 for whole documents, as the comments
        `# newdoc` divide them.
    merge_subtokens: Make a multiword token one token, as it is written, with the tag of
        its head. If not set, its words are tokens, without a space between.
    gold_preproc: Predict on the treebank's tokens. If not set, on those that the
        pipeline's tokenizer makes of the text.
    limit: Number of documents to read, 0 for all.
    RETURNS: A function from a pipeline to examples.
    RAISES: ValueError for a number below 0.
    """
    require_not_negative(n_sents=n_sents, limit=limit)

    def read(nlp: Language) -> Iterator[Example]:
        sentences = read_conllu(Path(path), merge_subtokens=merge_subtokens)
        return to_examples(nlp, sentences, n_sents=n_sents, gold_preproc=gold_preproc, limit=limit)

    return read


class Word(NamedTuple):
    """A syntactic word, and the number of its line in the file."""

    line: int
    form: str
    lemma: str
    pos: str
    tag: str
    morph: str
    head: str
    dep: str
    space: bool


class Block:
    """The lines of one sentence, each with its number in the file, and what its comments say: the
    `sent_id`, and whether a document begins."""

    def __init__(self) -> None:
        self.lines: List[Tuple[int, str]] = []
        self.sent_id = ""
        self.newdoc = False


def read_conllu(
    path: Path, *, merge_subtokens: bool = False, lenient: bool = False
) -> Iterator[Sentence]:
    """The sentences of a file.

    Words are numbered from 1 in each sentence, without gaps. Heads have to lead to a root, not in a
    circle; where a word of the sentence has none, those of the others are checked and left out.
    Empty nodes (ids as 8.1) and the columns DEPS and MISC, but for SpaceAfter=No, are not read.

    merge_subtokens: As in `create_conllu_reader_v1`.
    lenient: Leave malformed morphological features out, instead of raising.

    RAISES: FileNotFoundError; ValueError that names file and line of a malformed line
        or a damaged .gz, or the file if it holds no sentence.
    """
    require_path(path, "Check the path in the config.")
    count = 0
    begins_doc = False
    for block in _blocks(path):
        begins_doc = begins_doc or block.newdoc
        if block.lines:
            words, ranges = _words(path, block.lines, lenient)
            sentence = _to_sentence(path, block.lines, words, ranges if merge_subtokens else {})
            yield sentence._replace(begins_doc=begins_doc)
            begins_doc = False
            count += 1
    if not count:
        raise ValueError(Errors.R405.format(path=path))


def sentence_ids(path: Path) -> Iterator[str]:
    """The `sent_id` of each sentence, "" where there is none."""
    return (block.sent_id for block in _blocks(path) if block.lines)


def _blocks(path: Path) -> Iterator[Block]:
    block, size = Block(), 0
    for number, line in read_lines(path):
        line = line.rstrip("\n")
        if not line.strip():
            yield block
            block, size = Block(), 0
        elif line.startswith("#"):
            sent_id = _SENT_ID.match(line)
            block.sent_id = block.sent_id or (sent_id.group(1).strip() if sent_id else "")
            block.newdoc = block.newdoc or _NEWDOC.match(line) is not None
        else:
            block.lines.append((number, line))
            size += len(line)
            if size > MAX_CHARS or len(block.lines) > MAX_LINES:
                limit = f"{MAX_LINES:,} lines or {MAX_CHARS:,} characters"
                problem = f"the sentence has more than {limit}: an empty line should end it"
                raise bad_line(path, number, problem)
    yield block


def _words(
    path: Path, lines: Iterable[Tuple[int, str]], lenient: bool
) -> Tuple[List[Word], Dict[int, Tuple[int, str]]]:
    """The words of a sentence, and its multiword tokens: from the place of the first word
    of each to the place after its last one, and how it is written."""
    words: List[Word] = []
    ranges: Dict[int, Tuple[int, str]] = {}
    end, space = 0, True
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != COLUMNS:
            found = f"found {len(cells)} columns, expected {COLUMNS}, parted by tabs"
            raise bad_line(path, number, found)
        index, after = cells[0], "SpaceAfter=No" not in cells[9].split("|")
        span = _RANGE_ID.fullmatch(index)
        if span is not None:
            first, last = int(span.group(1)), int(span.group(2))
            if first != len(words) + 1 or first <= end or last <= first:
                raise bad_line(path, number, f"the multiword token {index} is out of order")
            if not cells[1]:
                raise bad_line(path, number, "the multiword token is empty")
            end, space = last, after
            ranges[first - 1] = (last, cells[1])
        elif _EMPTY_ID.fullmatch(index) is None:
            _check_id(path, number, index, len(words) + 1)
            place = len(words) + 1
            inside = after if place > end else (space if place == end else False)
            if not _is_feats(cells[5]):
                if not lenient:
                    problem = f"the features are '{cells[5]}', expected Name=Value|..."
                    raise bad_line(path, number, problem)
                cells[5] = "_"
            words.append(_word(path, number, cells, inside))
    if end > len(words):
        raise bad_line(path, number, f"the last multiword token goes on to word {end}")
    return words, ranges


def _is_feats(value: str) -> bool:
    """Whether the features are none, or each has a name, which no other has, and a value."""
    items = value.split("|")
    names = {item.split("=")[0] for item in items}
    return value == "_" or (len(names) == len(items) and all(map(_FEATURE.fullmatch, items)))


def _check_id(path: Path, number: int, index: str, expected: int) -> None:
    if index != str(expected):
        raise bad_line(path, number, f"the word's id is '{index}', expected {expected}")


def _word(path: Path, number: int, cells: List[str], space: bool) -> Word:
    form, lemma = cells[1:3]
    if not form:
        raise bad_line(path, number, "the word is empty")
    pos, tag, morph, head, dep = ("" if cell == "_" else cell for cell in cells[3:8])
    if pos not in IDS:
        problem = f"the universal tag is '{pos}', expected _ or one of {UPOS}"
        raise bad_line(path, number, problem)
    if head and (_HEAD.fullmatch(head) is None or head == cells[0]):
        problem = f"the head is '{head}', expected the id of another word, 0 for the root, or _"
        raise bad_line(path, number, problem)
    if lemma == "_" and form != "_":
        lemma = ""
    return Word(number, form, lemma, pos, tag, morph, head, dep, space)


def _to_sentence(
    path: Path,
    lines: List[Tuple[int, str]],
    words: List[Word],
    ranges: Dict[int, Tuple[int, str]],
) -> Sentence:
    if not words:
        raise bad_line(path, lines[0][0], "the sentence has no word")
    heads = _heads(path, words)
    depths = _depths(path, words, heads)
    groups = _groups(len(words), ranges)
    place = {i: new for new, group in enumerate(groups) for i in group}
    # The word of each group that is nearest to the root speaks for the group.
    roots = [min(group, key=lambda i: depths[i]) for group in groups]
    chosen = [words[root] for root in roots]
    whole = all(word.head for word in words)
    return Sentence(
        words=[ranges[group[0]][1] if len(group) > 1 else words[group[0]].form for group in groups],
        spaces=[words[group[-1]].space for group in groups],
        pos=[word.pos for word in chosen],
        tags=["_".join(words[i].tag for i in group if words[i].tag) for group in groups],
        morphs=[word.morph for word in chosen],
        lemmas=[" ".join(words[i].lemma for i in group if words[i].lemma) for group in groups],
        heads=[place[heads[root]] for root in roots] if whole else None,
        deps=["ROOT" if word.dep == "root" else word.dep for word in chosen] if whole else None,
    )


def _heads(path: Path, words: List[Word]) -> List[int]:
    """The place of each word's head, its own for a root and where there is none."""
    heads = []
    for i, word in enumerate(words):
        heads.append(int(word.head) - 1 if word.head not in ("", "0") else i)
        if heads[-1] >= len(words):
            problem = f"the head is '{word.head}', but the sentence has no such word"
            raise bad_line(path, word.line, problem)
    return heads


def _depths(path: Path, words: List[Word], heads: List[int]) -> List[int]:
    """How many steps it is from each word to its root, from head to head."""
    depths: List[int] = [-1] * len(words)
    for first, word in enumerate(words):
        way: Dict[int, None] = {}
        i = first
        while depths[i] < 0 and heads[i] != i:
            if i in way:
                raise bad_line(path, word.line, "the heads from here on lead in a circle")
            way[i] = None
            i = heads[i]
        depths[i] = max(depths[i], 0)
        for depth, above in enumerate(reversed(way), start=depths[i] + 1):
            depths[above] = depth
    return depths


def _groups(count: int, ranges: Dict[int, Tuple[int, str]]) -> List[range]:
    """The places of the words that make each token."""
    groups, i = [], 0
    while i < count:
        end = ranges[i][0] if i in ranges else i + 1
        groups.append(range(i, end))
        i = end
    return groups
