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


@app.command("init-config", short_help="A training config for a classifier or tagger.")
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
            raise ValueError(Errors.R613.format(path=output))
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
    check_lang(lang)
    if transformer is not None:
        return _over_transformer(kind, optimize, lang=lang, vectors=vectors, name=transformer)
    component = COMPONENTS[kind]
    goals = TAGGER_GOALS if kind == Kind.tagger else CLASSIFIER_GOALS
    model = goals[optimize] if optimize is not None else {}
    settings: Dict[str, Any] = {"nlp.lang": lang}
    if vectors is None:
        text = config_path(component).read_text("utf8")
    else:
        check_vectors(vectors)
        text = _text_of(kind, "vectors")
        settings["paths.vectors"] = vectors
        # There the embeddings are a list.
        model = {name.replace(".embed.", ".embed.*."): value for name, value in model.items()}
    settings.update({f"components.{component}.{name}": value for name, value in model.items()})
    if gpu:
        settings.update(_gpu_settings(text))
    return set_values(text, settings)


def _over_transformer(
    kind: Kind, optimize: Optional[Goal], *, lang: str, vectors: Optional[str], name: str
) -> str:
    """A config over a transformer, which is for a GPU as it is."""
    if vectors is not None or optimize is not None:
        other = "--optimize" if vectors is None else "--vectors"
        raise ValueError(Errors.R614.format(other=other))
    settings = {"nlp.lang": lang, "components.transformer.model.name": name}
    return set_values(_text_of(kind, "trf"), settings)


def _text_of(kind: Kind, variant: str) -> str:
    """The text of a config such as textcat_lstm_vectors, or of one made of it: where labels do not
    exclude each other, scores and the threshold are those of textcat_multilabel_lstm."""
    if kind != Kind.textcat_multilabel:
        return config_path(f"{COMPONENTS[kind]}_{variant}").read_text("utf8")
    one, several = COMPONENTS[Kind.textcat], COMPONENTS[Kind.textcat_multilabel]
    text = config_path(f"{one}_{variant}").read_text("utf8").replace(one, several)
    config = Config().from_disk(config_path(several), interpolate=False)
    scores = config["training"]["score_weights"]
    settings = {f"training.score_weights.{score}": scores[score] for score in scores}
    settings[f"components.{several}.threshold"] = config["components"][several]["threshold"]
    settings[f"components.{several}.scorer.@scorers"] = "spacy-rnn.textcat_multilabel_scorer.v1"
    settings[f"components.{several}.model.exclusive_classes"] = False
    return set_values(text, settings)


def check_lang(lang: str) -> None:
    """RAISES: ValueError for a language that spaCy does not know."""
    try:
        get_lang_class(lang)
    except ImportError as error:
        raise ValueError(Errors.R615.format(lang=lang)) from error


def check_vectors(name: str) -> None:
    """RAISES: ValueError if a pipeline has no vectors; OSError if there is no such pipeline."""
    if not spacy.load(name).vocab.vectors_length:
        raise ValueError(Errors.R616.format(name=name))


def _gpu_settings(text: str) -> Dict[str, Any]:
    """Settings for a GPU: batches twice as large, and so half as many of them in training."""
    config = Config().from_str(text, interpolate=False)
    training = config["training"]
    steps = ("max_steps", "eval_frequency", "patience")
    rate = training["optimizer"]["learn_rate"]
    budgets = {
        f"components.{name}.max_batch_tokens": 2 * component["max_batch_tokens"]
        for name, component in config["components"].items()
        if "max_batch_tokens" in component
    }
    return {
        **budgets,
        # cupy and PyTorch share PyTorch's memory pool.
        "system.gpu_allocator": "pytorch",
        "training.batcher.size": 2 * training["batcher"]["size"],
        **{f"training.{name}": training[name] // 2 for name in steps},
        "training.optimizer.learn_rate.warmup_steps": rate["warmup_steps"] // 2,
        "training.optimizer.learn_rate.initial_rate": 1.5 * rate["initial_rate"],
    }


def set_values(text: str, settings: Dict[str, Any]) -> str:
    """Change values in the text of a config, whose comments stay.

    settings: Values by the names of settings, with their sections, as `spacy train` takes them to
        override some.
    RAISES: KeyError if the text has no such setting.
    """
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        # The key's line, in its section: no line between the two begins another one.
        pattern = rf"^(\[{re.escape(section)}\]\n(?:(?!\[).*\n)*?{re.escape(key)} = ).*$"
        line = srsly.json_dumps(value).replace("\\", r"\\")
        text, found = re.subn(pattern, rf"\g<1>{line}", text, flags=re.MULTILINE)
        if not found:
            raise KeyError(name)
    return text
