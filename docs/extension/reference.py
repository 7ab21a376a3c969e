"""The generated part of the reference: a page for each registered name and each command, and one
with all messages. New ones get their pages by themselves."""

import configparser
import inspect
import json
import re
import shutil
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from thinc.api import Config
from typer.main import get_command

from spacy_rnn.cli import app
from spacy_rnn.configs import config_path

from . import messages
from .docstrings import to_rst

ROOT = Path(__file__).parents[2]
GENERATED = "/reference/generated"
# What a registry is called on the site, and in which section of a config its functions stand,
# where no config of the package has them.
KINDS = {
    "spacy_factories": ("Components", "components"),
    "spacy_architectures": ("Layers", "components.{factory}.model"),
    "spacy_readers": ("Readers", "corpora.train"),
    "spacy_callbacks": ("Callbacks", "initialize.before_init"),
    "spacy_loggers": ("Loggers", "training.logger"),
    "spacy_scorers": ("Scorers", "components.{factory}.scorer"),
    "spacy_misc": ("Settings with a structure", "misc"),
    "spacy_optimizers": ("Optimizers", "training.optimizer"),
    "spacy_schedules": ("Schedules", "training.optimizer.learn_rate"),
    "spacy_batchers": ("Batchers", "training.batcher"),
    "spacy_augmenters": ("Augmenters", "corpora.train.augmenter"),
}
# Where several configs have a name, the first one of these is shown.
FIRST = ("textcat_lstm", "textcat_multilabel_lstm", "tagger_bilstm")


class Registered(NamedTuple):
    """A function that configs name. group: As in setup.cfg. path: Its module and name."""

    group: str
    name: str
    path: str

    @property
    def registry(self) -> str:
        return self.group.removeprefix("spacy_")

    @property
    def function(self) -> Callable[..., Any]:
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)

    @property
    def documented(self) -> str:
        """What is documented: the function or, of a factory, the class it makes."""
        module, _, name = self.path.partition(":")
        if self.group != "spacy_factories":
            return f"{module}.{name}"
        made = inspect.signature(self.function).return_annotation
        return f"{module}.{made if isinstance(made, str) else made.__name__}"


def registered() -> List[Registered]:
    """All that the package registers, as setup.cfg says it."""
    setup = configparser.ConfigParser(delimiters=("=",))
    setup.optionxform = str  # type: ignore[assignment,method-assign]
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    return [
        Registered(group, *map(str.strip, line.split("=")))
        for group, lines in setup["options.entry_points"].items()
        if group in KINDS
        for line in lines.strip().splitlines()
    ]


def commands() -> Dict[str, Any]:
    """The commands of `spacy-rnn` by their names, as click's."""
    return dict(sorted(get_command(app).commands.items()))  # type: ignore[attr-defined]


def page_of(text: str) -> Optional[str]:
    """The page of a name that a docstring has as code, or None."""
    page = page_names().get(text)
    return f"{GENERATED}/{page}" if page else None


@lru_cache
def page_names() -> Dict[str, str]:
    """Pages by what they are about, as it is written."""
    names = {entry.name: entry.name for entry in registered()}
    return {**names, **{f"spacy-rnn {name}": f"command-{name}" for name in commands()}}


def write_pages(folder: Path) -> None:
    """Write all generated pages, in place of those that are there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in pages():
        (folder / f"{name}.rst").write_text(text, encoding="utf8")


def pages() -> Iterator[Tuple[str, str]]:
    """Names and texts of all generated pages, as reStructuredText."""
    found = registered()
    for entry in found:
        yield entry.name, registered_page(entry)
    yield "registered", registered_index(found)
    for name, command in commands().items():
        yield f"command-{name}", command_page(name, command)
    yield "commands", commands_index()
    yield "messages", messages.page(page_of)


def registered_page(entry: Registered) -> str:
    """The page of a registered name: what it is, its arguments, and a config that has it."""
    kind = KINDS[entry.group][0].lower()
    directive = "autoclass" if entry.group == "spacy_factories" else "autofunction"
    where, block = config_of(entry)
    lines = [
        heading(entry.name),
        f"Registered in ``{entry.registry}`` ({kind}).",
        f".. {directive}:: {entry.documented}",
        heading("In a config", "-"),
        f"As in ``{where}.cfg``:" if where else "With what it is given by default:",
        code_block("ini", block),
    ]
    return "\n\n".join(lines) + "\n"


def config_of(entry: Registered) -> Tuple[str, str]:
    """A part of a config that has a registered name.

    RETURNS: The name of the config of the package that it is of, "" if none has it, and the part.
    """
    for name, config in shipped():
        path = find(config, entry)
        if path:
            return name, section_of(config, path)
    return "", section_of(Config(of_signature(entry)), path_of(entry))


def shipped() -> Iterator[Tuple[str, Config]]:
    """Names and contents of the configs of the package."""
    folder = config_path(FIRST[0]).parent
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.cfg")]
    rest = sorted(set(names).difference(FIRST), key=lambda name: ("/" in name, name))
    for name in [*FIRST, *rest]:
        yield name, Config().from_disk(config_path(name), interpolate=False)


def find(section: Dict[str, Any], entry: Registered, above: str = "") -> str:
    """The path of the section that has a registered name, "" if there is none."""
    if entry.group == "spacy_factories":
        parts = section.get("components", {}).items()
        return next((f"components.{n}" for n, p in parts if p.get("factory") == entry.name), "")
    if section.get(f"@{entry.registry}") == entry.name:
        return above
    for name, part in section.items():
        path = find(part, entry, f"{above}.{name}".lstrip(".")) if isinstance(part, dict) else ""
        if path:
            return path
    return ""


def section_of(config: Config, path: str) -> str:
    """A section of a config and those below it, as they stand in a file."""
    text = config.to_str(interpolate=False)
    parts = re.split(r"^(?=\[)", text, flags=re.M)
    return "".join(part for part in parts if re.match(rf"\[{re.escape(path)}[\].]", part)).strip()


def path_of(entry: Registered) -> str:
    return KINDS[entry.group][1].format(factory="textcat_lstm")


def of_signature(entry: Registered) -> Dict[str, Any]:
    """A config with a section of a registered name, made of its arguments' defaults. An argument
    without one has its name for a value."""
    settings = {f"@{entry.registry}": entry.name}
    for name, argument in inspect.signature(entry.function).parameters.items():
        given = argument.default
        settings[name] = name if given is inspect.Parameter.empty else json.loads(json.dumps(given))
    config: Dict[str, Any] = {}
    part = config
    *above, last = path_of(entry).split(".")
    for section in above:
        part = part.setdefault(section, {})
    part[last] = settings
    return config


def registered_index(found: List[Registered]) -> str:
    """The list of all registered names, by what they are."""
    parts = [heading("Registered names"), "What configs name, and what each takes."]
    for group, (title, _) in KINDS.items():
        names = [entry.name for entry in found if entry.group == group]
        if names:
            # The list beside each page has little room.
            shown = [f"{name.removeprefix('spacy-rnn.')} <{name}>" for name in names]
            parts += [heading(title, "-"), toctree(shown)]
    return "\n\n".join(parts) + "\n"


def command_page(name: str, command: Any) -> str:
    """The page of a command: its help, as `--help` prints it, with all arguments and options."""
    ctx = command.context_class(command, info_name=name)
    usage = " ".join(["spacy-rnn", name, *command.collect_usage_pieces(ctx)])
    parts = [
        heading(f"spacy-rnn {name}"),
        code_block("text", usage),
        to_rst(inspect.cleandoc(command.help or ""), page_of),
        heading("Arguments and options", "-"),
    ]
    records = [parameter.get_help_record(ctx) for parameter in command.params]
    parts += [option(record) for record in records if record]
    return "\n\n".join(parts) + "\n"


def option(record: Tuple[str, str]) -> str:
    """One argument or option, as an entry of a list of definitions. record: As in `--help`."""
    names, meaning = record
    return f"``{names}``\n    {to_rst(' '.join(meaning.split()), page_of) or 'See above.'}"


def commands_index() -> str:
    names = [f"command-{name}" for name in commands()]
    return "\n\n".join([heading("Commands"), toctree(names)]) + "\n"


def heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


def toctree(names: List[str]) -> str:
    return ".. toctree::\n   :maxdepth: 1\n\n" + "\n".join(f"   {name}" for name in names)


def code_block(language: str, text: str) -> str:
    lines = "\n".join(f"   {line}".rstrip() for line in text.splitlines())
    return f".. code-block:: {language}\n\n{lines}"
