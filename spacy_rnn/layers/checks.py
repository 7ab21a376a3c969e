"""Checks of arguments, so that a wrong config fails where it is read."""

from typing import Optional, Sequence

from ..errors import Errors

ATTRS = ("NORM", "LOWER", "ORTH")


def check_attr(attr: str) -> None:
    """RAISES: ValueError unless it is an attribute of tokens that stands for the word."""
    if attr not in ATTRS:
        raise ValueError(Errors.R104.format(attr=attr, allowed=ATTRS))


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """RAISES: ValueError unless `value` is one of those allowed."""
    if value not in allowed:
        raise ValueError(Errors.R001.format(name=name, value=value, allowed=allowed))


def check_at_least(name: str, value: float, least: int) -> None:
    """RAISES: ValueError if `value` is smaller than `least`."""
    if value < least:
        expected = f"at least {least}"
        raise ValueError(Errors.R002.format(name=name, value=value, expected=expected))


def check_even(name: str, value: int) -> None:
    """RAISES: ValueError if `value` cannot be split into two directions."""
    if value % 2:
        expected = "even for two directions"
        raise ValueError(Errors.R002.format(name=name, value=value, expected=expected))


def check_rate(name: str, value: Optional[float]) -> None:
    """RAISES: ValueError unless `value` is None or a share from 0 to below 1."""
    if value is not None and not 0.0 <= value < 1.0:
        expected = "at least 0 and below 1"
        raise ValueError(Errors.R002.format(name=name, value=value, expected=expected))
