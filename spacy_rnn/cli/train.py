"""`spacy-rnn train`: train a pipeline, and go on after an interruption."""

import io
import logging
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import spacy
import typer
from spacy.util import load_config, registry
from thinc.api import Config
from wasabi import msg

from ..corpus.files import require_path
from ..errors import Errors
from ..training.checkpoint import Checkpoint
from ..training.ranks import Ranks, joined_by_environment, own_gpu
from ..training.ray_workers import train_on_ray
from ..training.shares import check_optimizer
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
    ray_workers: int = typer.Option(
        0, "--ray-workers", help="Train in so many processes on Ray, 0 for this process alone."
    ),
    ray_restarts: int = typer.Option(
        3, "--ray-restarts", help="How often to go on after a worker was lost."
    ),
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

    With the optimizer spacy-rnn.AllReduceAdam.v1, several processes train together, on one machine
    or many, each on its share of every batch, with the result of one process: torchrun
    --nproc-per-node 4 -m spacy_rnn train CONFIG --output OUTPUT; or --ray-workers 4. With --gpu-id
    0, each takes a GPU of its own.
    """
    if verbose:
        spacy.util.logger.setLevel(logging.DEBUG)
    import_code(code)
    with errors_as_messages(), joined_by_environment() as ranks:
        # Of several processes, one says what happens.
        says = ranks.is_first
        config, settings = split_arguments(arguments or [])
        job = (config, output, resume, gpu_id, parse_overrides(settings))
        status = on_ray(ray_workers, ray_restarts, code, *job) if ray_workers else run(*job)
    if status and says:
        msg.warn("Interrupted.")
        # Not by wasabi, which breaks lines that are to be copied.
        option = f" --code {shlex.quote(str(code))}" if code else ""
        print(f"To go on: spacy-rnn train --output {shlex.quote(str(output))} --resume{option}")
    if status:
        # As a shell says it of a command that a signal has ended.
        raise typer.Exit(128 + status)
    if says:
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
    """Begin a training, or go on with one; together with the other processes of the group, if this
    is one of several. For the arguments, see `train`.

    overrides: Settings by their dotted names.
    RETURNS: 0, or the number of the signal that has interrupted it.
    """
    ranks = Ranks()
    settings, checkpoint = ranks.from_first(
        lambda: find_settings(config, output, resume, overrides)
    )
    gpu_id = gpu_of(gpu_id, checkpoint)
    use_gpu(own_gpu(gpu_id))
    stdout = sys.stdout if ranks.is_first else io.StringIO()
    return train_pipeline(settings, output, use_gpu=gpu_id, checkpoint=checkpoint, stdout=stdout)


def on_ray(
    workers: int,
    restarts: int,
    code: Optional[Path],
    config: Optional[Path],
    output: Path,
    resume: bool,
    gpu_id: Optional[int],
    overrides: Dict[str, Any],
) -> int:
    """As `run`, in workers on Ray. All paths must be there on all of their machines.

    workers: How many. restarts: How often to go on after one was lost. code: As for `train`.
    RAISES: ValueError if the training fails as often.
    """
    # Before Ray takes its time: what is wrong with the arguments.
    settings, checkpoint = find_settings(config, output, resume, overrides)
    optimizer = settings.interpolate()["training"]["optimizer"]
    check_optimizer(registry.resolve({"optimizer": optimizer})["optimizer"], workers)
    gpu_id = gpu_of(gpu_id, checkpoint)
    job = (Path.cwd(), code, config, output, gpu_id, overrides)
    train_on_ray(partial(work, *job), workers, restarts, on_gpus=gpu_id >= 0, folder=output)
    return 0


def work(
    folder: Path,
    code: Optional[Path],
    config: Optional[Path],
    output: Path,
    gpu_id: int,
    overrides: Dict[str, Any],
) -> None:
    """What a worker on Ray does. folder: Of the command, for paths. For the other arguments, see
    `on_ray`."""
    os.chdir(folder)
    import_code(code)
    # Whoever begins after a worker was lost goes on.
    run(config, output, True, gpu_id, overrides)


def gpu_of(gpu_id: Optional[int], checkpoint: Optional[Checkpoint]) -> int:
    """The GPU that is asked for, or that of the checkpoint, or -1 for the CPU."""
    if gpu_id is None:
        return -1 if checkpoint is None else checkpoint.facts["gpu"]
    return gpu_id


def find_settings(
    config: Optional[Path], output: Path, resume: bool, overrides: Dict[str, Any]
) -> Tuple[Config, Optional[Checkpoint]]:
    """The config to train by, and what to go on from, if anything. For the arguments, see `run`."""
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = find_checkpoint(output, resume)
    return find_config(config, output, checkpoint, overrides), checkpoint


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
