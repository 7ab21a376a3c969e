"""Files and folders are there as a whole, whatever happens while they are written."""

import os

import pytest

from spacy_rnn.whole_file import appears_whole, folder_appears_whole, mend, write_whole

CALLS = ("rename", "replace", "fsync", "rmdir", "unlink")


class Killed(BaseException):
    """Stands for a kill: nothing of the process runs after it."""


def write_folder(path, text):
    with folder_appears_whole(path) as part:
        part.mkdir()
        (part / "inner").mkdir()
        (part / "a").write_text(text)
        (part / "inner" / "b").write_text(text)


def read_folder(path):
    return {file.name: file.read_text() for file in path.rglob("*") if file.is_file()}


def killed_at(number, monkeypatch, write):
    """Write until some call of the system, counted over all of them. RETURNS: Whether it came."""
    left = [number]

    def before(call):
        def counted(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return call(*args, **kwargs)

        return counted

    with monkeypatch.context() as patched:
        for name in CALLS:
            patched.setattr(os, name, before(getattr(os, name)))
        try:
            write()
        except Killed:
            return True
        except OSError:
            # Of what was to clean up, which was killed as well.
            return True
    return False


def test_folders_killed_at_any_call(tmp_path, monkeypatch):
    path, number = tmp_path / "model", 0
    write_folder(path, "old")
    while killed_at(number, monkeypatch, lambda: write_folder(path, "new")):
        mend(path)
        assert read_folder(path) in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})
        assert [file.name for file in tmp_path.iterdir()] == ["model"], number
        write_folder(path, "old")
        number += 1
    assert number > 5
    assert read_folder(path) == {"a": "new", "b": "new"}


def test_what_is_there_is_whole_before_it_is_mended(tmp_path, monkeypatch):
    """Between two steps, the folder may be missing for a moment, but is never in parts."""
    path, number, found = tmp_path / "model", 0, []
    write_folder(path, "old")
    while killed_at(number, monkeypatch, lambda: write_folder(path, "new")):
        found.append(path.exists())
        if path.exists():
            assert len(set(read_folder(path).values())) == 1 and len(read_folder(path)) == 2
        mend(path)
        number += 1
    assert found.count(False) <= 2 < found.count(True)


def test_files_killed_at_any_call(tmp_path, monkeypatch):
    path, number = tmp_path / "checkpoint", 0
    write_whole(path, b"old")
    while killed_at(number, monkeypatch, lambda: write_whole(path, b"new")):
        mend(path)
        assert path.read_bytes() in (b"old", b"new")
        assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
        write_whole(path, b"old")
        number += 1
    assert number >= 2 and path.read_bytes() == b"new"


def test_an_error_leaves_what_was_there(tmp_path):
    write_folder(tmp_path / "model", "old")
    write_whole(tmp_path / "file", b"old")
    with pytest.raises(ZeroDivisionError), folder_appears_whole(tmp_path / "model") as part:
        part.mkdir()
        (part / "a").write_text("new")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), appears_whole(tmp_path / "file") as part:
        part.write_text("new")
        raise ZeroDivisionError
    assert read_folder(tmp_path) == {"a": "old", "b": "old", "file": "old"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "model"]


def test_a_folder_that_is_new_may_be_anywhere(tmp_path):
    write_folder(tmp_path / "model", "new")
    assert read_folder(tmp_path / "model") == {"a": "new", "b": "new"}


def test_only_what_is_left_of_the_same_name_is_removed(tmp_path):
    for name in (".model.1.part", ".model-best.1.part", ".other.old", "model.part"):
        (tmp_path / name).write_text("")
    (tmp_path / ".model.old").mkdir()
    mend(tmp_path / "model")
    left = {".model-best.1.part", ".other.old", "model.part", "model"}
    assert {file.name for file in tmp_path.iterdir()} == left
