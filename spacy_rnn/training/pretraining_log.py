"""How far pretraining is: what `spacy pretrain` itself does not print."""

import math
import time
from typing import Any, List, Optional, Set

from spacy.tokens import Doc
from wasabi import Printer

from .time_left import clock


class PretrainingLog:
    """Prints perplexity, speed and the time left at a fixed number of tokens.

    spaCy does not say how long an epoch is, or when one ends: it ends when most texts of a batch
    have been read before in the same epoch. From the second epoch on, the time left is known.

    samples: Of the sampled softmax. report_every: Tokens between two reports, 0 for none.
    max_epochs: Epochs until the end, 0 if not known.
    heldout: Has a method `perplexity`; None if there are no texts that are held out.
    """

    def __init__(
        self, samples: int, report_every: int, max_epochs: int, heldout: Optional[Any] = None
    ):
        self.samples, self.report_every = samples, report_every
        self.max_epochs, self.heldout = max_epochs, heldout
        self.printer = Printer(no_print=True)
        self.epochs = EpochCount()
        self.tokens = 0
        # Since the last report.
        self.loss, self.predictions, self.last_tokens = 0.0, 0, 0
        self.last_time = time.perf_counter()
        self.seconds = 0.0

    def add(self, docs: List[Doc], loss: float, predictions: int) -> None:
        """Note a batch, and print a report if it is time for one.

        docs: The batch's texts. loss: Sum over its predictions. predictions: How many there are.
        """
        if not self.report_every:
            return
        self.epochs.add(docs)
        self.tokens += sum(map(len, docs))
        self.loss += loss
        self.predictions += predictions
        if self.tokens - self.last_tokens >= self.report_every:
            self._report()

    def _report(self) -> None:
        tokens, seconds = self.tokens - self.last_tokens, time.perf_counter() - self.last_time
        self.seconds += seconds
        mean = self.loss / max(self.predictions, 1)
        facts = [
            f"Epoch {self.epochs.number}, {self.tokens:,} tokens",
            f"perplexity among {self.samples:,} sampled words {perplexity_of(mean):.1f}",
        ]
        if self.heldout is not None:
            facts.append(f"of dev among all words {self.heldout.perplexity():.1f}")
        facts.append(f"{tokens / max(seconds, 1e-9):,.0f} tokens/s")
        facts += self._time_left()
        # wasabi wraps lines, which a log is not the place for.
        line = self.printer.info(", ".join(facts)) or ""
        print(line.replace("\n", " "), flush=True)
        self.loss, self.predictions, self.last_tokens = 0.0, 0, self.tokens
        # The time that dev takes is not that of training.
        self.last_time = time.perf_counter()

    def _time_left(self) -> List[str]:
        """In one string, or none where it is not known."""
        epoch = self.epochs.tokens
        if not epoch or not self.max_epochs:
            return []
        left = max(epoch * self.max_epochs - self.tokens, 0)
        return [f"{clock(left * self.seconds / self.tokens)} left"]


class EpochCount:
    """Counts epochs by texts that come again.

    number: Of the epoch, beginning with 0, as spaCy counts. tokens: Of the first epoch, 0 as long
    as it goes on.
    """

    def __init__(self) -> None:
        self.number = self.tokens = 0
        self._so_far = 0
        self._seen: Set[int] = set()

    def add(self, docs: List[Doc]) -> None:
        """Note a batch."""
        texts = {hash(doc.text) for doc in docs}
        # A corpus may have a text twice, but not half of a batch.
        if texts and len(texts & self._seen) > len(texts) / 2:
            self.number += 1
            self.tokens = self.tokens or self._so_far
            self._seen = set()
        self._seen |= texts
        self._so_far += sum(map(len, docs))


def perplexity_of(loss: float) -> float:
    """Of a mean loss; infinite for one that is no number to speak of."""
    return math.exp(loss) if loss < 700 else math.inf
