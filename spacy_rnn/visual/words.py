"""The style "words": how much each word speaks for a label, or against it."""

from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from . import templates
from .checks import check_item, check_parts, items, number, probability, string
from .colors import BLUE, ORANGE, css, tint
from .markup import escape, head, parts_of, settings_of, signed
from .style import CLASSIFIERS, Data, Style

# Words that weigh less than this share of the heaviest one are not marked.
LEAST = 0.08
# What `explain` is told, if it is given.
OF_EXPLAIN = ("method", "steps")
# Of what a token's weight is the sum.
PARTS = ("net", "linear_model", "fitted_model")


def from_docs(
    docs: List[Doc], pipe: Any, label: Optional[str], options: Dict[str, Any]
) -> List[Data]:
    """What `explain` of a classifier gives, for each document."""
    settings = {key: options[key] for key in OF_EXPLAIN if key in options}
    return [{**pipe.explain(doc, label=label, **settings), **settings_of(doc)} for doc in docs]


def check(style: str, place: int, item: Any) -> None:
    """RAISES: ValueError for data that are not as those of `explain`."""
    check_item(style, place, item, {"label": string, "score": probability, "tokens": items})
    check_parts(style, place, item, "tokens", {"weight": number})


def draw(data: Data, options: Dict[str, Any]) -> Tuple[str, str]:
    """Draw the data of one text. The heaviest word has the strongest colour, or one of
    `max_weight`, for colours to mean the same in several pictures."""
    weights = [abs(token["weight"]) for token in data["tokens"]]
    heaviest = options.get("max_weight") or max(weights, default=0.0)
    content = "".join(
        escape(part) if token is None or part.isspace() else _word(part, token, heaviest)
        for part, token in parts_of(data["text"], data["tokens"])
    )
    legend = templates.WORDS_LEGEND.format(label=escape(data["label"])) + _sum(data)
    return head(data, data["label"], data["score"], legend), content


def _word(text: str, token: Dict[str, Any], heaviest: float) -> str:
    weight = token["weight"]
    share = abs(weight) / heaviest if heaviest else 0.0
    title = escape(f"{signed(weight)}{_parts(token)}")
    if share < LEAST:
        return templates.WORD.format(title=title, text=escape(text))
    positive = weight > 0
    line = f"2px solid {css(BLUE)}" if positive else f"2px dashed {css(ORANGE)}"
    style = f"background:{tint(share, positive=positive)};border-bottom:{line}"
    return templates.MARKED_WORD.format(style=style, title=title, text=escape(text))


def _parts(token: Dict[str, Any]) -> str:
    """Where a weight comes from, if it is from several places."""
    known = [key for key in PARTS if isinstance(token.get(key), (int, float))]
    if len(known) < 2:
        return ""
    return f" ({', '.join(f'{key} {signed(token[key])}' for key in known)})"


def _sum(data: Data) -> str:
    """How the weights of words sum up, if it is known."""
    if not all(isinstance(data.get(key), (int, float)) for key in ("margin", "baseline")):
        return ""
    total = sum(token["weight"] for token in data["tokens"])
    text = (
        f"margin {signed(data['margin'])}: {signed(data['baseline'])} without words, "
        f"{signed(total)} by words"
    )
    return templates.NOTE.format(content=escape(text))


STYLE = Style("explain", CLASSIFIERS, True, (*OF_EXPLAIN, "max_weight"), from_docs, check, draw)
