"""The package as users have it: its wheel and the trained pipelines, in a virtual environment of
their own, outside of the checkout. What the README says is run as it is written there."""

import csv
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import BAD, GOOD

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text("utf8")
SOURCES = ("spacy_rnn", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PIPELINES = sorted((REPOSITORY / "pipelines").glob("*.whl"))


def blocks(language, heading):
    """The code blocks of a section of the README."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The variables of a virtual environment. What the package needs comes from the one that runs
    the tests, but not the package itself."""
    folder = tmp_path_factory.mktemp("installed")
    # Building writes into the sources.
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([*build, source], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    (wheel,) = folder.glob("spacy_rnn-*.whl")
    install = [*pip, "--python", python, "install", "--no-deps", wheel, *PIPELINES]
    subprocess.run(install, check=True)
    purelib = next((folder / "env" / "lib").glob("python*/site-packages"))
    # A path file brings the other packages, but not those that are installed for editing.
    (purelib / "others.pth").write_text(sysconfig.get_paths()["purelib"])
    return {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}


def run(command, environment, folder, **options):
    found = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, **options
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_runs_from_the_wheel_and_has_its_configs(environment, tmp_path):
    code = "import spacy_rnn, spacy_rnn.configs as c; print(spacy_rnn.__file__); print(len(list("
    code += "c.config_path('x').parent.rglob('*.cfg'))))"
    file, configs = run(["python", "-c", code], environment, tmp_path).split()
    assert REPOSITORY not in Path(file).parents and "site-packages" in file
    assert int(configs) == len(list((REPOSITORY / "spacy_rnn" / "configs").rglob("*.cfg")))


def test_each_trained_pipeline_is_small_and_wants_a_version_that_is_there():
    names = {path.name.split("-")[0] for path in PIPELINES}
    assert names == {"en_sentiment_lstm", "en_pos_bilstm"}
    assert all(path.stat().st_size < 12_000_000 for path in PIPELINES)


@pytest.mark.parametrize("heading", ["Try it", "Ask why"])
def test_code_of_the_readme_prints_what_it_says(heading, environment, tmp_path):
    (code,) = blocks("python", heading)
    *_, expected = blocks("", heading)
    assert run(["python", "-c", code], environment, tmp_path) == expected


def test_own_data_by_the_commands_of_the_readme(environment, tmp_path):
    """On a small table, with the settings of the config as it is made."""
    rows = [(text, "good" if text in GOOD else "bad") for text in [*GOOD, *BAD]]
    for name in ("reviews.csv", "more.csv"):
        with (tmp_path / name).open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("text", "label"))
            table.writerows((f"{text} {i}", label) for i in range(20) for text, label in rows)
    train, predict = blocks("", "Train your own")[:2]
    run(["bash", "-ec", train], environment, tmp_path)
    run(["bash", "-ec", predict], environment, tmp_path)
    with (tmp_path / "scored.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert len(scored) == 120
    right = [max(("good", "bad"), key=lambda n: float(row[n])) == row["label"] for row in scored]
    assert sum(right) > 110


def test_a_pipeline_tags(environment, tmp_path):
    code = (
        "import spacy; nlp = spacy.load('en_pos_bilstm'); "
        "print([token.pos_ for token in nlp('The old man the boats, and nobody bats an eye.')])"
    )
    assert "'PRON', 'VERB', 'DET', 'NOUN', 'PUNCT']" in run(
        ["python", "-c", code], environment, tmp_path
    )
