"""What the components of a pipeline write into a document, as plain data."""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.util import minibatch

from ..corpus.rows import Row
from ..errors import Errors

TAG_ATTRS = ("pos", "tag")


class Writers(NamedTuple):
    """The components that write categories and tags.

    cats: Names of those that write `Doc.cats`.
    labels: Their labels.
    tags: From the names of those that write tags to what they write, "pos" or "tag".
    threshold: From which score on a label counts, where labels do not exclude each other; None
        where they do.
    abstaining: Names of those that write `Doc._.abstained`.
    """

    cats: List[str]
    labels: List[str]
    tags: Dict[str, List[str]]
    threshold: Optional[float]
    abstaining: List[str]


class Prediction(NamedTuple):
    """A text's row in the input, its document, and `result`: with `cats` and the best `label`
    (or, where they do not exclude each other, all `labels` that count), where a component writes
    categories, and whether it `abstained`, where it is set to; and with `tokens`, where one writes
    tags."""

    row: Row
    doc: Doc
    result: Dict[str, Any]


class Annotated(NamedTuple):
    """A `Prediction` without its document."""

    row: Row
    result: Dict[str, Any]


def find_writers(nlp: Language, threshold: Optional[float] = None) -> Writers:
    """Who writes what, as the components' factories and settings say it.

    threshold: In place of the component's own, where labels do not exclude each other.
    RAISES: ValueError if no component writes categories or tags, and for a threshold where none
        is of use.
    """
    cats: List[str] = []
    labels: List[str] = []
    tags: Dict[str, List[str]] = {}
    for name in nlp.pipe_names:
        assigns = nlp.get_pipe_meta(name).assigns
        if "doc.cats" in assigns:
            cats.append(name)
            labels.extend(getattr(nlp.get_pipe(name), "labels", ()))
        attrs = [attr for attr in TAG_ATTRS if f"token.{attr}" in assigns]
        if attrs:
            # A component that has a choice of what to write says so in its settings.
            chosen = str(_settings(nlp, name).get("attr", "")).lower()
            tags[name] = [chosen] if chosen in TAG_ATTRS else attrs
    if not cats and not tags:
        raise ValueError(Errors.R605.format(found=", ".join(nlp.pipe_names) or "none"))
    several = [n for n in cats if isinstance(nlp.get_pipe(n), MultiLabel_TextCategorizer)]
    if threshold is not None and not several:
        raise ValueError(Errors.R620.format(found=", ".join(nlp.pipe_names)))
    if several and threshold is None:
        threshold = _settings(nlp, several[-1]).get("threshold", 0.5)
    abstaining = [name for name in cats if _settings(nlp, name).get("abstain")]
    return Writers(cats, list(dict.fromkeys(labels)), tags, threshold, abstaining)


def _settings(nlp: Language, name: str) -> Dict[str, Any]:
    cfg = getattr(nlp.get_pipe(name), "cfg", None)
    return cfg if isinstance(cfg, dict) else {}


def predict_rows(
    nlp: Language,
    texts: Iterable[Tuple[str, Row]],
    writers: Writers,
    *,
    probabilities: bool,
    batch_size: int,
    n_process: int,
) -> Iterator[Prediction]:
    """Run the pipeline over texts, and give each back with what was written.

    probabilities: Also give the probability of each tag, by components that can.
    RAISES: ValueError if probabilities are wanted and no component gives them.
    """
    sources = _find_probabilities(nlp, writers) if probabilities else {}
    docs = nlp.pipe(texts, as_tuples=True, batch_size=batch_size, n_process=n_process)
    for batch in minibatch(docs, batch_size):
        found = {name: sources[name].predict_proba([doc for doc, _ in batch]) for name in sources}
        for i, (doc, row) in enumerate(batch):
            result = to_result(doc, writers)
            for name in sources:
                key = f"{writers.tags[name][0]}_probs"
                _add_probabilities(result, key, sources[name].labels, found[name][i])
            yield Prediction(row, doc, result)


def _find_probabilities(nlp: Language, writers: Writers) -> Dict[str, Any]:
    """The components that give the probabilities of their tags."""
    pipes: Dict[str, Any] = {name: nlp.get_pipe(name) for name in writers.tags}
    found = {name: pipe for name, pipe in pipes.items() if hasattr(pipe, "predict_proba")}
    if not found:
        raise ValueError(Errors.R606.format(found=", ".join(nlp.pipe_names)))
    return found


def to_result(doc: Doc, writers: Writers) -> Dict[str, Any]:
    """What was written into a document. See `Prediction`."""
    result: Dict[str, Any] = {}
    if writers.cats:
        result["cats"] = dict(ranked(doc.cats))
        if writers.threshold is None:
            result["label"] = best_label(doc.cats)
        else:
            result["labels"] = [n for n, x in ranked(doc.cats) if x >= writers.threshold]
        if writers.abstaining:
            result["abstained"] = any(name in doc._.abstained for name in writers.abstaining)
        if result.get("abstained"):
            one = writers.threshold is None
            result["label" if one else "labels"] = None if one else []
    if writers.tags:
        named = {attr for attrs in writers.tags.values() for attr in attrs}
        # Others may follow from them, as spaCy's attribute_ruler makes POS of TAG.
        attrs = [a for a in TAG_ATTRS if a in named or doc.has_annotation(a.upper())]
        result["tokens"] = [
            {"text": token.text, **{attr: getattr(token, f"{attr}_") for attr in attrs}}
            for token in doc
        ]
    return result


def ranked(scores: Dict[str, float]) -> List[Tuple[str, float]]:
    """Labels and scores, highest first."""
    return sorted(scores.items(), key=lambda item: -item[1])


def beside(result: Dict[str, Any], cells: Any) -> Dict[str, Any]:
    """The result under names that do not hide what the input calls so."""
    return {f"predicted_{key}" if key in cells else key: result[key] for key in result}


def best_label(cats: Dict[str, float]) -> Optional[str]:
    return max(cats, key=lambda name: cats[name]) if cats else None


def _add_probabilities(result: Dict[str, Any], key: str, labels: Iterable[str], rows: Any) -> None:
    """Add to each token that is not blank the probability of each tag, highest first."""
    for token, row in zip(result["tokens"], rows.tolist()):
        if any(row):
            token[key] = dict(ranked(dict(zip(labels, row))))
