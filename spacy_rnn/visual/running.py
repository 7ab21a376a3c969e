"""The style "running": the score of a label after each token, as a line over the text."""

from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from . import templates
from .checks import check_item, check_parts, items, probability, string
from .markup import direction_of, escape, head, settings_of, words_of
from .style import CLASSIFIERS, Data, Style, best_of, check_label

LEGEND = "score after each word, from 0 to 1; the grey line is 0.5"


def from_docs(
    docs: List[Doc], pipe: Any, label: Optional[str], options: Dict[str, Any]
) -> List[Data]:
    """The scores that `running_cats` of a classifier gives. The label is the one with the highest
    score at the end of a text, if none is given."""
    check_label(pipe, label)
    return [_from_doc(doc, pipe, label) for doc in docs]


def _from_doc(doc: Doc, pipe: Any, label: Optional[str]) -> Data:
    cats = pipe.running_cats(doc)
    label = best_of(cats[-1] if cats else {}) if label is None else label
    tokens = [
        {"start": token.idx, "end": token.idx + len(token), "score": scores[label]}
        for token, scores in zip(doc, cats)
    ]
    return {"text": doc.text, "label": label, "tokens": tokens, **settings_of(doc)}


def check(style: str, place: int, item: Any) -> None:
    """RAISES: ValueError for data that are not of this style."""
    check_item(style, place, item, {"label": string, "tokens": items})
    check_parts(style, place, item, "tokens", {"score": probability})


def draw(data: Data, options: Dict[str, Any]) -> Tuple[str, str]:
    """Draw the data of one text. Over each word is its part of the line, so that the line goes on
    in the next row where the text does."""
    tokens = _with_lines(data["tokens"], rtl=direction_of(data) == "rtl")
    groups = [
        "".join(_word(part, token, data["label"]) for part, token in group)
        for group in words_of(data["text"], tokens)
    ]
    content = "".join(
        templates.TOGETHER.format(content=group) if group.count("<svg") > 1 else group
        for group in groups
    )
    score = tokens[-1]["score"] if tokens else None
    legend = templates.NOTE.format(content=LEGEND)
    return head(data, data["label"], score, legend), content


def _with_lines(tokens: List[Data], *, rtl: bool) -> List[Data]:
    """The tokens, with the ends of their part of the line: in percent, from the top left."""
    begin, end = (100, 0) if rtl else (0, 100)
    heights = [round(100 * (1 - token["score"])) for token in tokens]
    before = [*heights[:1], *heights]
    return [
        {**token, "line": {"x0": begin, "y0": y0, "x1": end, "y1": y1}}
        for token, y0, y1 in zip(tokens, before, heights)
    ]


def _word(text: str, token: Data, label: str) -> str:
    if "line" not in token:
        return escape(text)
    title = escape(f"{label} {token['score']:.3f}")
    return templates.RUNNING_WORD.format(title=title, text=escape(text), **token["line"])


STYLE = Style("running_cats", CLASSIFIERS, True, (), from_docs, check, draw)
