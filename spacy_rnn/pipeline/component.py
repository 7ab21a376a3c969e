"""How the components learn: what a classifier and a tagger share."""

import warnings
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy
from spacy.errors import Errors as SpacyErrors
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Model, set_dropout_rate

from ..bridge.shim import shims_of
from ..bridge.tokens import Tokens, parts_by_tokens
from ..engine.forks import forks_wait
from ..errors import Errors, Warnings
from ..vocabulary.learning import CorpusKeys, learn_vocab, learners_in, set_vocab
from .representation import Represented
from .safe_loading import SafeLoading


class Component(Represented, SafeLoading):
    """A mixin for trainable components, which brings `update` and `rehearse`."""

    # What a component says itself: the loss of `update` and its gradient; the scores, from 0 to 1,
    # and a callback from their gradient.
    _loss: Callable[[List[Example], Tokens, Any], Tuple[float, Any]]
    _forward: Callable[[Any, Tokens, bool], Tuple[Any, Callable]]
    # Where spaCy's `resume_training` puts a copy of the model.
    _rehearsal_model: Any = None
    finish_update: Callable[[Any], None]
    # The layers whose words `initialize` was given, to learn their own the next time.
    _given: Sequence[Model] = ()
    # The mean loss of guessing by how frequent labels are in the texts that the component was
    # initialized with. None where these do not say: see `training.chance`.
    chance_loss: Optional[float] = None

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Any = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples. What is not annotated does not count.

        drop: The dropout rate. sgd: The optimizer, None or False to update later.
        losses: The losses so far, by component: the mean cross-entropy is added.
        RETURNS: The losses.
        RAISES: ValueError for a label that the component does not have, a value of a category
            outside of 0 to 1, and scores that are not numbers.
        """
        examples = self._validated(examples, "update")
        self._check_truths(examples)
        return self._step(examples, self._learn_batch, drop, sgd, losses)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Any = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Update towards what the model said when `nlp.resume_training` was called.

        For the arguments, see `update`.
        """
        examples = self._validated(examples, "rehearse")
        learned_from = [] if self._rehearsal_model is None else examples
        return self._step(learned_from, self._rehearse_batch, drop, sgd, losses)

    def _validated(self, examples: Iterable[Example], method: str) -> List[Example]:
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.{method}")
        return examples

    def _step(
        self,
        examples: List[Example],
        learn: Callable[[List[Example], Tokens], Dict[str, float]],
        drop: float,
        sgd: Any,
        losses: Optional[Dict[str, float]],
    ) -> Dict[str, float]:
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        tokens = self._tokens_of([eg.predicted for eg in examples])
        if not tokens.lengths.any():
            return losses
        set_dropout_rate(self.model, drop)
        with forks_wait:
            found = learn(examples, tokens)
            if sgd not in (None, False):
                self.finish_update(sgd)
        for key, loss in found.items():
            losses[key] = losses.get(key, 0.0) + loss
        return losses

    def _learn_batch(self, examples: List[Example], tokens: Tokens) -> Dict[str, float]:
        """Add the gradients of `update` to those of the parameters. RETURNS: Losses, by key."""
        return self._learn_from(self._loss, examples, tokens)

    def _rehearse_batch(self, examples: List[Example], tokens: Tokens) -> Dict[str, float]:
        """As `_learn_batch`, of `rehearse`."""
        return self._learn_from(self._distance, examples, tokens)

    def _learn_from(
        self, loss_of: Callable, examples: List[Example], tokens: Tokens
    ) -> Dict[str, float]:
        scores, backprop = self._forward(self.model, tokens, True)
        loss, gradient = loss_of(examples, tokens, scores)
        backprop(gradient)
        return {self.name: loss}

    def _distance(self, examples: List[Example], tokens: Tokens, scores: Any) -> Tuple[float, Any]:
        """The loss of `rehearse`."""
        target, _ = self._forward(self._rehearsal_model, tokens, False)
        gradient = scores - target
        return float((gradient**2).sum()), gradient

    def _tokens_of(self, docs: List[Doc]) -> Tokens:
        """The tokens that the model reads."""
        return Tokens(docs)

    def _check_truths(self, examples: List[Example]) -> None:
        """RAISES: ValueError for annotations that cannot be learned from."""

    def _read_corpus(
        self,
        get_examples: Callable[[], Iterable[Example]],
        vocab: Optional[Iterable[str]],
        count: Callable[[Example], None],
    ) -> CorpusKeys:
        """Learn the vocabulary in one pass over all examples, each of which is counted.

        RETURNS: The words of all examples."""
        if not callable(get_examples):
            # Raises. Not called otherwise, since it reads the whole corpus.
            validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        layers = learners_in(self.model)
        for layer in self._given:
            layer.attrs["learn"] = True
        learning = [layer for layer in layers if layer.attrs.get("learn")]
        if vocab is not None:
            set_vocab(layers, list(vocab))
        self._given = [layer for layer in learning if not layer.attrs["learn"]]

        def docs() -> Iterator[Doc]:
            for eg in get_examples():
                count(eg)
                yield eg.predicted

        return learn_vocab(layers, docs())

    def _warn_of_no_annotation(self, count: int) -> None:
        """Of a component that has nothing to learn its words from. count: How many texts it was
        initialized with."""
        if any(layer.attrs.get("learn", True) for layer in learners_in(self.model)):
            warnings.warn(Warnings.W004.format(name=self.name, count=count), stacklevel=5)

    def _check_process(self) -> None:
        if self.model.ops.device_type != "cpu" and not all(
            shim.home.is_here() for shim in shims_of(self.model)
        ):
            raise self._error(Errors.R340)

    def _error(self, message: str, **facts: Any) -> ValueError:
        """An error about this component. message: One of `Errors`, which has gaps for facts."""
        return ValueError(message.format(name=self.name, **facts))

    def _not_a_number(self, examples: List[Example]) -> ValueError:
        """spaCy's message, and which batch it is about."""
        error = SpacyErrors.E910.format(name=self.name)
        text = start_of(examples[0].reference)
        return self._error(Errors.R314, error=error, count=len(examples), text=text)

    def _check_smoothing(self, value: Any) -> None:
        if not isinstance(value, (int, float)) or not 0.0 <= value < 1.0:
            raise self._error(Errors.R307, value=value)

    def _check_max_batch_tokens(self, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._error(Errors.R341, value=repr(value))

    def _parts_of(self, lengths: numpy.ndarray) -> List[numpy.ndarray]:
        """Which texts the model reads at a time: as `parts_by_tokens`, by the setting
        `max_batch_tokens`. lengths: Tokens of each text, of shape (texts,)."""
        return parts_by_tokens(lengths, self.cfg["max_batch_tokens"])


def sample_of(examples: Iterable[Example]) -> List[Example]:
    """Ten examples that have tokens, for the widths of layers; or fewer, where there are none."""
    first: List[Example] = []
    for eg in examples:
        if len(eg.predicted):
            first.append(eg)
        elif not first:
            empty = eg
        if len(first) == 10:
            break
    return first or [empty]


def start_of(doc: Doc) -> str:
    """The beginning of a text, for an error."""
    return doc.text if len(doc.text) <= 60 else doc.text[:60] + "..."
