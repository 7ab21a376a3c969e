"""Integrated gradients: how much each row of an input adds to an output.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks". Gradients are taken
along the straight line from a baseline to the input; their mean, times the way, sums to the
difference between the output at both ends (completeness), up to the error of the quadrature.
"""

from typing import Any, Callable, Tuple

import numpy
from thinc.api import Ops

from .ragged import Rows
from .tokens import parts_by_tokens

# From rows to an output of shape (texts, width), and a callback from its gradient to the rows'.
Function = Callable[[Rows], Tuple[Any, Callable[[Any], Rows]]]
# Where on the way from 0 to 1 gradients are taken, and the weight of each.
Rule = Tuple[numpy.ndarray, numpy.ndarray]


def gauss_legendre(steps: int) -> Rule:
    """Places between 0 and 1 at which to take gradients, and the weight of each: no other rule of
    so many steps is exact for polynomials of a higher degree."""
    places, weights = numpy.polynomial.legendre.leggauss(steps)
    return (places + 1.0) / 2.0, weights / 2.0


def integrate(
    function: Function,
    X: Rows,
    baseline: Any,
    direction: Any,
    rule: Rule,
    *,
    ops: Ops,
    budget: int,
) -> numpy.ndarray:
    """What each row adds to the output in a direction. All steps of all texts are texts of one
    batch, as far as the budget allows.

    X: The rows. baseline: The row that each comes from, of shape (width,).
    direction: Of the output of each text, of shape (texts, width of the output).
    rule: Where on the way gradients are taken, and the weight of each.
    budget: Rows that go through the function at a time. A longer text goes alone.
    RETURNS: Of shape (rows,), in double precision.
    """
    places, weights = rule
    lengths, rows = X.lengths, len(X.data)
    added = numpy.zeros(rows)
    way = X.data - baseline
    starts = lengths.cumsum() - lengths
    texts = numpy.repeat(numpy.arange(len(lengths)), len(places))
    steps = numpy.tile(numpy.arange(len(places)), len(lengths))
    for part in parts_by_tokens(lengths[texts], budget) if rows else ():
        text, step = texts[part], steps[part]
        sizes = lengths[text]
        at: Any = numpy.arange(sizes.sum()) + (starts[text] - sizes.cumsum() + sizes).repeat(sizes)
        share: Any = places[step].repeat(sizes).astype("float32")[:, None]
        part_way = way[ops.asarray1i(at)]
        moved = baseline + part_way * ops.asarray2f(share)
        _, backprop = function(Rows(moved, sizes))
        gradient = backprop(direction[ops.asarray1i(text)]).data
        products = ops.to_numpy((gradient * part_way).sum(axis=1)) * weights[step].repeat(sizes)
        added += numpy.bincount(at, weights=products, minlength=rows)
    return added
