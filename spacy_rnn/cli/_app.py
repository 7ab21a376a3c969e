"""The typer application, and what its commands share."""

import contextlib
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, NoReturn, Optional, Sequence

import typer
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import import_file
from thinc.api import ConfigValidationError, require_gpu
from tqdm.auto import tqdm
from typer.core import TyperGroup
from wasabi import msg

from .. import __version__
from ..errors import Errors
from ..whole_file import write_whole

# What a treebank annotates.
TREEBANK_ATTRS = ("ORTH", "TAG", "POS", "MORPH", "LEMMA", "HEAD", "DEP", "SENT_START")
# Of click, which some versions of typer bring along under another name.
UsageError: Any = typer.BadParameter.__base__


@contextlib.contextmanager
def usage_errors_inone_line() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        if error.ctx is None:
            raise
        message = one_line(error.format_message()).rstrip(".")
        raise UsageError(f"{message}. Try `{error.ctx.command_path} --help`.") from error


class OneLineErrors(TyperGroup):
    """Wrong arguments of a command are said in one line, without its usage."""

    def make_context(self, info_name: Any, args: Any, *parents: Any, **extra: Any) -> Any:
        with usage_errors_inone_line() if args else contextlib.nullcontext():
            return super().make_context(info_name, args, *parents, **extra)

    def invoke(self, ctx: Any) -> Any:
        with usage_errors_inone_line():
            return super().invoke(ctx)


app = typer.Typer(
    cls=OneLineErrors,
    name="spacy-rnn",
    help="Data, vocabularies and predictions for recurrent spaCy components.",
    no_args_is_help=True,
    add_completion=False,
    # Help is printed as it is written: brackets and backquotes are no markup.
    rich_markup_mode=None,
)


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spacy-rnn {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=print_version, help="Print the version."
    ),
) -> None:
    """Data, vocabularies and predictions for recurrent spaCy components."""


@contextlib.contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the command with the message of an expected error, not with a traceback."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read the output has had enough; typer ends quietly.
        raise
    except ConfigValidationError as error:
        fail(problems_of(error))
    except KeyError as error:
        # thinc's errors of layers without weights. Any other is a fault of the program.
        if not str(error.args[0]).startswith("["):
            raise
        fail(str(error.args[0]))
    except (OSError, ValueError, ImportError) as error:
        fail(str(error))


def import_code(path: Optional[Path]) -> None:
    """Run a Python file of the user's, for what it registers."""
    if path is not None:
        import_file("python_code", path)


def parse_overrides(arguments: Sequence[str]) -> Dict[str, Any]:
    """Settings of a config, as they are given to `spacy train` on the command line. One that no
    config can have ends the command.

    RAISES: ImportError if spaCy has moved its parser, which has no public name.
    """
    from spacy.cli._util import NoSuchOption, parse_config_overrides

    try:
        return parse_config_overrides(list(arguments))
    except NoSuchOption as error:
        fail(error.format_message())


def use_gpu(gpu_id: int) -> None:
    """Compute on a GPU from here on. gpu_id: Its number, -1 for the CPU, as it is without."""
    if gpu_id >= 0:
        require_gpu(gpu_id)
        msg.info(f"Using GPU: {gpu_id}")


def problems_of(error: ConfigValidationError) -> str:
    """What is wrong with a config."""
    problems = "; ".join(
        f"{' -> '.join(map(str, problem.get('loc', [])))}: {problem.get('msg')}"
        for problem in error.errors or ()
    )
    return f"{error.title}: {problems or error.desc}"


def fail(message: str) -> NoReturn:
    """End the command with a message of one line on stderr."""
    if "Traceback (most recent call last)" in message:
        # What spaCy says of an error in another process: its kind and message stand last.
        message = message.strip().splitlines()[-1].partition(": ")[2].strip("'\"")
    typer.secho(f"✘ {one_line(message)}", fg="red", err=True)
    raise typer.Exit(1)


def one_line(message: str) -> str:
    """A message without line breaks."""
    return " ".join(message.split())


def write_docs(
    examples: Iterable[Example], path: Path, *, attrs: Sequence[str] = ("ORTH",)
) -> None:
    """Write the reference documents of examples to a .spacy file, with a progress bar.

    The file appears under its name when it is complete.

    attrs: The attributes of tokens to write.
    """
    docs = pack_docs(examples, path, attrs=attrs)
    write_whole(path, docs.to_bytes())
    msg.good(f"{len(docs)} texts to {path}")


def pack_docs(
    examples: Iterable[Example], path: Path, *, attrs: Sequence[str] = ("ORTH",)
) -> DocBin:
    """The reference documents of examples, with a progress bar.

    path: The file they are for. attrs: The attributes of tokens to pack.
    RAISES: ValueError if there is no example.
    """
    docs = DocBin(attrs=attrs)
    for eg in tqdm(examples, desc=path.name, unit=" texts", disable=None, leave=False):
        docs.add(eg.reference)
    if not len(docs):
        raise ValueError(Errors.R405.format(path=f"The corpus for {path}"))
    return docs
