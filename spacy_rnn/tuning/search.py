"""The search: trial after trial, until there are enough of them."""

import contextlib
import signal
import time
from pathlib import Path
from typing import IO, Iterator, List, NamedTuple, Optional

import optuna
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from thinc.api import Config

from ..errors import Errors
from ..training.random_state import OwnRandomState, random_state
from .objective import LOG, Objective, Stopped, folder_of
from .progress import Progress
from .results import Found, publish, summarize, write_results
from .shared_folder import locked
from .space import read_space
from .storage import claim, default_storage, fail_killed, open_study, run_again, storage_problem
from .trial_config import check_space, complete_config
from .trials import DEFAULT, SURPLUS, counted, error_of, has_failed, is_default, is_surplus

# Seconds between two looks at whether other processes have finished.
WAIT = 1.0
LEVEL = optuna.logging.CRITICAL


class Plan(NamedTuple):
    """How to search.

    trials: The number of trials, of all processes and all earlier calls together. The first one is
        of the config's own values.
    sampler: "tpe", "random" or "grid". A grid ends when all is tried.
    seed: Of the sampler.
    prune: Whether to end a trial at an evaluation that is worse than half of the finished trials
        were at that step.
    timeout: Seconds after which no trial is begun; None for no limit.
    metric: The score to search and train for, alone; None for the weighted ones of the config.
    """

    trials: int = 20
    sampler: str = "tpe"
    seed: int = 0
    prune: bool = True
    timeout: Optional[float] = None
    metric: Optional[str] = None


def tune(
    config: Config,
    space: Path,
    output: Path,
    plan: Plan = Plan(),
    *,
    storage: Optional[str] = None,
    study: str = "spacy-rnn",
    use_gpu: int = -1,
    stdout: Optional[IO] = None,
    stderr: Optional[IO] = None,
) -> Found:
    """Search for settings of a training config that are better than its own, or go on searching.

    In the folder `output` are then `best.cfg`, `model-best`, `trials.jsonl`, `study.svg`, the
    study, and of each trial its config and log. Several processes may search at the same time, with
    the same arguments. The dev corpus chooses: its scores are too good for what they chose.

    config: The training config, not interpolated. space: The file of what to try, see `read_space`.
    output: The folder. plan: How to search.
    storage: The URL of the study's database, `study.db` in the folder by default.
    study: The name of the study in it. use_gpu: Number of the GPU, -1 for the CPU.
    stdout: Where the table of trials goes. stderr: Where the progress bar goes, None for none.
    RETURNS: What was found.
    RAISES: ValueError for what is wrong with config, space, storage or plan, and if the config's
        own values cannot be trained; OSError.
    """
    with _quiet(), OwnRandomState(random_state()):
        tried = read_space(space)
        complete = complete_config(config, plan.metric)
        check_space(complete, tried, space)
        if plan.sampler == "grid":
            tried.grid(plan.seed)
        output.mkdir(parents=True, exist_ok=True)
        storage = storage or default_storage(output)
        progress = Progress(list(tried.distributions), plan.trials, stdout, stderr)
        objective = Objective(
            complete,
            tried,
            output,
            use_gpu=use_gpu,
            metric=plan.metric,
            on_score=progress.score,
        )
        try:
            with locked(output):
                opened = open_study(
                    storage, study, sampler=plan.sampler, seed=plan.seed, prune=plan.prune
                )
                claim(opened, complete, tried, storage)
            return Search(opened, objective, plan, progress).run()
        except (SQLAlchemyError, StorageInternalError) as error:
            raise ValueError(storage_problem(storage, error)) from error


class OneTooMany(Exception):
    """Other processes have asked for a trial at the same time."""


class Search:
    """The trials of this process. study: What they are of. objective: Runs one. plan: How to
    search. progress: Told of each."""

    def __init__(self, study: Study, objective: Objective, plan: Plan, progress: Progress):
        self.study, self.objective, self.plan, self.progress = study, objective, plan, progress
        self.output = objective.output
        self.started = time.monotonic()
        self.queued = plan.sampler == "grid"

    def run(self) -> Found:
        """Run trials until there are enough, and write what came of all."""
        with locked(self.output):
            self._enqueue()
        self.progress.begin(counted(self._trials()))
        status = 0
        try:
            while self._goes_on():
                self._run_one()
        except KeyboardInterrupt:
            status = signal.SIGINT
        except Stopped as stopped:
            status = stopped.status
        finally:
            self.progress.close()
        trials = counted(self._trials())
        write_results(self.study, trials, self.objective)
        return summarize(trials, self.objective, status)

    def _trials(self) -> List[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _enqueue(self) -> None:
        """Let the trial of the config's own values be the first, and those of a grid follow."""
        trials = counted(self._trials())
        if not any(map(is_default, trials)):
            self.study.enqueue_trial(self.objective.own_stored(), user_attrs={DEFAULT: True})
        if not self.queued:
            return
        trials = counted(self._trials())
        known = [trial.system_attrs.get("fixed_params") for trial in trials]
        grid = self.objective.space.grid(self.plan.seed)
        missing = [values for values in grid if values not in known]
        for values in missing[: max(self.plan.trials - len(trials), 0)]:
            self.study.enqueue_trial(values)

    def _goes_on(self) -> bool:
        """Whether to run one more trial. Waits for those of other processes, as one that is killed
        leaves its trial to this one."""
        while not self._timed_out():
            fail_killed(self.study)
            trials = self._trials()
            self._require_default(trials)
            found = counted(trials)
            states = [trial.state for trial in found]
            full = self.queued or len(found) >= self.plan.trials
            if not full or TrialState.WAITING in states:
                return True
            if TrialState.RUNNING not in states:
                return False
            self.progress.wait(states.count(TrialState.RUNNING))
            time.sleep(WAIT)
        return False

    def _timed_out(self) -> bool:
        timeout = self.plan.timeout
        return timeout is not None and time.monotonic() - self.started >= timeout

    def _require_default(self, trials: List[FrozenTrial]) -> None:
        """RAISES: ValueError if the last trial of the config's own values has failed."""
        last = [trial for trial in trials if is_default(trial)][-1]
        if last.state == TrialState.FAIL and has_failed(last):
            path = folder_of(self.output, last) / LOG
            raise ValueError(Errors.R897.format(problem=error_of(last), path=path))

    def _run_one(self) -> None:
        """Run one trial. RAISES: Stopped or KeyboardInterrupt if it was interrupted, and OSError:
        it is in the queue again then."""
        objective, number = self.objective, -1

        def run(trial: optuna.Trial) -> float:
            nonlocal number
            trials, budget = self._trials(), self.plan.trials
            if is_surplus(trial.number, trials, budget, queued=self.queued):
                trial.set_user_attr(SURPLUS, True)
                raise OneTooMany
            number = trial.number
            self.progress.start(trials[number])
            return objective(trial)

        try:
            self.study.optimize(run, n_trials=1, catch=(Exception,), gc_after_trial=True)
        except KeyboardInterrupt:
            if number >= 0:
                run_again(self.study, number)
            raise
        except ValueError:
            # Another process has taken this one for dead: what it finds is what counts.
            if objective.lost:
                return
            raise
        if objective.stopped is not None:
            run_again(self.study, number)
            raise objective.stopped
        if number >= 0:
            trials = self._trials()
            publish(self.study, objective)
            self.progress.end(trials[number], counted(trials))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says nothing; what is to be said of trials, the table says."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(LEVEL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
