"""Layers over texts that are still arriving.

A layer that can go on where it stopped says so by `attrs["running"]`: a function from the
component's name, for errors, and the layer to its running form.
"""

from abc import ABC, abstractmethod
from typing import Any, List, Sequence

import numpy
from thinc.api import Model

from ..bridge.ragged import read_tokens
from ..bridge.tokens import Tokens
from ..errors import Errors

States = Sequence[numpy.ndarray]


class Running(ABC):
    """The running form of a layer.

    initial: The parts of a text's state before its first token, as rows of numbers.
    """

    initial: List[numpy.ndarray] = []

    @abstractmethod
    def add(self, X: Any, states: States) -> Any:
        """Read new tokens of some texts, at least one of each.

        X: What the layer takes, for the new tokens alone.
        states: The parts of the texts' states, of shape (texts, size of the part). Those after
            the tokens are written over them.
        RETURNS: What the layer gives: for each new token, or for each text so far.
        """

    def after_each(self, X: Any) -> Any:
        """What the layer gives after each token of one text, read from its beginning."""
        return self.add(X, [part[None].copy() for part in self.initial])


class TokensAlone(Running):
    """A layer that looks at each token alone, and has no state."""

    def __init__(self, name: str, layer: Model):
        self.layer = layer

    def add(self, X: Tokens, states: States) -> Any:
        Y, _ = read_tokens(self.layer, X, False)
        Y.data = self.layer.ops.to_numpy(Y.data)
        return Y


class Chain(Running):
    """Layers one after the other."""

    def __init__(self, parts: Sequence[Running]):
        self.parts = parts
        self.initial = [state for part in parts for state in part.initial]

    def add(self, X: Any, states: States) -> Any:
        for part in self.parts:
            own, states = states[: len(part.initial)], states[len(part.initial) :]
            X = part.add(X, own)
        return X

    def after_each(self, X: Any) -> Any:
        for part in self.parts:
            X = part.after_each(X)
        return X


def running_form(name: str, layer: Model) -> Running:
    """The running form of a layer of this package, or of a `spacy.Tok2Vec.v2` of such.

    name: Of the component, for errors.
    RAISES: ValueError if a layer looks at later tokens, or at other components.
    """
    if "running" in layer.attrs:
        return layer.attrs["running"](name, layer)
    if layer.has_ref("embed") and layer.has_ref("encode"):
        return Chain([running_form(name, layer.get_ref(part)) for part in ("embed", "encode")])
    raise ValueError(Errors.R703.format(name=name, layer=layer.name))
