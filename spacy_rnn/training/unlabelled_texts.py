"""Texts without labels, read beside a training corpus for as long as training goes on."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import Errors
from .random_state import OwnRandomState, seeded_state

Reader = Callable[[Language], Iterable[Example]]

# So many documents wait to be drawn at random: a file of any size is read as it is needed.
WAITING = 2000


class UnlabelledTexts:
    """The documents of a reader in random order, again and again: each of them once before any
    comes a second time. Those without tokens are left out.

    The order is mixed within the next 2,000 documents, so a file that is sorted, by label or by
    date, should be mixed before. It comes from a seed that is drawn from numpy's random state,
    which spaCy seeds. All else is drawn apart from other random numbers, so that the order is the
    same when a training goes on after an interruption.

    read: The reader, as those in `[corpora]` of a config; None for no texts.
    nlp: The pipeline whose tokenizer reads them.
    """

    def __init__(self, read: Optional[Reader], nlp: Optional[Language] = None):
        self.read = read
        self.nlp = nlp
        self._stream: Optional[Iterator[Doc]] = None
        self._seed = self._taken = 0

    def __deepcopy__(self, memo: Dict[int, Any]) -> "UnlabelledTexts":
        """A copy reads from the start, with the copy of the pipeline where that is copied too."""
        return UnlabelledTexts(self.read, memo.get(id(self.nlp), self.nlp))

    def __getstate__(self) -> Dict[str, Any]:
        """For another process, which predicts: without the reader, which may not be made for it,
        and without the pipeline and an open file."""
        return {"read": self.read and _not_here, "nlp": None, "_stream": None}

    def check(self) -> None:
        """RAISES: ValueError if the reader gives no texts, and what it raises itself for a file
        that it cannot read."""
        if self.read is not None and next(self._documents(), None) is None:
            raise ValueError(Errors.R504)

    def take(self, count: int) -> List[Doc]:
        """The next documents, none where there is no reader.

        RAISES: ValueError if the reader gives no texts, or there is no pipeline to read them with.
        """
        if self.read is None:
            return []
        stream = self._stream or self._begin(int(numpy.random.randint(2**31)))
        with self._random:
            docs = list(islice(stream, count))
        self._taken += len(docs)
        return docs

    def _begin(self, seed: int) -> Iterator[Doc]:
        self._seed, self._taken = seed, 0
        self._random = OwnRandomState(seeded_state(seed))
        self._stream = self._endless()
        return self._stream

    def get_progress(self) -> Dict[str, int]:
        """How far the texts were read, as JSON values; empty if none were."""
        return {} if self._stream is None else {"seed": self._seed, "taken": self._taken}

    def set_progress(self, progress: Dict[str, int]) -> None:
        """Read the texts again, up to where others were read. progress: As these gave it."""
        if progress:
            stream = self._begin(progress["seed"])
            with self._random:
                for _ in islice(stream, progress["taken"]):
                    self._taken += 1

    def _documents(self) -> Iterator[Doc]:
        if self.read is None or self.nlp is None:
            return _not_here(self.nlp)
        return (eg.predicted for eg in self.read(self.nlp) if len(eg.predicted))

    def _endless(self) -> Iterator[Doc]:
        while True:
            self.check()
            yield from mixed(self._documents(), WAITING)


def _not_here(nlp: Optional[Language]) -> Any:
    raise ValueError(Errors.R505)


def mixed(items: Iterable[Any], waiting: int) -> Iterator[Any]:
    """Items in random order, with at most so many of them in memory."""
    items = iter(items)
    pool = list(islice(items, waiting))
    for item in items:
        place = numpy.random.randint(len(pool))
        yield pool[place]
        pool[place] = item
    for place in numpy.random.permutation(len(pool)).tolist():
        yield pool[place]
