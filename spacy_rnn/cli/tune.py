"""`spacy-rnn tune`: search for better settings of a training config."""

import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

import typer
from spacy.util import load_config
from wasabi import msg

from ..corpus.files import require_path
from ..visual.figures import require_matplotlib
from ._app import app, errors_as_messages, import_code, parse_overrides, use_gpu

if TYPE_CHECKING:
    from ..tuning.results import Found


class Sampler(str, Enum):
    """What chooses values."""

    tpe = "tpe"
    random = "random"
    grid = "grid"


class Pruner(str, Enum):
    """What ends a trial early."""

    median = "median"
    none = "none"


@app.command(
    "tune",
    short_help="Search for better settings of a training config.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def tune(
    arguments: List[str] = typer.Argument(
        ...,
        metavar="CONFIG",
        help="The training config. After it come settings, as in `spacy train`: "
        "--paths.train train.spacy",
    ),
    space: str = typer.Option(
        ...,
        help="What to try: a YAML file that maps settings to values or ranges, or the name of one "
        "that comes with the package: textcat_lstm, tagger_bilstm.",
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The folder to search in."),
    trials: int = typer.Option(
        20, min=1, help="How many trials there are to be, with those that were done before."
    ),
    sampler: Sampler = typer.Option(
        Sampler.tpe, help="What chooses values. A grid ends when all combinations are tried."
    ),
    pruner: Pruner = typer.Option(
        Pruner.median,
        help="What ends trials early: median does at an evaluation that is worse than half of the "
        "finished trials were at that step.",
    ),
    metric: Optional[str] = typer.Option(
        None,
        help="The score to search and train for, alone, as cats_macro_auc; by default the weighted "
        "ones of [training.score_weights].",
    ),
    timeout: Optional[float] = typer.Option(
        None, min=0, help="Begin no trial after so many seconds."
    ),
    seed: int = typer.Option(0, min=0, help="Of what chooses values."),
    storage: Optional[str] = typer.Option(
        None,
        help="The database of the study, as SQLAlchemy writes it, such as "
        "postgresql://user@host/name. By default study.db in OUTPUT, of SQLite.",
    ),
    study: str = typer.Option("spacy-rnn", help="The name of the study in the database."),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="Number of the GPU, -1 for the CPU."),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file to import."),
) -> None:
    """Train with other values of settings, again and again, and keep what is best on the dev
    corpus: OUTPUT/best.cfg, complete, and OUTPUT/model-best. The first trial is of the config's own
    values, so that the end says how much better the best is. OUTPUT/trials.jsonl and
    OUTPUT/study.svg show all.

    The same command goes on with a search that has ended or was interrupted, also in the middle of
    a trial. Run several times at once, with the same OUTPUT, it shares the trials among processes.
    Needs the extra `tune`: pip install "spacy-rnn[tune]"

    The score of the best trial is of the texts that chose it, and so too good: evaluate model-best
    on texts that are neither in training nor in dev.
    """
    import_code(code)
    with errors_as_messages():
        from ..tuning.search import Plan
        from ..tuning.search import tune as search
        from ..tuning.space import find_space

        require_matplotlib("spacy-rnn tune")
        config, *settings = arguments
        overrides = parse_overrides(settings)
        require_path(Path(config), "Check the path. `spacy-rnn init-config` makes a config.")
        plan = Plan(
            trials=trials,
            sampler=sampler.value,
            seed=seed,
            prune=pruner == Pruner.median,
            timeout=timeout,
            metric=metric,
        )
        path = find_space(space)
        use_gpu(gpu_id)
        found = search(
            load_config(config, overrides=overrides, interpolate=False),
            path,
            output,
            plan,
            storage=storage,
            study=study,
            use_gpu=gpu_id,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )
    say(found, output)
    if found.status:
        msg.warn("Interrupted. The same command goes on.")
        # As a shell says it of a command that a signal has ended.
        raise typer.Exit(128 + found.status)


def say(found: "Found", output: Path) -> None:
    """Say what was found. output: The folder of the search."""
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items() if count)
    if found.score is None:
        msg.warn(f"No trial is complete: {counts}")
        return
    own = "" if found.own_score is None else f"{100 * found.own_score:.2f}"
    score = f"score {100 * found.score:.2f} on dev"
    if found.own:
        msg.warn(f"Nothing was better than the config's own values, with {score} ({counts})")
    else:
        msg.good(f"Best: trial {found.trial}, {score}; the config's own values: {own} ({counts})")
    # Not by wasabi, which breaks lines that are to be copied.
    for name, value in found.values.items():
        old = found.own_values[name]
        print(f"  {name}: {value}" + (f", was {old}" if old != value else ""))
    where = shlex.quote(str(output))
    if not found.here:
        print(f"  Its pipeline is in the folder of the process that trained it, not in {where}.")
    print(f"All trials: {where}/trials.jsonl and study.svg")
    print(f"To train it again: python -m spacy train {where}/best.cfg --output model")
    print(f"To score it on other texts: python -m spacy evaluate {where}/model-best test.spacy")
