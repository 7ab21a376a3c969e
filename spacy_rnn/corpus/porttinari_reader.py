"""UD Portuguese-Porttinari, as the PyPI package `dante-corpora` has it."""

import re
from pathlib import Path
from typing import Callable, Iterator, List

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from .conllu_reader import read_conllu, sentence_ids
from .packages import packaged_file
from .records import require_not_negative
from .sentences import Sentence, pick_split, to_examples

PACKAGE = "dante"
REQUIREMENT = "dante-corpora==2.0.5"
FILE = Path("data") / "porttinari" / "annotated.conllu"


@registry.readers("spacy-rnn.porttinari_reader.v1")
def create_porttinari_reader_v1(
    split: str,
    seed: int = 0,
    n_sents: int = 1,
    gold_preproc: bool = True,
    limit: int = 0,
) -> Callable[[Language], Iterator[Example]]:
    """Read the installed package: 8,420 sentences of Folha de São Paulo with universal
    tags, lemmas and morphology. The package has no split; here all sentences of a news
    text go to one part, a tenth of the texts each to dev and test.

    split: "train", "dev" or "test".
    seed: Of the split.
    n_sents, gold_preproc, limit: As in `spacy-rnn.conllu_reader.v1`.
    RETURNS: A function from a pipeline to examples.
    RAISES: ValueError for a number below 0.
    """
    require_not_negative(n_sents=n_sents, limit=limit)

    def read(nlp: Language) -> Iterator[Example]:
        sentences = read_porttinari(split, seed)
        return to_examples(nlp, sentences, n_sents=n_sents, gold_preproc=gold_preproc, limit=limit)

    return read


def read_porttinari(split: str, seed: int = 0) -> List[Sentence]:
    """The sentences of one split, in the order of the corpus. Three of its words have
    malformed features, which are left out.

    RAISES: ImportError if the package is not installed; ValueError for another split.
    """
    path = packaged_file(PACKAGE, FILE, REQUIREMENT)
    texts = [_text_of(name) for name in sentence_ids(path)]
    chosen = set(pick_split(set(texts), split, seed))
    pairs = zip(texts, [None, *texts], read_conllu(path, lenient=True))
    return [
        sentence._replace(begins_doc=text != before)
        for text, before, sentence in pairs
        if text in chosen
    ]


def _text_of(sentence_id: str) -> str:
    """FOLHA_DOC000001 of FOLHA_DOC000001_SENT003."""
    return re.sub(r"_SENT\d+$", "", sentence_id)
