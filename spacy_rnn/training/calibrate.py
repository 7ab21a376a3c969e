"""Calibrate the classifiers of a pipeline before it is saved."""

from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from spacy.language import Language
from spacy.training import Example, validate_examples
from spacy.util import registry

from ..errors import Errors
from .calibration import Calibration


@registry.callbacks("spacy-rnn.calibrate.v1")
def create_calibrate_v1(
    corpus: Callable[[Language], Iterable[Example]], component: Optional[str] = None
) -> Callable[[Language], Language]:
    """Make a callback for `[training.before_to_disk]`, which fits the temperatures of classifiers
    to the weights that are saved. Training goes on as without it.

    spaCy saves after each evaluation: the texts are scored once more each time. They are read
    once, and kept.

    corpus: Reader of texts that were not trained on: `${corpora.dev}`.
    component: Calibrate this classifier only; null for all that can be calibrated.
    RETURNS: A function that takes and returns the pipeline.
    """

    @lru_cache(maxsize=1)
    def read(nlp: Language) -> List[Example]:
        return list(corpus(nlp))

    def calibrate(nlp: Language) -> Language:
        calibrate_pipeline(nlp, read(nlp), component)
        return nlp

    return calibrate


def calibrate_pipeline(
    nlp: Language, examples: Iterable[Example], component: Optional[str] = None
) -> Dict[str, Calibration]:
    """Fit the temperatures of the classifiers of a pipeline.

    examples: Texts that were not trained on. They are left as they are.
    component: Calibrate this classifier only; None for all that can be calibrated.
    RETURNS: What each temperature changed, by the name of the component.
    RAISES: ValueError if there is no such classifier, or no example has its labels.
    """
    examples = list(examples)
    validate_examples(examples, "calibrate_pipeline")
    pipes: Dict[str, Any] = {
        name: pipe for name, pipe in nlp.pipeline if getattr(pipe, "can_be_calibrated", False)
    }
    if component is not None:
        pipes = {name: pipe for name, pipe in pipes.items() if name == component}
    if not pipes:
        wanted = "" if component is None else f" '{component}'"
        raise ValueError(Errors.R510.format(component=wanted, found=nlp.pipe_names))
    return {name: pipe.calibrate(as_read_by(nlp, name, examples)) for name, pipe in pipes.items()}


def as_read_by(nlp: Language, name: str, examples: Iterable[Example]) -> Iterator[Example]:
    """Copies of examples whose predicted documents have what the components before another one
    write, as that may read it. name: Of that component."""
    later = nlp.pipe_names[nlp.pipe_names.index(name) :]
    pairs = ((eg.predicted.copy(), eg.reference) for eg in examples)
    for doc, reference in nlp.pipe(pairs, as_tuples=True, disable=later):
        yield Example(doc, reference)
