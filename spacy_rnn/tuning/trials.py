"""Which trials of a study count, where several processes share it and some of them are killed.

Optuna numbers trials one after the other, whichever process asks for them. So whether a trial is
one too many can be told by its number, in each process alike, and nothing need be locked.
"""

from typing import Any, Dict, List, Sequence, Union

from optuna import Trial
from optuna.trial import FrozenTrial, TrialState

# Marks of trials in a study.
DEFAULT = "default"
SURPLUS = "surplus"
ERROR = "error"
# What Optuna notes of a trial whose values were given, and of one that is run again.
FIXED = "fixed_params"
HISTORY = "retry_history"
# How often a trial is run whose process is killed: it may be what kills it, by the memory it takes.
RUNS = 5
KILLED = "Its process was killed, each time it was run."


def counted(trials: Sequence[FrozenTrial]) -> List[FrozenTrial]:
    """The trials without those that are run again under another number, those that were one too
    many, and those of the config's own values that have failed, as these must be known."""
    again = {number for trial in trials for number in trial.system_attrs.get(HISTORY, ())}
    return [
        trial
        for trial in trials
        if trial.number not in again
        and SURPLUS not in trial.user_attrs
        and not (is_default(trial) and trial.state == TrialState.FAIL)
    ]


def is_default(trial: Union[FrozenTrial, Trial]) -> bool:
    """Whether a trial is that of the config's own values."""
    return DEFAULT in trial.user_attrs


def is_surplus(number: int, trials: Sequence[FrozenTrial], budget: int, *, queued: bool) -> bool:
    """Whether a trial that has just been asked for is one too many, or has values that an earlier
    one was given, since another process asked at the same time.

    number: Of the trial. trials: All of the study. budget: How many there may be.
    queued: Whether all trials come from the queue.
    """
    attrs: Dict[str, Any] = trials[number].system_attrs
    if HISTORY in attrs:
        return False
    before = [trial for trial in counted(trials) if trial.number < number]
    if FIXED in attrs and any(t.system_attrs.get(FIXED) == attrs[FIXED] for t in before):
        return True
    if FIXED not in attrs and queued:
        return True
    return len(before) >= budget


def first_number(trial: FrozenTrial) -> int:
    """The number under which a trial was first run."""
    history = trial.system_attrs.get(HISTORY, ())
    return history[0] if history else trial.number


def has_failed(trial: FrozenTrial) -> bool:
    """Whether a trial that has ended with an error is not to be run again."""
    return ERROR in trial.user_attrs or len(trial.system_attrs.get(HISTORY, ())) >= RUNS - 1


def error_of(trial: FrozenTrial) -> str:
    """Why a trial has failed."""
    return trial.user_attrs.get(ERROR, KILLED)
