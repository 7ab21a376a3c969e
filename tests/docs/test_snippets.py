"""What the pages show runs: code of Python, parts of configs, and commands.

A block below `<!-- skip: reason -->` is left alone, for that reason.
"""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest
import spacy
from spacy.cli import app as spacy_app
from spacy.tokens import Doc, Span
from thinc.api import Config
from typer.main import get_command

from spacy_rnn.cli import app
from spacy_rnn.cli._app import UsageError
from spacy_rnn.configs import config_path
from tests.conftest import BAD, GOOD
from tests.docs.test_from_torch_to_spacy import require_valid

DOCS = Path(__file__).parents[2] / "docs"
# The tutorial has tests of its own, in test_from_torch_to_spacy.py.
PAGES = sorted(
    path.relative_to(DOCS).as_posix()
    for path in DOCS.rglob("*.md")
    if path.name != "from-torch-to-spacy.md"
)
BLOCK = re.compile(
    r"^(?:<!-- skip: (?P<reason>.*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
# Components by the config that their settings are shown of.
CONFIGS = ("tagger_bilstm", "textcat_multilabel_lstm", "textcat_lstm")


def blocks(page, *languages):
    """Blocks of code of a page: text, the number of its first line, and why not to run it."""
    text = (DOCS / page).read_text(encoding="utf8")
    return [
        (found["text"], text.count("\n", 0, found.start("text")), found["reason"])
        for found in BLOCK.finditer(text)
        if found["language"] in languages
    ]


def cases(*languages):
    """Blocks of all pages, with the page each is of."""
    for page in PAGES:
        for text, line, reason in blocks(page, *languages):
            skip = [pytest.mark.skip(reason=reason)] if reason else []
            yield pytest.param(page, text, marks=skip, id=f"{page}:{line}")


def pages_with(language):
    return [page for page in PAGES if blocks(page, language)]


@pytest.fixture
def no_extensions():
    """Take out what pipelines have registered of documents and spans: it belongs to the process."""
    yield
    for owner, name in ((Doc, "abstained"), (Span, "cats")):
        if owner.has_extension(name):
            owner.remove_extension(name)


def given(page):
    """What a page of settings takes for granted: a pipeline, texts, and another pipeline in the
    folder "model". Guides begin with nothing."""
    if page != "usage.md":
        return {}
    spacy.load("en_pos_bilstm").to_disk("model")
    nlp = spacy.load("en_sentiment_lstm", config={"components.textcat_lstm.abstain": 0.8})
    nlp.add_pipe("sentencizer")
    doc, other_doc = nlp.pipe([" ".join(GOOD), " ".join(BAD)])
    names = {
        "spacy": spacy,
        "nlp": nlp,
        "texts": [*GOOD, *BAD],
        "text": "A film. It is dull.",
        "json": json,
    }
    return {**names, "doc": doc, "other_doc": other_doc}


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs(page, shipped, no_extensions, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(shipped))
    names = given(page)
    for text, line, reason in blocks(page, "python"):
        if reason:
            continue
        # At its place in the page, so that a traceback leads there.
        code = compile("\n" * line + text, str(DOCS / page), "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)


def parse(block):
    """Some sections of a config, with those above them, which a page leaves out."""
    found = re.findall(r"^\[(.+)\]$", block, re.M)
    parts = [name.split(".") for name in found]
    above = {".".join(names[:n]) for names in parts for n in range(1, len(names))}
    missing = sorted(name for name in above.difference(found) if not name.endswith("*"))
    text = "".join(f"[{name}]\n" for name in missing) + block
    return Config().from_str(text, interpolate=False)


def shown_of(block):
    """The name of the config of the package that a block shows changes of."""
    return next((name for name in CONFIGS if f"components.{name}" in block), CONFIGS[-1])


@pytest.mark.parametrize("page, block", cases("ini"))
def test_configs_are_valid(page, block):
    config = Config().from_disk(config_path(shown_of(block)), interpolate=False)
    changes = parse(block)
    require_valid(merged(config, changes))


def merged(config, changes):
    """A config with changes. A section that names a function takes the place of what was there,
    as in a file; of one function, the settings that are not named stay."""
    for name, value in changes.items():
        there = config.get(name)
        if isinstance(value, dict) and isinstance(there, dict) and not other(there, value):
            merged(there, value)
        else:
            config[name] = value
    return config


def other(there, value):
    """Whether two sections name different functions."""
    names = [{n: v for n, v in part.items() if n.startswith("@")} for part in (there, value)]
    return bool(names[1]) and names[0] != names[1]


def commands_of(block):
    """The commands of a block, each as its words. Lines that end in a backslash go on."""
    for line in block.replace("\\\n", " ").splitlines():
        if re.match(r"(python -m )?(spacy-rnn|spacy) |make ", line):
            yield shlex.split(line.removeprefix("python -m "), comments=True)


def check_command(words):
    """RAISES: Exception for a command, an option or a target that is not there."""
    if words[0] == "make":
        makefile = (DOCS.parent / "Makefile").read_text(encoding="utf8")
        assert re.search(rf"^(?:.* )?{words[1]}(?: .*)?:", makefile, re.M), words
        return
    group = get_command(app if words[0] == "spacy-rnn" else spacy_app)
    command = group.commands[words[1]]
    # What is typed is parsed, but not whether files are there.
    with command.make_context(words[1], words[2:], resilient_parsing=True) as context:
        context.resilient_parsing = False
        command.make_parser(context).parse_args(words[2:])


@pytest.mark.parametrize("page, block", cases("", "bash"))
def test_commands_take_these_arguments(page, block):
    for words in commands_of(block):
        check_command(words)


def test_what_is_wrong_would_be_found():
    check_command(["spacy-rnn", "report", "model", "dev.spacy", "-o", "report.html"])
    for words in (
        ["spacy-rnn", "reprot", "model"],
        ["spacy-rnn", "report", "model", "dev.spacy", "--outptu", "report.html"],
        ["spacy", "benchmark-nothing", "model"],
        ["make", "nothing"],
    ):
        with pytest.raises((KeyError, AssertionError, UsageError)):
            check_command(words)
    wrong = "[components.textcat_lstm.model.encode]\nwidht = 64\n"
    with pytest.raises(ValueError):
        test_configs_are_valid("", wrong)


def test_all_kinds_of_blocks_are_found():
    assert len(pages_with("python")) > 6 and len(list(cases("ini"))) > 10
    words = [words for case in cases("", "bash") for words in commands_of(case.values[1])]
    assert len(words) > 30
    reasons = [reason for page in PAGES for _, _, reason in blocks(page, "python", "ini") if reason]
    assert len(reasons) < 6
