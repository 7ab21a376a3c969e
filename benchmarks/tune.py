"""What a search for settings brings on a small set of texts: `spacy-rnn tune` against the default.

    python -m benchmarks.tune --output training/tune
    python -m benchmarks.tune --output training/tune_sentences --set sentences

300 film reviews, cut to their last 120 words, are for training, 1,000 others are dev, by which the
search chooses. The third part are 2,495 reviews of other films, which nothing is chosen by. Or the
same of sentences out of reviews, with 1,706 in the third part. The config's own values and the best
ones are trained again with seeds that the search has not used, and the best step is chosen on dev,
as always.

The command can be run again after an interruption: the search goes on.
"""

import argparse
import sys
from pathlib import Path
from typing import Dict, List

from spacy.training import Corpus
from spacy.util import load_config
from thinc.api import Config

from spacy_rnn.corpus.movie_reviews_reader import read_movie_reviews
from spacy_rnn.corpus.records import prepare
from spacy_rnn.tuning.search import Plan, tune
from spacy_rnn.tuning.space import find_space

from .datasets import CONFIGS, write_corpus
from .small_sets import ending, reviews_file, rotten_tomatoes
from .spacy_training import train_config
from .timing import markdown, mean_and_spread

PARTS = ("dev", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--space", default="textcat_lstm")
    parser.add_argument("--set", choices=["reviews", "sentences"], default="reviews")
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--dev-texts", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    args = parser.parse_args()
    write_parts(args.output, args.set, args.texts, args.dev_texts)
    settings = {
        "paths.train": str(args.output / "train.spacy"),
        "paths.dev": str(args.output / "dev.spacy"),
        "training.max_steps": args.steps,
        "training.eval_frequency": args.steps // 4,
    }
    config = load_config(CONFIGS / "textcat_lstm.cfg", overrides=settings, interpolate=False)
    plan = Plan(trials=args.trials)
    search = args.output / "search"
    found = tune(config, find_space(args.space), search, plan, stdout=sys.stdout)
    print(found, flush=True)
    if not found.status:
        configs = {"default": config, "best": load_config(search / "best.cfg", interpolate=False)}
        compare(configs, args.output, args.seeds)


def write_parts(folder: Path, name: str, count: int, dev_count: int) -> None:
    """Write train.spacy, dev.spacy and test.spacy, if they are not there."""
    reviews_file()
    folder.mkdir(parents=True, exist_ok=True)
    if name == "reviews":
        drawn = prepare(read_movie_reviews("train"), seed=0, limit=count + dev_count)
        other = prepare(read_movie_reviews("dev"), seed=0, limit=0)
    else:
        drawn, *others, _ = rotten_tomatoes(folder, 0)
        other = [record for part in others for record in part]
    parts = {"train": drawn[:count], "dev": drawn[count : count + dev_count], "test": other}
    for part, records in parts.items():
        if not (folder / f"{part}.spacy").exists():
            write_corpus([ending(record) for record in records], folder / f"{part}.spacy")


def compare(configs: Dict[str, Config], folder: Path, seeds: List[int]) -> None:
    """Train each config with each seed, and print the accuracies on dev and test."""
    rows = []
    for name, config in configs.items():
        scores: Dict[str, List[float]] = {part: [] for part in PARTS}
        for seed in seeds:
            nlp = train_config(config, folder / "train.spacy", folder / "dev.spacy", seed)
            for part in PARTS:
                found = nlp.evaluate(list(Corpus(folder / f"{part}.spacy")(nlp)))
                scores[part].append(found["cats_micro_f"])
            print(name, seed, {part: scores[part][-1] for part in PARTS}, flush=True)
        rows.append([name, *(mean_and_spread(scores[part]) for part in PARTS)])
    print(markdown(["accuracy, %", *PARTS], rows))


if __name__ == "__main__":
    main()
