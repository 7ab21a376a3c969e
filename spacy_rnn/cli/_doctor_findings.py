"""What the doctor finds: one line each, and how bad it is."""

from functools import partial
from typing import Iterable, List, NamedTuple

from thinc.api import ConfigValidationError
from wasabi import msg

from ._app import one_line, problems_of

# Characters of a text, and names of labels, that a finding shows.
SHOWN_CHARS = 40
SHOWN_NAMES = 5


class Finding(NamedTuple):
    """What was found, and what to do about it.

    level: "good"; "warn" for what may be meant so; "fail" for what makes training or prediction
        fail, or senseless.
    """

    level: str
    text: str


good = partial(Finding, "good")
warn = partial(Finding, "warn")
fail = partial(Finding, "fail")


def show(title: str, findings: Iterable[Finding]) -> List[Finding]:
    """Print findings under a title, each as soon as it is there. RETURNS: All of them."""
    msg.divider(title)
    shown = []
    for finding in findings:
        getattr(msg, finding.level)(finding.text)
        shown.append(finding)
    return shown


def describe(error: Exception) -> str:
    """An error in one line. Messages with a code say what kind of error it is."""
    if isinstance(error, ConfigValidationError):
        return one_line(problems_of(error))
    message = one_line(str(error.args[0] if isinstance(error, KeyError) and error.args else error))
    return message if message.startswith("[") else f"{type(error).__name__}: {message}"


def percent(part: float, whole: float) -> str:
    """A share, such as "12.5 %"."""
    return f"{100 * part / whole:.3g} %"


def listed(names: Iterable[str]) -> str:
    """Some names, such as "A, B and 3 more"."""
    names = list(names)
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def shortened(text: str) -> str:
    """The beginning of a text, in quotes and in one line."""
    text = one_line(text)
    return f"'{text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + '...'}'"
