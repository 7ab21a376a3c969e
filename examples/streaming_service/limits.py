"""How much a client may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Memory is bounded by these: see the README.

    streams: Connections that are open at the same time.
    message: Bytes of one message.
    text: Characters of one text, all its messages together.
    word: Characters that are held back, since the word that they belong to goes on.
    step: Characters that the net reads in one step, of all texts together.
    idle: Seconds until the next message must have come, and until a client must have taken what
        was sent to it.
    """

    streams: int = 1000
    message: int = 16_384
    text: int = 1_000_000
    word: int = 1000
    step: int = 100_000
    idle: float = 60.0
