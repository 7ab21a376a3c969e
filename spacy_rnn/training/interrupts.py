"""Signals that end a training."""

import os
import signal
import threading
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MESSAGE = b"\nInterrupted: this step is finished and saved first. Once more ends at once.\n"


class Interrupts:
    """Within the context, the first SIGINT (Ctrl-C) or SIGTERM is noted, so that what is going on
    can be brought to an end. The second one does what it does without this.

    silent: Whether nothing is said of it.
    number: Of the signal, 0 as long as there was none.
    """

    number = 0

    def __init__(self, silent: bool = False):
        self.silent = silent

    def __enter__(self) -> "Interrupts":
        # Python lets no other thread handle signals.
        main = threading.current_thread() is threading.main_thread()
        self._before = {n: signal.signal(n, self._note) for n in SIGNALS} if main else {}
        return self

    def _note(self, number: int, frame: Any) -> None:
        self.number = number
        self._restore()
        if not self.silent:
            # `print` must not be interrupted by itself.
            os.write(2, MESSAGE)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *error: Any) -> None:
        self._restore()
