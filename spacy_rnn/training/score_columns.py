"""How a training log shows scores: short headings, and percent."""

from typing import Any, Dict, List, Sequence

# What spaCy and this package call their scores, and what a person calls them where a log is
# about one thing only, labels of texts or tags.
HEADINGS: Dict[str, str] = {
    "cats_micro_p": "MICRO P",
    "cats_micro_r": "MICRO R",
    "cats_micro_f": "MICRO F",
    "cats_macro_p": "MACRO P",
    "cats_macro_r": "MACRO R",
    "cats_macro_f": "MACRO F",
    "cats_macro_auc": "MACRO AUC",
    "cats_ece": "ECE",
    "tagging_acc": "ACCURACY",
    "tagging_acc_unseen": "UNSEEN",
    "tag_acc": "ACCURACY",
    "tag_acc_unseen": "UNSEEN",
    "pos_acc": "ACCURACY",
    "pos_acc_unseen": "UNSEEN",
}
# Labels that exclude each other: each text has one right answer, and spaCy's micro F over all
# labels is the share of texts answered right.
EXCLUSIVE = {"cats_micro_f": "ACCURACY"}
# Words a second, of `nlp.evaluate`: the only score that is not a share.
SPEED = "speed"


def score_headings(names: Sequence[str], *, exclusive: bool) -> List[str]:
    """Headings of scores, each a different one.

    names: Names of the scores. exclusive: Whether the labels of texts exclude each other.
    RETURNS: A short heading each, as ACCURACY or MACRO F. Where scores are of several things, as
        `cats_micro_f` and `tagging_acc` are, each says of what: CATS ACC and TAGGING ACC.
    """
    things = {name.split("_")[0] for name in names}
    if len(things) > 1:
        plain = ["cats_acc" if exclusive and name == "cats_micro_f" else name for name in names]
        return [name.upper().replace("_", " ") for name in plain]
    short = {**HEADINGS, **EXCLUSIVE} if exclusive else HEADINGS
    return [short.get(name, name.upper().replace("_", " ")) for name in names]


def score_cell(name: str, value: Any) -> str:
    """A score in percent; "-" where there is none, as the accuracy on unseen words is where all
    were seen."""
    if not isinstance(value, (int, float)):
        return "-"
    return f"{value:,.0f}" if name == SPEED else f"{100 * value:.2f}"
