"""`spacy-rnn score`: the categories of texts given on the command line."""

from pathlib import Path
from typing import List

import spacy
import typer
from wasabi import table

from ._app import app, errors_as_messages


@app.command("score")
def score(
    model: Path = typer.Argument(..., help="Folder of a trained pipeline."),
    texts: List[str] = typer.Argument(..., help="Texts to score, in quotes."),
) -> None:
    """Score texts with a trained pipeline, and print their categories."""
    with errors_as_messages():
        nlp = spacy.load(model)
    rows = []
    for doc in nlp.pipe(texts):
        ranked = sorted(doc.cats.items(), key=lambda item: -item[1])
        rows.append((", ".join(f"{label} {value:.3f}" for label, value in ranked), doc.text))
    print(table(rows, header=("Scores", "Text"), divider=True, max_col=100))
