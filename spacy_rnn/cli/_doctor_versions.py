"""Whether the packages that are installed are those that this one needs."""

import platform
from importlib.metadata import PackageNotFoundError, entry_points, metadata, version
from typing import Callable, Iterable, Iterator, List, Optional

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ._doctor_findings import Finding, fail, good, listed, warn

PACKAGE = "spacy-rnn"
# Whose versions are said even if they fit: those that errors are mostly about.
NAMED = ("spacy", "thinc", "torch", "numpy")


def check_versions() -> Iterator[Finding]:
    """Compare what is installed with what the installed package says that it needs."""
    try:
        declared = metadata(PACKAGE)
    except PackageNotFoundError:
        yield fail(
            f"{PACKAGE} runs from its sources, and is not installed: other programs do not find "
            "its components. Run `pip install -e .` in the folder of setup.cfg."
        )
        return
    python = SpecifierSet(declared["Requires-Python"] or "")
    if not python.contains(platform.python_version(), prereleases=True):
        yield fail(
            f"Python is {platform.python_version()}, but {PACKAGE} needs {python}: make a virtual "
            "environment with another Python."
        )
    needs = [Requirement(line) for line in declared.get_all("Requires-Dist") or ()]
    problems = list(check_requirements(needs, installed))
    yield from problems
    if not problems:
        found = ", ".join(f"{name} {version(name)}" for name in NAMED)
        found = f"Python {platform.python_version()}, {PACKAGE} {declared['Version']}, {found}"
        yield good(f"Versions fit together: {found}")


def check_requirements(
    needs: Iterable[Requirement], installed: Callable[[str], Optional[str]]
) -> Iterator[Finding]:
    """Name what is missing, or of another version.

    needs: What is declared. Where it belongs to an extra, it may be missing.
    installed: The version of a package, None if it is not installed.
    """
    for need in needs:
        required = need.marker is None or need.marker.evaluate({"extra": ""})
        found = installed(need.name)
        if found is None:
            if required:
                yield fail(f"{need.name} is not installed. Run: pip install '{_plain(need)}'")
        elif not need.specifier.contains(found, prereleases=True):
            level = fail if required else warn
            use = "needs" if required else "needs for one of its extras"
            yield level(
                f"{need.name} is {found}, but {PACKAGE} {use} {need.specifier}. "
                f"Run: pip install '{_plain(need)}'"
            )


def _plain(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"


def installed(name: str) -> Optional[str]:
    """The version of a package, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_components(names: Optional[List[str]] = None) -> Iterator[Finding]:
    """Whether spaCy finds the components of this package by itself.

    names: Those that it finds; looked up if not given.
    """
    if names is None:
        points = entry_points(group="spacy_factories")
        names = sorted(point.name for point in points if point.value.startswith("spacy_rnn."))
    if names:
        yield good(f"spaCy finds the components {listed(names)}")
    else:
        yield fail(
            "spaCy does not find the components of this package, since its entry points are "
            f"missing: install it anew, `pip install --force-reinstall --no-deps {PACKAGE}`."
        )
