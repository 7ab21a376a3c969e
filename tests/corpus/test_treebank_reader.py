import zipfile
from pathlib import Path

import pytest
import spacy

from spacy_rnn.corpus.treebank_reader import create_treebank_reader_v1, read_treebank
from spacy_rnn.pipeline.tagger_bilstm import UPOS

MAPPING = "NNP\tNOUN\nDT\tDET\nVBZ\tVERB\nRP\tPRT\nCC\tCONJ\n.\t.\n''\t.\n,\t.\n"
TEXT = """

[ Mr./NNP Baker/NNP ]
signs/VBZ 
[ the/DT 1\\/2\\/AB/NNP ]
./. ''/''
======================================
[ *T*-1/-NONE- ] He/NNP

gives/VBZ up/RP ./.
"""  # noqa: W291
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_sample = pytest.mark.skipif(
    not (SHARED / "treebank.zip").exists(),
    reason="the Penn Treebank sample may not be shipped: needs ../shared/data/treebank.zip",
)


@pytest.fixture
def assets(tmp_path):
    """Twenty texts, of which two are in dev and two in test; all are the same."""
    (tmp_path / "treebank" / "tagged").mkdir(parents=True)
    for i in range(20):
        (tmp_path / "treebank" / "tagged" / f"wsj_{i:04}.pos").write_text(TEXT)
    (tmp_path / "treebank" / "tagged" / "README").write_text("not a text")
    (tmp_path / "universal_tagset").mkdir()
    (tmp_path / "universal_tagset" / "en-ptb.map").write_text(MAPPING)
    return tmp_path


def read(assets, split="train"):
    return list(read_treebank(assets / "treebank", assets / "universal_tagset", split))


def test_sentences_words_and_tags(assets):
    first, second, *_ = read(assets)
    assert first.words == ["Mr.", "Baker", "signs", "the", "1/2/AB", ".", "''"]
    assert first.pos == ["NOUN", "NOUN", "VERB", "DET", "NOUN", "PUNCT", "PUNCT"]
    assert first.tags == ["NNP", "NNP", "VBZ", "DT", "NNP", ".", "''"]
    assert second.words == ["He", "gives", "up", "."], "traces are left out"
    assert second.pos[2] == "PART"
    assert first.begins_doc and not second.begins_doc


def test_split_by_text(assets):
    assert [len(read(assets, split)) for split in ("train", "dev", "test")] == [32, 4, 4]


def test_archives_read_as_folders(assets):
    for name in ("treebank", "universal_tagset"):
        with zipfile.ZipFile(assets / f"{name}.zip", "w") as archive:
            for path in sorted((assets / name).rglob("*.*")):
                archive.write(path, path.relative_to(assets))
    archives = (assets / "treebank.zip", assets / "universal_tagset.zip")
    assert list(read_treebank(*archives, "dev")) == read(assets, "dev")


@pytest.mark.parametrize("text,message", [("word", "'word' is not a word"), ("a/ b/DT", "'a/'")])
def test_malformed_tokens_are_named(assets, text, message):
    for path in (assets / "treebank" / "tagged").glob("*.pos"):
        path.write_text("the/DT\n" + text)
    with pytest.raises(ValueError, match=rf"R403.*wsj_\d+.pos, line 2: {message}"):
        read(assets)


def test_tag_without_mapping(assets):
    for path in (assets / "treebank" / "tagged").glob("*.pos"):
        path.write_text("the/DT\nodd/ODD\n")
    with pytest.raises(ValueError, match=r"R409.*wsj_\d+.pos, line 2.*'ODD'"):
        read(assets)


@pytest.mark.parametrize(
    "data,message",
    [(b"DT\tDET\n\nNN\tFOO\n", "line 3: 'NN\tFOO'"), (b"DT\n", "line 1"), (b"\n\xe9", "line 2")],
)
def test_malformed_mappings_are_named(assets, data, message):
    (assets / "universal_tagset" / "en-ptb.map").write_bytes(data)
    with pytest.raises(ValueError, match=f"R403.*en-ptb.map, {message}"):
        read(assets)


def test_damaged_archives_are_named(assets):
    path = assets / "treebank.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("treebank/tagged/wsj_0001.pos", TEXT)
    whole = path.read_bytes()
    for data in (b"no archive", whole[:-30], whole[:60] + b"\xff" * 20 + whole[80:]):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="R4(12|03).*treebank.zip.*damaged"):
            list(read_treebank(path, assets / "universal_tagset", "train"))


@pytest.mark.parametrize("setting", ["limit", "n_sents"])
def test_numbers_below_zero(assets, setting):
    with pytest.raises(ValueError, match=f"R411.*{setting} is -1"):
        create_treebank_reader_v1(assets, assets, "train", **{setting: -1})


def test_missing_files(assets):
    with pytest.raises(FileNotFoundError, match="R401.*nothing.zip"):
        list(read_treebank(assets / "nothing.zip", assets / "universal_tagset", "dev"))
    with pytest.raises(ValueError, match="R408.*universal_tagset.*tagged"):
        list(read_treebank(assets / "universal_tagset", assets / "universal_tagset", "dev"))


@needs_sample
def test_the_sample():
    archives = (SHARED / "treebank.zip", SHARED / "universal_tagset.zip")
    examples = {
        split: list(create_treebank_reader_v1(*archives, split)(spacy.blank("en")))
        for split in ("train", "dev", "test")
    }
    docs = [eg.reference for part in examples.values() for eg in part]
    assert {split: len(part) for split, part in examples.items()} == {
        "train": 3_186,
        "dev": 398,
        "test": 355,
    }
    assert sum(map(len, docs)) == 94_200
    assert len({token.pos_ for doc in docs for token in doc}) == 12
    assert {token.pos_ for doc in docs for token in doc} <= set(UPOS)
    assert not any(token.text.startswith("*T*") for doc in docs for token in doc)
