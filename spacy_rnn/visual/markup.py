"""What all styles of pictures share: escaped text, its direction, and its parts."""

import html
import re
import unicodedata
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from spacy.tokens import Doc

from . import templates

# What HTML or XML do not allow in text: most control characters, and half characters.
NOT_ALLOWED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Classes of characters that have a direction of their own.
DIRECTIONS = {"L": "ltr", "R": "rtl", "AL": "rtl"}
# Characters that stand together without a break at most: a line must not become too long.
MOST_TOGETHER = 40
MINUS = "\N{MINUS SIGN}"


def escape(text: str) -> str:
    """A text as HTML, for content as for attributes in quotes."""
    return html.escape(printable(text), quote=True)


def printable(text: str) -> str:
    """A text in which U+FFFD stands for what neither HTML nor XML allows."""
    return NOT_ALLOWED.sub("\ufffd", text)


def signed(value: float) -> str:
    """A number with its sign, to two digits."""
    shown = f"{abs(value):.2f}"
    if float(shown) == 0.0:
        return shown
    return f"{MINUS if value < 0 else '+'}{shown}"


def settings_of(doc: Doc) -> Dict[str, Any]:
    """What a picture wants to know of a document beside its text."""
    title = doc.user_data.get("title")
    direction = doc.vocab.writing_system.get("direction", "ltr")
    settings = {"settings": {"lang": doc.lang_, "direction": direction}}
    return settings if title is None else {**settings, "title": str(title)}


def lang_of(data: Mapping[str, Any]) -> str:
    """The language of data, "" if it is not known."""
    return str(data.get("settings", {}).get("lang", ""))


def direction_of(data: Mapping[str, Any]) -> str:
    """Where lines begin: as the language says it, or else as the first character that has a
    direction."""
    direction = data.get("settings", {}).get("direction")
    if direction in ("ltr", "rtl"):
        return direction
    known = (DIRECTIONS.get(unicodedata.bidirectional(char)) for char in data["text"])
    return next(filter(None, known), "ltr")


def parts_of(
    text: str, items: List[Dict[str, Any]]
) -> Iterator[Tuple[str, Optional[Dict[str, Any]]]]:
    """A text in parts that give it when they are joined: those of items, and what is between.

    items: With the characters at which each begins and ends.
    RETURNS: Parts, each with its item, None for what is between.
    """
    end = 0
    for item in items:
        if item["start"] > end:
            yield text[end : item["start"]], None
        yield text[item["start"] : item["end"]], item
        end = item["end"]
    if end < len(text):
        yield text[end:], None


def words_of(text: str, items: List[Dict[str, Any]]) -> Iterator[List[Tuple[str, Dict[str, Any]]]]:
    """Tokens that no line break may come between, each with the blanks after it.

    What is no token, as a blank before the first one, is a list of its own, with an empty item.
    """
    group: List[Tuple[str, Dict[str, Any]]] = []
    for part, item in parts_of(text, items):
        if item is None or part.isspace():
            if group and not part.strip(" "):
                group[-1] = group[-1][0] + part, group[-1][1]
            else:
                yield from ([group] if group else [])
                group = []
                yield [(part, {})]
            continue
        if group and not _together(group, part):
            yield group
            group = []
        group.append((part, item))
    if group:
        yield group


def _together(group: List[Tuple[str, Dict[str, Any]]], part: str) -> bool:
    last = group[-1][0]
    if last.endswith(" ") or sum(len(text) for text, _ in group) + len(part) > MOST_TOGETHER:
        return False
    # Scripts without blanks between words break anywhere but before punctuation.
    wide = any(unicodedata.east_asian_width(char) in "WF" for char in (last[-1], part[0]))
    return not wide or unicodedata.category(part[0])[0] == "P"


def head(data: Mapping[str, Any], label: str, score: Optional[float], legend: str) -> str:
    """What stands above a picture: its title, the label and its score, and what is what.

    label: Whose score it is, "" for none. legend: As HTML.
    """
    title, cells = data.get("title"), []
    if title:
        cells.append(templates.TITLE.format(text=escape(str(title))))
    if label:
        shown = "" if score is None else templates.SCORE.format(score=f"{score:.3f}")
        cells.append(templates.LABEL.format(label=escape(label), score=shown))
    return templates.HEAD.format(content="".join([*cells, legend]))
