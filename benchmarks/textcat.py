"""Speed of `textcat_lstm` against spaCy's own text classifiers, side by side.

    python -m benchmarks.textcat

All train and predict the same film reviews in one process, in turns. Words are spaCy's
tokens of the whole texts.
"""

import argparse
import logging
import statistics
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List

import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Config

from .spacy_training import bow_model
from .timing import markdown, median_ratio, rates_in_turns, reviews

CONFIG = Path(__file__).parents[1] / "configs" / "textcat_lstm.cfg"
TOKENIZER, OURS = "tokenizer alone", "`textcat_lstm`"
WIDE = "`textcat_lstm`, width = 128"
HALF = "`textcat_lstm`, bfloat16"
ENSEMBLE, BILSTM, BOW = (
    "`textcat`, default ensemble",
    "`textcat`, TorchBiLSTMEncoder of the same width",
    "`textcat`, bag of words",
)
BATCH = 32


def our_model() -> Dict[str, Any]:
    return load_config(CONFIG)["components"]["textcat_lstm"]["model"]


def bilstm_model(width: int) -> Dict[str, Any]:
    return Config().from_str(f"""
[model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = true
use_reduce_mean = true

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = {width}
rows = [5000]
attrs = ["NORM"]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.TorchBiLSTMEncoder.v1"
width = {width}
depth = 1
dropout = 0.0
""")["model"]


def make_pipelines(examples: List[Example]) -> Dict[str, Language]:
    ours = our_model()
    wide, half = our_model(), our_model()
    wide["encode"]["width"] = 128
    half["encode"]["precision"] = "bfloat16"
    width = ours["encode"]["width"]
    pipes: Dict[str, Any] = {
        OURS: ("textcat_lstm", {"model": ours}),
        WIDE: ("textcat_lstm", {"model": wide}),
        HALF: ("textcat_lstm", {"model": half}),
        ENSEMBLE: ("textcat", {}),
        BILSTM: ("textcat", {"model": bilstm_model(width)}),
        BOW: ("textcat", {"model": bow_model()}),
    }
    pipelines = {}
    for name, (factory, config) in pipes.items():
        nlp = spacy.blank("en")
        nlp.add_pipe(factory, config=config)
        nlp.initialize(lambda: examples)
        pipelines[name] = nlp
    return pipelines


def trainer(nlp: Language, examples: List[Example], updates: int) -> Callable[[], int]:
    optimizer = nlp.create_optimizer()
    position = 0

    def train() -> int:
        nonlocal position
        words = 0
        for _ in range(updates):
            batch = [examples[(position + i) % len(examples)] for i in range(BATCH)]
            position += BATCH
            batch = [Example(nlp.make_doc(eg.text), eg.reference) for eg in batch]
            nlp.update(batch, sgd=optimizer, drop=0.5)
            words += sum(len(eg.predicted) for eg in batch)
        return words

    return train


def predictor(nlp: Language, texts: List[str]) -> Callable[[], int]:
    return lambda: sum(len(doc) for doc in nlp.pipe(texts))


def tokenizer(texts: List[str]) -> Callable[[], int]:
    nlp = spacy.blank("en")
    return lambda: sum(len(nlp.make_doc(text)) for text in texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20, help="updates of a round")
    parser.add_argument("--texts", type=int, default=1000, help="texts predicted in a round")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("spacy").setLevel(logging.ERROR)
    nlp = spacy.blank("en")
    records = reviews(max(4000, args.texts))
    examples = [Example.from_dict(nlp.make_doc(r.text), {"cats": r.cats}) for r in records]
    texts = [record.text for record in records[: args.texts]]
    pipelines = make_pipelines(examples)
    training = rates_in_turns(
        {name: trainer(p, examples, args.updates) for name, p in pipelines.items()},
        rounds=args.rounds,
    )
    predictors = {name: predictor(p, texts) for name, p in pipelines.items()}
    predicting = rates_in_turns({TOKENIZER: tokenizer(texts), **predictors}, rounds=args.rounds)
    print(report(training, predicting))


def report(training: Dict[str, List[float]], predicting: Dict[str, List[float]]) -> str:
    """Rates, and how many times faster our default is."""
    rows = []
    for name, rates in predicting.items():
        trained = training.get(name)
        rows.append(
            (
                name,
                f"{statistics.median(trained):,.0f}" if trained else "-",
                f"{median_ratio(training, OURS, name):.2f}x" if trained else "-",
                f"{statistics.median(rates):,.0f}",
                f"{median_ratio(predicting, OURS, name):.2f}x",
            )
        )
    header = ("words per second", "training", "ours is", "`nlp.pipe`", "ours is")
    return markdown(header, rows)


if __name__ == "__main__":
    main()
