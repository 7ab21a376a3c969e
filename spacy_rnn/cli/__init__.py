"""The command line, `spacy-rnn`: one command a file."""

from ._app import app
from .convert_imdb import convert_imdb
from .convert_table import convert_table
from .init_vocab import init_vocab
from .score import score


def main() -> None:
    """Run the command line."""
    app(prog_name="spacy-rnn")


__all__ = ["app", "convert_imdb", "convert_table", "init_vocab", "main", "score"]
