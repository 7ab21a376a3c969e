"""Accuracy on small and uneven sets of texts, against spaCy's classifiers, a linear SVM
and a small transformer.

    python -m benchmarks.datasets
    python -m benchmarks.datasets --sets grammar genres --models textcat_lstm bow --seeds 0
    python -m benchmarks.datasets --models pretrained --pretrained training/pretrain/model-last.bin

Each set is divided for each seed into training, dev and test, alike for all models. Dev chooses
the best step of what spaCy trains, the C of the SVM, and, where a text has any number of labels,
the threshold. Test is scored once. `textcat_lstm` is trained by its config as it is shipped;
spaCy's classifiers by the schedule of spaCy's default config. Results are added to a file of
JSON lines as they come, and what is there already is not run again.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy
import spacy
import srsly
from spacy.scorer import PRFScore, ROCAUCScore
from spacy.tokens import DocBin
from spacy.util import load_config
from thinc.api import Config

from spacy_rnn.corpus.records import Record

from .linear_texts import TfIdf, TransformerVectors, best_linear
from .small_sets import SETS, Missing, TextSet
from .spacy_training import bow_model, spacys_config, train_config
from .timing import markdown, mean_and_spread

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
# spaCy's default schedule goes on until 1,600 steps bring nothing better: so much is enough here.
MAX_STEPS = 4000

# A small transformer, for the model minilm: its name, or its folder.
TRANSFORMER = "sentence-transformers/all-MiniLM-L6-v2"

# Scores of texts, of shape (texts, labels).
Scores = numpy.ndarray
Model = Callable[[TextSet, int], Tuple[Scores, Scores]]


def ours(texts: TextSet, seed: int) -> Tuple[Scores, Scores]:
    name = "textcat_lstm" if texts.exclusive else "textcat_multilabel_lstm"
    return train_pipeline(load_config(CONFIGS / f"{name}.cfg"), texts, seed)


def pretrained(texts: TextSet, seed: int, weights: Path) -> Tuple[Scores, Scores]:
    """`textcat_lstm` over an encoder that has read other texts. weights: From `spacy pretrain`."""
    config = load_config(CONFIGS / "textcat_lstm_pretrained.cfg")
    config["paths"]["init_tok2vec"] = str(weights)
    return train_pipeline(config, texts, seed)


def ensemble(texts: TextSet, seed: int) -> Tuple[Scores, Scores]:
    return spacys(texts, seed, {})


def bow(texts: TextSet, seed: int) -> Tuple[Scores, Scores]:
    return spacys(texts, seed, {"model": bow_model(texts.exclusive)})


def spacys(texts: TextSet, seed: int, settings: Dict[str, Any]) -> Tuple[Scores, Scores]:
    """One of spaCy's text classifiers. settings: Of the component."""
    config = spacys_config(settings, texts.exclusive)
    config["training"]["max_steps"] = MAX_STEPS
    return train_pipeline(config, texts, seed)


def svm(texts: TextSet, seed: int) -> Tuple[Scores, Scores]:
    """TF-IDF of one and two words, and a linear SVM for each label."""
    return linear(texts, seed, TfIdf())


def minilm(texts: TextSet, seed: int, name: str = TRANSFORMER) -> Tuple[Scores, Scores]:
    """Vectors of texts by a small transformer that stays as it is, and logistic regression."""
    features = TransformerVectors()
    features.from_disk(name)
    return linear(texts, seed, features)


def linear(texts: TextSet, seed: int, features: Any) -> Tuple[Scores, Scores]:
    """One linear classifier for each label, with the C that dev is best with."""

    def quality(classifier: Any) -> float:
        return objective(classifier.decision_function(dev), truths(texts.dev), texts.exclusive)

    features.fit([record.text for record in texts.train])
    train, dev, test = (features([r.text for r in part]) for part in texts[:3])
    make = partial(features.make, seed=seed)
    best = best_linear(train, truths(texts.train), make, quality)
    return best.decision_function(dev), best.decision_function(test)


MODELS: Dict[str, Model] = {"textcat_lstm": ours, "ensemble": ensemble, "bow": bow, "svm": svm}
# Those that need no file.
ALONE = list(MODELS)
MODELS.update(minilm=minilm, pretrained=pretrained)
TITLES = {
    "textcat_lstm": "`textcat_lstm`",
    "ensemble": "spaCy's ensemble",
    "bow": "spaCy's bag of words",
    "svm": "TF-IDF + SVM",
    "minilm": "MiniLM, frozen",
    "pretrained": "`textcat_lstm_pretrained`",
}


def train_pipeline(config: Config, texts: TextSet, seed: int) -> Tuple[Scores, Scores]:
    """Train as `spacy train` does. RETURNS: The best pipeline's scores of dev and test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("train", "dev"):
            write_corpus(getattr(texts, part), folder / f"{part}.spacy")
        best = train_config(config, folder / "train.spacy", folder / "dev.spacy", seed)
    return predict(best, texts.dev), predict(best, texts.test)


def write_corpus(records: Sequence[Record], path: Path) -> None:
    nlp = spacy.blank("en")
    docs = []
    for record in records:
        doc = nlp.make_doc(record.text)
        doc.cats = dict(record.cats)
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)


def predict(nlp: Any, records: Sequence[Record]) -> Scores:
    labels = list(records[0].cats)
    docs = nlp.pipe([record.text for record in records])
    return numpy.asarray([[doc.cats.get(label, 0.0) for label in labels] for doc in docs])


def truths(records: Sequence[Record]) -> numpy.ndarray:
    return numpy.asarray([list(record.cats.values()) for record in records])


def objective(scores: Scores, gold: numpy.ndarray, exclusive: bool) -> float:
    """What dev chooses by, as `training.score_weights` say."""
    if not exclusive:
        return macro_auc(scores, gold)
    return (accuracy(scores, gold) + macro_f(scores, gold)) / 2


def accuracy(scores: Scores, gold: numpy.ndarray) -> float:
    return float((scores.argmax(axis=1) == gold.argmax(axis=1)).mean())


def macro_f(scores: Scores, gold: numpy.ndarray) -> float:
    """Mean over labels of F, where the highest score is predicted."""
    predicted = numpy.eye(gold.shape[1])[scores.argmax(axis=1)]
    return statistics.mean(f_score(p, g) for p, g in zip(predicted.T, gold.T))


def f_score(predicted: numpy.ndarray, gold: numpy.ndarray) -> float:
    right = (predicted * gold).sum()
    wrong, missed = predicted.sum() - right, gold.sum() - right
    return PRFScore(tp=int(right), fp=int(wrong), fn=int(missed)).fscore


def macro_auc(scores: Scores, gold: numpy.ndarray) -> float:
    """Mean over labels of the area under the ROC curve."""
    areas = []
    for label_scores, label_gold in zip(scores.T, gold.T):
        curve = ROCAUCScore()
        for score, truth in zip(label_scores, label_gold):
            curve.score_set(float(score), int(truth))
        areas.append(curve.score)
    return statistics.mean(areas)


def best_threshold(scores: Scores, gold: numpy.ndarray) -> float:
    """The threshold of all labels that has the highest micro-F."""
    candidates = numpy.unique(numpy.quantile(scores, numpy.linspace(0.0, 1.0, 400)))
    return float(max(candidates, key=lambda t: f_score(scores >= t, gold)))


def measure(model: Model, texts: TextSet, seed: int) -> Dict[str, float]:
    """Train, choose by dev, and score test."""
    start = time.perf_counter()
    dev, test = model(texts, seed)
    seconds = round(time.perf_counter() - start, 1)
    gold = truths(texts.test)
    if texts.exclusive:
        found = {"accuracy": accuracy(test, gold), "macro F": macro_f(test, gold)}
    else:
        threshold = best_threshold(dev, truths(texts.dev))
        found = {"micro F": f_score(test >= threshold, gold), "macro AUC": macro_auc(test, gold)}
    return {**found, "dev": objective(dev, truths(texts.dev), texts.exclusive), "seconds": seconds}


def run(args: argparse.Namespace) -> List[Dict[str, Any]]:
    """All results that are asked for, those from the file and those that it lacks."""
    results = list(srsly.read_jsonl(args.output)) if args.output.exists() else []
    done = {(r["set"], r["model"], r["seed"]) for r in results}
    for set_name in args.sets:
        for seed in args.seeds:
            wanted = [m for m in args.models if (set_name, m, seed) not in done]
            try:
                texts = SETS[set_name](args.assets, seed) if wanted else None
            except Missing as reason:
                print(f"{set_name} is skipped: {reason}")
                break
            for name in wanted:
                found = measure(MODELS[name], texts, seed)
                results.append({"set": set_name, "model": name, "seed": seed, **found})
                srsly.write_jsonl(args.output, results[-1:], append=True, append_new_line=False)
                print(srsly.json_dumps(results[-1]), flush=True)
    return results


def report(results: List[Dict[str, Any]], sets: Sequence[str], models: Sequence[str]) -> str:
    """A table of means over seeds and, behind them, of half the range."""
    rows = []
    for set_name in sets:
        for metric in ("accuracy", "macro F", "micro F", "macro AUC"):
            cells = []
            for model in models:
                of_model = [r for r in results if (r["set"], r["model"]) == (set_name, model)]
                cells.append(mean_and_spread([r[metric] for r in of_model if metric in r]))
            if any(cells):
                rows.append((set_name, metric, *cells))
    return markdown(("set", "on test", *(TITLES[model] for model in models)), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=ALONE)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--assets", type=Path, default=ROOT / "assets", help="folder of the data")
    parser.add_argument("--output", type=Path, default=ROOT / "metrics" / "datasets.jsonl")
    parser.add_argument("--transformer", default=TRANSFORMER, help="name or folder, for minilm")
    parser.add_argument("--pretrained", type=Path, help="model-last.bin, for pretrained")
    args = parser.parse_args()
    if "pretrained" in args.models and not args.pretrained:
        parser.error("The model 'pretrained' needs --pretrained training/pretrain/model-last.bin.")
    MODELS["minilm"] = partial(minilm, name=args.transformer)
    MODELS["pretrained"] = partial(pretrained, weights=args.pretrained)
    if args.device == "gpu":
        spacy.require_gpu()
    warnings.simplefilter("ignore")
    logging.getLogger("spacy").setLevel(logging.ERROR)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    print(report(run(args), args.sets, args.models))


if __name__ == "__main__":
    main()
