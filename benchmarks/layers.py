"""What a token costs in each layer of prediction.

    python -m benchmarks.layers

The default classifier and tagger, initialized but not trained, over film reviews; medians over
rounds. In the first round the tagger reads the characters of all words; later it remembers them.
"""

import argparse
import statistics
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Model

from .textcat import CONFIG
from .timing import markdown, reviews

PIPES = ("textcat_lstm", "tagger_bilstm")
TOKENIZER, REST = "tokenizer", "all else"


def make_pipeline(factory: str, texts: List[str]) -> Language:
    nlp = spacy.blank("en")
    config = load_config(CONFIG.with_name(f"{factory}.cfg"))["components"][factory]
    nlp.add_pipe(factory, config={"model": config["model"]})
    examples = []
    for i, doc in enumerate(map(nlp.make_doc, texts)):
        cats = {"POSITIVE": float(i % 2), "NEGATIVE": float(not i % 2)}
        examples.append(Example.from_dict(doc, {"cats": cats, "pos": ["NOUN"] * len(doc)}))
    nlp.initialize(lambda: examples)
    return nlp


@contextmanager
def watched(model: Model, seconds: Dict[str, float]) -> Iterator[None]:
    """Add up the time of each layer that has none below it, and of pools."""
    whole = {"pool", "with_array(softmax)"}
    layers = [node for node in model.walk() if not node.layers or node.name in whole]
    inside = [node for layer in layers for node in layer.walk() if node is not layer]
    forwards = {node: node._func for node in layers if node not in inside}
    for node, forward in forwards.items():
        node._func = timed(forward, node.name, seconds)
    try:
        yield
    finally:
        for node, forward in forwards.items():
            node._func = forward


def timed(run: Callable, name: str, seconds: Dict[str, float]) -> Callable:
    def forward(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        found = run(*args, **kwargs)
        seconds[name] += time.perf_counter() - start
        return found

    return forward


def seconds_of_layers(nlp: Language, texts: List[str]) -> Dict[str, float]:
    """Of one pass over texts."""
    pipe: Any = nlp.pipeline[0][1]
    seconds: Dict[str, float] = defaultdict(float)
    start = time.perf_counter()
    docs = [nlp.make_doc(text) for text in texts]
    seconds[TOKENIZER] = time.perf_counter() - start
    with watched(pipe.model, seconds):
        pipe.set_annotations(docs, pipe.predict(docs))
    seconds[REST] = time.perf_counter() - start - sum(seconds.values())
    return seconds


def report(factory: str, texts: List[str], rounds: int) -> str:
    """A table of one component."""
    nlp = make_pipeline(factory, texts)
    tokens = sum(len(nlp.make_doc(text)) for text in texts)
    found = [seconds_of_layers(nlp, texts) for _ in range(1 + rounds)][1:]
    lines = []
    for name in found[0]:
        cost = statistics.median(seconds[name] for seconds in found) / tokens
        share = statistics.median(seconds[name] / sum(seconds.values()) for seconds in found)
        lines.append((f"`{name}`", f"{1e6 * cost:.3f}", f"{share:.0%}"))
    return markdown((f"`{factory}`", "µs a token", "share"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    texts = [record.text for record in reviews(args.texts)]
    print("\n\n".join(report(factory, texts, args.rounds) for factory in PIPES))


if __name__ == "__main__":
    main()
