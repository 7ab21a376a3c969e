"""The command line, `spacy-rnn`: one command a file."""

from ._app import app
from .annotate import annotate
from .calibrate import calibrate
from .convert_conllu import convert_conllu
from .convert_imdb import convert_imdb
from .convert_porttinari import convert_porttinari
from .convert_table import convert_table
from .convert_treebank import convert_treebank
from .convert_vectors import convert_vectors
from .demo import demo
from .distill import distill
from .doctor import doctor
from .init_config import init_config
from .init_vocab import init_vocab
from .predict import predict
from .report import report
from .shrink import shrink
from .train import train
from .tune import tune


def main() -> None:
    """Run the command line."""
    app(prog_name="spacy-rnn")


__all__ = [
    "annotate",
    "app",
    "calibrate",
    "convert_conllu",
    "convert_imdb",
    "convert_porttinari",
    "convert_table",
    "convert_treebank",
    "convert_vectors",
    "demo",
    "distill",
    "doctor",
    "init_config",
    "init_vocab",
    "main",
    "predict",
    "report",
    "shrink",
    "train",
    "tune",
]
