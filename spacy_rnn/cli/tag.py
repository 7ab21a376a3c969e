"""`spacy-rnn tag`: the tags of texts given on the command line."""

from pathlib import Path
from typing import List

import spacy
import typer
from wasabi import table

from ._app import app, errors_as_messages


@app.command("tag")
def tag(
    model: Path = typer.Argument(..., help="Folder of a trained pipeline."),
    texts: List[str] = typer.Argument(..., help="Texts to tag, in quotes."),
) -> None:
    """Tag texts with a trained pipeline, and print a tag under each word."""
    with errors_as_messages():
        nlp = spacy.load(model)
    for doc in nlp.pipe(texts):
        words = [token for token in doc if not token.is_space]
        tags = [token.pos_ or token.tag_ for token in words]
        print(table([tags], header=[token.text for token in words], divider=True))
