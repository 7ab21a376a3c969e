"""`spacy-rnn calibrate`: fit the temperatures of a trained pipeline's classifiers."""

import tempfile
from pathlib import Path
from typing import Dict, Optional

import spacy
import typer
from spacy.training import Corpus
from wasabi import msg

from ..annotation.pipelines import check_model
from ..corpus.files import require_path
from ..errors import Errors
from ..training.calibrate import calibrate_pipeline
from ..training.calibration import Calibration
from ._app import app, errors_as_messages


@app.command("calibrate", short_help="Probabilities that say how often a classifier is right.")
def calibrate(
    model: str = typer.Argument(..., help="The trained pipeline: a folder, or a package."),
    data: Path = typer.Argument(..., help="A .spacy file of labelled texts, not trained on."),
    output: Path = typer.Option(..., "--output", "-o", help="Folder of the pipeline to write."),
    component: Optional[str] = typer.Option(
        None, help="Name of the classifier to calibrate; all if not given."
    ),
) -> None:
    """Fit the temperature that a classifier divides its logits by, so that of the texts to which
    it gives a probability of 0.8, it is right about 80 %. Labels that exclude each other keep
    their order.

    Figures are of the texts that the temperature was fitted to, where it looks better than on
    others: evaluate the pipeline that is written on texts of their own.
    """
    with errors_as_messages():
        if output.exists():
            raise ValueError(Errors.R617.format(path=output))
        require_path(data, "Give a .spacy file of texts that were not trained on.")
        check_model(model)
        nlp = spacy.load(model)
        found = calibrate_pipeline(nlp, Corpus(data)(nlp), component)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            written = Path(folder) / output.name
            nlp.to_disk(written)
            written.rename(output)
    print_table(found)
    msg.good(f"Wrote {output}")


def print_table(found: Dict[str, Calibration]) -> None:
    """What was found, by the name of the component."""
    rows = [
        (
            name,
            f"{one.texts:,}",
            f"{one.temperature:.3f}",
            f"{one.log_loss_before:.4f} → {one.log_loss:.4f}",
            f"{one.ece_before:.2%} → {one.ece:.2%}",
        )
        for name, one in found.items()
    ]
    header = ("component", "texts", "temperature", "log-loss", "calibration error")
    msg.table(rows, header=header, divider=True)
