import gzip
import json
import lzma
import zlib

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_rnn.corpus.raw_text_reader import create_raw_text_reader_v1

NLP = spacy.blank("en")
TEXTS = [f"It isn't text {i}." for i in range(20)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS) + "\n")
    return path


def read(*args, **settings):
    return [eg.text for eg in create_raw_text_reader_v1(*args, **settings)(NLP)]


def test_reads_all_texts_in_another_order_each_time(path):
    assert read(path, shuffle=False) == TEXTS
    assert read(path, shuffle=False, limit=3) == TEXTS[:3]
    reader = create_raw_text_reader_v1(path, seed=1)
    one, other = ([eg.text for eg in reader(NLP)] for _ in range(2))
    assert one != other and sorted(one) == sorted(other) == sorted(TEXTS)
    assert read(path, seed=1) == one != read(path, seed=2)


def test_tokens_keep_their_norms(path):
    (eg,) = create_raw_text_reader_v1(path, shuffle=False, limit=1)(NLP)
    for doc in (eg.predicted, eg.reference):
        assert [token.norm_ for token in doc][:3] == ["it", "is", "not"]


@pytest.mark.parametrize("opener, ending", [(gzip.open, ".gz"), (lzma.open, ".xz")])
def test_reads_compressed_files_and_names_damaged_ones(path, opener, ending):
    packed = path.with_name(path.name + ending)
    with opener(packed, "wb") as file:
        file.write(path.read_bytes())
    assert read(packed, shuffle=False) == TEXTS
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(ValueError, match=f"R403.*raw.jsonl{ending}.*damaged"):
        read(packed)
    packed.write_bytes(b"no such format")
    with pytest.raises(ValueError, match=f"R403.*raw.jsonl{ending}.*damaged"):
        read(packed)


def test_reads_an_annotated_corpus_beside_it(path, tmp_path):
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[NLP.make_doc("A labelled one.")]).to_disk(corpus)
    assert read(path, corpus, shuffle=False) == [*TEXTS, "A labelled one."]
    assert read(corpus) == ["A labelled one."]


def test_reads_all_files_of_a_folder(path, tmp_path):
    folder = tmp_path / "more"
    (folder / "deeper").mkdir(parents=True)
    (folder / "readme.txt").write_text("no corpus")
    path.rename(folder / "b.jsonl")
    DocBin(docs=[NLP.make_doc("A labelled one.")]).to_disk(folder / "deeper" / "a.spacy")
    assert read(folder, shuffle=False) == [*TEXTS, "A labelled one."]


@pytest.mark.parametrize(
    "line",
    [
        *("nonsense", '{"texts": "a"}', '{"text": 3}', '["text"]', '{"text": "\\ud800"}'),
        *('{"text": "a", "text": "b"}', "[" * 100_000, '{"text": ' * 100_000, "9" * 5000),
        json.dumps({"text": "a" * 1_000_001}),
    ],
)
def test_lines_at_fault_are_named(path, line):
    path.write_text('{"text": "a"}\n' + line + "\n")
    with pytest.raises(ValueError, match="R403.*raw.jsonl, line 2"):
        read(path)


def test_damaged_corpora_are_named(tmp_path):
    path = tmp_path / "train.spacy"
    DocBin(docs=[NLP.make_doc("A labelled one.")]).to_disk(path)
    whole = path.read_bytes()
    for data in (b"", b"nonsense", whole[:-9], zlib.compress(b"\xc1"), zlib.compress(b"\x80")):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="R625.*train.spacy"):
            read(path)


def test_bad_input(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*nowhere.jsonl"):
        read(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="R406.*raw.txt"):
        create_raw_text_reader_v1(tmp_path / "raw.txt")
    with pytest.raises(ValueError, match="R411.*limit"):
        create_raw_text_reader_v1(path, limit=-1)
