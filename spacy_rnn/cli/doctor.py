"""`spacy-rnn doctor`: whether machine, config and data fit together, and what to do if not."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

import typer
from thinc.api import get_torch_default_device
from wasabi import msg

from ..corpus.files import require_path
from ..engine.ragged_rnn import has_bfloat16
from ..errors import Errors
from ._app import app, errors_as_messages, import_code, parse_overrides
from ._doctor_batch import check_batch
from ._doctor_config import (
    Setup,
    check_config,
    check_hardware,
    check_length_of_training,
    load_setup,
)
from ._doctor_cpu import check_cpu, start_method
from ._doctor_data import Corpora, check_texts, read_corpus
from ._doctor_findings import Finding, describe, fail, show
from ._doctor_gpu import check_device, check_gpus, find_gpus
from ._doctor_labels import check_labels
from ._doctor_reading import check_reading
from ._doctor_self_test import check_nets
from ._doctor_versions import check_components, check_versions

Section = Tuple[str, Iterable[Finding]]


@app.command(
    "doctor",
    short_help="Whether machine, config and data fit together.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def doctor(
    ctx: typer.Context,
    config_path: Optional[Path] = typer.Argument(
        None, metavar="[CONFIG]", help="A training config. If not given: the machine alone."
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="Number of the GPU, -1 for the CPU."),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file to import."),
) -> None:
    """Find what makes training or prediction fail, or senseless, before hours are spent on it.

    Of the machine: versions, GPU, threads, kernels, and whether nets compute what they should. Of
    a config: paths, labels, order, duplicates, what the model does not read, and whether it can
    learn one batch by heart. Settings can be overridden as in `spacy train`:
    --paths.train corpus/train.spacy. To look at a part of a large corpus:
    --corpora.train.limit 2000. `python -m spacy debug data` has more on other components.

    Ends with exit code 1 if something is wrong. Nothing is written.
    """
    import_code(code)
    with errors_as_messages():
        if config_path is not None:
            if str(config_path).startswith("--"):
                raise ValueError(Errors.R840.format(setting=config_path))
            require_path(config_path, "Make one with `spacy-rnn init-config`.")
        overrides = parse_overrides(ctx.args)
    levels = Counter(
        finding.level
        for title, findings in examine(config_path, overrides, gpu_id)
        for finding in show(title, findings)
    )
    close(levels)


def close(levels: Dict[str, int]) -> None:
    """Say how much was found, and end with an exit code. levels: How many findings each has."""
    msg.divider("Summary")
    count = f"{levels['fail']} to mend, {levels['warn']} to look at, {levels['good']} in order"
    if levels["fail"]:
        msg.fail(count)
        raise typer.Exit(1)
    (msg.warn if levels["warn"] else msg.good)(count)


def examine(path: Optional[Path], overrides: Dict[str, Any], gpu_id: int) -> Iterator[Section]:
    """All sections of findings, one after the other.

    path: The config, None for the machine alone. overrides: Its settings, by their names.
    """
    yield "Machine", examine_machine(gpu_id)
    if path is None:
        return
    try:
        setup = load_setup(path, overrides)
    except Exception as error:  # Of any function that the config names.
        yield "Config", [fail(f"The config cannot be used. {describe(error)}")]
        return
    yield "Config", examine_config(setup)
    corpora = Corpora([], [])
    yield "Texts", chain(read_corpora(setup, corpora), examine_texts(setup, corpora))
    if corpora.train:
        yield "One batch", guarded(check_batch, setup, corpora)


def examine_machine(gpu_id: int) -> Iterator[Finding]:
    """All that needs no config."""
    yield from guarded(check_versions)
    yield from guarded(check_components)
    yield from guarded(lambda: check_gpus(find_gpus(), gpu_id))
    yield from guarded(check_device, gpu_id)
    yield from guarded(check_cpu)
    yield from guarded(check_nets, start_method())


def examine_config(setup: Setup) -> Iterator[Finding]:
    """All that needs no texts."""
    device = get_torch_default_device()
    hardware = {"gpu": device.type == "cuda", "bfloat16": has_bfloat16(device)}
    yield from guarded(check_config, setup)
    yield from guarded(check_hardware, setup, **hardware)


def read_corpora(setup: Setup, corpora: Corpora) -> Iterator[Finding]:
    """Read all texts into the lists of `corpora`. What cannot be read is a finding."""
    for which, examples in corpora._asdict().items():
        try:
            examples.extend(read_corpus(setup, which))
        except Exception as error:  # Of any reader.
            name = setup.values[f"{which}_corpus"]
            yield fail(f"The corpus {name} cannot be read. {describe(error)}")


def examine_texts(setup: Setup, corpora: Corpora) -> Iterator[Finding]:
    """All that needs texts, and no training."""
    if not corpora.train:
        return
    yield from guarded(check_texts, corpora)
    yield from guarded(check_labels, setup, corpora)
    yield from guarded(check_reading, setup, corpora)
    yield from guarded(check_length_of_training, setup, corpora.train)


def guarded(check: Any, *args: Any, **kwargs: Any) -> Iterator[Finding]:
    """The findings of a check. One that fails itself does not keep others from being made."""
    try:
        yield from check(*args, **kwargs)
    except Exception as error:
        name = getattr(check, "__name__", "a check").replace("_", " ")
        yield fail(f"Could not {name}. {describe(error)}")
