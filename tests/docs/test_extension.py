"""What the site's extension makes of docstrings, messages, registered names and links."""

import inspect
import re
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Config

from docs.extension import docstrings, messages, reference, repository_pages
from docs.extension.repository_pages import DOCS, ROOT, to_site
from spacy_rnn import errors

DOCSTRING = """What it is for: a thing. With `code` and a*b_.

Second paragraph.

width: Its width, as in
    `torch.nn.LSTM`. depth, height: Two more. unknown: is no argument.
RETURNS: Rows of shape (tokens, width).
RAISES: ValueError for a width: below 1."""


def test_docstrings_become_fields():
    lines = docstrings.to_fields(DOCSTRING, ["width", "depth", "height"])
    assert lines == [
        "What it is for: a thing. With ``code`` and a\\*b\\_.",
        "",
        "Second paragraph.",
        "",
        ":param width: Its width, as in ``torch.nn.LSTM``\\ .",
        ":param depth: Two more. unknown: is no argument.",
        ":param height: Two more. unknown: is no argument.",
        ":returns: Rows of shape (tokens, width).",
        ":raises: ValueError for a width: below 1.",
        "",
    ]


def test_text_without_fields_stays():
    assert docstrings.to_fields("One line.\n\nAnother: x.", ["x"]) == [
        "One line.",
        "",
        "Another: x.",
    ]


def test_options_become_code():
    assert docstrings.to_rst("Give --paths.train, or -- `--x`.") == (
        "Give ``--paths.train``\\ , or -- ``--x``\\ ."
    )


def test_names_become_links():
    found = docstrings.to_rst("See `a.v1`s.", {"a.v1": "/a"}.get)
    assert found == "See :doc:`a.v1 </a>`\\ s."


words = st.text("ab*_|\\:<>[]'\"-.{}", min_size=1).filter(lambda word: "::" not in word)


@given(st.lists(st.one_of(words, words.map("`{}`".format)), min_size=1, max_size=6))
def test_nothing_is_taken_for_markup_but_code(parts):
    core = pytest.importorskip("docutils.core", reason="needs Sphinx, as in `make docs`")
    text = " ".join(["A", *parts])
    found = core.publish_doctree(
        docstrings.to_rst(text), settings_overrides={"report_level": 1, "halt_level": 1}
    )
    assert found.astext() == text.replace("`", "")
    code = [node for node in found.findall() if node.tagname == "literal"]
    assert len(code) == text.count("`") // 2 + len(docstrings.OPTION.findall(text))


@pytest.mark.parametrize(
    "types, expected",
    [
        ("(a: typing.List[spacy.tokens.doc.Doc] = 3.5)", "(a: List[Doc] = 3.5)"),
        ("thinc.model.Model[typing.List[x.Doc], Rows]", "Model"),
        ("Callable[[thinc.model.Model[A, B[C]]], int]", "Callable[[Model], int]"),
        ("(scorer: Callable = <function a.score_cats>)", "(scorer: Callable = score_cats)"),
        ("(path: pathlib.Path = 'a.b.c')", "(path: Path = 'a.b.c')"),
    ],
)
def test_types_are_said_shortly(types, expected):
    assert docstrings.short(types) == expected


def codes():
    found = {**vars(errors.Warnings), **vars(errors.Errors)}
    return [code for code in found if re.fullmatch(r"[WR]\d+", code)]


def test_each_message_has_its_place_cause_remedy_and_origin():
    page = messages.page(lambda name: None)
    assert len(codes()) > 100
    origins = messages.origins()
    for message in messages.all_messages():
        part = page.split(f"\n.. _{message.code}:\n")[1].split("\n.. _")[0]
        cause, remedy = messages.cause_and_remedy(message)
        assert cause and (remedy or message.sample), (
            f"{message.code} does not say what to do in a sentence of its own: say it in "
            "spacy_rnn/errors.py or, where there is no room, in REMEDIES of "
            "docs/extension/messages.py"
        )
        assert "**What to do:**" in part or message.sample in part
        assert origins[message.code], f"{message.code} is used nowhere"
    assert [message.code for message in messages.all_messages()] == codes()


def test_causes_and_remedies_are_those_of_the_message():
    found = {message.code: message for message in messages.all_messages()}
    assert messages.cause_and_remedy(found["R104"]) == (
        "Unknown token attribute: '{attr}'.",
        "Use one of: {allowed}.",
    )
    assert "[initialize.before_init]" in found["R103"].sample
    assert found["R103"].part == "Layers" and found["W001"].part == "Warnings"
    assert messages.origins()["R201"] == {"spacy_rnn.layers.pool"}


def test_remedies_are_of_messages_that_are_there():
    assert set(messages.REMEDIES) <= set(codes())


def test_each_registered_name_and_command_has_its_page():
    pages = dict(reference.pages())
    names = [entry.name for entry in reference.registered()]
    assert len(names) > 30 and len(set(names)) == len(names)
    groups = {entry.group for entry in reference.registered()}
    setup = (ROOT / "setup.cfg").read_text(encoding="utf8")
    entry_points = setup.split("[options.entry_points]")[1].split("\n[")[0]
    assert groups == set(re.findall(r"^(spacy_\w+) =$", entry_points, re.M)), "add it to KINDS"
    for entry in reference.registered():
        assert entry.documented in pages[entry.name]
        assert f" <{entry.name}>\n" in pages["registered"]
    for name, command in reference.commands().items():
        text = pages[f"command-{name}"]
        assert f"\n   command-{name}\n" in pages["commands"] + "\n"
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in text, (name, option)


@pytest.mark.parametrize("entry", reference.registered(), ids=lambda entry: entry.name)
def test_config_blocks_are_what_the_function_takes(entry):
    where, block = reference.config_of(entry)
    assert f'"{entry.name}"' in block
    config = Config().from_str(
        "".join(f"[{name}]\n" for name in missing_sections(block)) + block, interpolate=False
    )
    (section,) = sections_of(config, entry)
    given = {name for name in section if not name.startswith("@")}
    parameters = inspect.signature(entry.function).parameters.values()
    known = {p.name for p in parameters if p.kind is not p.VAR_POSITIONAL}
    if entry.group == "spacy_factories":
        known, given = known - {"nlp", "name"}, given - {"factory"}
    assert given - {"*"} <= known
    if not where:
        assert given == known
    registry = getattr(spacy.registry, entry.registry, None)
    assert registry is None or entry.group == "spacy_factories" or entry.name in registry


def missing_sections(block):
    found = re.findall(r"^\[(.+)\]$", block, re.M)
    above = {".".join(n.split(".")[:i]) for n in found for i in range(1, n.count(".") + 1)}
    return sorted(name for name in above.difference(found) if not name.endswith("*"))


def sections_of(config, entry):
    """Sections of a config that have a registered name."""
    mark = {"factory": entry.name} if entry.group == "spacy_factories" else None
    mark = mark or {f"@{entry.registry}": entry.name}
    found = [config] if mark.items() <= config.items() else []
    for part in config.values():
        found += sections_of(part, entry) if isinstance(part, dict) else []
    return found[:1]


def test_docstrings_of_registered_names_say_each_argument():
    """Where a docstring has fields at all: some say that they are as another."""
    for entry in reference.registered():
        thing = entry.function
        fields = docstrings.to_fields(inspect.getdoc(thing), docstrings.arguments_of(thing))
        found = {line.split(":")[1] for line in fields if line.startswith(":param")}
        if found:
            wanted = {f"param {name}" for name in docstrings.arguments_of(thing)}
            assert found == wanted, entry.name


PAGE = DOCS / "guides" / "x.md"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[a](../usage.md#data)", "[a](../usage.md#data)"),
        ("[a](../../benchmarks/README.md#speed)", "[a](../benchmarks.md#speed)"),
        ("[a](../../CONTRIBUTING.md)", "[a](../contributing.md)"),
        ("[a](https://spacy.io)", "[a](https://spacy.io)"),
        ("[a](#below)", "[a](#below)"),
        ("[a](../../pipelines)", "a"),
        ("![p](../padding.svg)", "![p](../padding.svg)"),
        ("```\n[a](../../pipelines)\n```\n", "```\n[a](../../pipelines)\n```\n"),
    ],
)
def test_links(text, expected):
    assert to_site(text, PAGE) == expected


def test_pages_of_the_repository_are_included():
    found = to_site("```{include} ../../README.md\n:end-before: ## Ask why\n```\n", PAGE)
    assert found.startswith("# spacy-rnn") and "## Try it" in found and "## Ask why" not in found
    assert "](../images/demo.png)" in found


def test_a_part_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="not there"):
        to_site("```{include} ../../README.md\n:start-after: not there\n```\n", PAGE)


def test_pictures_of_both_modes():
    usage = to_site((DOCS / "usage.md").read_text(encoding="utf8"), DOCS / "usage.md")
    assert "<picture>" not in usage
    assert usage.count(":class: only-light") == usage.count(":class: only-dark") >= 5


def test_what_is_shown_of_the_repository_is_there():
    for file, page in repository_pages.PAGES.items():
        assert (ROOT / file).exists()
        assert f"{{include}} ../{file}" in Path(DOCS / page).read_text(encoding="utf8")


@pytest.mark.parametrize("folder", ["guides", "explanation"])
def test_each_page_of_a_folder_is_in_its_list(folder):
    text = (DOCS / folder / "index.md").read_text(encoding="utf8")
    listed = set(re.findall(r"^- \[.+\]\((.+)\): ", text, re.M))
    assert listed == {path.name for path in (DOCS / folder).glob("*.md")} - {"index.md"}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere_in_the_repository(page):
    """As they are written, for those who read the pages there. Anchors are tested of the site."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s#]+)", text):
        generated = "generated/" in link
        assert generated or ":" in link or (page.parent / link).exists(), link
