"""The search for better settings of a training config: `spacy-rnn tune`.

Needs the extra `tune`: pip install "spacy-rnn[tune]"
"""

from ..errors import Errors

try:
    import optuna  # noqa: F401
except ImportError as error:
    raise ImportError(Errors.R890.format(problem=error)) from error
