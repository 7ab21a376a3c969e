"""`spacy-rnn demo`: try pipelines in a browser."""

from typing import List, Optional

import typer
from wasabi import msg

from ..annotation.pipelines import check_model
from ..demo.models import MOST_MODELS, SHIPPED, load_models
from ..demo.page import import_gradio
from ..demo.server import start
from ._app import app, errors_as_messages

LOOPBACK = "127.0.0.1"


@app.command("demo", short_help="A page to try pipelines in a browser.")
def demo(
    models: Optional[List[str]] = typer.Argument(
        None,
        metavar="[MODEL]...",
        help=f"Trained pipelines, up to {MOST_MODELS}, which are shown side by side: folders, or "
        f"names of packages. If none is given, {' and '.join(SHIPPED)}, if they are installed.",
    ),
    host: str = typer.Option(
        LOOPBACK,
        help="Address to listen at. Only this machine can see the page, unless another one is "
        "given: 0.0.0.0 shows it to anyone who can reach the machine.",
    ),
    port: int = typer.Option(7860, min=1, max=65535, help="Port to listen at."),
    max_length: int = typer.Option(
        10_000, min=1, help="How many characters a text may have. A longer one is not read."
    ),
) -> None:
    """Show a page in which a text can be typed or pasted, and what pipelines find in it: scores
    of categories, how much each word counts, the score as the text goes on, and tags with
    their probabilities.

    What is shown changes with each key. A classifier that reads in one direction reads only what
    was added. Texts are not saved, and not sent elsewhere. Needs the extra `demo`:
    pip install "spacy-rnn[demo]"
    """
    with errors_as_messages():
        import_gradio()
        for name in models or []:
            check_model(name)
        page = start(load_models(models or []), host=host, port=port, max_length=max_length)
    msg.good(f"The page is at {page.local_url} until Ctrl+C is pressed.")
    page.block_thread()
