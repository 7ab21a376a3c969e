"""How a component shows itself in a console and in a notebook."""

import html
import reprlib
from typing import Any, Dict, Tuple

from thinc.api import Model, PyTorchShim

from ..bridge.shim import module_of

# Labels shown, and characters of each.
LABELS = 5
LABEL_LENGTH = 30


class Represented:
    """A mixin for trainable components: what the component is, its labels, how many parameters
    it has, and whether it was initialized, in place of the address of an object."""

    # The name that `nlp.add_pipe` takes.
    factory: str
    name: str
    model: Model
    labels: Any

    def __repr__(self) -> str:
        """All of it in one line, since `nlp.pipeline` shows components in a list."""
        facts = ", ".join(f"{key}: {value}" for key, value in self._facts().items())
        return f"<{self.factory} {self.name!r}, {facts}>"

    def _repr_html_(self) -> str:
        """The same as a table, which notebooks show."""
        facts = {"factory": self.factory, "name": self.name, **self._facts()}
        rows = "".join(
            f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>"
            for key, value in facts.items()
        )
        return f"<table>{rows}</table>"

    def _facts(self) -> Dict[str, str]:
        thinc, torch, complete = size_of(self.model)
        return {
            "labels": _shown_labels(list(self.labels)),
            "parameters": f"{thinc + torch:,} ({torch:,} torch, {thinc:,} thinc)",
            "initialized": "yes" if complete else "no",
        }


def size_of(model: Model) -> Tuple[int, int, bool]:
    """How many parameters a model has in arrays of thinc's layers, and in torch's modules; and
    whether all are there, as after `initialize` or loading. What a layer shares with another one
    counts once, and what belongs to a component that is listened to does not count."""
    thinc, complete = 0, True
    parameters: Dict[int, int] = {}
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                thinc += node.get_param(name).size
            else:
                complete = False
        for shim in node.shims:
            module = module_of(shim)
            if module is not None:
                parameters.update((id(p), p.numel()) for p in module.parameters())
            elif isinstance(shim, PyTorchShim):
                complete = False
    return thinc, sum(parameters.values()), complete


def _shown_labels(labels: list) -> str:
    """The number of labels and the first of them, each shortened."""
    shown = reprlib.Repr()
    shown.maxlist, shown.maxstring = LABELS, LABEL_LENGTH
    return f"{len(labels):,} {shown.repr(labels)}" if labels else "none yet"
