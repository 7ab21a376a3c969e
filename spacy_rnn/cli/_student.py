"""A pipeline that learns from what its teachers have said."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from spacy.cli.train import train
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config, load_model_from_config, registry

from ..annotation.results import find_writers
from ..corpus.files import require_path
from ..errors import Errors
from ..pipeline.textcat_lstm import TextCatLSTM
from ._app import parse_overrides
from ._teachers import Subject


class Student(NamedTuple):
    """A training config, the settings that it is trained with, and its pipeline."""

    config: Path
    overrides: Dict[str, Any]
    nlp: Language

    def require(self, subject: Subject, exclusive: bool) -> None:
        """RAISES: ValueError if training changes no component that learns this.

        exclusive: Whether categories exclude each other.
        """
        frozen = self.nlp.config["training"]["frozen_components"]
        names = [name for name in self.nlp.pipe_names if name not in frozen]
        what = subject.value
        if subject == Subject.cats:
            # Those of spaCy refuse soft values.
            pipes = (self.nlp.get_pipe(name) for name in names)
            kinds = {p.exclusive_classes for p in pipes if isinstance(p, TextCatLSTM)}
            learns = exclusive in kinds
            what += " that exclude each other" if exclusive else " that do not exclude each other"
        else:
            tags = find_writers(self.nlp).tags
            learns = any(subject.value in tags.get(name, ()) for name in names)
        if not learns:
            found = ", ".join(names) or "none"
            raise ValueError(Errors.R641.format(path=self.config, subject=what, found=found))

    def train(self, output: Path, gpu_id: int) -> None:
        """Train by `spacy train` into model-best and model-last of a folder."""
        train(self.config, output, use_gpu=gpu_id, overrides=self.overrides)


def split_arguments(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The teachers, and the settings of the student, which begin with the first `--`.

    RAISES: ValueError if there is no teacher.
    """
    found = (i for i, argument in enumerate(arguments) if argument.startswith("-"))
    first = next(found, len(arguments))
    if not first:
        raise ValueError(Errors.R631.format(found=arguments[0]))
    return list(arguments[:first]), list(arguments[first:])


def find_student(
    config: Optional[Path], settings: List[str], train_path: Path, dev_path: Path
) -> Optional[Student]:
    """Check the config of a student, before hours go into texts for it.

    settings: As on the command line of `spacy train`.
    train_path, dev_path: What it is to learn from, and to be measured on.
    RETURNS: None if there is no config.
    RAISES: ConfigValidationError, FileNotFoundError or ValueError for settings and configs that
        `spacy train` would refuse.
    """
    option = settings[0] if settings else ""
    overrides = parse_overrides(settings)
    if config is None:
        if settings:
            raise ValueError(Errors.R629.format(option=option, needs="--student"))
        return None
    require_path(config, "Check the path. `spacy-rnn init-config` makes a config.")
    overrides = {**overrides, "paths.train": str(train_path), "paths.dev": str(dev_path)}
    loaded = load_config(config, overrides=overrides, interpolate=False)
    for variable in ("${paths.train}", "${paths.dev}"):
        if variable not in loaded.to_str(interpolate=False):
            raise ValueError(Errors.R632.format(path=config, variable=variable))
    nlp = load_model_from_config(loaded.interpolate(), auto_fill=True)
    registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    return Student(config, overrides, nlp)
