"""The sample of the Penn Treebank that NLTK ships: 199 texts of the Wall Street Journal."""

import re
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

from spacy.language import Language
from spacy.parts_of_speech import IDS
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import bad_line, decode_text, read_text, require_path
from .packed import open_members
from .records import require_not_negative
from .sentences import Sentence, pick_split, to_examples

# The universal tags of Petrov, Das and McDonald (2012) that UPOS calls otherwise. Renamed,
# all 12 stay apart. What UPOS tells apart and they do not is lost: PROPN is in NOUN, AUX
# in VERB, SCONJ in ADP, INTJ in X, SYM in X or PUNCT.
TO_UPOS = {".": "PUNCT", "CONJ": "CCONJ", "PRT": "PART"}
TRACE = "-NONE-"
# Marks that may follow the end of a sentence and belong to it.
CLOSING = {"''", ")"}


@registry.readers("spacy-rnn.treebank_reader.v1")
def create_treebank_reader_v1(
    path: Path,
    tagset: Path,
    split: str,
    seed: int = 0,
    n_sents: int = 1,
    gold_preproc: bool = True,
    limit: int = 0,
) -> Callable[[Language], Iterator[Example]]:
    """Read the sample: universal tags into `Token.pos_`, those of the Penn Treebank into
    `Token.tag_`. Traces are left out. A tenth of the texts each is in dev and test.

    path: `treebank.zip` of nltk_data, or the folder unpacked from it.
    tagset: `universal_tagset.zip` of nltk_data, or the folder unpacked from it.
    split: "train", "dev" or "test".
    seed: Of the split.
    n_sents, gold_preproc, limit: As in `spacy-rnn.conllu_reader.v1`.
    RETURNS: A function from a pipeline to examples.
    RAISES: ValueError for a number below 0.
    """
    require_not_negative(n_sents=n_sents, limit=limit)

    def read(nlp: Language) -> Iterator[Example]:
        sentences = read_treebank(Path(path), Path(tagset), split, seed)
        return to_examples(nlp, sentences, n_sents=n_sents, gold_preproc=gold_preproc, limit=limit)

    return read


def read_treebank(path: Path, tagset: Path, split: str, seed: int = 0) -> Iterator[Sentence]:
    """The sentences of one split, text after text.

    RAISES: FileNotFoundError; ValueError for another split, a token without a tag, and a
        tag that is not in the mapping. The last two name file and line.
    """
    mapping = read_mapping(tagset)
    texts = read_members(path, r"tagged/wsj_\d+\.pos")
    for name in pick_split(texts, split, seed):
        begins_doc = True
        for tokens in _sentences(f"{path}: {name}", texts[name]):
            yield _to_sentence(tokens, mapping, begins_doc)
            begins_doc = False


def read_mapping(tagset: Path) -> Dict[str, str]:
    """From tags of the Penn Treebank to UPOS.

    RAISES: ValueError that names file and line of anything else.
    """
    mapping = {}
    for name, text in read_members(tagset, r"en-ptb\.map").items():
        for number, line in enumerate(text.split("\n"), start=1):
            cells = line.split()
            if not cells:
                continue
            universal = TO_UPOS.get(cells[-1], cells[-1])
            if len(cells) != 2 or universal not in IDS:
                problem = f"'{line}' is not a tag and the universal tag for it"
                raise bad_line(f"{tagset}: {name}", number, problem)
            mapping[cells[0]] = universal
    return mapping


def read_members(path: Path, pattern: str) -> Dict[str, str]:
    """The texts of all files in a zip archive or folder whose path ends in a pattern.

    RAISES: FileNotFoundError if there is no such path; ValueError if no file is found,
        the archive is damaged or unpacks to too much, or a file is not UTF-8 or too long.
    """
    require_path(path, "Get it from https://www.nltk.org/nltk_data.")
    ends = re.compile(rf"(?:^|.*/)({pattern})$")
    if path.is_dir():
        names = {str(file.relative_to(path).as_posix()): file for file in path.rglob("*")}
        found = {n: read_text(file) for n, file in names.items() if ends.match(n)}
    else:
        members = open_members(path, ends)
        found = {name: decode_text(f"{path}: {name}", file) for name, file in members}
    if not found:
        raise ValueError(Errors.R408.format(path=path, pattern=pattern))
    return found


Token = Tuple[str, str, str]


def _sentences(where: str, text: str) -> Iterator[List[Token]]:
    """Tokens of sentences: word, tag, and where they stand. Sentences end where NLTK ends
    them, after the tag of a full stop, and where a line of equals signs parts them."""
    tokens: List[Token] = []
    over = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("===") and tokens:
            yield tokens
            tokens, over = [], False
        for item in line.split() if not line.startswith("===") else ():
            if item in ("[", "]"):
                continue
            word, slash, tag = item.rpartition("/")
            if not word or not tag:
                problem = f"'{item}' is not a word, a slash and a tag"
                raise bad_line(where, number, problem)
            if over and tag not in CLOSING:
                yield tokens
                tokens, over = [], False
            if tag != TRACE:
                tokens.append((word.replace("\\/", "/"), tag, f"{where}, line {number}"))
            over = over or tag == "."
    if tokens:
        yield tokens


def _to_sentence(tokens: List[Token], mapping: Dict[str, str], begins_doc: bool) -> Sentence:
    for _, tag, where in tokens:
        if tag not in mapping:
            raise ValueError(Errors.R409.format(where=where, tag=tag))
    return Sentence(
        words=[word for word, _, _ in tokens],
        spaces=[True] * len(tokens),
        pos=[mapping[tag] for _, tag, _ in tokens],
        tags=[tag for _, tag, _ in tokens],
        begins_doc=begins_doc,
    )
