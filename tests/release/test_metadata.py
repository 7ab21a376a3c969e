"""Files for those who cite, report, submit and choose versions say what is true."""

import ast
import json
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import srsly
from packaging.requirements import Requirement

from spacy_rnn import __version__

ROOT = Path(__file__).parents[2]
SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf8")
SUPPORT = (ROOT / "docs" / "support.md").read_text("utf8")
UNIVERSE = json.loads((ROOT / "release" / "universe.json").read_text("utf8"))
# https://github.com/explosion/spaCy/blob/master/website/UNIVERSE.md
FIELDS = {
    "id": str,
    "title": str,
    "slogan": str,
    "description": str,
    "pip": str,
    "code_example": list,
    "code_language": str,
    "author": str,
    "category": list,
    "tags": list,
}
CATEGORIES = {"pipeline", "models", "training", "standalone", "visualizers", "research"}


def needed(section, option):
    """Requirements of setup.cfg by name."""
    lines = [line.partition("#")[0].strip() for line in SETUP[section][option].splitlines()]
    return {found.name: found.specifier for found in map(Requirement, filter(None, lines))}


def test_the_support_matrix_is_that_of_setup_cfg():
    rows = dict(re.findall(r"^\| ([\w-]+) \| ([<>=!~][^|]*?) \|", SUPPORT, re.M))
    assert rows.pop("Python") == SETUP["options"]["python_requires"]
    installed = needed("options", "install_requires")
    extras = {}
    for extra in SETUP["options.extras_require"]:
        extras.update(needed("options.extras_require", extra))
    found = {name: Requirement(name + versions).specifier for name, versions in rows.items()}
    assert set(found) > {"spacy", "thinc", "torch"}
    assert found == {name: (installed | extras)[name] for name in found}


def test_the_pythons_that_are_named_are_the_classifiers():
    versions = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
    (named,) = set(re.findall(r'PYTHONS="python(\S+) python(\S+)"', SUPPORT))
    assert named == (versions[0], versions[-1])
    assert SETUP["options"]["python_requires"] == f">={versions[0]}"


def test_make_targets_that_are_named_are_there():
    makefile = (ROOT / "Makefile").read_text("utf8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf8")
    for target in set(re.findall(r"make ([a-z][\w-]+)", SUPPORT)) | {"release-check", "push"}:
        assert re.search(rf"^{target}:|^\.PHONY:.*\b{target}\b", makefile, re.M), target
    assert "make release-check" in contributing


def test_the_citation():
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    # https://github.com/citation-file-format/citation-file-format/blob/main/schema-guide.md
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert str(citation["version"]) == __version__
    assert citation["license"] == SETUP["metadata"]["license"] == "MIT"
    # As the licence has it. An entity has a name, a person would have two.
    assert citation["authors"] == [{"name": "The spacy-rnn authors"}]
    assert "The spacy-rnn authors" in (ROOT / "LICENSE").read_text("utf8")


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_issue_templates(name):
    """As GitHub's form schema wants them."""
    form = srsly.read_yaml(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form["name"] and form["description"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 1
    for part in form["body"]:
        assert part["type"] in {"markdown", "textarea", "input"}
        assert part["attributes"].get("label") or part["type"] == "markdown"
    asks = [part for part in form["body"] if "doctor" in str(part)]
    assert (name == "bug_report") == any(part["validations"]["required"] for part in asks)


def test_the_universe_entry_has_the_fields_that_spacy_wants():
    assert {name: type(value) for name, value in UNIVERSE.items()} == FIELDS
    assert UNIVERSE["pip"] == SETUP["metadata"]["name"]
    assert UNIVERSE["slogan"] == SETUP["metadata"]["description"]
    assert set(UNIVERSE["category"]) <= CATEGORIES
    assert all(isinstance(line, str) for line in UNIVERSE["code_example"])
    # Nothing that someone would have to replace.
    assert not re.search(r"example\.com|user/repo", json.dumps(UNIVERSE))


def test_the_example_of_the_universe_runs(tmp_path):
    code = "\n".join(UNIVERSE["code_example"])
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    assert found.returncode == 0, found.stderr
    cats, tokens = map(ast.literal_eval, found.stdout.splitlines())
    assert sum(cats.values()) == pytest.approx(1, abs=1e-4) and cats["GOOD"] > cats["BAD"]
    assert [token["text"] for token in tokens] == ["warm", "and", "funny"]
