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
    check(name, value, value >= least, f"at least {least}")


def check_rate(name: str, value: Optional[float]) -> None:
    """RAISES: ValueError unless `value` is None or a share from 0 to below 1."""
    check(name, value, value is None or 0.0 <= value < 1.0, "at least 0 and below 1")


def check(name: str, value: Optional[float], holds: bool, expected: str) -> None:
    """RAISES: ValueError unless what is expected of `value` holds."""
    if not holds:
        raise ValueError(Errors.R002.format(name=name, value=value, expected=expected))
