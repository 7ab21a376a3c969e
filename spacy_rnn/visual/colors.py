"""The colours of pictures: blue and orange, which almost everyone can tell apart, as tints that
leave text readable on a light and on a dark ground.

Blue and vermillion are those of Okabe and Ito, "Color Universal Design" (2008).
"""

from typing import Tuple

RGB = Tuple[int, int, int]

BLUE: RGB = (0, 114, 178)
ORANGE: RGB = (213, 94, 0)
# Text and ground of pages and figures, in light and in dark mode.
LIGHT: Tuple[RGB, RGB] = ((27, 27, 27), (255, 255, 255))
DARK: Tuple[RGB, RGB] = ((238, 238, 238), (24, 24, 24))
# How much of a tint's colour there is at most: text stays at 4.5 to 1, of WCAG 2.2 AA.
STRONGEST = 0.6


def css(color: RGB) -> str:
    """A colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def tint(share: float, *, positive: bool = True) -> str:
    """A colour of CSS for the ground of text: blue or orange, the more of it the larger the share.

    It is transparent, so that it fits any ground.

    share: From 0 to 1. positive: Blue if true, orange if not.
    """
    red, green, blue = BLUE if positive else ORANGE
    return f"rgba({red},{green},{blue},{opacity(share):.3g})"


def opacity(share: float) -> float:
    """How opaque the tint of a share is. Grows with it."""
    return round(STRONGEST * min(max(share, 0.0), 1.0), 3)
