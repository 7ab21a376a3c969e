"""`spacy-rnn shrink`: make a trained pipeline small, with the same scores."""

import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy
import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Model
from wasabi import msg

from ..bridge.shim import RNNShim
from ..errors import Errors
from ._app import app, errors_as_messages

# What a score may move by: it stays the same in the fourth decimal.
TOLERANCE = 5e-5
# The packages whose components know no string by its hash.
OURS = "spacy_rnn."


@app.command("shrink")
def shrink(
    model: str = typer.Argument(..., help="The trained pipeline: a folder, or a package."),
    output: Path = typer.Argument(..., help="Folder of the pipeline to write."),
    texts: Path = typer.Argument(..., help="A .spacy file of texts, to compare scores on."),
    tolerance: float = typer.Option(TOLERANCE, min=0.0, help="What a score may move by."),
) -> None:
    """Make a trained pipeline small: weights in half precision, and no words in its string
    store, which training fills with all that it reads.

    Scores are computed in float32 as before, and compared on the texts given. Nothing is
    written where one of them moves by more than the tolerance.
    """
    with errors_as_messages():
        if output.exists():
            raise ValueError(Errors.R606.format(path=output))
        nlp = spacy.load(model)
        docs = DocBin().from_disk(texts)
        before = scores_of(nlp, docs)
        round_weights(nlp)
        drop_strings(nlp)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            nlp.to_disk(Path(folder) / output.name)
            after = scores_of(spacy.load(Path(folder) / output.name), docs)
            moved = check_scores(before, after, tolerance)
            (Path(folder) / output.name).rename(output)
    msg.good(f"{size_of(output)} to {output}. No score moved by more than {moved:.0e}.")


def check_scores(before: Dict[str, Any], after: Dict[str, Any], tolerance: float) -> float:
    """RETURNS: The most that a score has moved. RAISES: ValueError if that is too much."""
    moved = max(float(numpy.abs(before[name] - after[name]).max(initial=0.0)) for name in before)
    if moved > tolerance:
        raise ValueError(Errors.R607.format(moved=f"{moved:.6f}", tolerance=tolerance))
    return moved


def scores_of(nlp: Language, texts: DocBin) -> Dict[str, numpy.ndarray]:
    """The probabilities that each component of this package gives.

    RAISES: ValueError if there is no such component.
    """
    pipes = dict(_our_pipes(nlp))
    if not pipes:
        raise ValueError(Errors.R608.format(names=nlp.pipe_names))
    docs = [nlp.make_doc(doc.text) for doc in texts.get_docs(nlp.vocab)]
    found: Dict[str, numpy.ndarray] = {}
    for name, pipe in pipes.items():
        probs: Any = pipe.predict_proba(docs) if hasattr(pipe, "predict_proba") else None
        rows = pipe.predict(docs) if probs is None else numpy.concatenate(probs)
        found[name] = pipe.model.ops.to_numpy(rows)
    return found


def _our_pipes(nlp: Language) -> Iterator[Tuple[str, Any]]:
    return ((n, pipe) for n, pipe in nlp.pipeline if type(pipe).__module__.startswith(OURS))


def round_weights(nlp: Language) -> None:
    """Round all weights of our components to half precision, which they are saved in then."""
    for _, pipe in _our_pipes(nlp):
        for node in pipe.model.walk():
            _round_layer(node)


def _round_layer(node: Model) -> None:
    for name in node.param_names:
        if node.has_param(name):
            weights: Any = node.get_param(name)
            node.set_param(name, weights.astype("float16").astype("float32"))
    for shim in node.shims:
        if isinstance(shim, RNNShim):
            with torch.no_grad():
                for weights in shim.module.parameters():
                    weights.copy_(weights.half().float())


def drop_strings(nlp: Language) -> None:
    """Empty the string store but for what a new pipeline of the language has. Components of
    other packages may look strings up by their hashes: beside them, all are kept."""
    others: List[str] = [n for n in nlp.component_names if n not in dict(_our_pipes(nlp))]
    if not others and not nlp.vocab.vectors_length:
        nlp.vocab.strings = spacy.blank(nlp.lang).vocab.strings


def size_of(folder: Path) -> str:
    """Of all files of a folder, in MB."""
    return f"{sum(file.stat().st_size for file in folder.rglob('*')) / 1e6:.1f} MB"
