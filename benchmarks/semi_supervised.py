"""What a step of training costs that learns from more than labels.

    python -m benchmarks.semi_supervised

Each setting of `semi_supervised` trains a `textcat_lstm` of its own with the default config, on the
same batches of film reviews; other reviews are its texts without labels. All take a step in turns.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import spacy
import srsly
from spacy.training import Example
from spacy.util import load_config, minibatch

from spacy_rnn.configs import config_path
from spacy_rnn.corpus.records import Record

from .timing import markdown, median_ratio, rates_in_turns, reviews

BATCH_SIZE = 32
# Reviews that the classifiers are initialized with.
FIRST = 200
NONE = "labels alone"
TEXTS = {"texts": True}
SETTINGS: Dict[str, Dict[str, Any]] = {
    NONE: {},
    "`adversarial`": {"adversarial": 1.0},
    "`virtual_adversarial`, `texts = null`": {"virtual_adversarial": 1.0},
    "`virtual_adversarial`, 32 texts": {"virtual_adversarial": 1.0, **TEXTS},
    "and `entropy`": {"virtual_adversarial": 1.0, "entropy": 1.0, **TEXTS},
    "all three": {"adversarial": 1.0, "virtual_adversarial": 1.0, "entropy": 1.0, **TEXTS},
}


def block(settings: Dict[str, Any], raw: Path) -> Optional[Dict[str, Any]]:
    """The block `semi_supervised` of a config. raw: File of texts without labels."""
    if not settings:
        return None
    reader = {"@readers": "spacy.JsonlCorpus.v1", "path": str(raw)}
    given = {"@misc": "spacy-rnn.semi_supervised.v1", "batch_size": BATCH_SIZE, **settings}
    return {**given, "texts": reader if "texts" in settings else None}


def trainer(settings: Dict[str, Any], texts: List[Record], raw: Path) -> Callable[[], int]:
    """A function that takes one step, and returns 1. texts: Labelled reviews."""
    config = load_config(config_path("textcat_lstm"))["components"]["textcat_lstm"]
    config = {**config, "semi_supervised": block(settings, raw)}
    config.pop("factory")
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("textcat_lstm", config=config)
    examples = [Example.from_dict(nlp.make_doc(r.text), {"cats": r.cats}) for r in texts]
    optimizer = nlp.initialize(lambda: examples[:FIRST])
    batches = minibatch(examples, BATCH_SIZE)

    def step() -> int:
        textcat.update(next(batches), drop=0.3, sgd=optimizer)
        return 1

    return step


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60, help="of each setting")
    args = parser.parse_args(argv)
    spacy.util.fix_random_seed(0)
    found = reviews(FIRST + 2 * BATCH_SIZE * (args.steps + 1))
    labelled, others = found[: -BATCH_SIZE * args.steps], found[-BATCH_SIZE * args.steps :]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw.jsonl")
        srsly.write_jsonl(raw, ({"text": record.text} for record in others))
        runs = {name: trainer(settings, labelled, raw) for name, settings in SETTINGS.items()}
        rates = rates_in_turns(runs, rounds=args.steps)
    rows = []
    for name in SETTINGS:
        milliseconds = 1000 / statistics.median(rates[name])
        rows.append((name, f"{milliseconds:,.0f}", f"{median_ratio(rates, NONE, name):.1f}"))
    print(markdown(("a step with", "ms", "times"), rows))


if __name__ == "__main__":
    main()
