"""A batch that several processes learn from, each from its share."""

import hashlib
from itertools import chain
from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.training import Example
from thinc.api import Model

from ..errors import Errors
from .all_reduce_adam import AllReduceAdam
from .ranks import Ranks

# A loss, and how much it is the mean over; None if it is a sum.
Term = Tuple[float, Optional[float]]


def share_of(examples: Sequence[Example], ranks: Ranks) -> List[Example]:
    """The examples of a batch that this process learns from.

    examples: The batch. spaCy gives it sorted by length, so that shares are about as long.
    RETURNS: Every example in one of the processes. The first one has some wherever there are any.
    """
    full = [eg for eg in examples if len(eg.predicted)]
    share = [eg for i, eg in enumerate(full) if _seat(i, ranks.count) == ranks.number]
    # Texts without tokens are learned from beside others only.
    return share + [eg for eg in examples if not len(eg.predicted)] if ranks.is_first else share


def _seat(i: int, count: int) -> int:
    """Forth and back, so that no process always has the longer ones: 0 1 2 2 1 0 0 1 2."""
    turn, seat = divmod(i, count)
    return count - 1 - seat if turn % 2 else seat


def joint_losses(terms: Sequence[Dict[str, Term]]) -> Dict[str, float]:
    """The losses of a batch, from those of its shares. terms: By the names of losses."""
    found = {}
    for name in dict.fromkeys(chain.from_iterable(terms)):
        those = [part[name] for part in terms if name in part]
        total = sum(loss if count is None else loss * count for loss, count in those)
        counts = [count for _, count in those if count is not None]
        found[name] = total / max(sum(counts), 1.0) if counts else total
    return found


def check_optimizer(optimizer: Any, count: int) -> None:
    """RAISES: ValueError if an optimizer does not sum the gradients of several processes.

    count: How many there are.
    """
    if not isinstance(optimizer, AllReduceAdam):
        raise ValueError(Errors.R870.format(count=count))


class Shares:
    """A pipeline as `spacy.training.loop.train_while_improving` uses it, in one of several
    processes: it learns from its share of each batch, and all of them take the step of the batch.

    nlp: The pipeline. frozen: Components that are not updated. ranks: The processes.
    RAISES: ValueError if the optimizer does not sum gradients, or a component learns from more than
        a batch.
    """

    def __init__(self, nlp: Language, frozen: Collection[str], ranks: Ranks, optimizer: Any):
        check_optimizer(optimizer, ranks.count)
        self.nlp, self.ranks = nlp, ranks
        self.pipes = {
            name: pipe
            for name, pipe in nlp.pipeline
            if name not in frozen and isinstance(getattr(pipe, "model", None), Model)
        }
        for name, pipe in self.pipes.items():
            if getattr(getattr(pipe, "semi_supervised", None), "reads_texts", False):
                raise ValueError(Errors.R873.format(name=name))

    def check_start(self) -> None:
        """RAISES: ValueError if processes do not begin with the same weights and labels."""
        found = self.ranks.gather({name: _digest_of(pipe) for name, pipe in self.pipes.items()})
        for rank, digests in enumerate(found):
            for name in self.pipes:
                if digests[name] != found[0][name]:
                    raise ValueError(Errors.R874.format(name=name, rank=rank))

    def update(
        self, examples: List[Example], *, losses: Dict[str, float], **settings: Any
    ) -> Dict[str, float]:
        """Learn from this process' share of a batch. For the arguments, see `Language.update`.
        RETURNS: The losses, to which those of the whole batch were added."""
        share = share_of(examples, self.ranks)
        found: Dict[str, float] = {}
        self.nlp.update(share, losses=found, **settings)
        counts = self._counts(share)
        terms: Dict[str, Term] = {
            name: (float(loss), counts.get(name)) for name, loss in found.items()
        }
        for name, loss in joint_losses(self.ranks.gather(terms)).items():
            losses[name] = losses.get(name, 0.0) + loss
        return losses

    def _counts(self, share: List[Example]) -> Dict[str, float]:
        """What losses are the means over, by their names. Those of other components are sums."""
        counts: Dict[str, float] = {}
        for name, pipe in self.pipes.items():
            if hasattr(pipe, "loss_counts"):
                counts.update(pipe.loss_counts(share))
            elif isinstance(pipe, TextCategorizer):
                counts[name] = len(share)
        return counts

    @property
    def pipeline(self) -> List[Tuple[str, Any]]:
        """What is to be finished after updates: gradients first, then the components."""
        return [("gradients", Gradients(self.pipes)), *self.nlp.pipeline]

    def use_params(self, params: Any) -> Any:
        """As `Language.use_params`."""
        return self.nlp.use_params(params)


class Gradients:
    """The gradients of components, which are finished as if they were a component.

    pipes: The components, by name.
    """

    is_trainable = True

    def __init__(self, pipes: Dict[str, Any]):
        self.pipes = pipes

    @property
    def model(self) -> Iterator[Model]:
        """The models that have them."""
        return (pipe.model for pipe in self.pipes.values())

    def finish_update(self, optimizer: AllReduceAdam) -> None:
        """Make them those of the whole batch."""
        optimizer.all_reduce(self.model)


def _digest_of(pipe: Any) -> str:
    """Of all that is saved of a component, but for the vocabulary."""
    return hashlib.blake2b(pipe.to_bytes(exclude=["vocab"])).hexdigest()
