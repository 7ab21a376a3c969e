from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.visual.colors import BLUE, DARK, LIGHT, ORANGE, opacity, tint

SHARES = st.floats(0, 1)


def luminance(color):
    """WCAG 2.2, relative luminance."""
    parts = [c / 255 for c in color]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def over(color, ground, alpha):
    return tuple(alpha * c + (1 - alpha) * g for c, g in zip(color, ground))


@given(SHARES)
def test_text_is_readable_on_every_tint(share):
    for ink, ground in (LIGHT, DARK):
        for color in (BLUE, ORANGE):
            assert contrast(ink, over(color, ground, opacity(share))) >= 4.5


def test_muted_text_and_lines_are_readable():
    for ink, ground in (LIGHT, DARK):
        assert contrast(over(ink, ground, 0.85), ground) >= 4.5
        for color in (BLUE, ORANGE):
            # Of lines and bars, WCAG wants 3 to 1.
            assert contrast(color, ground) >= 3


@given(SHARES, SHARES)
def test_more_weight_is_more_colour(first, second):
    low, high = sorted((first, second))
    assert opacity(low) <= opacity(high)
    if high - low > 0.01:
        assert opacity(low) < opacity(high)


def test_tints():
    assert tint(1.0) == "rgba(0,114,178,0.6)"
    assert tint(0.5, positive=False) == "rgba(213,94,0,0.3)"
    # What is out of range is as much as there can be.
    assert tint(7.0) == tint(1.0) and tint(-1.0) == tint(0.0)
