"""Figures by matplotlib, which is loaded where one is drawn.

They are drawn without `pyplot` and with settings of their own, so that a user's figures and
settings stay as they are. Text stays text in SVG, and has the colour of what is around it: a light
and a dark mode need one figure only.
"""

import contextlib
import io
import re
import warnings
from typing import Any, Callable, Dict, Iterator, Tuple

from ..errors import Errors
from .colors import DARK, LIGHT, css
from .markup import escape, printable

# Draws on an empty figure of matplotlib.
Draw = Callable[[Any], None]
# Width and height, in inches.
Size = Tuple[float, float]

# Stands in SVG for the colour of text around it.
INK = "#0a0b0c"
# Colours and signs of lines, which are told apart by either. Of Okabe and Ito, those that have a
# contrast of 3 to 1 and more to both grounds.
COLORS = ("#0072b2", "#d55e00", "#7f7f7f", "#b0588c", "#008a66")
MARKERS = ("o", "s", "^", "D", "v")
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))

STANDALONE = (
    '<?xml version="1.0" encoding="utf-8"?>\n{start}\n<style>svg {{ color: {ink}; background: '
    "{ground}; }} @media (prefers-color-scheme: dark) {{ svg {{ color: {dark_ink}; background: "
    "{dark_ground}; }} }}</style>{rest}"
)


def require_matplotlib(what: str) -> None:
    """RAISES: ImportError if matplotlib is not installed, which says what needs it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(Errors.R809.format(what=what)) from error


def svg_of(draw: Draw, size: Size, label: str) -> str:
    """A figure as an element of HTML.

    label: What it shows, for those who do not see it.
    """
    with _settings(INK):
        file = io.StringIO()
        _drawn(draw, size).savefig(file, format="svg", transparent=True, metadata=NO_METADATA)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].strip().replace(INK, "currentColor")
    # Names of groups, which several figures of a page would share. Nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def svg_file_of(draw: Draw, size: Size, label: str) -> bytes:
    """A figure as a file of SVG, which has a light and a dark mode."""
    start, end, rest = svg_of(draw, size, label).partition(">")
    modes = {"ink": LIGHT[0], "ground": LIGHT[1], "dark_ink": DARK[0], "dark_ground": DARK[1]}
    colors = {name: css(color) for name, color in modes.items()}
    return STANDALONE.format(start=start + end, rest=rest, **colors).encode("utf8")


def png_file_of(draw: Draw, size: Size) -> bytes:
    """A figure as a file of PNG, in light mode."""
    with _settings(css(LIGHT[0])):
        file = io.BytesIO()
        _drawn(draw, size).savefig(file, format="png", dpi=150, facecolor=css(LIGHT[1]))
    return file.getvalue()


def _drawn(draw: Draw, size: Size) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    return figure


@contextlib.contextmanager
def _settings(ink: str) -> Iterator[None]:
    import matplotlib

    settings: Dict[str, Any] = {
        "axes.edgecolor": ink,
        "axes.labelcolor": ink,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "figure.facecolor": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
        "font.size": 9,
        "grid.color": "#808080",
        "grid.alpha": 0.35,
        "legend.frameon": False,
        "svg.fonttype": "none",
        # Otherwise a figure would be another one each time.
        "svg.hashsalt": "spacy-rnn",
        "text.color": ink,
        # A dollar sign in a label is one.
        "text.parse_math": False,
        "xtick.color": ink,
        "ytick.color": ink,
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Letters that a font lacks.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        known: Any = matplotlib.rcParams
        known.update(settings)
        yield


def name_of(text: str, longest: int = 24) -> str:
    """A label for a figure: without what XML does not allow, and not too long."""
    clean = printable(" ".join(text.split()))
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
