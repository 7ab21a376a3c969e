"""Texts of many files, or of the tables of other libraries, annotated by workers side by side.

`Annotator` loads a pipeline once and annotates batches, as Ray Data's `map_batches` gives them;
`make_pandas_udf` makes a function of it for Spark.
"""

from .annotator import Annotator
from .spark import make_pandas_udf

__all__ = ["Annotator", "make_pandas_udf"]
