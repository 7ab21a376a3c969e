"""Checks of data that someone else has made, for `render(..., manual=True)`."""

import math
import numbers
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..errors import Errors

# What is wrong with a value, or None.
Check = Callable[[Any], Optional[str]]

# A probability in float32 may be so much beside its range.
ROUNDING = 1e-6


def check_item(style: str, place: int, item: Any, fields: Mapping[str, Check]) -> None:
    """Check one item of data: the fields of its style, and those that all have.

    place: Its place among the items, for the error.
    RAISES: ValueError that says which value is wrong, and what it should be.
    """
    problem = find_problem(item, {**COMMON, **fields})
    if problem is not None:
        raise ValueError(Errors.R804.format(style=style, place=place, problem=problem))


def check_parts(
    style: str, place: int, item: Dict[str, Any], key: str, fields: Mapping[str, Check]
) -> None:
    """Check the parts of an item's text, which lie one after the other.

    key: Where the parts are. fields: Those beside "start" and "end".
    RAISES: ValueError.
    """
    end, length = 0, len(item["text"])
    for i, part in enumerate(item[key]):
        problem = find_problem(part, {"start": whole, "end": whole, **fields})
        if problem is None and not end <= part["start"] <= part["end"] <= length:
            problem = (
                f"start = {part['start']} and end = {part['end']} do not lie between {end} and "
                f"{length}, the ends of what is before and of the text"
            )
        if problem is not None:
            problem = f"{key}[{i}]: {problem}"
            raise ValueError(Errors.R804.format(style=style, place=place, problem=problem))
        end = part["end"]


def find_problem(item: Any, fields: Mapping[str, Check]) -> Optional[str]:
    """What is wrong with the fields of a dictionary. None if nothing is."""
    if not isinstance(item, dict):
        return f"a dictionary is wanted, found {_kind(item)}"
    for key, check in fields.items():
        if key not in item:
            if check in OPTIONAL:
                continue
            return f"the key '{key}' is missing; there are: {', '.join(map(str, item)) or 'none'}"
        problem = check(item[key])
        if problem is not None:
            return f"'{key}' must be {problem}, found {_shown(item[key])}"
    return None


def string(value: Any) -> Optional[str]:
    return None if isinstance(value, str) else "a string"


def items(value: Any) -> Optional[str]:
    return None if isinstance(value, (list, tuple)) else "a list"


def whole(value: Any) -> Optional[str]:
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return None if is_whole else "a whole number"


def number(value: Any) -> Optional[str]:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return None if is_number and math.isfinite(float(value)) else "a number"


def probability(value: Any) -> Optional[str]:
    in_range = number(value) is None and -ROUNDING <= value <= 1.0 + ROUNDING
    return None if in_range else "a number from 0 to 1"


def maybe_settings(value: Any) -> Optional[str]:
    return None if isinstance(value, dict) else "a dictionary"


def maybe_probability(value: Any) -> Optional[str]:
    return probability(value)


def maybe_probabilities(value: Any) -> Optional[str]:
    known = isinstance(value, dict) and all(probability(p) is None for p in value.values())
    return None if known else "a dictionary of numbers from 0 to 1"


# Of fields that may be missing.
OPTIONAL: List[Check] = [maybe_settings, maybe_probability, maybe_probabilities]
# What the data of any style have.
COMMON: Dict[str, Check] = {"text": string, "settings": maybe_settings}


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
