"""`spacy-rnn init-vocab`: write the vocabulary of a training corpus to a file."""

from pathlib import Path
from typing import Callable, Iterable, Optional

import srsly
import typer
from spacy.language import Language
from spacy.training import Example
from spacy.util import (
    dot_to_object,
    load_config,
    load_model_from_config,
    registry,
    resolve_dot_names,
)
from wasabi import msg

from ..errors import Errors
from ..training.init_vocab import find_embeddings
from ..vocabulary.learning import learn_vocab
from ..whole_file import write_whole
from ._app import app, errors_as_messages, import_code, parse_overrides


@app.command(
    "init-vocab",
    short_help="Vocabulary of a training corpus to a file.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def init_vocab(
    ctx: typer.Context,
    config_path: Path = typer.Argument(
        ...,
        metavar="CONFIG",
        help="The training config.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="The JSON file to write, e.g. vocab.json.",
    ),
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
    with errors_as_messages():
        import_code(code)
        overrides = parse_overrides(ctx.args)
        config = load_config(config_path, overrides=overrides).interpolate()
        nlp = load_model_from_config(config, auto_fill=True)
        corpus = find_corpus(nlp, nlp.config["training"]["train_corpus"])
        layer = find_embeddings(nlp, component, only=lambda layer: "words" in layer.attrs)[0]
        learn_vocab([layer], (eg.predicted for eg in corpus(nlp)))
        words = layer.attrs["words"].words
        write_whole(output, srsly.json_dumps(words, indent=0).encode("utf8"))
    msg.good(f"{len(words)} words to {output}")


def find_corpus(nlp: Language, name: str) -> Callable[[Language], Iterable[Example]]:
    """The reader of a corpus. Nothing else of the config is resolved: another corpus need not be
    there.

    name: Of its section, such as "corpora.train".
    RAISES: ValueError if the config has no such section, or the reader refuses its settings.
    """
    config = nlp.config.interpolate()
    if registry.is_promise(config.get(name.split(".")[0])):
        # One reader makes all corpora.
        return resolve_dot_names(config, [name])[0]
    try:
        section = dot_to_object(config, name)
    except KeyError as error:
        raise ValueError(Errors.R611.format(name=name)) from error
    return registry.resolve({"corpus": section})["corpus"]
