import copy
import pickle

import numpy
import pytest
import spacy
import srsly
from spacy.training import Example
from spacy.training.corpus import JsonlCorpus

from spacy_rnn.training.unlabelled_texts import UnlabelledTexts, mixed

WORDS = [f"text{i}" for i in range(7)]


def make(words=WORDS):
    nlp = spacy.blank("en")

    def read(nlp):
        docs = (nlp.make_doc(word) for word in words)
        return (Example(doc, doc.copy()) for doc in docs)

    return UnlabelledTexts(read, nlp)


def take(texts, count):
    return [doc.text for doc in texts.take(count)]


def test_each_text_once_before_any_comes_again():
    texts = make()
    found = take(texts, 3) + take(texts, 11)
    assert sorted(found[:7]) == sorted(found[7:]) == WORDS
    assert found[:7] != WORDS and found[:7] != found[7:]


def test_more_texts_than_wait():
    found = list(mixed(range(1000), 50))
    assert sorted(found) == list(range(1000)) and found != list(range(1000))
    # None is drawn before it was read.
    assert all(item < place + 51 for place, item in enumerate(found))
    assert list(mixed([], 50)) == []


def test_no_more_is_read_than_needed():
    read = []
    stream = mixed((read.append(i) or i for i in range(100)), 10)
    assert not read
    next(stream)
    assert len(read) == 11


def test_the_seed_says_the_order():
    orders = []
    for seed in (1, 1, 2):
        spacy.util.fix_random_seed(seed)
        orders.append(take(make(), 7))
    assert orders[0] == orders[1] != orders[2]


def test_others_go_on_where_these_are():
    """Whatever else was drawn by chance, here and there."""
    texts, others = make(), make()
    assert texts.get_progress() == {}
    others.set_progress({})
    take(texts, 5)
    numpy.random.random(3)
    take(texts, 4)
    progress = texts.get_progress()
    assert progress["taken"] == 9
    others.set_progress(progress)
    assert others.get_progress() == progress
    expected = take(texts, 10)
    numpy.random.random(2)
    assert take(others, 10) == expected


def test_nothing_else_is_drawn_after_the_seed():
    texts = make()
    take(texts, 1)
    expected = numpy.random.get_state()[1:3]
    take(texts, 30)
    found = numpy.random.get_state()[1:3]
    assert numpy.array_equal(found[0], expected[0]) and found[1] == expected[1]


def test_texts_without_tokens_are_left_out():
    assert sorted(take(make(["", "a", "", "b"]), 4)) == ["a", "a", "b", "b"]


def test_no_reader_no_texts():
    texts = UnlabelledTexts(None)
    texts.check()
    assert texts.take(3) == []


@pytest.mark.parametrize("words", [[], ["", ""]])
def test_a_reader_without_texts_is_an_error(words):
    texts = make(words)
    with pytest.raises(ValueError, match="R504"):
        texts.check()
    with pytest.raises(ValueError, match="R504"):
        texts.take(1)


def test_no_pipeline_is_an_error():
    texts = UnlabelledTexts(make().read)
    with pytest.raises(ValueError, match="R505"):
        texts.take(1)


def test_a_copy_reads_from_the_start():
    texts = make()
    take(texts, 5)
    copied = copy.deepcopy(texts)
    assert sorted(take(copied, 7)) == WORDS and copied.nlp is texts.nlp
    nlp, with_pipeline = copy.deepcopy((texts.nlp, texts))
    assert with_pipeline.nlp is nlp and sorted(take(with_pipeline, 7)) == WORDS


def test_another_process_does_not_read():
    """Not even with a reader that cannot be sent there."""
    texts = make()
    take(texts, 1)
    sent = pickle.loads(pickle.dumps(texts))  # noqa: S301
    with pytest.raises(ValueError, match="R505"):
        sent.take(1)
    assert pickle.loads(pickle.dumps(UnlabelledTexts(None))).take(1) == []  # noqa: S301


def test_spacys_reader_of_json_lines(tmp_path):
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": "a warm film"}, {"text": "rain"}])
    texts = UnlabelledTexts(JsonlCorpus(tmp_path / "texts.jsonl"), spacy.blank("en"))
    assert sorted(take(texts, 2)) == ["a warm film", "rain"]
