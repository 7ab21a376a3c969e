"""What bfloat16 changes in the scores of a trained classifier.

    python -m benchmarks.precision training/textcat_lstm/model-best corpus/dev.spacy

Scores the same documents in float32 and in bfloat16: accuracy, change of the scores, speed.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_rnn.bridge.shim import RNNShim
from spacy_rnn.engine.ragged_rnn import RaggedRNN

from .timing import markdown


def set_precision(nlp: Language, precision: str) -> None:
    """Of all recurrent nets of a pipeline."""
    for _, pipe in nlp.pipeline:
        model: Any = getattr(pipe, "model", None)
        for node in model.walk() if model is not None else ():
            for shim in (shim for shim in node.shims if isinstance(shim, RNNShim)):
                for part in shim.module.modules():
                    if isinstance(part, RaggedRNN):
                        part.precision = precision
                # What was computed in another precision does not hold any longer.
                shim.version += 1


def predict(nlp: Language, texts: List[str]) -> Tuple[numpy.ndarray, float]:
    """Scores of shape (docs, labels), and tokens per second behind the tokenizer."""
    docs = [nlp.make_doc(text) for text in texts]
    tokens, start = sum(map(len, docs)), time.perf_counter()
    scores = [list(doc.cats.values()) for doc in nlp.pipe(docs)]
    return numpy.asarray(scores), tokens / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("docs", type=Path, help="a .spacy file with cats")
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    docs = list(DocBin().from_disk(args.docs).get_docs(nlp.vocab))
    texts = [doc.text for doc in docs]
    found: Dict[str, Tuple[numpy.ndarray, float]] = {}
    for precision in ("float32", "bfloat16"):
        set_precision(nlp, precision)
        predict(nlp, texts[:200])
        found[precision] = predict(nlp, texts)
    labels = list(nlp(docs[0].text).cats)
    truth = numpy.asarray([[doc.cats.get(label, 0.0) for label in labels] for doc in docs])
    exact = found["float32"][0]
    rows = []
    for precision, (scores, rate) in found.items():
        right = (scores.argmax(axis=1) == truth.argmax(axis=1)).mean()
        change = numpy.abs(scores - exact).max(axis=1)
        flips = int((scores.argmax(axis=1) != exact.argmax(axis=1)).sum())
        row = (f"{right:.2%}", f"{change.mean():.5f}", f"{change.max():.5f}", str(flips))
        rows.append((precision, *row, f"{rate:,.0f}"))
    header = ("precision", "accuracy", "mean change", "largest", "labels changed", "tokens/s")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
