"""`spacy-rnn shrink`: make a trained pipeline small, with the same scores."""

import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec
from spacy.tokens import Doc
from wasabi import msg

from ..annotation.pipelines import check_model
from ..bridge.half_precision import halve
from ..bridge.shim import shims_of
from ..corpus.files import require_path
from ..corpus.spacy_files import read_docs
from ..errors import Errors
from ..pipeline.checksums import write_checksums
from ._app import app, errors_as_messages

# What a score of a text, or of a tag, may move by.
TOLERANCE = 1e-3
# The packages whose components know no string by its hash.
OURS = "spacy_rnn."


@app.command("shrink", short_help="A trained pipeline at half its size.")
def shrink(
    model: str = typer.Argument(..., help="The trained pipeline: a folder, or a package."),
    output: Path = typer.Argument(..., help="Folder of the pipeline to write."),
    texts: Path = typer.Argument(..., help="A .spacy file of texts, to compare scores on."),
    tolerance: float = typer.Option(TOLERANCE, min=0.0, help="What a score may move by."),
    max_words: int = typer.Option(
        0, min=0, help="Keep the vectors of so many words, the most frequent ones. 0 keeps all."
    ),
) -> None:
    """Make a trained pipeline small: weights in half precision, and no words in its string
    store, which training fills with all that it reads.

    Scores are computed in float32 as before, and compared on the texts given. Nothing is
    written where one of them moves by more than the tolerance.

    With --max-words, rarer words are read as unknown ones. That changes scores, and is not
    compared: evaluate the pipeline that is written.
    """
    with errors_as_messages():
        if output.exists():
            raise ValueError(Errors.R617.format(path=output))
        require_path(texts, "Give a .spacy file of texts.")
        check_model(model)
        nlp = spacy.load(model)
        if max_words:
            keep_words(nlp, max_words)
        docs = list(read_docs(texts, nlp.vocab))
        before = scores_of(nlp, docs)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            small = Path(folder) / output.name
            nlp.to_disk(small)
            halve_weights(nlp, small)
            drop_strings(nlp, small)
            moved = check_scores(before, scores_of(spacy.load(small), docs), tolerance)
            small.rename(output)
    msg.good(f"{size_of(output)} to {output}. No score moved by more than {moved:.0e}.")


def keep_words(nlp: Language, count: int) -> None:
    """Forget the rarer words of each vocabulary. count: How many words each keeps.

    RAISES: ValueError if there is no vocabulary.
    """
    layers = [node for pipe in _compared(nlp).values() for node in pipe.model.walk()]
    layers = [node for node in layers if "keep_words" in node.attrs]
    if not layers:
        raise ValueError(Errors.R640.format(names=nlp.pipe_names))
    for node in layers:
        node.attrs["keep_words"](node, count)


def check_scores(before: Dict[str, Any], after: Dict[str, Any], tolerance: float) -> float:
    """RETURNS: The most that a score has moved. RAISES: ValueError if that is too much."""
    moved = max(float(numpy.abs(before[name] - after[name]).max(initial=0.0)) for name in before)
    if moved > tolerance:
        raise ValueError(Errors.R618.format(moved=f"{moved:.6f}", tolerance=tolerance))
    return moved


def scores_of(nlp: Language, texts: Sequence[Doc]) -> Dict[str, numpy.ndarray]:
    """The probabilities that each component of this package gives.

    RAISES: ValueError if there is no such component.
    """
    pipes = dict(_our_pipes(nlp))
    if not pipes:
        raise ValueError(Errors.R619.format(names=nlp.pipe_names))
    # With what the other components write, as a shared tok2vec.
    docs = list(nlp.pipe(doc.text for doc in texts))
    found: Dict[str, numpy.ndarray] = {}
    for name, pipe in pipes.items():
        probs: Any = pipe.predict_proba(docs) if hasattr(pipe, "predict_proba") else None
        rows = pipe.predict(docs) if probs is None else numpy.concatenate(probs)
        found[name] = pipe.model.ops.to_numpy(rows)
    return found


def _our_pipes(nlp: Language) -> Iterator[Tuple[str, Any]]:
    return ((n, pipe) for n, pipe in nlp.pipeline if type(pipe).__module__.startswith(OURS))


def _compared(nlp: Language) -> Dict[str, Any]:
    """Our components, and each tok2vec that only these listen to: what changes there is seen in
    their scores."""
    ours = dict(_our_pipes(nlp))
    shared = {
        n: pipe for n, pipe in nlp.pipeline if isinstance(pipe, Tok2Vec) and shims_of(pipe.model)
    }
    return {
        **{n: pipe for n, pipe in shared.items() if {*pipe.listening_components} <= {*ours}},
        **ours,
    }


def halve_weights(nlp: Language, folder: Path) -> None:
    """Round the weights of our layers to half precision, in a saved pipeline."""
    ours = dict(_our_pipes(nlp))
    for name, pipe in _compared(nlp).items():
        file = folder / name / "model"
        file.write_bytes(halve(pipe.model, file.read_bytes(), thincs=name in ours))
        if name in ours:
            write_checksums(folder / name)


def drop_strings(nlp: Language, folder: Path) -> None:
    """Leave only what a new pipeline of the language has in the string store of a saved one.
    Components of other packages may look strings up by their hashes: beside them, all are kept,
    as beside word vectors."""
    if len(dict(_our_pipes(nlp))) == len(nlp.component_names) and not len(nlp.vocab.vectors):
        spacy.blank(str(nlp.lang)).vocab.strings.to_disk(folder / "vocab" / "strings.json")


def size_of(folder: Path) -> str:
    """Of all files of a folder, in MB."""
    return f"{sum(file.stat().st_size for file in folder.rglob('*')) / 1e6:.1f} MB"
