"""Text that arrives in pieces, cut where no later piece can change its tokens."""

import codecs
import re
from functools import lru_cache
from typing import Any, Dict, FrozenSet, List, Set, Tuple, Union

from spacy.tokenizer import Tokenizer

from ..errors import Errors

_BOUNDARY = re.compile(r"(?<=\s)(?=\S)")

# Characters that are held back for special cases at most.
MAX_HELD = 1000
# Stands for a character that the text has ended inside of.
CUT_OFF = "\ufffd"


class SpacedRules:
    """Special cases of a tokenizer that look across white space.

    tokenizer: The tokenizer. spaCy takes a special case apart by affixes, and looks for these
        tokens one after the other, also with a space between: in "( =)" it finds "(=", which
        it then leaves alone, but has thereby passed "=)" over.
    """

    def __init__(self, tokenizer: Tokenizer):
        # What stands before and after a place that must not be cut: by the character after it,
        # which few texts have, and the last one before it that is not white space.
        self.pairs: Dict[str, Dict[str, Set[Tuple[str, str]]]] = {}
        plain = _without_rules(tokenizer)
        for rule in filter(str.strip, tokenizer.rules):
            # Those that may join words, as Spanish "EE. UU.".
            for match in _BOUNDARY.finditer(rule):
                self._add(rule[: match.start()], rule[match.start() :])
            words = [token.text for token in plain(rule)]
            for left, right in zip(words, words[1:]):
                if left.strip() and right.strip():
                    self._add(left, right)

    def _add(self, left: str, right: str) -> None:
        pairs = self.pairs.setdefault(right[0], {})
        pairs.setdefault(left.rstrip()[-1:], set()).add((left, right))

    def across(self, before: str, after: str) -> bool:
        """Whether a special case may match tokens on both sides of a place.

        before: Text that ends in white space. after: Text that begins with a word.
        """
        pairs, last = self.pairs.get(after[0], {}), before.rstrip()[-1:]
        # A special case may begin with white space.
        if last not in pairs and "" not in pairs:
            return False
        found = [*pairs.get(last, ()), *pairs.get("", ())]
        return any(_match(left, right, before, after) for left, right in found)

    def seams(self, texts: List[str]) -> List[int]:
        """Which texts must not be tokenized as one with the text before: where white space and
        then a word do not part them, or a special case may look across."""
        return [
            i
            for i, (a, b) in enumerate(zip(texts, texts[1:]), start=1)
            if not a[-1].isspace() or b[0].isspace() or (b[0] in self.pairs and self.across(a, b))
        ]


def _match(left: str, right: str, before: str, after: str) -> bool:
    """Whether both sides of a place are two tokens, or two parts of a rule, the first with its
    white space. The text goes on after that."""
    if not left[-1].isspace():
        before = before.rstrip()
        inside = left[0].isalnum() and before[-len(left) - 1 : -len(left)].isalnum()
        if inside or (right[-1].isalnum() and after[len(right) : len(right) + 1].isalnum()):
            return False
    return before.endswith(left) and (after.startswith(right) or right.startswith(after))


def _without_rules(tokenizer: Tokenizer) -> Tokenizer:
    parts = ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")
    return Tokenizer(tokenizer.vocab, **{part: getattr(tokenizer, part) for part in parts})


@lru_cache(maxsize=8)
def _cached_rules(tokenizer: Tokenizer, rules: FrozenSet[str]) -> SpacedRules:
    return SpacedRules(tokenizer)


def spaced_rules(tokenizer: Tokenizer) -> SpacedRules:
    """The special cases of a tokenizer that look across white space."""
    return _cached_rules(tokenizer, frozenset(tokenizer.rules))


class TextBuffer:
    """Holds text back until white space has followed it and then something else: but for
    special cases, spaCy's tokenizer looks at each stretch between white space on its own.

    At most `MAX_HELD` characters are held back for special cases, so that a text of nothing
    but quotation marks is read as well.

    It changes in `keep` and `clear` alone, when all else has succeeded.

    rules: The tokenizer's special cases that do not, as `spaced_rules` gives them.
    """

    __slots__ = ("_rules", "_older", "_last", "pending")

    def __init__(self, rules: SpacedRules):
        self._rules = rules
        self.clear()

    def clear(self) -> None:
        """Hold nothing back."""
        # Mostly one piece: a list is what Python's garbage collector has to look at.
        self._older: Any = ()
        self._last = ""
        # The first bytes of a character whose others have not come yet.
        self.pending = b""

    def decode(self, piece: Union[str, bytes]) -> Tuple[str, bytes]:
        """Text from a piece of text or of UTF-8, and the bytes behind it, if the piece ends
        inside of a character. RAISES: UnicodeError."""
        if isinstance(piece, bytes):
            data = self.pending + piece
            text, end = codecs.utf_8_decode(data, "strict", False)
            return text, data[end:]
        if self.pending:
            raise UnicodeError("text behind the first bytes of a character")
        # Half of a surrogate pair is no text.
        piece.encode("utf-8")
        return piece, b""

    def cut(self, text: str) -> str:
        """What is complete when this text is added, cut anywhere: up to the first character of
        a word, "" if there is none."""
        # Of a long stretch without white space no more than the last character.
        recent = self._last[-1:] + text
        visible = recent.rstrip()
        words = visible.rsplit(None, 1)
        start = len(visible) - len(words[-1]) if words else 0
        if not start:
            return ""
        held = self._text() + text
        end = len(held) - len(recent) + start
        if held[end] in self._rules.pairs and self._rules.across(held[:end], held[end:]):
            end = self._last_apart(held, end)
        return held[:end]

    def _last_apart(self, held: str, end: int) -> int:
        """The last place that no special case looks across, 0 if there is none."""
        places = [match.start() for match in _BOUNDARY.finditer(held)]
        found = (p for p in reversed(places) if not self._rules.across(held[:p], held[p:]))
        return next(found, end if len(held) > MAX_HELD else 0)

    def keep(self, text: str, complete: str, pending: bytes = b"") -> None:
        """Add text, of which `cut` has said what is complete, and what `decode` has left."""
        self.pending = pending
        if complete:
            self._last = (self._text() + text)[len(complete) :]
            self._older = ()
        elif text:
            self._older = self._older or []
            self._older.append(self._last)
            self._last = text

    def _text(self) -> str:
        return "".join(self._older) + self._last if self._older else self._last

    def held(self) -> str:
        """All that is held back, for the end of a text. If the bytes end inside of a character,
        U+FFFD stands for it."""
        return self._text() + (CUT_OFF if self.pending else "")

    def get_state(self) -> List[Any]:
        """What the next piece depends on: text and bytes."""
        return [self._text(), self.pending]

    def set_state(self, state: List[Any]) -> None:
        """Go on where `get_state` was called."""
        text, pending = state
        text.encode("utf-8")
        _, end = codecs.utf_8_decode(pending, "strict", False)
        self._older, self._last, self.pending = (), text, pending[end:]


def check_tokenizer(name: str, tokenizer: Any) -> Tokenizer:
    """RAISES: ValueError unless it is spaCy's own, of which we know where it cuts."""
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(Errors.R702.format(name=name, found=type(tokenizer).__name__))
    return tokenizer
