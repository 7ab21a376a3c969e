"""One trial: a training with some values of settings."""

import math
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from optuna import Trial, TrialPruned
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from spacy.training.loop import DIR_MODEL_LAST
from thinc.api import Config

from ..errors import Errors
from ..training.checkpoint import NAME as CHECKPOINT
from ..training.checkpoint import Checkpoint
from ..training.train import find_checkpoint, train
from ..whole_file import write_whole
from .space import Space, Stored
from .trial_config import values_of, with_values
from .trials import ERROR, first_number, is_default

FOLDER, CONFIG, LOG = "trials", "config.cfg", "log.txt"
# What a trial notes: the step of its best score.
STEP = "step"


class Stopped(Exception):
    """A signal has stopped a trial, which is to be run again. status: The number of the signal."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class Objective:
    """Trains with the values of a trial, and tells the study the score of each evaluation.

    A trial has a folder, `trials/0007`, with its config and the log of its training. Until the
    trial is over, the pipelines and the checkpoint of `spacy-rnn train` are there, too: a trial
    that was interrupted goes on from it.

    config: As `complete_config` makes it. space: What to try. output: The folder of the search.
    use_gpu: Number of the GPU, -1 for the CPU.
    metric: The score that must be there; None for any.
    on_score: Called with the trial, a step, and the score of its evaluation.
    """

    def __init__(
        self,
        config: Config,
        space: Space,
        output: Path,
        *,
        use_gpu: int,
        metric: Optional[str],
        on_score: Callable[[Trial, int, float], None],
    ):
        self.config, self.space, self.output = config, space, output
        self.use_gpu, self.metric, self.on_score = use_gpu, metric, on_score
        self.own_values = values_of(config, space)
        # Of the last trial: what has stopped it, which Optuna notes only, and whether another
        # process has taken this one for dead, and runs its trial.
        self.stopped: Optional[Exception] = None
        self.lost = False

    def own_stored(self) -> Dict[str, Stored]:
        """The config's own values, as the study calls them; nothing if they are not all in the
        space, so that the study cannot have them."""
        return self.space.stored(self.own_values) or {}

    def __call__(self, trial: Trial) -> float:
        """Train. RETURNS: The best score. RAISES: TrialPruned; Stopped; and what has failed, of
        which the trial then has the message."""
        self.stopped, self.lost = None, False
        try:
            return self._train(trial)
        except (Stopped, TrialPruned):
            raise
        except UpdateFinishedTrialError:
            self.lost = True
            raise
        except OSError as error:
            # Of the machine, or of files of the config: no fault of these values.
            self.stopped = error
            raise
        except Exception as error:  # Of whatever the config names.
            trial.set_user_attr(ERROR, " ".join(f"{type(error).__name__}: {error}".split()))
            raise

    def _train(self, trial: Trial) -> float:
        folder = folder_of(self.output, trial.study.get_trials(deepcopy=False)[trial.number])
        config = with_values(self.config, self._suggest(trial))
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, config.to_bytes())
        scores = _Scores(self, trial)
        with (folder / LOG).open("w", encoding="utf8") as log:
            status = train(
                config,
                folder,
                use_gpu=self.use_gpu,
                checkpoint=_checkpoint_in(folder),
                stdout=log,
                stderr=log,
                on_evaluation=scores.note,
            )
        if status:
            self.stopped = Stopped(status)
            raise self.stopped
        return scores.best

    def _suggest(self, trial: Trial) -> Dict[str, Any]:
        """The values of a trial, by the dotted names of settings."""
        if is_default(trial) and not self.own_stored():
            return self.own_values
        asked = {name: _ask(trial, name, self.space) for name in self.space.distributions}
        return {name: self.space.value(name, stored) for name, stored in asked.items()}


class _Scores:
    """The scores of one trial, which are told to the study."""

    def __init__(self, objective: Objective, trial: Trial):
        self.objective, self.trial = objective, trial
        self.best = -math.inf

    def note(self, info: Dict[str, Any]) -> None:
        """Note an evaluation.

        RAISES: TrialPruned if this trial is worse than half of the others were at this step, but
            never of the config's own values; ValueError for what is no score.
        """
        step, score = info["step"], float(info["score"])
        metric, found = self.objective.metric, info["other_scores"]
        if metric is not None and not isinstance(found.get(metric), (int, float)):
            names = [name for name, value in found.items() if isinstance(value, (int, float))]
            raise ValueError(Errors.R898.format(name=metric, found=", ".join(sorted(names))))
        if not math.isfinite(score):
            raise ValueError(Errors.R900.format(step=step, score=score))
        if score >= self.best:
            # Of equal scores spaCy keeps the last one.
            self.best = score
            self.trial.set_user_attr(STEP, step)
        self.trial.report(score, step)
        self.objective.on_score(self.trial, step, score)
        if not is_default(self.trial) and self.trial.should_prune():
            raise TrialPruned


def _ask(trial: Trial, name: str, space: Space) -> Any:
    distribution: Any = space.distributions[name]
    if name in space.choices:
        return trial.suggest_categorical(name, distribution.choices)
    whole = isinstance(distribution, IntDistribution)
    suggest: Any = trial.suggest_int if whole else trial.suggest_float
    step = {} if distribution.step is None else {"step": distribution.step}
    return suggest(name, distribution.low, distribution.high, log=distribution.log, **step)


def folder_of(output: Path, trial: FrozenTrial) -> Path:
    """The folder of a trial."""
    return output / FOLDER / f"{first_number(trial):04}"


def _checkpoint_in(folder: Path) -> Optional[Checkpoint]:
    """What a trial that was interrupted goes on from. If another version has written it, or it is
    damaged, the trial begins anew."""
    try:
        return find_checkpoint(folder, True)
    except ValueError:
        (folder / CHECKPOINT).unlink()
        return None


def tidy(folder: Path) -> None:
    """Remove what a trial that is over has left, but for its config, its log and its best
    pipeline."""
    shutil.rmtree(folder / DIR_MODEL_LAST, ignore_errors=True)
    (folder / CHECKPOINT).unlink(missing_ok=True)
