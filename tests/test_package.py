"""The package as a whole: what is registered, what imports what, and what is not done."""

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
    "thinc_optimizers",
)
# What each room may import from. Imports go one way.
BELOW = {
    "visual": set(),
    "engine": set(),
    "bridge": {"engine"},
    "vocabulary": {"engine", "bridge"},
    "layers": {"engine", "bridge", "vocabulary"},
    "streaming": {"engine", "bridge", "vocabulary", "layers"},
    "corpus": {"vocabulary"},
    "training": {"bridge", "vocabulary", "layers", "visual"},
}
BELOW["configs"] = set()
BELOW["pipeline"] = {*BELOW["streaming"], "streaming", "training", "configs"}
BELOW["demo"] = {"visual"}
BELOW["annotation"] = {"corpus"}
BELOW["tuning"] = {"training", "visual", "configs"}
BELOW["cli"] = {*BELOW["pipeline"], "pipeline", "corpus", "visual", "demo", "tuning", "annotation"}
# cupy comes with thinc where there is a GPU, IPython is there in a notebook.
OPTIONAL = {"cupy", "IPython"}


def trees_of(*rooms):
    """The source of rooms, of the whole package if none is given."""
    for folder in [ROOT / room for room in rooms] or [ROOT]:
        for path in folder.rglob("*.py"):
            yield path, ast.parse(path.read_text(encoding="utf8"))


def registered():
    """Names given to spaCy's decorators in the source, by registry."""
    found = set()
    pattern = re.compile(r'@(?:registry\.(\w+)|Language\.(factory))\(\s*"([^"]+)"')
    for path in ROOT.rglob("*.py"):
        for registry, _, name in pattern.findall(path.read_text(encoding="utf8")):
            # thinc's own registry, which spaCy's has as well.
            owner = "thinc" if registry == "optimizers" else "spacy"
            found.add((f"{owner}_{registry or 'factories'}", name))
    return found


def test_entry_points_are_the_decorators_names():
    ours = {
        (group, point.name)
        for group in GROUPS
        for point in entry_points(group=group)
        if point.value.startswith("spacy_rnn.")
    }
    assert ours == registered() and len(ours) == 33


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_load(group):
    for point in entry_points(group=group):
        if point.value.startswith("spacy_rnn."):
            assert callable(point.load())


def own_imports(path, tree):
    """Rooms and modules of this package that a file imports, wherever in it."""
    above = len(path.relative_to(ROOT).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == above:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.split(".")[0] for name in names)


def other_imports(tree):
    """Packages that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_the_rooms_are_all_there_are():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(BELOW)
    for room, below in BELOW.items():
        assert room not in below and below <= set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_imports_go_one_way(room):
    # The names of types are those of things in the bridge.
    shared = {"errors", "types", "whole_file"}
    shared -= set() if "bridge" in BELOW[room] else {"types"}
    for path, tree in trees_of(room):
        assert set(own_imports(path, tree)) <= BELOW[room] | shared | {"__version__"}, path
        assert "spacy_rnn" not in other_imports(tree), path


# Modules beside the rooms, and what they may import from.
OWN = (
    ("types", {"bridge"}),
    ("errors", set()),
    ("whole_file", {"errors"}),
    ("__init__", set()),
)


def test_modules_beside_the_rooms_know_little():
    for name, allowed in OWN:
        path = ROOT / f"{name}.py"
        assert set(own_imports(path, ast.parse(path.read_text(encoding="utf8")))) <= allowed


def test_the_engine_knows_neither_thinc_nor_spacy():
    for path, tree in trees_of("engine"):
        assert not {"thinc", "spacy"} & set(other_imports(tree)), path


def test_what_is_imported_is_declared():
    imported = {name for _, tree in trees_of() for name in other_imports(tree)}
    imported -= {*sys.stdlib_module_names, "spacy_rnn", *OPTIONAL}
    needs, extras = set(), set()
    for line in requires("spacy-rnn"):
        name = re.split(r"[<>=!~; \[]", line)[0].replace("-", "_").lower()
        (extras if "extra ==" in line else needs).add(name)
    assert needs <= imported <= needs | extras
    assert imported - needs == {
        *("pyarrow", "matplotlib", "gradio", "starlette"),
        *("optuna", "sqlalchemy"),
        *("ray", "fsspec", "pandas", "pyspark"),
    }


def test_importing_the_package_costs_nothing():
    code = "import sys, spacy_rnn; print(len({'torch', 'spacy', 'thinc'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "0", found.stderr


def test_no_layer_is_recognized_by_its_name():
    """Names of layers are for errors, and put back when loading fails: anything else is asked of
    their attributes."""
    for path, tree in trees_of("engine", "bridge", "vocabulary", "layers", "streaming", "pipeline"):
        formats = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format"
        ]
        in_errors = {id(part) for call in formats for part in ast.walk(call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "name":
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                where = f"{path}, line {node.lineno}"
                put_back = path.name == "loading.py"
                assert own or put_back or id(node) in in_errors, where


def test_no_document_is_made_of_words():
    """Words alone do not say all that tokens do. A corpus has nothing else."""
    for path, tree in trees_of():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Doc":
                given = len(node.args) + len(node.keywords)
                assert given == 1 or path.parent.name == "corpus", f"{path}, line {node.lineno}"


def test_messages_begin_with_their_code():
    for owner in (Errors, Warnings):
        for code, message in vars(owner).items():
            if re.match(r"[RW]\d+$", code):
                # Or with an error of spaCy's that it explains.
                assert message.startswith((f"[{code}] ", "{error} ")), code


def test_messages_are_used():
    source = "".join(path.read_text(encoding="utf8") for path in ROOT.rglob("*.py"))
    for owner in (Errors, Warnings):
        for code in vars(owner):
            if re.match(r"[RW]\d+$", code):
                assert f"{owner.__name__}.{code}" in source, f"{code} is never used"


def test_version():
    assert re.match(r"\d+\.\d+\.\d+", spacy_rnn.__version__)


def test_nothing_is_unpickled():
    for path in ROOT.rglob("*.py"):
        assert not re.search(
            r"torch\.load\(|import pickle|pickle\.|[^.]\beval\(|exec\(", path.read_text()
        ), path
