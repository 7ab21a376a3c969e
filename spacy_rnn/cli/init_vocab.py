"""`spacy-rnn init-vocab`: write the vocabulary of a training corpus to a file."""

from pathlib import Path
from typing import Optional

import srsly
import typer
from spacy.cli._util import import_code, parse_config_overrides, show_validation_error
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry, resolve_dot_names
from wasabi import msg

from ..training.init_vocab import find_embeddings
from ..vocabulary.learning import learn_vocab
from ._app import app, errors_as_messages, write_whole


@app.command(
    "init-vocab",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def init_vocab(
    ctx: typer.Context,
    config_path: Path = typer.Argument(..., help="The training config."),
    output: Path = typer.Argument(..., help="The JSON file to write, e.g. vocab.json."),
    component: Optional[str] = typer.Option(
        None, help="The component whose embedding it is for; the first there is, if not given."
    ),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file to import."),
) -> None:
    """Write the words that the training corpus uses most, as a JSON list.

    Give the file to `[initialize.components.textcat_lstm.vocab]` by the reader
    `spacy.read_labels.v1`, or to the callback `spacy-rnn.init_vocab.v1`. Settings of the
    config can be overridden as in `spacy train`: --paths.train corpus/train.spacy.
    """
    import_code(code)
    with show_validation_error(config_path):
        overrides = parse_config_overrides(ctx.args)
        config = load_config(config_path, overrides=overrides).interpolate()
        nlp = load_model_from_config(config, auto_fill=True)
        config = nlp.config.interpolate()
        settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
        (corpus,) = resolve_dot_names(config, [settings["train_corpus"]])
    with errors_as_messages():
        layer = find_embeddings(nlp, component, only=lambda layer: "words" in layer.attrs)[0]
        learn_vocab([layer], (eg.predicted for eg in corpus(nlp)))
        words = layer.attrs["words"].words
        write_whole(output, srsly.json_dumps(words, indent=0).encode("utf8"))
    msg.good(f"{len(words)} words to {output}")
