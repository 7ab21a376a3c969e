"""A text that is being typed, and its scores."""

from typing import Dict, NamedTuple, Optional, Tuple

from ..errors import Errors
from .models import DemoModel


class Typed(NamedTuple):
    """What is kept of a text until the next key.

    text: The text. stream: The bytes of a stream that has read it, still open.
    """

    text: str
    stream: bytes


def score(
    model: DemoModel, text: str, typed: Optional[Typed] = None
) -> Tuple[Dict[str, float], Optional[Typed]]:
    """Score a text, as `nlp(text)` does.

    Where the model can stream, and the text goes on from the one before it, only what was added is
    read.

    typed: What was kept of the text before, if anything.
    RETURNS: The score of each label, and what to keep.
    """
    if model.streams is None:
        return dict(model.nlp(text).cats), None
    stream, new = model.streams.open(), text
    if typed is not None and text.startswith(typed.text):
        stream.from_bytes(typed.stream)
        new = text[len(typed.text) :]
    stream.push(new)
    kept = Typed(text, stream.to_bytes())
    # The last word counts, although it may go on.
    return stream.close(), kept


def check_text(text: str, max_length: int) -> str:
    """A text as it came from a browser, ready to be read.

    max_length: How many characters it may have.
    RETURNS: The text. Halves of characters, which are no text, become U+FFFD.
    RAISES: ValueError for a longer text.
    """
    if len(text) > max_length:
        raise ValueError(Errors.R826.format(most=f"{max_length:,}"))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
