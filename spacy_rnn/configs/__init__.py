"""Complete training configs. Those in `seeds` rebuild the nets of classic tutorials, mended."""

from pathlib import Path


def config_path(name: str) -> Path:
    """The file of a config of this package. name: As "textcat_lstm" or "seeds/sentiment_rnn"."""
    return Path(__file__).parent / f"{name}.cfg"
