"""`spacy-rnn.AllReduceAdam.v1`: Adam, for a training by several processes."""

from typing import Any, Iterable, Set

from spacy.util import registry
from thinc.api import Model, Optimizer
from thinc.optimizers import ADAM_DEFAULTS, FloatOrSeq, KeyT
from thinc.types import FloatsXd

from ..errors import Errors
from .ranks import Ranks
from .summed_gradients import sum_gradients


@registry.optimizers("spacy-rnn.AllReduceAdam.v1")
def create_all_reduce_adam_v1(
    learn_rate: FloatOrSeq = ADAM_DEFAULTS["learn_rate"],
    *,
    L2: FloatOrSeq = ADAM_DEFAULTS["L2"],
    beta1: FloatOrSeq = ADAM_DEFAULTS["beta1"],
    beta2: FloatOrSeq = ADAM_DEFAULTS["beta2"],
    eps: FloatOrSeq = ADAM_DEFAULTS["eps"],
    grad_clip: FloatOrSeq = ADAM_DEFAULTS["grad_clip"],
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> "AllReduceAdam":
    """Adam whose steps are those of the whole batch, of which each of several processes has a
    share. In a single process it is thinc's `Adam.v1`, to the last bit, and its arguments are those
    of that one.

    RETURNS: The optimizer.
    """
    return AllReduceAdam(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


class AllReduceAdam(Optimizer):
    """The optimizer of `create_all_reduce_adam_v1`, which has its arguments.

    `spacy-rnn train` does all that is needed. A loop of one's own, in each process that has called
    `torch.distributed.init_process_group`, with shares that together are the batch:

        nlp.update(share, sgd=False)
        optimizer.all_reduce(pipe.model for _, pipe in nlp.pipeline)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
    """

    def __init__(self, learn_rate: FloatOrSeq = ADAM_DEFAULTS["learn_rate"], **settings: Any):
        super().__init__(learn_rate, **settings)
        self._reduced: Set[Any] = set()

    def all_reduce(self, models: Iterable[Model]) -> None:
        """Make the gradients of models those of the whole batch, in each process. To be called by
        all processes, with the same models, between backward passes and the step; gradients may
        be those of several passes. In a single process it does nothing.

        Gradients of a batch are sums over its texts, in components of spaCy as in those of this
        package. So they are summed over processes, and what of a batch which process had does not
        count. Before anything is clipped: the sum is.
        """
        self._reduced = sum_gradients(list(models), Ranks())

    def __call__(
        self, key: KeyT, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Any:
        """Take a step, as `thinc.api.Optimizer`.

        RAISES: ValueError with several processes, for a gradient that is only of this one's share.
        """
        # Steps on rows of a table have a third part.
        whole = key[:2]
        if Ranks().count > 1 and whole not in self._reduced:
            raise ValueError(Errors.R871.format(name=key[1]))
        self._reduced.discard(whole)
        return super().__call__(key, weights, gradient, lr_scale=lr_scale)
