"""Paths and URLs, of this machine or anywhere fsspec reaches."""

import os
from typing import Any, Sequence, Tuple

from ..errors import Errors


def import_fsspec() -> Any:
    """fsspec. RAISES: ImportError that says how to install it."""
    try:
        import fsspec
        import fsspec.core
    except ImportError as error:
        raise ImportError(Errors.R850.format(what="fsspec", extra="ray")) from error
    return fsspec


def locate(url: str) -> Tuple[Any, str]:
    """The file system of a path or URL, and the path in it, of local ones an absolute one."""
    core = import_fsspec().core
    try:
        system, path = core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise ValueError(Errors.R851.format(path=url, problem=error)) from error
    return system, os.path.abspath(path) if is_local(system) else path


def is_local(system: Any) -> bool:
    """Whether paths of a file system are those of this machine."""
    return "file" in protocols_of(system)


def protocols_of(system: Any) -> Sequence[str]:
    """The names by which URLs call a file system."""
    protocol = system.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
