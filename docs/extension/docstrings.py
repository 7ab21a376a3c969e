"""Docstrings of this package as reStructuredText: `name: meaning` becomes a field of a list, and
so do RETURNS, YIELDS and RAISES."""

import inspect
import re
from typing import Any, Callable, Collection, List, Optional, Tuple

SECTIONS = {"RETURNS": "returns", "YIELDS": "yields", "RAISES": "raises"}
# What is between backquotes is code.
CODE = re.compile(r"(`+)(.+?)\1", re.S)
# An option of a command, as it stands in help that is read in a terminal.
OPTION = re.compile(r"(?<![\w`-])--[a-z][\w.-]*\w")
MARKUP = re.compile(r"([\\*|])|(?<=\w)(_)(?!\w)")
Link = Callable[[str], Optional[str]]


def to_rst(text: str, link: Link = lambda name: None) -> str:
    """Text of docstrings and messages, in which backquotes mark code, as reStructuredText.

    link: Gives the page of a name that is written as code, or None.
    """
    parts, end = [], 0
    for found in CODE.finditer(text):
        parts += [escape(text[end : found.start()]), code(found[2], link)]
        end = found.end()
    return apart("".join([*parts, escape(text[end:])]))


def apart(markup: str) -> str:
    """Without backslash and space, which part markup from a letter beside it, where there is none:
    at the end of a line they would take the line's end with them."""
    return re.sub(r"(?:(?<=\s)|^)\\ |\\ (?=\s|$)", "", markup)


def escape(text: str) -> str:
    """Plain text, none of which reStructuredText takes for markup but options of commands."""
    text = MARKUP.sub(r"\\\g<0>", text).replace("`", r"\`")
    return OPTION.sub(r"\\ ``\g<0>``\\ ", text)


def code(text: str, link: Link) -> str:
    text = " ".join(text.split())
    page = link(text)
    # A backslash and a space end markup where a letter follows, as in the plural of a name.
    return rf"\ :doc:`{text} <{page}>`\ " if page else rf"\ ``{text}``\ "


def to_fields(
    docstring: str, names: Collection[str] = (), link: Link = lambda name: None
) -> List[str]:
    """A docstring as lines of reStructuredText.

    docstring: As `inspect.getdoc` gives it. names: Of the arguments: only these begin a field.
    link: As in `to_rst`.
    """
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)"
    sections = "|".join(SECTIONS)
    one = rf"(?:{known}|{sections})"
    # At the start of a line, or behind the sentence that ends the argument before.
    start = re.compile(rf"(?:^|(?<=\. ))({one}(?:, {one})*): ", re.M)
    first = re.search(start.pattern.replace(r"(?:^|(?<=\. ))", "^"), docstring, re.M)
    if first is None:
        return to_rst(docstring, link).splitlines()
    text, fields = docstring[: first.start()], docstring[first.start() :]
    lines = [*to_rst(text.rstrip(), link).splitlines(), ""]
    _, *parts = start.split(fields)
    for heads, meaning in zip(parts[::2], parts[1::2]):
        after = meaning.split("\n\n", 1)
        meaning = to_rst(" ".join(after[0].split()), link)
        for head in heads.split(", "):
            field = SECTIONS.get(head) or f"param {head}"
            lines.append(f":{field}: {meaning}")
        # A paragraph behind the fields is text again.
        lines += ["", *to_rst(after[1].rstrip(), link).splitlines(), ""] if after[1:] else []
    return [*lines, ""]


def arguments_of(thing: Any) -> List[str]:
    """Names of the arguments of a function or class, without those of none."""
    try:
        return list(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return []


def of_signature(
    app: Any, what: str, name: str, thing: Any, options: Any, given: Any, returned: Any
) -> Tuple[Any, Any]:
    """Sphinx calls this with each signature that autodoc shows, with types as Python has them."""
    return given and short(given), returned and short(returned)


def short(types: str) -> str:
    """Types as a reader says them: without their modules, and a model without what goes in."""
    types = re.sub(r"<function (?:\w+\.)*(\w+)[^>]*>", r"\1", types)
    # Defaults that are texts stay as they are.
    types = re.sub(r"('[^']*')|~?\b(?:[a-zA-Z_]\w*\.)+(?=[A-Za-z_])", r"\1", types)
    while (start := re.search(r"\bModel\[", types)) is not None:
        depth, end = 1, start.end()
        while depth:
            depth += {"[": 1, "]": -1}.get(types[end], 0)
            end += 1
        types = types[: start.end() - 1] + types[end:]
    return types
