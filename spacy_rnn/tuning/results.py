"""What a search leaves in its folder."""

import json
import math
import os
import shutil
import warnings
from typing import Any, Dict, List, NamedTuple, Optional

from optuna import Study
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState
from spacy.training.loop import DIR_MODEL_BEST
from thinc.api import Config

from ..visual.figures import svg_file_of
from ..visual.study import draw_study, size_of
from ..whole_file import folder_appears_whole, write_whole
from .objective import STEP, Objective, folder_of, tidy
from .shared_folder import locked
from .space import short_names
from .trial_config import with_values
from .trials import counted, error_of, first_number, is_default

BEST_CONFIG, TABLE, FIGURE = "best.cfg", "trials.jsonl", "study.svg"
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class Found(NamedTuple):
    """What a search has found.

    status: The number of the signal that has interrupted it, 0 for none.
    counts: The number of trials by what became of them.
    score: The best one; None if no trial is complete. own_score: That of the config's own values.
    trial: The number of the best trial. own: Whether that is of the config's own values.
    values: Those of the best trial, by the dotted names of settings.
    own_values: Those of the config.
    here: Whether the best trial was trained into this folder.
    """

    status: int
    counts: Dict[str, int]
    score: Optional[float]
    own_score: Optional[float]
    trial: Optional[int]
    own: bool
    values: Dict[str, Any]
    own_values: Dict[str, Any]
    here: bool


def best_of(trials: List[FrozenTrial]) -> Optional[FrozenTrial]:
    """The complete trial with the highest score, the first of equal ones; None if there is none."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(complete, key=score_of, default=None)


def score_of(trial: FrozenTrial) -> float:
    """The best score of a trial, also of one that was pruned; -inf if it has none."""
    return max(trial.intermediate_values.values(), default=-math.inf)


def values_in(trial: FrozenTrial, objective: Objective) -> Dict[str, Any]:
    """The values of a trial, by the dotted names of settings."""
    if is_default(trial):
        return objective.own_values
    return {name: objective.space.value(name, value) for name, value in trial.params.items()}


def publish(study: Study, objective: Objective) -> None:
    """Write best.cfg, move the pipeline of the best trial to model-best, and remove those of all
    other trials that are over. What another process has left to do, as it was killed, is done, too.
    """
    output = objective.output
    with locked(output):
        trials = counted(study.get_trials(deepcopy=False))
        best = best_of(trials)
        if best is None:
            return
        config = best_config(best, objective)
        write_whole(output / BEST_CONFIG, config.to_bytes())
        found = folder_of(output, best) / DIR_MODEL_BEST
        if found.exists():
            with folder_appears_whole(output / DIR_MODEL_BEST) as part:
                os.replace(found, part)
        for trial in trials:
            if trial.state.is_finished():
                tidy(folder_of(output, trial))
                shutil.rmtree(folder_of(output, trial) / DIR_MODEL_BEST, ignore_errors=True)


def best_config(best: FrozenTrial, objective: Objective) -> Config:
    """The complete config of a trial."""
    return with_values(objective.config, values_in(best, objective))


def write_results(study: Study, trials: List[FrozenTrial], objective: Objective) -> None:
    """Write the table of trials, and the figure, if any trial is complete. trials: Those that
    count."""
    publish(study, objective)
    rows = [row_of(trial, objective) for trial in sorted(trials, key=first_number)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    write_whole(objective.output / TABLE, lines.encode("utf8"))
    if best_of(trials) is None:
        return
    short = short_names(list(objective.space.distributions))
    importances = {short[name]: share for name, share in importances_of(study).items()}
    drawn = [{**row, "values": {short[k]: v for k, v in row["values"].items()}} for row in rows]
    logs = [short[name] for name, d in objective.space.distributions.items() if _is_log(d)]
    draw = draw_study(drawn, list(short.values()), importances, logs)
    figure = svg_file_of(draw, size_of(len(short)), "Scores of the trials of a search")
    write_whole(objective.output / FIGURE, figure)


def row_of(trial: FrozenTrial, objective: Objective) -> Dict[str, Any]:
    """A trial as the table has it."""
    failed = trial.state == TrialState.FAIL
    score = score_of(trial)
    return {
        "trial": first_number(trial),
        "state": STATES[trial.state],
        "score": score if math.isfinite(score) else None,
        "step": trial.user_attrs.get(STEP),
        "last_step": trial.last_step,
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "own_values": is_default(trial),
        "values": values_in(trial, objective),
        "error": error_of(trial) if failed else None,
    }


def importances_of(study: Study) -> Dict[str, float]:
    """How much of what makes scores good is due to which setting, in shares of 1: Optuna's
    PED-ANOVA. Nothing if there are too few trials to say."""
    with warnings.catch_warnings():
        # That all settings count the same, since scores do not differ enough.
        warnings.simplefilter("error")
        try:
            return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError, Warning):
            return {}


def _is_log(distribution: Any) -> bool:
    return getattr(distribution, "log", False)


def summarize(trials: List[FrozenTrial], objective: Objective, status: int) -> Found:
    """What was found. trials: Those that count. status: The number of a signal."""
    names = [STATES[trial.state] for trial in trials]
    best = best_of(trials)
    own = best_of([trial for trial in trials if is_default(trial)])
    return Found(
        status=status,
        counts={name: names.count(name) for name in STATES.values()},
        score=None if best is None else score_of(best),
        own_score=None if own is None else score_of(own),
        trial=None if best is None else first_number(best),
        own=best is not None and is_default(best),
        values={} if best is None else values_in(best, objective),
        own_values=objective.own_values,
        here=best is not None and folder_of(objective.output, best).exists(),
    )
