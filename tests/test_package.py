"""The package as a whole: what is registered, what imports what, and what it costs."""

import ast
import re
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

import spacy_rnn
from spacy_rnn.errors import Errors, Warnings

ROOT = Path(spacy_rnn.__file__).parent
GROUPS = (
    "spacy_architectures",
    "spacy_callbacks",
    "spacy_factories",
    "spacy_loggers",
    "spacy_misc",
    "spacy_readers",
    "spacy_scorers",
)
# What each room may import from. Imports go one way.
ROOMS = {
    "modules": set(),
    "layers": {"modules"},
    "models": {"modules", "layers"},
    "corpus": {"layers"},
    "training": {"layers"},
    "streaming": {"modules", "layers"},
    "pipeline": {"modules", "layers", "models", "training", "streaming"},
    "cli": {"modules", "layers", "models", "pipeline", "corpus", "training"},
}


def registered():
    """Names given to spaCy's decorators in the source, by registry."""
    found = set()
    pattern = re.compile(r'@(?:registry\.(\w+)|Language\.(factory))\(\s*"([^"]+)"')
    for path in ROOT.rglob("*.py"):
        for registry, _, name in pattern.findall(path.read_text(encoding="utf8")):
            found.add((f"spacy_{registry or 'factories'}", name))
    return found


def test_entry_points_are_the_decorators_names():
    ours = {
        (group, point.name)
        for group in GROUPS
        for point in entry_points(group=group)
        if point.value.startswith("spacy_rnn.")
    }
    assert ours == registered() and len(ours) == 19


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_load(group):
    for point in entry_points(group=group):
        if point.value.startswith("spacy_rnn."):
            assert callable(point.load())


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    shared = {"errors", "types"}
    for path in (ROOT / room).glob("*.py"):
        assert set(imports_of(path)) <= ROOMS[room] | shared, path
    assert (ROOT / room).is_dir()


def test_modules_know_neither_thinc_nor_spacy():
    for path in (ROOT / "modules").glob("*.py"):
        assert not re.search(r"^\s*(from|import) (thinc|spacy)\b", path.read_text(), re.M), path


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_the_package_costs_nothing():
    found = run("import sys, spacy_rnn; print(len({'torch', 'spacy', 'thinc'} & set(sys.modules)))")
    assert found.stdout.strip() == "0", found.stderr


def test_spacy_works_where_torch_cannot_be_imported():
    """`spacy.blank` imports every plugin there is: ours must not bring torch along."""
    found = run(
        "import sys; sys.modules['torch'] = None\n"
        "import spacy; nlp = spacy.blank('en'); print(nlp('It works.').text)"
    )
    assert found.stdout.strip() == "It works.", found.stderr


def test_no_module_of_ours_imports_torch_at_the_top():
    """thinc imports torch itself where it is installed, so that the test above is all
    that running code can show; this one reads the source."""
    for path in ROOT.rglob("*.py"):
        if path.parent.name != "modules":
            tree = ast.parse(path.read_text(encoding="utf8"))
            names = [
                n.name for node in tree.body if isinstance(node, ast.Import) for n in node.names
            ]
            modules = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
            assert not any(name.split(".")[0] in ("torch", "safetensors") for name in names), path
            assert not any(re.match(r"torch\b|safetensors|modules\b", m) for m in modules), path


def test_messages_begin_with_their_code():
    for owner in (Errors, Warnings):
        for code, message in vars(owner).items():
            if re.match(r"[RW]\d+$", code):
                assert message.startswith(f"[{code}] "), code


def test_messages_are_used():
    source = "".join(path.read_text(encoding="utf8") for path in ROOT.rglob("*.py"))
    for owner in (Errors, Warnings):
        for code in vars(owner):
            if re.match(r"[RW]\d+$", code):
                assert f"{owner.__name__}.{code}" in source, f"{code} is never used"


def test_version_and_requirements():
    assert re.match(r"\d+\.\d+\.\d+", spacy_rnn.__version__)
    needs = {re.split(r"[<>= ]", line)[0] for line in requires("spacy-rnn") if "extra" not in line}
    assert needs == {"spacy", "thinc", "torch", "safetensors", "numpy"}


def test_nothing_is_unpickled():
    for path in ROOT.rglob("*.py"):
        assert not re.search(
            r"torch\.load\(|import pickle|pickle\.|[^.]\beval\(|exec\(", path.read_text()
        ), path
