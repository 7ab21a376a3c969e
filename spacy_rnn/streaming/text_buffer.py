"""Text that arrives in pieces, cut where no later piece can change its tokens."""

import codecs
import re
from typing import Any, Iterable, List, Sequence, Tuple, Union

from spacy.tokenizer import Tokenizer

from ..errors import Errors

_BOUNDARY = re.compile(r"(?<=\s)(?=\S)")
_IN_RULE = re.compile(r"(?<=\s)")

Splits = Sequence[Tuple[str, str]]


def spaced_rules(rules: Iterable[str]) -> Splits:
    """Special cases that may join words across white space, as Spanish "EE. UU.": for each
    place with white space what stands before it and after it."""
    return tuple(
        (rule[: place.start()], rule[place.start() :])
        for rule in rules
        if rule.strip()
        for place in _IN_RULE.finditer(rule)
    )


class TextBuffer:
    """Holds text back until white space has followed it and then something else: spaCy's
    tokenizer looks at each stretch between white space on its own.

    splits: Where special cases of the tokenizer have white space, as `spaced_rules` gives
        them: these are not cut either.
    """

    __slots__ = ("_splits", "_parts", "_decoder")

    def __init__(self, splits: Splits = ()):
        self._splits = splits
        self._parts: List[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def decode(self, piece: Union[str, bytes]) -> str:
        """Text from a piece of text or of UTF-8, which may end inside of a character.

        RAISES: UnicodeDecodeError; the piece is then as if it had not been given.
        """
        return piece if isinstance(piece, str) else self._decoder.decode(piece)

    def push(self, text: str) -> str:
        """Add text, cut anywhere. RETURNS: Text that is complete: up to the first
        character of a word, "" if there is none."""
        if not text:
            return ""
        recent = self._parts[-1][-1] + text if self._parts else text
        self._parts.append(text)
        words = recent.rsplit(None, 1)
        last = len(recent.rstrip()) - len(words[-1]) if words else 0
        if not last:
            return ""
        held = "".join(self._parts)
        end = len(held) - len(recent) + last
        if self._splits:
            end = self._last_outside_rules(held)
        self._parts = [held[end:]]
        return held[:end]

    def _last_outside_rules(self, held: str) -> int:
        places = [match.start() for match in _BOUNDARY.finditer(held)]
        return next((p for p in reversed(places) if not self._in_rule(held, p)), 0)

    def _in_rule(self, held: str, place: int) -> bool:
        rest = held[place:]
        return any(
            held.endswith(left, 0, place) and (rest.startswith(right) or right.startswith(rest))
            for left, right in self._splits
        )

    def close(self) -> str:
        """RETURNS: All that was held back. RAISES: UnicodeDecodeError if the bytes end
        inside of a character."""
        self._decoder.decode(b"", final=True)
        held = "".join(self._parts)
        self._parts = []
        return held

    def get_state(self) -> List[Any]:
        """What the next piece depends on: text and bytes."""
        return ["".join(self._parts), self._decoder.getstate()[0]]

    def set_state(self, state: List[Any]) -> None:
        """Go on where `get_state` was called."""
        text, pending = state
        self._parts = [text] if text else []
        self._decoder.reset()
        self._decoder.decode(pending)


def check_tokenizer(name: str, tokenizer: Any) -> Tokenizer:
    """RAISES: ValueError unless it is spaCy's own, of which we know where it cuts."""
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(Errors.R702.format(name=name, found=type(tokenizer).__name__))
    return tokenizer
