"""A function of Spark's DataFrames that annotates a column of texts."""

from functools import lru_cache
from typing import Any, Iterator, Optional

from ..errors import Errors
from .annotator import BATCH_TOKENS, Annotator


def make_pandas_udf(
    model: str, *, threshold: Optional[float] = None, batch_tokens: int = BATCH_TOKENS
) -> Any:
    """Make a function of columns for Spark, as `frame.withColumn("found", udf("text"))`. What it
    gives is a struct with the columns that `spacy-rnn annotate` writes, such as `found.label`, and
    `problem`, which says why a text has none.

    The pipeline is loaded once in each Python process of an executor, for all its tasks; there it
    must be at the same path, or installed.

    model: A trained pipeline: its folder, or its package's name. It is also loaded here, to know
        what it writes.
    threshold: From which score on a label counts, where labels do not exclude each other; None
        for the component's own.
    batch_tokens: Tokens that are read at a time.
    RETURNS: A `pandas_udf`, from an iterator of series to one of data frames.
    RAISES: ImportError without PySpark; as `Annotator`.
    """
    try:
        from pyspark.sql.functions import pandas_udf
        from pyspark.sql.pandas.types import from_arrow_schema
    except ImportError as error:
        raise ImportError(Errors.R850.format(what="PySpark", extra="spark")) from error
    import pandas
    import pyarrow as pa

    columns = Annotator(model, threshold=threshold).columns()
    names = [column.name for column in columns]

    def annotate(batches: Iterator[pandas.Series]) -> Iterator[pandas.DataFrame]:
        annotator = load_annotator(model, threshold, batch_tokens)
        for texts in batches:
            rows = annotator.annotate_texts(texts)
            # What is missing stays None: pandas would make NaN of it.
            lists = {name: [row.get(name) for row in rows] for name in names}
            yield pandas.DataFrame({n: pandas.Series(v, dtype=object) for n, v in lists.items()})

    # PySpark's annotations know no function from iterator to iterator with a type of its own.
    make_udf: Any = pandas_udf
    return make_udf(annotate, from_arrow_schema(pa.schema(columns)))


@lru_cache(maxsize=1)
def load_annotator(model: str, threshold: Optional[float], batch_tokens: int) -> Annotator:
    """An annotator that stays loaded in this process."""
    return Annotator(model, threshold=threshold, batch_tokens=batch_tokens)
