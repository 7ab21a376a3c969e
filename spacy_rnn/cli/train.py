"""`spacy-rnn train`: train a pipeline, and go on after an interruption."""

import logging
import shlex
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import spacy
import typer
from spacy.util import load_config
from thinc.api import Config
from wasabi import msg

from ..corpus.files import require_path
from ..errors import Errors
from ..training.checkpoint import Checkpoint
from ..training.train import find_checkpoint
from ..training.train import train as train_pipeline
from ._app import app, errors_as_messages, import_code, parse_overrides, use_gpu


@app.command(
    "train",
    short_help="Train a pipeline, and go on after an interruption.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def train(
    arguments: Optional[List[str]] = typer.Argument(
        None,
        metavar="[CONFIG]",
        help="The training config. After it come settings, as in `spacy train`: "
        "--training.max_steps 500. With --resume it may be left out.",
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The folder to train into."),
    resume: bool = typer.Option(
        False, "--resume", help="Go on with the training in the folder, if there is one."
    ),
    gpu_id: Optional[int] = typer.Option(
        None, "--gpu-id", "-g", help="Number of the GPU, -1 for the CPU, which is the default."
    ),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file to import."),
    verbose: bool = typer.Option(False, "--verbose", "-V", help="Say more, to find faults."),
) -> None:
    """Train a pipeline as `spacy train` does, by the same config and with the same result, into
    OUTPUT/model-best and OUTPUT/model-last. These are whole at any time, whatever ends the
    training: a new one takes the place of an old one when it is complete.

    After each evaluation OUTPUT/checkpoint is written, from which a training that was interrupted
    goes on: spacy-rnn train --output OUTPUT --resume. On the same machine the result is that of a
    training that was not interrupted, to the last bit. Data and other files that the config names
    must be the same. The config is that of the checkpoint; only when the training ends can be
    changed: --training.max_steps, --training.max_epochs and --training.patience.

    Ctrl-C and SIGTERM finish the step, write a checkpoint, and end the command.
    """
    if verbose:
        spacy.util.logger.setLevel(logging.DEBUG)
    import_code(code)
    with errors_as_messages():
        config, settings = split_arguments(arguments or [])
        status = run(config, output, resume, gpu_id, parse_overrides(settings))
    if status:
        msg.warn("Interrupted.")
        # Not by wasabi, which breaks lines that are to be copied.
        option = f" --code {shlex.quote(str(code))}" if code else ""
        print(f"To go on: spacy-rnn train --output {shlex.quote(str(output))} --resume{option}")
        # As a shell says it of a command that a signal has ended.
        raise typer.Exit(128 + status)
    msg.good(f"Saved pipelines to {output}")


def split_arguments(arguments: List[str]) -> Tuple[Optional[Path], List[str]]:
    """The config, None if it was left out, and the settings, which begin with `--`."""
    if not arguments or arguments[0].startswith("--"):
        return None, arguments
    return Path(arguments[0]), arguments[1:]


def run(
    config: Optional[Path],
    output: Path,
    resume: bool,
    gpu_id: Optional[int],
    overrides: Dict[str, Any],
) -> int:
    """Begin a training, or go on with one. For the arguments, see `train`.

    overrides: Settings by their dotted names.
    RETURNS: 0, or the number of the signal that has interrupted it.
    """
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = find_checkpoint(output, resume)
    settings = find_config(config, output, checkpoint, overrides)
    if gpu_id is None:
        gpu_id = -1 if checkpoint is None else checkpoint.facts["gpu"]
    use_gpu(gpu_id)
    return train_pipeline(
        settings, output, use_gpu=gpu_id, checkpoint=checkpoint, stdout=sys.stdout
    )


def find_config(
    path: Optional[Path],
    output: Path,
    checkpoint: Optional[Checkpoint],
    overrides: Dict[str, Any],
) -> Config:
    """The config to train by.

    RAISES: ValueError if there is none, or it is not that of the checkpoint; FileNotFoundError.
    """
    given: Optional[Config] = None
    if path is not None:
        # As in spaCy, - is standard input.
        if str(path) != "-":
            require_path(path, "Check the path. `spacy-rnn init-config` makes a config.")
        given = load_config(path, overrides=overrides, interpolate=False)
    if checkpoint is not None:
        return checkpoint.config(given, overrides)
    if given is None:
        raise ValueError(Errors.R717.format(path=output))
    return given
