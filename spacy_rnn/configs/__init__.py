"""Complete training configs, and what components are made with if nothing else is said: the same.

Those in `seeds` rebuild the nets of well-known tutorials, mended. In `spaces` is what
`spacy-rnn tune` may try in place of some settings.
"""

from pathlib import Path
from typing import Any, Dict, Tuple

from thinc.api import Config


def config_path(name: str) -> Path:
    """The file of a config of this package. name: As "textcat_lstm" or "seeds/sentiment_rnn"."""
    return Path(__file__).parent / f"{name}.cfg"


def space_path(name: str) -> Path:
    """The file of what to try in place of settings of a config. name: As "textcat_lstm"."""
    return Path(__file__).parent / "spaces" / f"{name}.yml"


def defaults_of(factory: str) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What the config of a component's name says of it, for its factory.

    RETURNS: The default config, and the default weights of scores.
    """
    config = Config().from_disk(config_path(factory), interpolate=False)
    settings = dict(config["components"][factory])
    del settings["factory"]
    return settings, config["training"]["score_weights"]
