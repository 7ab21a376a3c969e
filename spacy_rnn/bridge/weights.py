"""What weights can be."""

import numpy

# Weights beyond are damaged: none gets so large in training, and products of two of them are still
# numbers of float32.
LARGEST = 1e15


def are_weights(values: numpy.ndarray) -> bool:
    """Whether all values are numbers of a size that weights can have."""
    # Not so where one is no number.
    return not values.size or bool(-LARGEST <= values.min() and values.max() <= LARGEST)
