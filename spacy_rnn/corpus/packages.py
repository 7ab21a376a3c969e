"""Files of data that Python packages hold."""

from importlib.util import find_spec
from pathlib import Path

from ..errors import Errors
from .files import require_path


def packaged_file(module: str, file: Path, requirement: str) -> Path:
    """Where an installed package keeps a file. The package is not imported: of those
    that hold data, some import pandas.

    module: The package's name in Python. file: Path inside of it.
    requirement: What to install for it.
    RAISES: ImportError if the package is not installed; FileNotFoundError if it has no
        such file.
    """
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(Errors.R404.format(package=requirement))
    path = Path(spec.submodule_search_locations[0]) / file
    require_path(path, f"Install {requirement}.")
    return path
