import pytest
import spacy

from spacy_rnn.corpus import packages
from spacy_rnn.corpus.packages import packaged_file
from spacy_rnn.corpus.porttinari_reader import (
    FILE,
    PACKAGE,
    REQUIREMENT,
    create_porttinari_reader_v1,
    read_porttinari,
)
from spacy_rnn.corpus.sentences import SPLITS
from spacy_rnn.pipeline.tagger_bilstm import UPOS


def has_package():
    try:
        return packaged_file(PACKAGE, FILE, REQUIREMENT).exists()
    except ImportError:
        return False


needs_package = pytest.mark.skipif(not has_package(), reason="needs the extra `data`")


@needs_package
def test_splits_are_whole_disjoint_and_tagged():
    parts = {split: read_porttinari(split) for split in SPLITS}
    assert {split: len(part) for split, part in parts.items()} == {
        "train": 6_691,
        "dev": 837,
        "test": 892,
    }
    assert sum(sentence.begins_doc for sentence in parts["dev"]) == 107
    tags = {tag for part in parts.values() for sentence in part for tag in sentence.pos}
    assert tags == set(UPOS) - {"PART"}


@needs_package
def test_makes_examples():
    (eg,) = create_porttinari_reader_v1("dev", limit=1)(spacy.blank("pt"))
    assert eg.reference.has_annotation("POS") and not eg.predicted.has_annotation("POS")
    whole = create_porttinari_reader_v1("dev", n_sents=0)(spacy.blank("pt"))
    assert len(list(whole)) == 107


@pytest.mark.parametrize("setting", ["limit", "n_sents"])
def test_numbers_below_zero(setting):
    with pytest.raises(ValueError, match=f"R411.*{setting} is -1"):
        create_porttinari_reader_v1("dev", **{setting: -1})


def test_package_is_missing(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="R404.*dante-corpora"):
        read_porttinari("dev")
