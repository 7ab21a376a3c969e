"""Whether a training config says what it should."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import (
    get_sourced_components,
    is_package,
    load_config,
    load_model_from_config,
    registry,
    walk_dict,
)
from thinc.api import Config

from ..pipeline.component import Component
from ..pipeline.textcat_lstm import TextCatLSTM
from ._doctor_findings import Finding, fail, good, listed, warn


class Setup(NamedTuple):
    """What a training config makes.

    nlp: The pipeline, not initialized.
    config: The config as it is written, with its variables.
    training: Its section [training], with functions in place of their names.
    """

    nlp: Language
    config: Config
    training: Dict[str, Any]

    @property
    def values(self) -> Dict[str, Any]:
        """The section [training] without variables, as it is written."""
        return self.nlp.config.interpolate()["training"]

    @property
    def streamed(self) -> bool:
        """Whether training reads texts one after the other, in the order of the corpus."""
        return self.training["max_epochs"] == -1

    @property
    def learners(self) -> Dict[str, Any]:
        """The components that training changes, by their names."""
        pipes: Dict[str, Any] = dict(self.nlp.pipeline)
        return {
            name: pipe
            for name, pipe in pipes.items()
            if name not in self.frozen and getattr(pipe, "is_trainable", False)
        }

    @property
    def frozen(self) -> List[str]:
        """The components that it does not."""
        return self.training["frozen_components"]

    def initializes(self, name: str, what: str) -> bool:
        """Whether a component is given something in [initialize], such as "labels"."""
        settings = self.nlp.config["initialize"]["components"].get(name, {})
        return settings.get(what) is not None

    def given_labels(self, name: str) -> List[str]:
        """The labels that a component is given in [initialize].

        RAISES: Whatever a reader of a file of labels raises.
        """
        settings = self.nlp.config.interpolate()["initialize"]["components"][name]
        return list(registry.resolve({"labels": settings["labels"]})["labels"])


def load_setup(path: Path, overrides: Dict[str, Any]) -> Setup:
    """Make what `spacy train` makes of a config.

    RAISES: Whatever the functions raise that it names.
    """
    config = load_config(path, overrides=overrides, interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True)
    section = nlp.config.interpolate()["training"]
    return Setup(nlp, config, registry.resolve(section, schema=ConfigSchemaTraining))


def check_config(setup: Setup) -> Iterator[Finding]:
    """What is wrong before a text is read."""
    yield from check_pipeline(setup)
    yield from check_paths(setup)
    yield from check_frozen(setup)
    yield from check_lengths(setup)
    yield from check_schedule(setup)


def check_pipeline(setup: Setup) -> Iterator[Finding]:
    """Name the components."""
    names = listed(setup.nlp.pipe_names)
    if not setup.nlp.pipe_names:
        yield fail("The pipeline is empty: name its components in [nlp] pipeline.")
    elif any(isinstance(pipe, Component) for _, pipe in setup.nlp.pipeline):
        yield good(f"The config is complete. Its pipeline: {names}")
    else:
        yield warn(
            f"The config is complete, but no component is of this package: {names}. What their "
            "labels are like, `python -m spacy debug data` says."
        )


def check_paths(setup: Setup) -> Iterator[Finding]:
    """Whether what [paths] names is there. What training does without may be missing."""
    text = Config(_read_in_training(setup)).to_str(interpolate=False)
    for name, value in setup.nlp.config.interpolate().get("paths", {}).items():
        if not isinstance(value, str) or Path(value).exists() or is_package(value):
            continue
        level = fail if f"${{paths.{name}}}" in text else warn
        yield level(
            f"[paths] {name} is '{value}', but there is no such file, folder or package: make it, "
            f"or give --paths.{name} another one."
        )


def _read_in_training(setup: Setup) -> Dict[str, Any]:
    """The sections that `spacy train` reads files of."""
    config = setup.nlp.config
    names = [config["training"]["train_corpus"], config["training"]["dev_corpus"]]
    corpora = config.get("corpora", {})
    read = {name: corpora[name.split(".")[-1]] for name in names if name.split(".")[-1] in corpora}
    return {"initialize": config["initialize"], "components": config["components"], **read}


def check_frozen(setup: Setup) -> Iterator[Finding]:
    """Whether what is not trained has been trained before."""
    sourced = get_sourced_components(setup.config)
    for name in setup.frozen:
        if name not in setup.nlp.pipe_names:
            yield fail(
                f"[training] frozen_components names '{name}', which is not in the pipeline."
            )
        elif name not in sourced and hasattr(setup.nlp.get_pipe(name), "update"):
            yield fail(
                f"'{name}' is frozen, but not taken from a trained pipeline: it stays as it was "
                f"made, at random. Give [components.{name}] a source, or unfreeze it."
            )


def check_lengths(setup: Setup) -> Iterator[Finding]:
    """Whether a reader leaves out long texts, which classifiers could read in part."""
    classifiers = [n for n, pipe in setup.nlp.pipeline if isinstance(pipe, TextCatLSTM)]
    for name, corpus in setup.nlp.config.interpolate().get("corpora", {}).items():
        length = corpus.get("max_length") if isinstance(corpus, dict) else None
        if length and classifiers:
            yield warn(
                f"[corpora.{name}] max_length = {length} leaves out longer texts, or splits them "
                f"into sentences without labels. Set it to 0, and max_tokens of {classifiers[0]}'s "
                "model to what is to be read of a text."
            )


def check_schedule(setup: Setup) -> Iterator[Finding]:
    """Whether training ends before it has begun well."""
    values = setup.values
    patience, frequency = values["patience"], values["eval_frequency"]
    if 0 < patience < frequency:
        yield warn(
            f"[training] patience = {patience} is less than eval_frequency = {frequency}: training "
            "stops at the first score that is no better than the one before. Raise patience."
        )
    steps, warmup = values["max_steps"], _warmup_steps(values)
    if warmup and 0 < steps <= warmup:
        yield warn(
            f"The learning rate rises for warmup_steps = {warmup}, and training ends at "
            f"max_steps = {steps}: it never gets to initial_rate. Lower warmup_steps."
        )


def _warmup_steps(values: Dict[str, Any]) -> int:
    rate = values["optimizer"].get("learn_rate")
    return rate.get("warmup_steps", 0) if isinstance(rate, dict) else 0


def check_hardware(setup: Setup, *, gpu: bool, bfloat16: bool) -> Iterator[Finding]:
    """Whether settings are for the device in use.

    gpu: Whether that is a GPU. bfloat16: Whether it computes bfloat16 natively.
    """
    halved = _sections_in_bfloat16(setup.nlp.config)
    if halved and not bfloat16:
        yield warn(
            f'[{halved[0]}] precision = "bfloat16" is not native to this device: the net computes '
            'in float32. Set "float32", or train elsewhere.'
        )
    if gpu and setup.values["gpu_allocator"] is None:
        yield warn(
            "[training] gpu_allocator is null: torch and CuPy keep GPU memory from each other. Set "
            '[system] gpu_allocator = "pytorch".'
        )


def _sections_in_bfloat16(config: Config) -> List[str]:
    return [
        ".".join(keys[:-1])
        for keys, value in walk_dict(config["components"])
        if keys[-1] == "precision" and value == "bfloat16"
    ]


def check_length_of_training(setup: Setup, train: List[Example]) -> Iterator[Finding]:
    """How often training reads each text."""
    values = setup.values
    batches = count_batches(setup, train)
    if not batches or setup.streamed:
        return
    if not values["max_steps"]:
        ends = (
            f"after {values['max_epochs']} of them" if values["max_epochs"] > 0 else "by patience"
        )
        yield good(f"One pass over the training texts is {batches:,} batches; training ends {ends}")
        return
    passes = values["max_steps"] / batches
    if values["max_epochs"] > 0:
        passes = min(passes, values["max_epochs"])
    found = f"[training] max_steps = {values['max_steps']} batches are {passes:.3g} passes over the"
    if passes < 1:
        yield warn(f"{found} training texts: the others are never read. Raise max_steps.")
    else:
        yield good(f"{found} training texts, of {batches:,} batches each")


def count_batches(setup: Setup, examples: List[Example]) -> int:
    """How many batches one pass over some texts is."""
    return sum(1 for _ in setup.training["batcher"](examples))
