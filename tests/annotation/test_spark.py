"""Texts of a DataFrame of Spark, in local mode."""

import os
import sys
from typing import Iterator

import pytest
import spacy
from thinc.api import fix_random_seed

from spacy_rnn.annotation import make_pandas_udf
from tests.conftest import (
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)

pytest.importorskip("pyspark", reason="needs PySpark: make test-spark")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A pipeline that writes categories and tags, in a folder; and the folder."""
    fix_random_seed(0)
    nlp, other = spacy.blank("en"), spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    train(nlp, make_tagged_examples(nlp))
    other.add_pipe("textcat_lstm", config={"model": small_model()})
    train(other, make_examples(other))
    nlp.add_pipe("textcat_lstm", source=other)
    path = tmp_path_factory.mktemp("models") / "both"
    nlp.to_disk(path)
    return nlp, str(path)


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    # Batches are smaller than partitions.
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "4")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
        yield session
        session.stop()


def test_a_column_of_texts(spark, models):
    nlp, path = models
    texts = [*TEXTS, "", None, "Anna sees\ncats"] * 3
    frame = spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(3)
    rows = frame.withColumn("found", make_pandas_udf(path)("text")).collect()
    assert sorted(row.id for row in rows) == list(range(len(texts)))
    for row in rows:
        if not row.text:
            assert row.found.problem == "no text" and row.found.label is None
            continue
        doc = nlp(row.text)
        assert row.found.problem is None
        assert row.found.label == max(doc.cats, key=doc.cats.get)
        assert row.found.cats.asDict() == pytest.approx(doc.cats, abs=1e-5)
        assert [(token.text, token.pos) for token in row.found.tokens] == [
            (token.text, token.pos_) for token in doc
        ]


def test_the_pipeline_is_loaded_once_in_a_process(spark, models, tmp_path):
    import pandas
    from pyspark.sql.functions import pandas_udf

    from spacy_rnn.annotation import spark as module

    path = models[1]

    def count(batches: Iterator[pandas.Series]) -> Iterator[pandas.Series]:
        for texts in batches:
            module.load_annotator(path, None, 100)
            loaded = module.load_annotator.cache_info().misses
            yield pandas.Series([f"{os.getpid()} {loaded}"] * len(texts))

    frame = spark.createDataFrame([(text,) for text in TEXTS * 4], "text string").repartition(4)
    found = frame.withColumn("found", pandas_udf(count, "string")("text")).collect()
    processes = {row.found.split()[0] for row in found}
    # The number of each process stays, over all of its tasks.
    assert len(processes) <= 2 and len({row.found for row in found}) == len(processes)


def test_a_pipeline_that_is_not_there(spark):
    with pytest.raises(OSError, match="nothing"):
        make_pandas_udf("nothing")
