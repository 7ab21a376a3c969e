"""From annotated sentences to spaCy's documents and examples: what treebank readers share."""

import random
from itertools import chain
from typing import (
    Any,
    Dict,
    Hashable,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    TypeVar,
    Union,
)

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..errors import Errors

T = TypeVar("T", bound=Hashable)

SPLITS = ("train", "dev", "test")
# Share of the documents of a corpus in dev, and as much again in test.
HELD_OUT = 0.1


class Sentence(NamedTuple):
    """A sentence, one item per token in each list.

    words: The tokens. spaces: Whether a space follows.
    pos, tags, morphs, lemmas: Their annotation; "" for none.
    heads: Place of each token's head in the sentence, its own for the root; or None.
    deps: Relations to the heads; or None.
    begins_doc: Whether the sentence is the first one of a document.
    """

    words: List[str]
    spaces: List[bool]
    pos: List[str]
    tags: List[str]
    morphs: Optional[List[str]] = None
    lemmas: Optional[List[str]] = None
    heads: Optional[List[int]] = None
    deps: Optional[List[str]] = None
    begins_doc: bool = False


def to_examples(
    nlp: Language, sentences: Iterable[Sentence], *, n_sents: int, gold_preproc: bool, limit: int
) -> Iterator[Example]:
    """Make examples of documents that have one or more sentences.

    n_sents: Sentences in a document at most, 0 for all up to the next that begins one.
    gold_preproc: Predict on the tokens of the corpus, not on those of nlp's tokenizer.
    limit: Number of documents, 0 for all.
    """
    for count, group in enumerate(group_sentences(sentences, n_sents), start=1):
        reference = to_doc(nlp.vocab, group)
        if gold_preproc:
            spaces = [bool(token.whitespace_) for token in reference]
            predicted = Doc(nlp.vocab, words=[t.text for t in reference], spaces=spaces)
        else:
            predicted = nlp.make_doc(reference.text)
        yield Example(predicted, reference)
        if count == limit:
            return


def group_sentences(sentences: Iterable[Sentence], n_sents: int) -> Iterator[List[Sentence]]:
    """Sentences that make a document together."""
    group: List[Sentence] = []
    for sentence in sentences:
        if group and (sentence.begins_doc or len(group) == n_sents):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def to_doc(vocab: Vocab, sentences: Sequence[Sentence]) -> Doc:
    """One document of several sentences, with all their annotation."""
    columns: Dict[str, Any] = {
        name: _join([getattr(sentence, name) for sentence in sentences])
        for name in ("words", "spaces", "pos", "tags", "morphs", "lemmas", "deps")
    }
    starts: List[Union[bool, int, None]] = [
        i == 0 for sentence in sentences for i in range(len(sentence.words))
    ]
    heads: Optional[List[int]] = []
    for sentence in sentences:
        if sentence.heads is None or heads is None:
            heads = None
        else:
            offset = len(heads)
            heads.extend(head + offset for head in sentence.heads)
    if heads is not None and columns["deps"] is not None:
        # Sentence starts follow from the heads.
        return Doc(vocab, heads=heads, **columns)
    return Doc(vocab, **{**columns, "deps": None}, sent_starts=starts)


def _join(parts: List[Optional[List]]) -> Optional[List]:
    """All lists one after the other, None where one is missing."""
    if any(part is None for part in parts):
        return None
    return list(chain.from_iterable(part for part in parts if part is not None))


def pick_split(names: Iterable[T], split: str, seed: int) -> List[T]:
    """The documents of one split: a tenth of all, shuffled, for dev and for test.

    names: Documents. Their order does not matter.
    split: "train", "dev" or "test".
    RAISES: ValueError for another split.
    """
    if split not in SPLITS:
        raise ValueError(Errors.R001.format(name="split", value=split, allowed=SPLITS))
    shuffled = sorted(names)  # type: ignore[type-var]
    random.Random(seed).shuffle(shuffled)
    size = int(len(shuffled) * HELD_OUT)
    parts: Dict[str, List[T]] = {
        "dev": shuffled[:size],
        "test": shuffled[size : 2 * size],
        "train": shuffled[2 * size :],
    }
    return sorted(parts[split])  # type: ignore[type-var]
