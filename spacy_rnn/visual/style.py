"""What a style of pictures is made of, and what styles that take scores of labels share."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from spacy.tokens import Doc

from ..errors import Errors

Data = Dict[str, Any]


class Style(NamedTuple):
    """One style of pictures.

    method: What a component must have to give its data.
    givers: Components that have it, for the error.
    takes_label: Whether it is about one label.
    options: Names of its options.
    from_docs: Makes data of documents, a component, a label or None, and options.
    check: Checks data that someone else has made: style's name, place of the item, the item.
    draw: Draws data, with options: what stands above the text, and the marked text, as HTML.
    """

    method: str
    givers: str
    takes_label: bool
    options: Tuple[str, ...]
    from_docs: Callable[[List[Doc], Any, Optional[str], Dict[str, Any]], List[Data]]
    check: Callable[[str, int, Any], None]
    draw: Callable[[Data, Dict[str, Any]], Tuple[str, str]]


CLASSIFIERS = "textcat_lstm or textcat_multilabel_lstm"


def check_label(pipe: Any, label: Optional[str]) -> None:
    """RAISES: ValueError for a label that a component does not have."""
    if label is not None and label not in pipe.labels:
        labels = ", ".join(pipe.labels) or "none"
        raise ValueError(Errors.R807.format(name=pipe.name, label=label, labels=labels))


def best_of(scores: Dict[str, float]) -> str:
    """The label with the highest score, "" if there is none."""
    return max(scores, key=lambda label: scores[label]) if scores else ""
