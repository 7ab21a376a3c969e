"""Make the wheel and the model card of a trained pipeline: `make pipelines` calls this.

    python -m pipelines.build en_sentiment_lstm training/sentiment/model-best corpus/dev.spacy

What is said of the data, the licence and the limits stands in a .yml file of the pipeline's name,
and there how many words `spacy-rnn shrink` keeps, and what half precision may change, if that is
more than it allows.
"""

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any, Dict

import spacy
import srsly
import torch
import typer
from spacy.cli.evaluate import evaluate
from spacy.cli.package import generate_readme, package
from spacy.tokens import DocBin
from thinc.api import Config

from benchmarks.timing import rates_in_turns
from spacy_rnn.cli.shrink import TOLERANCE, shrink
from spacy_rnn.engine.ragged_rnn import has_bfloat16

HERE = Path(__file__).parent
# The last heading of a card, below which speed is measured anew with each training.
SPEED = "\n### Speed\n"
# Scores that are part of the card, as far as the pipeline has them.
SCORES = ("cats_micro_f", "cats_macro_auc", "pos_acc", "pos_acc_unseen")


def main(name: str, model: Path, dev: Path) -> None:
    """Write NAME-VERSION.whl and NAME.md into the folder of this file.

    name: Of the pipeline, and of the .yml file. model: The trained pipeline. dev: What it is
    scored on, as a .spacy file.
    """
    card = srsly.read_yaml(HERE / f"{name}.yml")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small"
        tolerance = card.pop("tolerance", TOLERANCE)
        shrink(str(model), small, dev, tolerance, max_words=card.pop("max_words", 0))
        update_meta(small, name, card, dev)
        make_package(small, name)


def make_package(pipeline: Path, name: str) -> None:
    """Write the wheel and the card of a pipeline that has both's meta.json and README.md."""
    forget_paths(pipeline / "config.cfg")
    with tempfile.TemporaryDirectory() as folder:
        package(pipeline, Path(folder), create_sdist=False, create_wheel=True, silent=False)
        (wheel,) = Path(folder).glob("*/dist/*.whl")
        (readme,) = Path(folder).glob(f"{name}-*/README.md")
        for old in HERE.glob(f"{name}-*.whl"):
            old.unlink()
        shutil.copy(wheel, HERE)
        shutil.copy(readme, HERE / f"{name}.md")
    print(f"{wheel.name}: {(HERE / wheel.name).stat().st_size / 1e6:.1f} MB")


def forget_paths(path: Path) -> None:
    """Take out of a config where files were when it was trained, as spaCy's pipelines do."""
    config = Config().from_disk(path, interpolate=False)
    config["paths"] = dict.fromkeys(config["paths"])
    config.to_disk(path)


def update_meta(small: Path, name: str, card: Dict[str, Any], dev: Path) -> None:
    """Write into a pipeline's meta.json what its package and its card are made of."""
    lang, _, short = name.partition("_")
    found = scores_of(small, dev, card.pop("gold_preproc"))
    limits = card.pop("notes")
    # For the Hub only, which takes it from the .yml file.
    card.pop("hub")
    meta = {**srsly.read_json(small / "meta.json"), **card, "lang": lang, "name": short}
    meta.update(performance=found, notes=limits + speed_of(small, dev))
    srsly.write_json(small / "meta.json", meta)
    meta.pop("url", None)
    (small / "README.md").write_text(generate_readme(meta), "utf8")


def scores_of(model: Path, dev: Path, gold_preproc: bool) -> Dict[str, float]:
    """Scores on dev, to four decimals."""
    found = evaluate(str(model), dev, gold_preproc=gold_preproc)
    return {score: round(found[score], 4) for score in SCORES if score in found}


def speed_of(model: Path, dev: Path) -> str:
    """A sentence on speed, measured."""
    nlp = spacy.load(model)
    texts = [doc.text for doc in DocBin().from_disk(dev).get_docs(nlp.vocab)]
    words = sum(map(len, nlp.tokenizer.pipe(texts)))
    runs = {
        "pipeline": lambda: sum(map(len, nlp.pipe(texts))),
        "tokenizer": lambda: sum(map(len, nlp.tokenizer.pipe(texts))),
    }
    rates = rates_in_turns(runs, rounds=3)
    kind = "with" if has_bfloat16(torch.device("cpu")) else "without"
    rate, alone = (round(statistics.median(rates[run]), -3) for run in ("pipeline", "tokenizer"))
    return (
        f"{SPEED}\n{rate:,.0f} words a second through `nlp.pipe` on two cores of a CPU {kind} "
        f"bfloat16, over the {words:,} words of dev; the tokenizer alone has {alone:,.0f}.\n"
    )


if __name__ == "__main__":
    typer.run(main)
