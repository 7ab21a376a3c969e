"""The style "sentences": the score of a label for each sentence, as heat."""

from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from ..errors import Errors
from . import templates
from .checks import check_item, check_parts, items, maybe_probability, probability, string
from .colors import tint
from .markup import escape, head, parts_of, settings_of
from .style import CLASSIFIERS, Data, Style, best_of, check_label

UP, DOWN = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"
NEUTRAL = 0.5


def from_docs(
    docs: List[Doc], pipe: Any, label: Optional[str], options: Dict[str, Any]
) -> List[Data]:
    """The scores of sentences that `score_spans` of a classifier gives. The label is the one with
    the highest mean over a text's sentences, if none is given.

    RAISES: ValueError for a text whose sentences are not known.
    """
    check_label(pipe, label)
    for doc in docs:
        if len(doc) and not doc.has_annotation("SENT_START"):
            raise ValueError(Errors.R806)
    sentences = [list(doc.sents) if len(doc) else [] for doc in docs]
    flat = [sentence for of_doc in sentences for sentence in of_doc]
    scores = iter(pipe.score_spans(flat) if flat else [])
    return [
        _from_doc(doc, spans, [next(scores) for _ in spans], label)
        for doc, spans in zip(docs, sentences)
    ]


def _from_doc(
    doc: Doc, spans: List[Any], scores: List[Dict[str, float]], label: Optional[str]
) -> Data:
    if label is None:
        names = scores[0] if scores else {}
        label = best_of({name: sum(row[name] for row in scores) for name in names})
    found = [
        {"start": span.start_char, "end": span.end_char, "score": row[label]}
        for span, row in zip(spans, scores)
    ]
    data = {"text": doc.text, "label": label, "sentences": found, **settings_of(doc)}
    return {**data, "neutral": _neutral(scores)}


def _neutral(scores: List[Dict[str, float]]) -> float:
    """The score that says nothing: an equal share, where labels exclude each other."""
    sums = [sum(row.values()) for row in scores]
    exclusive = bool(sums) and all(abs(total - 1.0) < 1e-3 for total in sums)
    return 1.0 / len(scores[0]) if exclusive and len(scores[0]) > 1 else NEUTRAL


def check(style: str, place: int, item: Any) -> None:
    """RAISES: ValueError for data that are not of this style."""
    fields = {"label": string, "sentences": items, "neutral": maybe_probability}
    check_item(style, place, item, fields)
    check_parts(style, place, item, "sentences", {"score": probability})


def draw(data: Data, options: Dict[str, Any]) -> Tuple[str, str]:
    """Draw the data of one text."""
    neutral = data.get("neutral", NEUTRAL)
    content = "".join(
        escape(part) if item is None or part.isspace() else _sentence(part, item, data, neutral)
        for part, item in parts_of(data["text"], data["sentences"])
    )
    legend = templates.SENTENCES_LEGEND.format(
        more=tint(0.6),
        less=tint(0.6, positive=False),
        up=UP,
        down=DOWN,
        neutral=f"{neutral:.2f}",
    )
    return head(data, data["label"], None, legend), content


def _sentence(text: str, item: Data, data: Data, neutral: float) -> str:
    heat = heat_of(item["score"], neutral)
    # Blanks at the end, as spaCy leaves them in sentences, stay behind the score.
    words = text.rstrip()
    marked = templates.SENTENCE.format(
        color=tint(abs(heat), positive=heat >= 0),
        title=escape(f"{data['label']} {item['score']:.3f}"),
        text=escape(words),
        sign=UP if heat >= 0 else DOWN,
        score=f"{item['score']:.2f}",
    )
    return marked + escape(text[len(words) :])


def heat_of(score: float, neutral: float) -> float:
    """How far a score is from the neutral one: from -1, for 0, to 1, for 1."""
    room = (1.0 - neutral) if score >= neutral else neutral
    return (score - neutral) / room if room else 0.0


STYLE = Style("score_spans", CLASSIFIERS, True, (), from_docs, check, draw)
