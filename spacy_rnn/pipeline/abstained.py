"""`Doc._.abstained`: which components have given a text no label."""

from typing import Any, List

from spacy.tokens import Doc

NAME = "abstained"
# spaCy copies a default that is a list for each document.
EXTENSION: Any = ([], None, None, None)


def is_registered() -> bool:
    """Whether the extension is there, and not one that something else has registered."""
    return Doc.has_extension(NAME) and Doc.get_extension(NAME) == EXTENSION


def register() -> bool:
    """Register the extension, a list of names. RETURNS: Whether that is possible: it is not where
    something else has registered one of that name, which stays."""
    if not Doc.has_extension(NAME):
        Doc.set_extension(NAME, default=[])
    return is_registered()


def note(doc: Doc, component: str, abstained: bool) -> None:
    """Write whether a component has given a document no label. What others have written stays."""
    names: List[str] = [name for name in doc._.get(NAME) if name != component]
    doc._.set(NAME, [*names, component] if abstained else names)
