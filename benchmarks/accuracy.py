"""A leaderboard of text classifiers: accuracy, size, time of training, and speed.

    python -m benchmarks.accuracy corpus/train.spacy corpus/dev.spacy
    python -m benchmarks.accuracy corpus/train.spacy corpus/dev.spacy --models textcat_lstm,bow \\
        --seeds 0 --extra mine=training/model-best --figure accuracy.svg

Configs of this package are trained as they are shipped, spaCy's classifiers by spaCy's default
config. Dev chooses the best step of what is trained in steps, and the C of the SVM and of the
logistic regression over a transformer's vectors: dev's figures are a little high, of all alike.
What has no use for a seed is trained once.

The time of training is all from the files to the chosen pipeline, initialization and evaluations
included. The size is that of `nlp.to_disk`, and that of word vectors is told apart. The speed is
that of `nlp.pipe` over texts of dev, one trained pipeline of each row, all in turns in one process;
words are spaCy's tokens. The linear peers have tokenizers of their own, and no other.

Each result is added to a file of JSON lines as it comes, and the trained pipeline to the folder of
the same name without `.jsonl`: the same command goes on where it was interrupted.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import spacy
import srsly
from spacy.language import Language
from spacy.util import is_package

from spacy_rnn.pipeline.representation import size_of

from .classifiers import ROWS, Corpus, Texts
from .linear_texts import sklearn
from .timing import markdown, mean_and_spread, median_ratio, rates_in_turns

ROOT = Path(__file__).parents[1]
BASE = "minilm"
HEADER = ("classifier", "accuracy", "parameters", "MB", "training, s", "words/s", "by MiniLM's")
CAPTION = (
    "Accuracy on dev in per cent: the mean of the seeds, and half their range. The best step, and "
    "the C of TF-IDF + SVM and of MiniLM, are chosen on dev as well. MB is what is saved, and "
    "behind + its word vectors."
)


class Board:
    """The results of one file, and the pipelines that are kept beside it.

    path: The file. of: What each result says of the data that it is of.
    RAISES: SystemExit if the file has results of other data.
    """

    def __init__(self, path: Path, of: Dict[str, Any]):
        self.path, self.of = path, of
        self.results = list(srsly.read_jsonl(path)) if path.exists() else []
        for result in self.results:
            if not result.items() >= of.items():
                found = {key: result.get(key) for key in of}
                wanted = f"is asked for {of}. Name another file with --json."
                raise SystemExit(f"{path} has results of {found}, but {wanted}")
        path.with_suffix("").mkdir(parents=True, exist_ok=True)

    def add(self, result: Dict[str, Any]) -> None:
        self.results.append({**self.of, **result})
        srsly.write_jsonl(self.path, self.results[-1:], append=True, append_new_line=False)
        print(srsly.json_dumps(result), flush=True)

    def folder(self, name: str, seed: int) -> Path:
        return self.path.with_suffix("") / f"{name}-{seed}"

    def has(self, name: str, seed: int) -> bool:
        done = any((r.get("model"), r.get("seed")) == (name, seed) for r in self.results)
        return done and self.folder(name, seed).exists()

    def of_model(self, name: str, seeds: Sequence[Optional[int]]) -> List[Dict[str, Any]]:
        """The last result of each seed."""
        found = {r.get("seed"): r for r in self.results if r.get("model") == name}
        return [found[seed] for seed in seeds if seed in found]

    def rates(self, folders: Dict[str, str]) -> Optional[Dict[str, List[float]]]:
        """Rates of the same pipelines, if these were timed before."""
        found = [r["rates"] for r in self.results if r.get("pipelines") == folders]
        return found[-1] if found else None


def train_all(board: Board, corpus: Corpus, dev: Texts, wanted: Dict[str, List[int]]) -> None:
    """Train and measure what is not done yet. wanted: Seeds of each model."""
    for name, seeds in wanted.items():
        for seed in seeds:
            if board.has(name, seed):
                continue
            start = time.perf_counter()
            nlp = ROWS[name].train(corpus, seed)
            seconds = round(time.perf_counter() - start, 1)
            nlp.to_disk(board.folder(name, seed))
            board.add({"model": name, "seed": seed, **measure(nlp, dev), "seconds": seconds})


def measure(nlp: Language, dev: Texts) -> Dict[str, Any]:
    """RAISES: SystemExit if it writes none of dev's labels."""
    docs = list(nlp.pipe(dev.texts))
    found = set().union(*(doc.cats for doc in docs))
    if not found & set(dev.labels):
        labels = sorted(found) or "no labels"
        raise SystemExit(f"{nlp.pipe_names} writes {labels} into doc.cats. Dev has {dev.labels}.")
    pipes = [pipe for _, pipe in nlp.pipeline]
    megabytes, vectors = megabytes_of(nlp)
    return {
        "accuracy": dev.accuracy(docs),
        "parameters": int(sum(map(parameters_of, pipes))),
        "megabytes": megabytes,
        "vectors_megabytes": vectors,
    }


def parameters_of(pipe: Any) -> int:
    if hasattr(pipe, "parameters"):
        return pipe.parameters
    return sum(size_of(pipe.model)[:2]) if hasattr(pipe, "model") else 0


def megabytes_of(nlp: Language) -> Tuple[float, float]:
    """What a pipeline has on disk, its word vectors apart."""
    sizes = {True: 0, False: 0}
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        for path in Path(folder).rglob("*"):
            if path.is_file():
                is_vectors = path.parent.name == "vocab" and path.name in ("vectors", "key2row")
                sizes[is_vectors and len(nlp.vocab.vectors) > 0] += path.stat().st_size
    return round(sizes[False] / 1e6, 2), round(sizes[True] / 1e6, 2)


def time_in_turns(folders: Dict[str, str], texts: List[str], rounds: int) -> Dict[str, List[float]]:
    """Words per second of pipelines, by rounds."""
    tokenizer = spacy.blank("en").tokenizer
    words = sum(map(len, tokenizer.pipe(texts)))
    runs = {name: predictor(spacy.load(path), texts, words) for name, path in folders.items()}
    return rates_in_turns(runs, rounds=rounds)


def predictor(nlp: Language, texts: List[str], words: int) -> Callable[[], int]:
    """words: Of the texts."""

    def run() -> int:
        for _ in nlp.pipe(texts):
            pass
        return words

    return run


def report(lines: Dict[str, List[Dict[str, Any]]], rates: Dict[str, List[float]]) -> str:
    """The table. lines: The results of each model, by seeds."""
    base = BASE in rates
    rows = [row(name, found, rates, base) for name, found in lines.items()]
    header = HEADER if base else HEADER[:-1]
    return f"{CAPTION}\n\n{markdown(header, rows)}"


def row(
    name: str, found: List[Dict[str, Any]], rates: Dict[str, List[float]], base: bool
) -> List[str]:
    first = found[0]
    vectors = first["vectors_megabytes"]
    seconds = [r["seconds"] for r in found if r["seconds"] is not None]
    cells = [
        title(name),
        mean_and_spread([r["accuracy"] for r in found]),
        f"{first['parameters']:,}",
        f"{first['megabytes']:.1f}" + (f" + {vectors:.1f}" if vectors else ""),
        f"{statistics.mean(seconds):,.0f}" if seconds else "-",
        f"{statistics.median(rates[name]):,.0f}",
    ]
    return [*cells, f"{median_ratio(rates, name, BASE):.1f}x"] if base else cells


def title(name: str) -> str:
    return ROWS[name].title if name in ROWS else name


def draw(lines: Dict[str, List[Dict[str, Any]]], rates: Dict[str, List[float]], path: Path) -> None:
    """Accuracy against speed, a point for each row. The names stand in a column on the right, in
    the order of accuracy, each with a line to its point: they never lie on each other."""
    pyplot = require_pyplot()
    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    points = []
    for name, found in lines.items():
        y = 100 * statistics.mean(r["accuracy"] for r in found)
        points.append((y, statistics.median(rates[name]), title(name).replace("`", "")))
    for i, (y, x, text) in enumerate(sorted(points)):
        (point,) = axes.plot(x, y, "o")
        place = (1.03, (i + 0.5) / len(points))
        line = {"arrowstyle": "-", "color": point.get_color(), "alpha": 0.5, "relpos": (0, 0.5)}
        axes.annotate(text, (x, y), place, textcoords="axes fraction", va="center", arrowprops=line)
    axes.set(xscale="log", xlabel="words per second of nlp.pipe", ylabel="accuracy on dev, %")
    axes.xaxis.set_major_locator(pyplot.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(pyplot.NullFormatter())
    axes.tick_params(axis="x", rotation=30)
    axes.grid(alpha=0.3)
    figure.savefig(path)


def require_pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit("--figure needs matplotlib: pip install 'spacy-rnn[figures]'") from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def wanted_models(args: argparse.Namespace) -> Dict[str, List[int]]:
    """The models asked for, or all that can be trained, and the seeds of each."""
    given = {name: vars(args).get(row.needs or "train") for name, row in ROWS.items()}
    names = args.models.split(",") if args.models else [name for name in ROWS if given[name]]
    for name in names:
        if name not in ROWS:
            raise SystemExit(f"There is no model '{name}'. There are: {', '.join(ROWS)}.")
        if not given[name]:
            raise SystemExit(f"The model '{name}' needs --{ROWS[name].needs}.")
    try:
        seeds = [int(seed) for seed in args.seeds.split(",")]
    except ValueError as error:
        raise SystemExit(f"--seeds wants numbers, as 0,1,2: '{args.seeds}'.") from error
    return {name: seeds if ROWS[name].seeded else seeds[:1] for name in names}


def extras_of(args: argparse.Namespace) -> Dict[str, str]:
    """Names of trained pipelines, and where they are."""
    extras = dict(text.partition("=")[::2] for text in args.extra)
    for name, path in extras.items():
        if not path or name in ROWS:
            raise SystemExit(f"--extra wants NAME=TRAINED_PIPELINE, and a new name: '{name}'.")
    return extras


def check_installed(args: argparse.Namespace, wanted: Dict[str, List[int]]) -> None:
    """What is missing is said before hours of training, not after them."""
    if args.figure:
        require_pyplot()
    if {"svm", "minilm"} & set(wanted):
        sklearn("svm")
    if "minilm" in wanted and not args.transformer.is_dir():
        raise SystemExit(f"--transformer: there is no folder {args.transformer}.")
    if "vectors" in wanted and not (args.vectors.exists() or is_package(str(args.vectors))):
        raise SystemExit(f"--vectors: there is no pipeline {args.vectors}.")


def read_dev(corpus: Corpus) -> Texts:
    """RAISES: SystemExit if either file is no corpus, or dev has labels that training lacks."""
    train, dev = Texts(corpus.train), Texts(corpus.dev)
    new = sorted(set(dev.labels) - set(train.labels))
    if new:
        raise SystemExit(f"{corpus.dev} has labels that {corpus.train} lacks: {', '.join(new)}.")
    return dev


def load_extra(name: str, path: str) -> Language:
    try:
        return spacy.load(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f"--extra: '{name}' cannot be loaded: {error}") from error


def parse(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", type=Path, help="training texts, a .spacy file")
    parser.add_argument("dev", type=Path, help="dev texts, a .spacy file")
    parser.add_argument("--models", help=f"some of {','.join(ROWS)}; all by default")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--extra", nargs="+", default=[], metavar="NAME=TRAINED_PIPELINE")
    parser.add_argument("--vectors", type=Path, help="a pipeline with word vectors")
    parser.add_argument("--transformer", type=Path, help="folder of a small transformer")
    parser.add_argument("--json", type=Path, default=ROOT / "metrics" / "accuracy.jsonl")
    parser.add_argument("--figure", type=Path, help="file of a figure, as accuracy.svg")
    parser.add_argument("--texts", type=int, default=500, help="texts of dev that are timed")
    parser.add_argument("--rounds", type=int, default=3, help="of timing")
    parser.add_argument("--max-steps", type=int, help="end each training after so many batches")
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse(argv)
    warnings.simplefilter("ignore")
    logging.getLogger("spacy").setLevel(logging.ERROR)
    wanted, extras = wanted_models(args), extras_of(args)
    check_installed(args, wanted)
    corpus = Corpus(args.train, args.dev, args.max_steps, args.vectors, args.transformer)
    dev = read_dev(corpus)
    of = {"train": str(args.train), "dev": str(args.dev), "max_steps": args.max_steps}
    board = Board(args.json, of)
    for name, path in extras.items():
        found = measure(load_extra(name, path), dev)
        board.add({"model": name, "seed": None, **found, "seconds": None})
    train_all(board, corpus, dev, wanted)
    folders = {name: str(board.folder(name, seeds[0])) for name, seeds in wanted.items()} | extras
    rates = board.rates(folders)
    if rates is None:
        rates = time_in_turns(folders, dev.texts[: args.texts], args.rounds)
        board.add({"pipelines": folders, "rates": rates})
    seeds = {**wanted, **dict.fromkeys(extras, [None])}
    lines = {name: board.of_model(name, of_name) for name, of_name in seeds.items()}
    print(report(lines, rates))
    if args.figure:
        draw(lines, rates, args.figure)


if __name__ == "__main__":
    main()
