"""Forks of the process wait until no thread is computing."""

import os
import threading
from typing import Any

# A fork waits at most so many seconds, then goes ahead.
PATIENCE = 30.0


class _Local(threading.local):
    depth = 0


class ForkGate:
    """A context that forks by other threads wait for. Libraries below, as oneDNN and BLIS, have
    locks of their own: what another thread holds at the moment of a fork stays locked in the
    forked process forever.

    The contexts may be nested, and threads do not wait for each other in them.
    """

    def __init__(self) -> None:
        self._local = _Local()
        self._renew(inside=0)

    def _renew(self, inside: int) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = inside
        self._forking = False

    def __enter__(self) -> None:
        if not self._local.depth:
            with self._lock:
                while self._forking:
                    self._changed.wait()
                self._inside += 1
        self._local.depth += 1

    def __exit__(self, *error: Any) -> None:
        self._local.depth -= 1
        if not self._local.depth:
            with self._lock:
                self._inside -= 1
                if self._forking:
                    self._changed.notify_all()

    def _before_fork(self) -> None:
        own = 1 if self._local.depth else 0
        with self._changed:
            self._changed.wait_for(lambda: not self._forking, PATIENCE)
            self._forking = True
            self._changed.wait_for(lambda: self._inside <= own, PATIENCE)

    def _after_fork_in_parent(self) -> None:
        with self._changed:
            self._forking = False
            self._changed.notify_all()

    def _after_fork_in_child(self) -> None:
        self._renew(inside=1 if self._local.depth else 0)


forks_wait = ForkGate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=forks_wait._before_fork,
        after_in_parent=forks_wait._after_fork_in_parent,
        after_in_child=forks_wait._after_fork_in_child,
    )
