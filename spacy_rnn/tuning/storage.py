"""The study in its storage, which several processes may share, and which outlives them."""

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator

import optuna
from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial
from spacy.util import dict_to_dot
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from thinc.api import Config

from ..errors import Errors
from .sampler import NumberedSampler
from .space import Space
from .trials import RUNS

DATABASE = "study.db"
# A process says so often, in seconds, that it is alive. One that has not for so long is dead.
HEARTBEAT, GRACE = 15, 60
# How long a process waits, in seconds, until another one has written into SQLite's file.
PATIENCE = 120
PRUNERS: Dict[bool, Any] = {
    # The first evaluation is of one step of training, and says nothing.
    True: lambda: MedianPruner(n_warmup_steps=1),
    False: NopPruner,
}


def default_storage(output: Path) -> str:
    """The URL of the storage in the folder of a search."""
    url = URL.create("sqlite", database=str(output / DATABASE)).render_as_string()
    # Optuna fills in what is in braces.
    return url.replace("{", "{{").replace("}", "}}")


def open_study(storage: str, name: str, *, sampler: str, seed: int, prune: bool) -> Study:
    """Open a study, or make it. storage: Its URL, as SQLAlchemy has it. name: Of the study.

    RAISES: ValueError if the storage cannot be used.
    """
    pruner: BasePruner = PRUNERS[prune]()
    try:
        options = {"timeout": PATIENCE} if make_url(storage).get_backend_name() == "sqlite" else {}
        with _experiments_are_fine():
            return optuna.create_study(
                storage=RDBStorage(
                    storage,
                    engine_kwargs={"connect_args": options},
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RUNS - 1),
                ),
                sampler=NumberedSampler(sampler, seed),
                pruner=pruner,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )
    except (SQLAlchemyError, ImportError, RuntimeError) as error:
        raise ValueError(storage_problem(storage, error)) from error


def storage_problem(storage: str, error: Exception) -> str:
    """A message on a storage, without the password that may be in its URL."""
    try:
        shown = make_url(storage).render_as_string()
    except SQLAlchemyError:
        shown = "that was given"
    problem = str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")
    return Errors.R899.format(storage=shown, problem=problem)


def claim(study: Study, config: Config, space: Space, storage: str) -> None:
    """Note in a study what it is about, or compare it with what it is about.

    RAISES: ValueError if config or space are others: scores could not be compared.
    """
    about = _about(config, space)
    found = study.user_attrs.get("about")
    if found is None:
        study.set_user_attr("about", about)
        return
    before: Dict[str, Any] = json.loads(found)
    after: Dict[str, Any] = json.loads(about)
    for key in sorted({*before, *after}):
        old, new = (facts.get(key, "not there") for facts in (before, after))
        if old != new:
            shown = make_url(storage).render_as_string()
            facts = {"study": study.study_name, "storage": shown, "name": key}
            raise ValueError(Errors.R896.format(**facts, old=old, new=new))


def _about(config: Config, space: Space) -> str:
    settings = {f"setting {name}": value for name, value in dict_to_dot(config).items()}
    tried = {f"space of {name}": repr(found) for name, found in space.distributions.items()}
    return json.dumps({**settings, **tried}, default=repr)


def fail_killed(study: Study) -> None:
    """Let trials whose process has died be run again."""
    with _experiments_are_fine():
        fail_stale_trials(study)


def run_again(study: Study, number: int) -> None:
    """Let a trial that was stopped be run again. If it left a checkpoint, it goes on from there."""
    trial: FrozenTrial = study.get_trials()[number]
    with _experiments_are_fine():
        RetryHeartbeatStaleTrialCallback()(study, trial)


@contextlib.contextmanager
def _experiments_are_fine() -> Iterator[None]:
    """Optuna calls heartbeats experimental. Tests here will say if they change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
