"""Whether what is committed can be released.

    python -m release.check

Prints a line for each check, what a person still has to do, and ends with 1 if a check has failed.
If none has, what it has built from the last commit and tested without the sources is in dist/.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Callable, List, NamedTuple

import srsly
import typer
from packaging.requirements import Requirement
from packaging.version import Version
from wasabi import msg

from spacy_rnn import __version__

ROOT = Path(__file__).parents[1]
# Which tests an installed package is tested with. They need nothing of the repository but `tests`.
TESTS = ("tests/streaming", "tests/vocabulary", "tests/test_package.py")
# What of the sdist tests need beside the package.
FOR_TESTS = ("tests", "pyproject.toml")
LEFT = f"""\
make test, make test-demo, make test-transformers, make test-versions and make audit are green
git tag -a v{__version__}, and push the tag
twine upload dist/*
make push PIPELINE=..., for each pipeline that has changed
release/universe.json to spaCy's universe, with the address of the repository as "github"
python -m benchmarks.history on the machines that the history has, and commit it"""


class Problem(Exception):
    """What keeps a version from being released."""


class Check(NamedTuple):
    """title: What should be true. run: Raises a `Problem` if it is not."""

    title: str
    run: Callable[[], None]


def run(*command: object, cwd: Path = ROOT) -> str:
    """RETURNS: What a command prints. RAISES: Problem if it fails, with the end of that."""
    words = list(map(str, command))
    # Which would let the source be found from anywhere.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        words,
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if found.returncode:
        raise Problem(f"{' '.join(words)}:\n{found.stdout[-2000:]}")
    return found.stdout


def check_clean(root: Path) -> None:
    """All is committed."""
    if changed := run("git", "status", "--porcelain", cwd=root):
        raise Problem(f"Commit these, or put them away:\n{changed}")


def check_tag(root: Path, version: str) -> None:
    """No version is released twice."""
    if run("git", "tag", "--list", f"v{version}", cwd=root):
        raise Problem(f"There is a tag v{version}: raise __version__ in spacy_rnn/__init__.py.")


def check_changelog(root: Path, version: str) -> None:
    """The newest paragraph is that of this version."""
    found = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text("utf8"), re.M)
    if found is None or found[1] != version:
        raise Problem(f"CHANGELOG.md begins with {found and found[1]}, the version is {version}.")


def check_citation(root: Path, version: str) -> None:
    """CITATION.cff cites this version."""
    cited = srsly.read_yaml(root / "CITATION.cff")["version"]
    if str(cited) != version:
        raise Problem(f"CITATION.cff has {cited}, the version is {version}.")


def check_pipelines(root: Path, version: str) -> None:
    """Each shipped pipeline admits this version, and its card is that of its wheel."""
    for wheel in sorted((root / "pipelines").glob("*.whl")):
        with zipfile.ZipFile(wheel) as files:
            meta = srsly.json_loads(files.read(f"{wheel.name.split('-')[0]}/meta.json"))
        (needed,) = map(Requirement, meta["requirements"])
        if not needed.specifier.contains(Version(version), prereleases=True):
            raise Problem(f"{wheel.name} needs {needed}, the version is {version}.")


def check_history(root: Path, version: str) -> None:
    """The benchmarks have been run with this version."""
    lines = list(srsly.read_jsonl(root / "benchmarks" / "history.jsonl"))
    if version not in {line["version"] for line in lines}:
        raise Problem(f"No line of {version}: python -m benchmarks.history")


def check_docs(root: Path) -> None:
    """The site is built without a warning."""
    run("make", "docs", cwd=root)


def build(root: Path, dist: Path) -> None:
    """Make an sdist of what is committed, and a wheel of the sdist. Then delete the sources."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "source.tar"
        run("git", "archive", "--output", archive, "HEAD", cwd=root)
        source = Path(folder) / "source"
        unpack(archive, source)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, cwd=source)


def check_metadata(dist: Path) -> None:
    """What PyPI would refuse, such as a README that it cannot show."""
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))


def check_installed(artifact: Path, sdist: Path, root: Path) -> None:
    """Install it where there is neither a source nor this repository, run the start of the README
    there, and tests.

    artifact: A wheel or an sdist. sdist: Has the tests. root: Has README and pipelines.
    """
    with tempfile.TemporaryDirectory() as folder:
        python = install(artifact, Path(folder), root)
        work = Path(folder) / "work"
        unpack(sdist, work, FOR_TESTS)
        code = "import spacy_rnn; print(spacy_rnn.__file__, spacy_rnn.__version__)"
        file, version = run(python, "-c", code, cwd=work).split()
        if Path(folder) not in Path(file).parents or version != __version__:
            raise Problem(f"Not {artifact.name} was imported, but {file} of version {version}.")
        code, expected = start_of(root / "README.md")
        if (printed := run(python, "-c", code, cwd=work)) != expected:
            raise Problem(f"README.md says that its start prints\n{expected}but it was\n{printed}")
        run(python, "-m", "pytest", "-p", "no:cacheprovider", *TESTS, cwd=work)


def install(artifact: Path, folder: Path, root: Path) -> Path:
    """Install the package and the shipped pipelines in a new environment. What they need comes from
    the environment that runs this, but not the package itself: a path file brings no others.

    RETURNS: Its interpreter.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
    python = folder / "env" / "bin" / "python"
    (purelib,) = (folder / "env" / "lib").glob("python*/site-packages")
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (purelib / "others.pth").write_text("\n".join(others))
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-deps"]
    pipelines = sorted((root / "pipelines").glob("*.whl"))
    run(*pip, "--no-build-isolation", artifact, *pipelines, cwd=folder)
    return python


def start_of(readme: Path) -> "tuple[str, str]":
    """The first code of the README, and what it prints."""
    block = re.compile(r"^```python\n(.*?)^```\n\n```\n(.*?)^```\n", re.M | re.S)
    found = block.search(readme.read_text("utf8"))
    if found is None:
        raise Problem("README.md has no code with what it prints.")
    return found[1], found[2]


def unpack(archive: Path, folder: Path, names: "tuple[str, ...]" = ()) -> None:
    """Unpack an archive, or some of what an sdist has in its only folder."""
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    if names:
        (inner,) = folder.iterdir()
        for name in names:
            shutil.move(inner / name, folder / name)
        shutil.rmtree(inner)


def of_repository(root: Path, version: str) -> List[Check]:
    """What is checked first, in a second."""
    return [
        Check("All is committed", lambda: check_clean(root)),
        Check(f"No tag v{version} yet", lambda: check_tag(root, version)),
        Check(f"CHANGELOG.md begins with {version}", lambda: check_changelog(root, version)),
        Check(f"CITATION.cff has {version}", lambda: check_citation(root, version)),
        Check(f"Shipped pipelines admit {version}", lambda: check_pipelines(root, version)),
        Check(f"benchmarks/history.jsonl has {version}", lambda: check_history(root, version)),
    ]


def of_package(root: Path, dist: Path) -> List[Check]:
    """What is built and installed."""

    def installed(pattern: str) -> None:
        (artifact,), (sdist,) = dist.glob(pattern), dist.glob("*.tar.gz")
        check_installed(artifact, sdist, root)

    return [
        Check("sdist, and the wheel of it, are built", lambda: build(root, dist)),
        Check("twine finds nothing", lambda: check_metadata(dist)),
        Check("The wheel works without the source", lambda: installed("*.whl")),
        Check("The sdist works without the source", lambda: installed("*.tar.gz")),
    ]


def passed(checks: List[Check]) -> bool:
    """Run all checks, and print a line for each. RETURNS: Whether all have passed."""
    fine = True
    for check in checks:
        try:
            check.run()
        except Exception as error:
            fine = False
            msg.fail(check.title, str(error) or type(error).__name__)
        else:
            msg.good(check.title)
    return fine


def main() -> None:
    """Check whether what is committed can be released."""
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder)
        checks = [*of_repository(ROOT, __version__), *of_package(ROOT, dist)]
        if re.search(r"^docs:", (ROOT / "Makefile").read_text("utf8"), re.M):
            checks.append(Check("make docs finds nothing", lambda: check_docs(ROOT)))
        fine = passed(checks)
        if fine:
            shutil.copytree(dist, ROOT / "dist", dirs_exist_ok=True)
    print(f"\nLeft to a person:\n\n{LEFT}\n")
    if not fine:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
