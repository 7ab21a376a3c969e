"""`spacy-rnn init-config`: a complete training config for a component of this package."""

import re
from enum import Enum
from pathlib import Path
from typing import Any, Dict, Optional

import spacy
import srsly
import typer
from spacy.util import get_lang_class
from thinc.api import Config
from wasabi import msg

from ..configs import config_path
from ..errors import Errors
from ._app import app, errors_as_messages, write_whole


class Kind(str, Enum):
    """What to train."""

    textcat = "textcat"
    textcat_multilabel = "textcat-multilabel"
    tagger = "tagger"


class Goal(str, Enum):
    """What matters most."""

    speed = "speed"
    accuracy = "accuracy"
    streaming = "streaming"


COMPONENTS = {
    Kind.textcat: "textcat_lstm",
    Kind.textcat_multilabel: "textcat_multilabel_lstm",
    Kind.tagger: "tagger_bilstm",
}
# Settings that differ from the component's defaults, by the name of the setting in its config.
CLASSIFIER_GOALS: Dict[Goal, Dict[str, Any]] = {
    Goal.speed: {},
    Goal.accuracy: {"model.encode.width": 128},
    # One direction, as by default.
    Goal.streaming: {"model.encode.width": 128},
}
TAGGER_GOALS: Dict[Goal, Dict[str, Any]] = {
    Goal.speed: {
        "model.tok2vec.encode.width": 128,
        "model.tok2vec.embed.words.width": 64,
        "model.tok2vec.embed.chars.width": 64,
    },
    Goal.accuracy: {},
    Goal.streaming: {"model.tok2vec.encode.bidirectional": False},
}
CLASSIFIER_VECTORS = {"model.tok2vec.start": "vectors"}
TAGGER_VECTORS = {
    "model.tok2vec.embed.include_static_vectors": True,
    "model.tok2vec.embed.words.sparse": False,
}


@app.command("init-config")
def init_config(
    kind: Kind = typer.Argument(
        ..., metavar="textcat|textcat-multilabel|tagger", help="What to train."
    ),
    optimize: Optional[Goal] = typer.Option(
        None, help="What matters most. If not given: the component's own defaults."
    ),
    lang: str = typer.Option("en", help="Language of the tokenizer, as spaCy abbreviates it."),
    vectors: Optional[str] = typer.Option(
        None, help="A pipeline with word vectors, installed or a folder, to start from."
    ),
    transformer: Optional[str] = typer.Option(
        None, help="A transformer to read with, by its Hugging Face name or folder."
    ),
    gpu: bool = typer.Option(False, "--gpu", help="Settings for training on a GPU."),
    output: Optional[Path] = typer.Option(
        None, "--output", "-o", help="The file to write, printed if not given."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace a file that is there."),
) -> None:
    """Make a training config that is complete: `spacy train` takes it as it is.

    It reads corpus/train.spacy and corpus/dev.spacy, where `spacy-rnn convert-table` puts
    them, unless --paths.train and --paths.dev say otherwise in training.
    """
    with errors_as_messages():
        text = make_config(
            kind, optimize, lang=lang, vectors=vectors, transformer=transformer, gpu=gpu
        )
        if output is None:
            print(text, end="")
            return
        if output.exists() and not force:
            raise ValueError(Errors.R602.format(path=output))
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, text.encode("utf8"))
    option = " --gpu-id 0" if gpu else ""
    msg.good(f"Config for {kind.value} to {output}")
    # Not by wasabi, which breaks lines that are to be copied.
    print(f"Next: python -m spacy train {output} --output model{option}")


def make_config(
    kind: Kind,
    optimize: Optional[Goal] = None,
    *,
    lang: str = "en",
    vectors: Optional[str] = None,
    transformer: Optional[str] = None,
    gpu: bool = False,
) -> str:
    """The text of a config, with its comments: one that comes with the package, with some
    values changed. For the arguments, see `init_config`.

    RAISES: ValueError for options that exclude each other, an unknown language, and a pipeline
        without vectors.
    """
    component = COMPONENTS[kind]
    if transformer is not None and (vectors is not None or optimize == Goal.streaming):
        other = "--vectors" if vectors is not None else "--optimize streaming"
        raise ValueError(Errors.R603.format(other=other))
    check_lang(lang)
    goals = TAGGER_GOALS if kind == Kind.tagger else CLASSIFIER_GOALS
    model: Dict[str, Any] = dict(goals[optimize]) if optimize is not None else {}
    settings: Dict[str, Any] = {"nlp.lang": lang}
    if vectors is not None:
        settings["paths.vectors"] = vectors
        model.update(_vector_settings(kind, vectors))
    if transformer is not None:
        settings["components.transformer.model.name"] = transformer
        model.clear()
    settings.update({f"components.{component}.{name}": value for name, value in model.items()})
    text = config_path(component if transformer is None else f"{component}_trf").read_text("utf8")
    if gpu and transformer is None:
        settings.update(gpu_settings(text))
    for name, value in settings.items():
        text = set_value(text, name, value)
    return text


def check_lang(lang: str) -> None:
    """RAISES: ValueError for a language that spaCy does not know."""
    try:
        get_lang_class(lang)
    except ImportError as error:
        raise ValueError(Errors.R604.format(lang=lang)) from error


def _vector_settings(kind: Kind, vectors: str) -> Dict[str, Any]:
    """Settings of a component that reads pretrained vectors: classifiers start from them, and
    have their width; taggers read them beside their own."""
    width = spacy.load(vectors).vocab.vectors_length
    if not width:
        raise ValueError(Errors.R605.format(name=vectors))
    if kind == Kind.tagger:
        return TAGGER_VECTORS
    return {**CLASSIFIER_VECTORS, "model.tok2vec.width": width}


def gpu_settings(text: str) -> Dict[str, Any]:
    """Settings for training on a GPU: batches twice as large, and so half as many of them."""
    config = Config().from_str(text, interpolate=False)
    training = config["training"]
    steps = ("max_steps", "eval_frequency", "patience")
    rate = training["optimizer"]["learn_rate"]
    return {
        # cupy and PyTorch share PyTorch's memory pool.
        "system.gpu_allocator": "pytorch",
        "training.batcher.size": 2 * training["batcher"]["size"],
        **{f"training.{name}": training[name] // 2 for name in steps},
        "training.optimizer.learn_rate.warmup_steps": rate["warmup_steps"] // 2,
        "training.optimizer.learn_rate.initial_rate": 1.5 * rate["initial_rate"],
    }


def set_value(text: str, name: str, value: Any) -> str:
    """Change one value in the text of a config, whose comments stay.

    name: Of the setting, with its sections, as `spacy train` takes it to override one.
    RAISES: KeyError if the text has no such setting.
    """
    section, _, key = name.rpartition(".")
    pattern = rf"^(\[{re.escape(section)}\]\n(?:(?!\[).*\n)*?{re.escape(key)} = ).*$"
    value = srsly.json_dumps(value).replace("\\", r"\\")
    text, found = re.subn(pattern, rf"\g<1>{value}", text, flags=re.MULTILINE)
    if not found:
        raise KeyError(name)
    return text
