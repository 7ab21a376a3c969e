"""What chooses the values of a trial."""

from typing import Any, Callable, Dict, Optional, Sequence

import numpy
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

SAMPLERS: Dict[str, Callable[..., BaseSampler]] = {
    "tpe": TPESampler,
    "random": RandomSampler,
    # Its trials wait in the study's queue. Optuna's own sampler of grids lets several processes
    # try the same values, and knows no trial of the config's own values.
    "grid": RandomSampler,
}


class NumberedSampler(BaseSampler):
    """One of Optuna's samplers, seeded anew for each trial by the trial's number. A seed alone
    would let several processes, and a search that goes on, draw the same values again.

    kind: A name of SAMPLERS. seed: Of all trials.
    """

    def __init__(self, kind: str, seed: int):
        self.kind, self.seed = kind, seed
        self.sampler = self._seeded(0)

    def _seeded(self, number: int) -> BaseSampler:
        [seed] = numpy.random.SeedSequence((self.seed, number)).generate_state(1)
        return SAMPLERS[self.kind](seed=int(seed))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.sampler = self._seeded(trial.number)
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> Dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Dict[str, BaseDistribution]
    ) -> Dict[str, Any]:
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Optional[Sequence[float]],
    ) -> None:
        self.sampler.after_trial(study, trial, state, values)
