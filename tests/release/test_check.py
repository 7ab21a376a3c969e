"""The release checklist: each check passes and fails where it should."""

import shutil
import subprocess
import sys
import tarfile

import pytest
import srsly

from release import check
from release.check import Check, Problem
from spacy_rnn import __version__


@pytest.fixture
def repository(tmp_path):
    """A repository in which all checks of files pass for version 1.2.3."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3\n\nNew.\n\n## 1.2.2\n")
    (tmp_path / "CITATION.cff").write_text("version: 1.2.3\n")
    (tmp_path / "benchmarks").mkdir()
    srsly.write_jsonl(tmp_path / "benchmarks" / "history.jsonl", [{"version": "1.2.3"}])
    make_wheel(tmp_path / "pipelines", "spacy-rnn>=1.0.0,<2.0.0")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def make_wheel(folder, requirement):
    folder.mkdir(exist_ok=True)
    inner = folder / "inner" / "xx_some"
    inner.mkdir(parents=True)
    srsly.write_json(inner / "meta.json", {"requirements": [requirement]})
    zipped = shutil.make_archive(str(folder / "zipped"), "zip", folder / "inner")
    shutil.move(zipped, folder / "xx_some-1.0.0-py3-none-any.whl")
    shutil.rmtree(folder / "inner")


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")


def failed(repository, version="1.2.3"):
    """Titles of the checks that fail."""
    found = []
    for one in check.of_repository(repository, version):
        try:
            one.run()
        except Problem:
            found.append(one.title)
    return found


def test_all_pass_where_all_fits(repository):
    assert failed(repository) == []


def test_another_version_fits_nowhere(repository):
    assert failed(repository, "2.0.0") == [
        "CHANGELOG.md begins with 2.0.0",
        "CITATION.cff has 2.0.0",
        "Shipped pipelines admit 2.0.0",
        "benchmarks/history.jsonl has 2.0.0",
    ]


def test_what_is_not_committed_is_named(repository):
    (repository / "new.py").write_text("")
    with pytest.raises(Problem, match="new.py"):
        check.check_clean(repository)


def test_a_version_is_released_once(repository):
    git(repository, "tag", "v1.2.3")
    assert failed(repository) == ["No tag v1.2.3 yet"]
    with pytest.raises(Problem, match="raise __version__"):
        check.check_tag(repository, "1.2.3")


def test_a_prerelease_is_admitted(repository):
    check.check_pipelines(repository, "1.3.0rc1")


def test_a_line_for_each_and_all_are_run(capsys):
    def fail():
        raise Problem("what to do")

    def crash():
        raise KeyError("x")

    ran = []
    checks = [Check("one", fail), Check("two", crash), Check("three", lambda: ran.append(3))]
    assert not check.passed(checks) and ran == [3]
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("one", "what to do", "two", "three"))
    assert check.passed(checks[2:])


def test_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(check, "of_package", lambda root, dist: [])
    bad = Check("one", lambda: check.run("false"))
    monkeypatch.setattr(check, "of_repository", lambda root, version: [bad])
    monkeypatch.setattr(check, "check_docs", lambda root: None)
    with pytest.raises(SystemExit) as found:
        check.main()
    assert found.value.code == 1
    assert f"git tag -a v{__version__}" in capsys.readouterr().out


def test_the_source_is_not_found_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(check.ROOT))
    code = "import os, sys; print(os.environ.get('PYTHONPATH'))"
    assert check.run(sys.executable, "-c", code, cwd=tmp_path) == "None\n"


def test_what_a_failed_command_said_is_told():
    with pytest.raises(Problem, match="no such file|No such file"):
        check.run("ls", "/no-such-folder-at-all")


def test_the_start_of_the_readme(tmp_path):
    code, expected = check.start_of(check.ROOT / "README.md")
    assert "spacy.load" in code and expected.startswith("1.00 ")
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(Problem, match="no code"):
        check.start_of(tmp_path / "README.md")


def test_only_what_tests_need_is_unpacked(tmp_path):
    for name in ("tests/test_a.py", "pyproject.toml", "spacy_rnn/__init__.py"):
        (tmp_path / "pkg-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pkg-1" / name).write_text("")
    with tarfile.open(tmp_path / "pkg-1.tar.gz", "w:gz") as file:
        file.add(tmp_path / "pkg-1", "pkg-1")
    check.unpack(tmp_path / "pkg-1.tar.gz", tmp_path / "work", check.FOR_TESTS)
    found = {str(path.relative_to(tmp_path / "work")) for path in (tmp_path / "work").rglob("*")}
    assert found == {"pyproject.toml", "tests", "tests/test_a.py"}


@pytest.mark.slow
def test_sdist_and_wheel_work_without_the_source(tmp_path):
    """Of the last commit."""
    pytest.importorskip("twine")
    for one in check.of_package(check.ROOT, tmp_path):
        one.run()
