"""Which process holds what is on a device."""

import os
from multiprocessing.context import get_spawning_popen
from typing import Any, Optional


class HomeProcess:
    """The process that has put something on a device. Processes that are forked or spawned from
    it get the object, but not the memory of a GPU that it is about. What is loaded from bytes of
    any other kind has its home where it is loaded.

    pid: The process; None for this one.
    """

    def __init__(self, pid: Optional[int] = None):
        self.pid = os.getpid() if pid is None else pid

    def __reduce__(self) -> Any:
        return HomeProcess, ((self.pid,) if get_spawning_popen() is not None else ())

    def is_here(self) -> bool:
        """Whether this process is the one."""
        return self.pid == os.getpid()
