"""How far the probabilities of a trained classifier can be trusted, before and after calibration.

    python -m benchmarks.calibration training/textcat_lstm/model-best corpus/dev.spacy
    python -m benchmarks.calibration --sets reviews_1000 news_grammar --seeds 0

With `--sets`, classifiers are trained by their shipped configs on small sets of texts; temperatures
are fitted to dev and measured on test: one for all labels and, where labels do not exclude each
other, one for each.

Of a trained pipeline, temperatures are fitted to one half of the texts and measured on the other,
for several splits:

- log-loss, expected calibration error (15 bins of equal width) and accuracy;
- what a temperature that is fitted to fewer texts is worth;
- how many texts are given a label at some thresholds of `abstain`, and how many labels are right;
- how long it takes to read and score the texts, and to fit.

The texts should be none that were trained on. Where they chose the best step of training, accuracy
is a little too high; what calibration changes hardly is.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.training import Corpus
from spacy.util import load_config, minibatch

from spacy_rnn.training.calibrate import as_read_by
from spacy_rnn.training.calibration import (
    calibration_error,
    certainty,
    fit_temperature,
    log_loss,
    probabilities,
)

from .datasets import CONFIGS, ROOT, write_corpus
from .small_sets import SETS, Missing, TextSet, news_grammar
from .spacy_training import train_config
from .timing import markdown

ALL_SETS = {**SETS, "news_grammar": news_grammar}
FEWER = (5, 10, 20, 50, 100, 200, 500)
THRESHOLDS = (0.0, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class Texts(NamedTuple):
    """Logits and truths of shape (texts, labels), and whether the labels exclude each other."""

    logits: numpy.ndarray
    truths: numpy.ndarray
    exclusive: bool

    def take(self, rows: numpy.ndarray) -> "Texts":
        """Some of them."""
        return self._replace(logits=self.logits[rows], truths=self.truths[rows])

    def fit(self) -> float:
        """Their temperature."""
        return fit_temperature(self.logits, self.truths, self.known, self.exclusive)

    @property
    def known(self) -> numpy.ndarray:
        return numpy.ones(self.truths.shape)

    def fit_each(self) -> numpy.ndarray:
        """A temperature for each label."""
        columns = zip(self.logits.T, self.truths.T)
        return numpy.asarray(
            [self._replace(logits=x[:, None], truths=y[:, None]).fit() for x, y in columns]
        )

    def probs(self, temperature: Any) -> numpy.ndarray:
        return probabilities(self.logits / temperature, self.exclusive)

    def right(self, temperature: Any) -> numpy.ndarray:
        """Whether the best label of each text is right, or all its labels are."""
        probs = self.probs(temperature)
        if self.exclusive:
            return self.truths[numpy.arange(len(probs)), probs.argmax(axis=1)] > 0.5
        return ((probs >= 0.5) == (self.truths >= 0.5)).all(axis=1)

    def measure(self, temperature: Any) -> Tuple[float, float, float]:
        """Log-loss, expected calibration error, accuracy."""
        logits = self.logits / temperature
        loss = log_loss(logits, self.truths, self.known, self.exclusive)
        error = calibration_error(
            self.probs(temperature), self.truths >= 0.5, self.known, self.exclusive
        )
        return loss, error or 0.0, float(self.right(temperature).mean())


def read(nlp: Language, name: str, path: Path) -> Texts:
    """Score all texts that have a label."""
    pipe: Any = nlp.get_pipe(name)
    logits: List[numpy.ndarray] = []
    truths: List[List[float]] = []
    examples = [eg for eg in Corpus(path)(nlp) if eg.reference.cats]
    for batch in minibatch(as_read_by(nlp, name, examples), 500):
        rows = pipe.model.get_ref("logits").predict([eg.predicted for eg in batch])
        logits.append(pipe.model.ops.to_numpy(rows).astype("float64"))
        truths += [[eg.reference.cats.get(label, 0.0) for label in pipe.labels] for eg in batch]
    return Texts(numpy.concatenate(logits), numpy.asarray(truths), pipe.exclusive_classes)


def halves(texts: Texts, splits: int) -> Iterator[Tuple[Texts, Texts]]:
    """Texts to fit to, and to measure on."""
    rng, middle = numpy.random.default_rng(0), len(texts.logits) // 2
    for _ in range(splits):
        order = rng.permutation(len(texts.logits))
        yield texts.take(order[:middle]), texts.take(order[middle:])


def drawn(texts: Texts, temperature: float, seed: int) -> Texts:
    """The texts with truths that are drawn by their probabilities, which are then right."""
    probs, rng = texts.probs(temperature), numpy.random.default_rng(seed)
    if not texts.exclusive:
        return texts._replace(truths=(rng.random(probs.shape) < probs).astype("float64"))
    ends = probs.cumsum(axis=1)
    chosen = (rng.random((len(probs), 1)) * ends[:, -1:] > ends).sum(axis=1)
    return texts._replace(truths=numpy.eye(probs.shape[1])[chosen])


def before_and_after(texts: Texts, splits: int) -> str:
    """A table of means over splits. The calibration error of so many texts is not 0 if
    probabilities are right, either: the last row says what it is then."""
    found: List[Any] = []
    best = []
    for seed, (fitted, held_out) in enumerate(halves(texts, splits)):
        temperature = fitted.fit()
        best.append(temperature)
        right = drawn(held_out, temperature, seed).measure(temperature)
        found.append([held_out.measure(1.0), held_out.measure(temperature), right])
    before, after, right = numpy.mean(found, axis=0)
    rows = [
        ("1", *cells(before)),
        (f"{numpy.mean(best):.2f} ± {numpy.std(best):.2f}", *cells(after)),
        ("truths drawn by these probabilities", *cells(right)),
    ]
    return markdown(("temperature", "log-loss", "calibration error", "accuracy"), rows)


def cells(measured: Any) -> Tuple[str, str, str]:
    loss, error, accuracy = measured
    return f"{loss:.4f}", f"{error:.2%}", f"{accuracy:.2%}"


def of_fewer(texts: Texts, splits: int) -> str:
    """What fits to fewer texts are worth on the other half: means, and how many do harm."""
    rows = []
    for count in FEWER:
        losses, errors = [], []
        for fitted, held_out in halves(texts, splits):
            temperature = fitted.take(numpy.arange(min(count, len(fitted.logits)))).fit()
            after, before = held_out.measure(temperature), held_out.measure(1.0)
            losses.append(after[0] - before[0])
            errors.append(after[1] - before[1])
        harm = numpy.mean(numpy.asarray(losses) > 0)
        change = f"{100 * numpy.mean(errors):+.2f}"
        rows.append((str(count), f"{numpy.mean(losses):+.4f}", change, f"{harm:.0%}"))
    header = ("texts", "log-loss", "calibration error, points", "splits with a higher log-loss")
    return markdown(header, rows)


def risk_and_coverage(texts: Texts, splits: int) -> str:
    """At each threshold, the share of texts with a label, and of these the share that is right."""
    rows = []
    for least in THRESHOLDS:
        shares: List[Any] = []
        for fitted, held_out in halves(texts, splits):
            shares.append([])
            for temperature in (1.0, fitted.fit()):
                probs = held_out.probs(temperature)
                given = certainty(probs, texts.exclusive, 0.5) >= least
                right = held_out.right(temperature)[given]
                shares[-1] += [given.mean(), right.mean() if len(right) else numpy.nan]
        means = numpy.nanmean(shares, axis=0)
        rows.append((f"{least:g}", *(f"{share:.2%}" for share in means)))
    header = ("abstain", "label before", "right", "label after", "right")
    return markdown(header, rows)


def train_on(texts: TextSet, seed: int) -> Tuple[Texts, Texts]:
    """What a classifier of the shipped config says of dev and test."""
    name = "textcat_lstm" if texts.exclusive else "textcat_multilabel_lstm"
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{part}.spacy" for part in ("train", "dev", "test")]
        for part, path in zip(texts[:3], paths):
            write_corpus(part, path)
        nlp = train_config(load_config(CONFIGS / f"{name}.cfg"), paths[0], paths[1], seed)
        return read(nlp, name, paths[1]), read(nlp, name, paths[2])


def of_sets(names: Sequence[str], seeds: Sequence[int]) -> str:
    """A table of fits to dev, measured on test."""
    rows = []
    for name in names:
        for seed in seeds:
            try:
                texts = ALL_SETS[name](ROOT / "assets", seed)
            except Missing as reason:
                print(f"{name} is skipped: {reason}")
                break
            dev, test = train_on(texts, seed)
            found: List[Any] = [1.0, dev.fit()]
            found += [] if texts.exclusive else [dev.fit_each()]
            for temperature in found:
                shown = " ".join(f"{value:.2f}" for value in numpy.ravel(temperature))
                label = f"{name}, seed {seed}", str(len(dev.logits))
                rows.append((*label, shown, *cells(test.measure(temperature))))
    header = ("set", "texts", "temperature", "log-loss", "calibration error", "accuracy")
    return markdown(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("docs", type=Path, nargs="?", help="a .spacy file with cats")
    parser.add_argument("--component", help="the classifier; the first one if not given")
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--sets", nargs="+", choices=list(ALL_SETS), help="train on these")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    args = parser.parse_args()
    if args.sets:
        warnings.simplefilter("ignore")
        print(of_sets(args.sets, args.seeds))
        return
    if not args.docs:
        parser.error("give a trained pipeline and a .spacy file, or --sets")
    nlp = spacy.load(args.model)
    name = args.component or next(
        name for name, pipe in nlp.pipeline if getattr(pipe, "can_be_calibrated", False)
    )
    start = time.perf_counter()
    texts = read(nlp, name, args.docs)
    read_seconds, start = time.perf_counter() - start, time.perf_counter()
    temperature = texts.fit()
    fit_seconds = time.perf_counter() - start
    print(
        f"{len(texts.logits):,} texts, of all a temperature of {temperature:.3f}: read and scored"
    )
    print(f"in {read_seconds:.1f} s, fitted in {fit_seconds:.3f} s\n")
    for table in (before_and_after, of_fewer, risk_and_coverage):
        print(table(texts, args.splits), end="\n\n")


if __name__ == "__main__":
    main()
