"""The pipelines of the demo, and what each of them can show."""

from typing import Any, List, NamedTuple, Optional, Sequence

import spacy
from spacy.language import Language

from ..errors import Errors

# The pipelines of this repository, which are shown if no other is given.
SHIPPED = ("en_sentiment_lstm", "en_pos_bilstm")
MOST_MODELS = 2


class Picture(NamedTuple):
    """A picture that a component can give.

    style: As in `visual.render`. pipe: The component.
    """

    style: str
    pipe: Any


class DemoModel(NamedTuple):
    """A pipeline to be shown.

    name: Its folder or package, as it was given.
    nlp: The pipeline.
    labels: Of its categories; empty if it writes none.
    pictures: What its components can show of a text.
    streams: Reads texts while they are typed; None where that cannot be done.
    """

    name: str
    nlp: Language
    labels: List[str]
    pictures: List[Picture]
    streams: Optional[Any]


def load_models(names: Sequence[str]) -> List[DemoModel]:
    """Load pipelines.

    names: Folders or packages, at most `MOST_MODELS`. If there are none, those of `SHIPPED` that
        are installed.
    RAISES: ValueError for too many, none, and a pipeline that has nothing to show; OSError for one
        that is not there.
    """
    if len(names) > MOST_MODELS:
        raise ValueError(Errors.R823.format(most=MOST_MODELS, count=len(names)))
    names = names or [name for name in SHIPPED if spacy.util.is_package(name)]
    if not names:
        raise ValueError(Errors.R822.format(names=" nor ".join(SHIPPED)))
    return [make_model(name, spacy.load(name)) for name in names]


def make_model(name: str, nlp: Language) -> DemoModel:
    """Find out what a pipeline can show.

    name: For the page and errors.
    RAISES: ValueError if that is nothing.
    """
    writers = [pipe for pipe_name, pipe in nlp.pipeline if _writes_cats(nlp, pipe_name)]
    labels = dict.fromkeys(str(label) for pipe in writers for label in getattr(pipe, "labels", ()))
    pictures = [
        *(Picture("words", pipe) for pipe in writers if hasattr(pipe, "explain")),
        *(Picture("running", pipe) for pipe in writers if hasattr(pipe, "running_cats")),
        *(Picture("tags", pipe) for _, pipe in nlp.pipeline if hasattr(pipe, "predict_proba")),
    ]
    if not writers and not pictures:
        found = ", ".join(nlp.pipe_names) or "none"
        raise ValueError(Errors.R824.format(name=name, found=found))
    return DemoModel(name, nlp, list(labels), pictures, _find_streams(nlp, writers))


def _writes_cats(nlp: Language, name: str) -> bool:
    return "doc.cats" in nlp.get_pipe_meta(name).assigns


def _find_streams(nlp: Language, writers: List[Any]) -> Optional[Any]:
    """Streams of the only classifier, if what it reads in the pipeline is what the tokenizer
    gives."""
    retokenized = any(nlp.get_pipe_meta(name).retokenizes for name in nlp.pipe_names)
    if len(writers) != 1 or retokenized or not hasattr(writers[0], "streams"):
        return None
    try:
        return writers[0].streams(nlp)
    except ValueError:
        # It reads in two directions, or looks at more than the tokens so far.
        return None
