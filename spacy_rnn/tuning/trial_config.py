"""The config that a trial trains by."""

import difflib
from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.schemas import ConfigSchemaTraining
from spacy.util import (
    dot_to_object,
    get_sourced_components,
    load_model_from_config,
    registry,
    set_dot_to_object,
    walk_dict,
)
from thinc.api import Config

from ..errors import Errors
from .space import Space


def complete_config(config: Config, metric: Optional[str] = None) -> Config:
    """A config with all settings that are left out in it, as `spacy init fill-config` makes it.

    config: The training config, not interpolated.
    metric: The score to train for, alone, in place of the weighted ones.
    RAISES: What spaCy raises for a config that makes no pipeline.
    """
    nlp = load_model_from_config(config, auto_fill=True)
    complete: Config = nlp.config.copy()
    for name in get_sourced_components(config.interpolate()):
        complete["components"][name] = config["components"][name]
    if metric is not None:
        weights = complete["training"]["score_weights"]
        weights.update({name: 0.0 for name, weight in weights.items() if weight is not None})
        weights[metric] = 1.0
    return complete


def with_values(config: Config, values: Dict[str, Any]) -> Config:
    """A config with other values. values: By the dotted names of settings.

    RAISES: KeyError if a setting's section is not there.
    """
    changed = config.copy()
    for name, value in values.items():
        set_dot_to_object(changed, name, value)
    # Numbers are rounded where a config is written. A trial trains by what is written.
    return Config().from_str(changed.to_str(interpolate=False), interpolate=False)


def values_of(config: Config, space: Space) -> Dict[str, Any]:
    """The values that a config has for the settings of a space, by their dotted names."""
    plain = config.interpolate()
    return {name: dot_to_object(plain, name) for name in space.distributions}


def check_space(config: Config, space: Space, path: Path) -> None:
    """Check, before anything is trained, that a config has the settings of a space, and can have
    their values: all choices, and both ends of a range, each with all else as it is.

    config: As `complete_config` makes it. path: Of the space.
    RAISES: ValueError.
    """
    names = _names(config)
    for name in space.distributions:
        if name not in names:
            nearest = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(Errors.R893.format(name=name, path=path, nearest=hint))
    for name in space.distributions:
        for value in space.outermost(name):
            try:
                _make(with_values(config, {name: value}), name)
            except Exception as error:  # Of whatever the config names.
                problem = " ".join(str(error).split()).rstrip(".")
                facts = {"name": name, "value": repr(value), "problem": problem}
                raise ValueError(Errors.R894.format(**facts)) from error


def _names(config: Config) -> List[str]:
    """The dotted names of all settings and sections."""
    paths = [tuple(keys) for keys, _ in walk_dict(config)]
    sections = {keys[:end] for keys in paths for end in range(1, len(keys))}
    return sorted(".".join(keys) for keys in {*paths, *sections})


def _make(config: Config, name: str) -> None:
    """Make what training makes, before it reads a text, of the part of a config that has a
    setting."""
    if name.partition(".")[0] == "training":
        registry.resolve(config.interpolate()["training"], schema=ConfigSchemaTraining)
    else:
        load_model_from_config(config)
