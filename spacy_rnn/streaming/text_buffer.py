"""Text that arrives in pieces, cut where no later piece can change its tokens."""

import codecs
import re
from functools import lru_cache
from typing import Any, Dict, FrozenSet, List, Set, Tuple, Union

from spacy.tokenizer import Tokenizer

from ..errors import Errors

_BOUNDARY = re.compile(r"(?<=\s)(?=\S)")
_IN_RULE = re.compile(r"(?<=\s)")

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
        rules = [rule for rule in tokenizer.rules if rule.strip()]
        # Those that may join words, as Spanish "EE. UU.": what stands before and after.
        self.splits = [
            (r[: m.start()], r[m.start() :]) for r in rules for m in _IN_RULE.finditer(r)
        ]
        # By the characters next to the white space, which few texts have.
        self.pairs: Dict[str, Set[Tuple[str, str]]] = {}
        plain = _without_rules(tokenizer)
        for rule in rules:
            words = [token.text for token in plain(rule)]
            for left, right in zip(words, words[1:]):
                if left.strip() and right.strip():
                    self.pairs.setdefault(left[-1] + right[0], set()).add((left, right))

    def join(self, before: str, after: str) -> bool:
        """Whether a special case may match tokens on both sides of a place.

        before: Text that ends in white space. after: Text that begins with a word.
        """
        for left, right in self.splits:
            if before.endswith(left) and (after.startswith(right) or right.startswith(after)):
                return True
        before = before.rstrip()
        pairs = self.pairs.get(before[-1:] + after[0])
        if pairs is None:
            return False
        return any(_ends_in(before, left) and _begins_with(after, right) for left, right in pairs)

    def seams(self, texts: List[str]) -> List[int]:
        """Which texts must not be tokenized as one with the text before: where white space and
        then a word do not part them, or a special case may look across."""
        pairs, splits = self.pairs, self.splits
        return [
            i
            for i, (a, b) in enumerate(zip(texts, texts[1:]), start=1)
            if not a[-1].isspace()
            or b[0].isspace()
            or ((a.rstrip()[-1:] + b[0] in pairs or splits) and self.join(a, b))
        ]


def _ends_in(text: str, word: str) -> bool:
    """Whether a text may end in a token."""
    inside = word[0].isalnum() and text[-len(word) - 1 : -len(word)].isalnum()
    return text.endswith(word) and not inside


def _begins_with(text: str, word: str) -> bool:
    """Whether a text, which goes on, may begin with a token."""
    inside = word[-1].isalnum() and text[len(word) : len(word) + 1].isalnum()
    return (text.startswith(word) and not inside) or word.startswith(text)


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

    rules: The tokenizer's special cases that do not, as `spaced_rules` gives them.
    """

    __slots__ = ("_rules", "_parts", "_decoder")

    def __init__(self, rules: SpacedRules):
        self._rules = rules
        self._parts: List[str] = []
        # Made for the first piece of bytes: most texts come as text.
        self._decoder: Any = None

    def decode(self, piece: Union[str, bytes]) -> str:
        """Text from a piece of text or of UTF-8, which may end inside of a character.

        RAISES: UnicodeError; the piece is then as if it had not been given.
        """
        if isinstance(piece, str):
            if self.pending:
                raise UnicodeError("text behind the first bytes of a character")
            # Half of a surrogate pair is no text.
            piece.encode("utf-8")
            return piece
        if self._decoder is None:
            self._expect(b"")
        return self._decoder.decode(piece)

    def _expect(self, pending: bytes) -> None:
        """Expect the rest of a character after its first bytes."""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decoder.decode(pending)

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
        rules, seam = self._rules, held[:end].rstrip()[-1:] + held[end]
        if (seam in rules.pairs or rules.splits) and rules.join(held[:end], held[end:]):
            end = self._last_apart(held, end)
        self._parts = [held[end:]]
        return held[:end]

    def _last_apart(self, held: str, end: int) -> int:
        """The last place that no special case looks across, 0 if there is none."""
        places = [match.start() for match in _BOUNDARY.finditer(held)]
        found = (p for p in reversed(places) if not self._rules.join(held[:p], held[p:]))
        return next(found, end if len(held) > MAX_HELD else 0)

    def close(self) -> str:
        """RETURNS: All that was held back. If the bytes end inside of a character, U+FFFD stands
        for it."""
        if self.pending:
            self._parts.append(CUT_OFF)
            self._decoder.reset()
        held = "".join(self._parts)
        self._parts = []
        return held

    @property
    def pending(self) -> bytes:
        """The first bytes of a character whose others have not come yet."""
        return self._decoder.getstate()[0] if self._decoder is not None else b""

    def mark(self) -> Tuple[List[str], int, bytes]:
        """Where the buffer stands now, for `restore`."""
        return self._parts, len(self._parts), self.pending

    def restore(self, mark: Tuple[List[str], int, bytes]) -> None:
        """Undo what was done since a `mark`: the list of parts was added to, or replaced."""
        self._parts, count, pending = mark
        del self._parts[count:]
        self._expect(pending)

    def get_state(self) -> List[Any]:
        """What the next piece depends on: text and bytes."""
        return ["".join(self._parts), self.pending]

    def set_state(self, state: List[Any]) -> None:
        """Go on where `get_state` was called."""
        text, pending = state
        text.encode("utf-8")
        self._parts = [text] if text else []
        self._expect(pending)


def check_tokenizer(name: str, tokenizer: Any) -> Tokenizer:
    """RAISES: ValueError unless it is spaCy's own, of which we know where it cuts."""
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(Errors.R702.format(name=name, found=type(tokenizer).__name__))
    return tokenizer
