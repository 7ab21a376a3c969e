"""The style "tags": the tag of each word, and how probable it is."""

from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from . import templates
from .checks import check_item, check_parts, items, maybe_probabilities, probability, string
from .markup import escape, head, settings_of, words_of
from .style import Data, Style

# How many tags are named when the pointer is on a word.
NAMED = 3
# Below this the probability is written, too; below the second it is in the other colour.
SURE, DOUBTFUL = 0.9, 0.5
LEGEND = f"bar: probability of the tag, written out below {SURE}"


def from_docs(
    docs: List[Doc], pipe: Any, label: Optional[str], options: Dict[str, Any]
) -> List[Data]:
    """The most probable tags that `predict_proba` of a tagger gives. Blank tokens have none."""
    ops, labels = pipe.model.ops, list(pipe.labels)
    rows = [ops.to_numpy(probs).tolist() for probs in pipe.predict_proba(docs)]
    return [_from_doc(doc, probs, labels) for doc, probs in zip(docs, rows)]


def _from_doc(doc: Doc, rows: List[List[float]], labels: List[str]) -> Data:
    tokens = []
    for token, row in zip(doc, rows):
        if any(row):
            ranked = sorted(zip(row, labels), key=lambda pair: -pair[0])[:NAMED]
            best, tag = ranked[0]
            named = {name: min(prob, 1.0) for prob, name in ranked}
            place = {"start": token.idx, "end": token.idx + len(token)}
            tokens.append({**place, "tag": tag, "prob": min(best, 1.0), "probs": named})
    return {"text": doc.text, "tokens": tokens, **settings_of(doc)}


def check(style: str, place: int, item: Any) -> None:
    """RAISES: ValueError for data that are not of this style."""
    check_item(style, place, item, {"tokens": items})
    fields = {"tag": string, "prob": probability, "probs": maybe_probabilities}
    check_parts(style, place, item, "tokens", fields)


def draw(data: Data, options: Dict[str, Any]) -> Tuple[str, str]:
    """Draw the data of one text."""
    groups = [
        "".join(_word(part, token) for part, token in group)
        for group in words_of(data["text"], data["tokens"])
    ]
    content = "".join(
        templates.TOGETHER.format(content=group) if group.count("rnn-word") > 1 else group
        for group in groups
    )
    legend = templates.NOTE.format(content=LEGEND)
    return head(data, "", None, legend), content


def _word(text: str, token: Data) -> str:
    if "tag" not in token:
        return escape(text)
    prob, tag = token["prob"], escape(token["tag"])
    probs = token.get("probs", {token["tag"]: prob})
    return templates.TAGGED_WORD.format(
        title=escape(", ".join(f"{name} {value:.3f}" for name, value in probs.items())),
        text=escape(text),
        tag=tag if prob >= SURE else f"{tag} {prob:.2f}",
        percent=round(100 * prob),
        doubt=' class="rnn-doubt"' if prob < DOUBTFUL else "",
    )


STYLE = Style("predict_proba", "tagger_bilstm", False, (), from_docs, check, draw)
