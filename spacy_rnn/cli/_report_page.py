"""The page of `spacy-rnn report`."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from .. import __version__
from ..training.calibration import expected_calibration_error, find_bins
from ..visual import templates as pictures
from ..visual.display import draw
from ..visual.markup import direction_of, escape, settings_of
from . import _report_templates as templates
from ._report_figures import (
    MOST_LABELS,
    draw_calibration,
    draw_confusions,
    draw_lengths,
    draw_yes_or_no,
)
from ._report_findings import Findings, Mistake, around
from ._report_scores import find_groups

# Characters of a text in the line above it.
START = 55


def make_page(
    findings: Findings, *, facts: Sequence[str], scores: Dict[str, Any], mistakes: int
) -> str:
    """One page that needs nothing beside it.

    facts: What is reported on. scores: Those of the component's own scorer.
    mistakes: How many to show.
    """
    subject, bins = findings.subject, find_bins(findings.probs, findings.true)
    error = expected_calibration_error(findings.probs, findings.true)
    confusions, confusions_note = _confusions(findings)
    shown = findings.worst(mistakes)
    body = templates.BODY.format(
        title=escape(f"Report on {subject.name}"),
        facts=" &middot; ".join(map(escape, facts)),
        scores=_table(*_summary(findings, error)),
        all_scores=_table(("score", "value"), _scalars(scores)),
        labels=_table(*_per_label(findings)),
        confusions=confusions,
        confusions_note=escape(confusions_note),
        calibration="" if error is None else draw_calibration(bins, error),
        calibration_note=escape(_calibration_note(findings)),
        lengths=draw_lengths(find_groups(findings.lengths)),
        lengths_note=escape(_lengths_note(findings)),
        mistakes=_mistakes(findings, shown),
        mistakes_note=f"{len(shown)} of {len(findings.mistakes):,} mistakes.",
        footer=escape(f"spacy-rnn {__version__}"),
    )
    style = (pictures.PAGE_STYLE + pictures.STYLE) + templates.STYLE.format()
    title = escape(f"Report on {subject.name}")
    return pictures.PAGE.lstrip().format(
        lang="en", dir="ltr", title=title, style=style, content=body
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(templates.HEAD_CELL.format(text=escape(text)) for text in head)
    lines = [
        templates.ROW.format(
            cells="".join(templates.CELL.format(text=escape(text)) for text in row)
        )
        for row in rows
    ]
    return templates.TABLE.format(head=cells, rows="\n".join(lines))


def _percent(share: Optional[float]) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _summary(findings: Findings, error: Optional[float]) -> Tuple[Sequence[str], List[List[str]]]:
    tags, exclusive = findings.subject.attr != "cats", findings.subject.exclusive
    right = "accuracy, %" if exclusive else "texts with all labels right, %"
    f, f_name = (findings.macro_f, "macro F, %") if exclusive else (findings.micro_f, "micro F, %")
    total = sum(count for _, _, count in findings.lengths)
    head = [right, f_name, "calibration error, %", "tokens" if tags else "texts"]
    return head, [[_percent(findings.accuracy), _percent(f), _percent(error), f"{total:,}"]]


def _scalars(scores: Dict[str, Any]) -> List[Tuple[str, str]]:
    return [(name, f"{x:.4f}") for name, x in scores.items() if isinstance(x, (int, float))]


def _per_label(findings: Findings) -> Tuple[Sequence[str], List[List[str]]]:
    unit = "texts" if findings.subject.attr == "cats" else "tokens"
    head = ("label", "precision, %", "recall, %", "F, %", unit, "found", "missed", "wrongly found")
    rows = []
    for label, score in findings.per_label.items():
        shares = [_percent(x) for x in (score.precision, score.recall, score.fscore)]
        numbers = (score.tp + score.fn, score.tp, score.fn, score.fp)
        rows.append([label, *shares, *(f"{number:,}" for number in numbers)])
    return head, rows


def _confusions(findings: Findings) -> Tuple[str, str]:
    """The figure, and what it shows."""
    # Those with the most mistakes, in the order of the component.
    ranked = sorted(findings.labels, key=lambda label: -_mistakes_of(findings.per_label[label]))
    kept = set(ranked[:MOST_LABELS])
    labels = [label for label in findings.labels if label in kept]
    left_out = len(findings.labels) - len(labels)
    note = f" The {left_out} labels with the fewest mistakes are left out." if left_out else ""
    if not findings.subject.exclusive:
        rows = [(label, _yes_or_no(findings, label)) for label in labels]
        note = f"How often each label was found and missed; orange is wrong.{note}"
        return draw_yes_or_no(rows), note
    has_none = any(not found for _, found in findings.confusions)
    if has_none:
        note += " (none): the pipeline has other tokens there."
    note = f"Rows: the right label. Columns: the one found; orange is wrong.{note}"
    return draw_confusions(findings.confusions, labels, has_none=has_none), note


def _mistakes_of(score: Any) -> int:
    return score.fp + score.fn


def _yes_or_no(findings: Findings, label: str) -> List[int]:
    score, count = findings.per_label[label], findings.confusions
    return [score.tp, score.fn, score.fp, count[label, ("right", False)]]


def _calibration_note(findings: Findings) -> str:
    if not findings.probs:
        return "The component gives no probabilities."
    if findings.subject.exclusive:
        return "Of the labels found: four of five with a probability of 0.8 should be right."
    return "Of all labels: one with a probability of 0.8 should be true of four in five texts."


def _lengths_note(findings: Findings) -> str:
    if findings.subject.attr != "cats":
        return "The share of right tags, by tokens of a document."
    what = "right labels" if findings.subject.exclusive else "texts with all labels right"
    return f"The share of {what}, by tokens of a text."


def _mistakes(findings: Findings, shown: Sequence[Mistake]) -> str:
    if not shown:
        return "<p>None.</p>" if not findings.mistakes else ""
    if findings.subject.attr != "cats":
        return "\n".join(_tag_mistake(mistake, bool(findings.probs)) for mistake in shown)
    explained = Explained(findings.subject.pipe)
    return (
        "\n".join(
            templates.MISTAKE.format(
                is_open=" open" if i == 0 else "",
                found=escape(mistake.found),
                gold=escape(mistake.gold),
                confidence=_confidence(mistake),
                start=escape(_start_of(mistake.doc)),
                content=explained.draw(mistake),
            )
            for i, mistake in enumerate(shown)
        )
        + explained.note()
    )


class Explained:
    """Texts with words coloured by what they say for the label found, where a component explains
    itself; plain ones where it does not, or cannot.

    pipe: The component.
    """

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.problem = "" if hasattr(pipe, "explain") else "The component has no `explain`."

    def draw(self, mistake: Mistake) -> str:
        """One text, as HTML."""
        if not self.problem:
            try:
                data = self.pipe.explain(mistake.doc, label=mistake.label)
                return draw({**data, **settings_of(mistake.doc)}, "words")
            except ValueError as error:
                # As for a model that has a layer of another kind.
                self.problem = str(error)
        text = escape(mistake.doc.text)
        return templates.PLAIN_TEXT.format(dir=_direction_of(mistake.doc), text=text)

    def note(self) -> str:
        """Why words have no colours, if they have none."""
        note = escape(f"Words have no colours: {self.problem}")
        return f'<p class="note">{note}</p>' if self.problem else ""


def _tag_mistake(mistake: Mistake, has_probs: bool) -> str:
    before, word, after = around(mistake.token)  # type: ignore[arg-type]
    return templates.TAG_MISTAKE.format(
        dir=_direction_of(mistake.doc),
        before=escape(before),
        word=escape(word),
        after=escape(after),
        found=escape(mistake.found),
        gold=escape(mistake.gold),
        confidence=_confidence(mistake) if has_probs else "",
    )


def _confidence(mistake: Mistake) -> str:
    return f" ({mistake.confidence:.3f})"


def _direction_of(doc: Doc) -> str:
    return direction_of({"text": doc.text, **settings_of(doc)})


def _start_of(doc: Doc) -> str:
    text = " ".join(doc.text.split())
    return text if len(text) <= START else f"{text[:START]}\N{HORIZONTAL ELLIPSIS}"
