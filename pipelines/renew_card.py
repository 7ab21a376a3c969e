"""Make the wheel of a shipped pipeline anew after a change of its .yml file: text of the card,
licence, version. What it has learned, its scores and its speed stay as they were.

    python -m pipelines.renew_card en_sentiment_lstm
"""

import tempfile
import zipfile
from pathlib import Path

import srsly
import typer
from spacy.cli.package import generate_readme

from .build import HERE, SPEED, make_package


def main(name: str) -> None:
    """Write NAME-VERSION.whl and NAME.md into the folder of this file, from the wheel there."""
    (wheel,) = HERE.glob(f"{name}-*.whl")
    card = srsly.read_yaml(HERE / f"{name}.yml")
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as files:
            files.extractall(folder)
        (pipeline,) = Path(folder, name).glob(f"{name}-*")
        meta = srsly.read_json(pipeline / "meta.json")
        _, heading, speed = meta["notes"].partition(SPEED)
        meta.update({field: card[field] for field in set(card) & set(meta)})
        meta["notes"] = card["notes"] + heading + speed
        srsly.write_json(pipeline / "meta.json", meta)
        # spaCy makes a link of any value.
        meta.pop("url", None)
        (pipeline / "README.md").write_text(generate_readme(meta), "utf8")
        make_package(pipeline, name)


if __name__ == "__main__":
    typer.run(main)
