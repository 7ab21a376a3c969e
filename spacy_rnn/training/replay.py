"""A training whose first steps were done before."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.training import Example

Evaluate = Callable[[], Tuple[float, Dict[str, Any]]]
BeforeUpdate = Callable[[Language, Dict[str, Any]], None]


class Replay:
    """A pipeline as `spacy.training.loop.train_while_improving` uses it. In steps that were done
    before, nothing is learned or evaluated: the loop draws their batches and moves its schedules
    on, and is given the losses and scores of then. So it counts and decides as if it had never
    been interrupted.

    nlp: The pipeline. learner: What learns in its place; itself, or `shares.Shares` of it.
    evaluate, before_update: As for that function, to which those of this object are given in their
        place.
    last: The last of the steps that were done before, -1 if there are none.
    evaluations: Those of them that were evaluated: "step", "score", "other_scores", "losses".
    losses: After the last one, since the evaluation before it.
    """

    def __init__(
        self,
        nlp: Language,
        learner: Any,
        evaluate: Evaluate,
        before_update: Optional[BeforeUpdate] = None,
        *,
        last: int = -1,
        evaluations: Sequence[Dict[str, Any]] = (),
        losses: Optional[Dict[str, float]] = None,
    ):
        self.nlp, self.learner = nlp, learner
        self.last = last
        self.step = -1
        self._evaluate, self._before_update = evaluate, before_update
        self._evaluated = {found["step"]: found for found in evaluations}
        self._losses = {last: losses or {}}
        self._losses.update((step, found["losses"]) for step, found in self._evaluated.items())

    @property
    def done_before(self) -> bool:
        """Whether the step that the loop is at was done before."""
        return self.step <= self.last

    def before_update(self, _: Any, args: Dict[str, Any]) -> None:
        """Note which step begins."""
        self.step = args["step"]
        if self._before_update is not None and not self.done_before:
            self._before_update(self.nlp, args)

    def update(
        self, examples: List[Example], *, losses: Dict[str, float], **settings: Any
    ) -> Dict[str, float]:
        """Learn from a batch, as `Language.update`."""
        if not self.done_before:
            return self.learner.update(examples, losses=losses, **settings)
        losses.update(self._losses.get(self.step, {}))
        return losses

    @property
    def pipeline(self) -> List[Tuple[str, Any]]:
        """The components whose updates are to be finished."""
        return [] if self.done_before else self.learner.pipeline

    def use_params(self, params: Any) -> Any:
        """As `Language.use_params`."""
        return self.learner.use_params(params)

    def evaluate(self) -> Tuple[float, Dict[str, Any]]:
        """RETURNS: The score, and all scores."""
        if not self.done_before:
            return self._evaluate()
        found = self._evaluated[self.step]
        return found["score"], found["other_scores"]
