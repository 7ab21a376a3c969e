"""When training ends."""

import math
from typing import Any, Dict


class TimeLeft:
    """The time until `spacy train` reaches the first of its limits, at the pace so far.

    The last step is `max_steps`, or the last one of `max_epochs`, or that in which no score has
    been better than the best one for `patience` steps: whichever comes first. The last of these
    holds only as long as nothing gets better, which is said by a "+": at least so long.

    spaCy does not say how many steps an epoch has. It is read off the evaluations, from the first
    one after the first epoch on: each says in which epoch a step is, and they bound it more and
    more closely. Until then the time left is unknown, since the epochs may end before other limits.

    settings: The block `[training]` of the config.
    """

    def __init__(self, settings: Dict[str, Any]):
        self.max_steps: int = settings["max_steps"]
        self.max_epochs: int = settings["max_epochs"]
        self.patience: int = settings["patience"]
        self.best_score = -math.inf
        self.best_step = 0
        # Steps of an epoch: at least, and at most.
        self.least, self.most = 0.0, math.inf

    def note(self, info: Dict[str, Any]) -> None:
        """Note what spaCy says of a step that was evaluated."""
        step, epoch = info["step"], info["epoch"]
        self.least = max(self.least, (step + 1) / (epoch + 1))
        if epoch:
            self.most = min(self.most, step / epoch)
        # The first of equal scores: spaCy's patience begins there.
        if info["score"] > self.best_score:
            self.best_score, self.best_step = info["score"], step

    def after(self, step: int, seconds: float) -> str:
        """The time left, or "-" where it is not known.

        step: The steps so far. seconds: The time they took.
        """
        if self.max_epochs > 0 and math.isinf(self.most):
            return "-"
        certain = min(self._end_by_steps(), self._end_by_epochs())
        patient = self.best_step + self.patience if self.patience > 0 else math.inf
        last = min(certain, patient)
        if not step or math.isinf(last):
            return "-"
        left = max(last - step, 0.0)
        at_least = "+" if left and patient < certain else ""
        return clock(seconds * left / step) + at_least

    def _end_by_steps(self) -> float:
        return self.max_steps if self.max_steps > 0 else math.inf

    def _end_by_epochs(self) -> float:
        if self.max_epochs < 1:
            return math.inf
        # Steps count from 0.
        return self.max_epochs * (self.least + self.most) / 2 - 1


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
