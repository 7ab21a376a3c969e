"""The batches of a training, which can be drawn a second time."""

import zlib
from typing import Iterable, Iterator, List, Optional, Tuple

from spacy.attrs import ORTH, POS, TAG
from spacy.training import Example

from .random_state import OwnRandomState, State, random_state

# The number of the epoch, and a batch of it.
Batch = Tuple[int, List[Example]]


class Batches:
    """Batches that are drawn with random states of their own, which begin as those of the process:
    whatever else is drawn by chance meanwhile, the same batches come when they are drawn again.

    batches: The batches, as spaCy draws them. start: The random states that they were drawn with
        the first time, None for those of the process when the first one is drawn.
    """

    def __init__(self, batches: Iterable[Batch], start: Optional[State] = None):
        self.batches = batches
        self.start = start
        # Of all texts so far and what is annotated, to tell whether they are still the same.
        self.checksum = 0

    def __iter__(self) -> Iterator[Batch]:
        self.start = self.start or random_state()
        states, batches = OwnRandomState(self.start), iter(self.batches)
        while True:
            with states:
                drawn = next(batches, None)
            if drawn is None:
                return
            epoch, batch = drawn[0], list(drawn[1])
            for eg in batch:
                self._note(eg)
            yield epoch, batch

    def _note(self, eg: Example) -> None:
        tokens = eg.reference.to_array([ORTH, TAG, POS])
        self.checksum = zlib.crc32(tokens.tobytes(), self.checksum)
        self.checksum = zlib.crc32(repr(eg.reference.cats).encode("utf8"), self.checksum)
