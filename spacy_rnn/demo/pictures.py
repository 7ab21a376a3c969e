"""What the page shows of a text beside its scores, as HTML."""

import html
import traceback
from typing import Dict, Optional

from spacy.tokens import Doc

from ..errors import Errors
from ..visual import render
from .models import DemoModel, Picture

TITLES = {
    "words": "How much each word counts",
    "running": "The score as the text goes on",
    "tags": "Tags, and how probable they are",
}
# For a net that reads in both directions, the running line takes the square of a text's length.
MOST_TOKENS = 300
# Of a model with many labels, those with the highest scores.
MOST_LABELS = 10
STREAMS = "Each key reads the new characters only."
READS_ANEW = "Each key reads the whole text."
SCORE = (
    """<tr><th scope="row"><bdi>{label}</bdi></th><td aria-hidden="true"><span>"""
    """<i style="width:{percent:.1f}%"></i></span></td><td>{score:.3f}</td></tr>"""
)


def draw_scores(cats: Dict[str, float]) -> str:
    """The score of each label with a bar, as HTML, in the order of the labels; of many labels the
    highest."""
    labels = list(cats)
    if len(labels) > MOST_LABELS:
        labels = sorted(labels, key=lambda label: -cats[label])[:MOST_LABELS]
    rows = "".join(
        SCORE.format(label=html.escape(label), score=cats[label], percent=100 * cats[label])
        for label in labels
    )
    return f'<table class="demo-scores">{rows}</table>'


def draw_pictures(model: DemoModel, text: str, label: Optional[str] = None) -> str:
    """Draw what the components of a pipeline find in a text.

    label: The label to explain. If not given, the one with the highest score.
    RETURNS: HTML, in which the text is escaped; empty for a blank text.
    """
    if not text.strip():
        return ""
    doc = model.nlp(text)
    return "".join(_draw(model, picture, doc, label) for picture in model.pictures)


def _draw(model: DemoModel, picture: Picture, doc: Doc, label: Optional[str]) -> str:
    """One picture. One that cannot be drawn says why, and does not keep others from being."""
    try:
        drawn = _render(model, picture, doc, label)
    except Exception as error:
        drawn = note(sentence_of(error))
    return f'<section class="demo-picture"><h3>{TITLES[picture.style]}</h3>{drawn}</section>'


def _render(model: DemoModel, picture: Picture, doc: Doc, label: Optional[str]) -> str:
    style, pipe = picture
    if style == "running" and model.streams is None and len(doc) > MOST_TOKENS:
        raise ValueError(Errors.R828.format(name=pipe.name, most=MOST_TOKENS, count=len(doc)))
    # The labels of another component are none of its own.
    label = label if style != "tags" and label in pipe.labels else None
    drawn = render(doc, style, pipe=pipe, label=label, minify=True, jupyter=False)
    return drawn or ""


def heading(model: DemoModel) -> str:
    """The name of a pipeline, and how it reads."""
    how = STREAMS if model.streams is not None else READS_ANEW
    said = f'<p class="demo-how">{how}</p>' if model.labels else ""
    return f'<h2 class="demo-name"><bdi>{html.escape(model.name)}</bdi></h2>{said}'


def note(sentence: str) -> str:
    """A sentence to the reader, as HTML."""
    return f'<p class="demo-note" role="alert">{html.escape(sentence)}</p>'


def sentence_of(error: Exception) -> str:
    """What to say of an error. One that was not expected is printed with its traceback, too."""
    if isinstance(error, ValueError) and str(error).startswith("["):
        return str(error)
    traceback.print_exception(error)
    return Errors.R829.format(problem=f"{type(error).__name__}: {error}")
