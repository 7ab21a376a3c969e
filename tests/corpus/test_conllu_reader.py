import gzip

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.corpus.conllu_reader import create_conllu_reader_v1, read_conllu, sentence_ids

NLP = spacy.blank("en")


def line(index, form, pos="X", head="_", dep="_", misc="_", lemma="_", tag="_", feats="_"):
    return "\t".join((str(index), form, lemma, pos, tag, feats, head, dep, "_", misc))


# Two sentences of one document, one of another: a multiword token, an empty node, features.
SAMPLE = [
    "# newdoc id = a",
    "# sent_id = a-1",
    line("1-2", "don't", misc="SpaceAfter=No"),
    line(1, "do", "AUX", "0", "root", lemma="do", tag="VB", feats="Mood=Imp|VerbForm=Fin"),
    line(2, "n't", "PART", "1", "advmod", lemma="not", tag="RB"),
    line("2.1", "ghost", "VERB"),
    line(3, "!", "PUNCT", "1", "punct", tag="."),
    "",
    "# sent_id = a-2",
    line(1, "Go", "VERB", "0", "root", misc="SpaceAfter=No|Note=x"),
    line(2, ".", "PUNCT", "1", "punct"),
    "",
    "# newdoc",
    line(1, "_", "SYM", "0", "root", lemma="_"),
]


@pytest.fixture
def write(tmp_path):
    def write(lines, ending="\n"):
        path = tmp_path / "sample.conllu"
        path.write_bytes((ending.join(lines) + ending).encode("utf8"))
        return path

    return write


def docs(path, **settings):
    return [eg.reference for eg in create_conllu_reader_v1(path, **settings)(NLP)]


def test_reads_words_spaces_and_annotation(write):
    first, second, third = docs(write(SAMPLE))
    assert [t.text_with_ws for t in first] == ["do", "n't", "! "]
    assert [t.pos_ for t in first] == ["AUX", "PART", "PUNCT"]
    assert [t.tag_ for t in first] == ["VB", "RB", "."]
    assert [t.lemma_ for t in first] == ["do", "not", ""]
    assert [t.head.i for t in first] == [0, 0, 0]
    assert [t.dep_ for t in first] == ["ROOT", "advmod", "punct"]
    assert str(first[0].morph) == "Mood=Imp|VerbForm=Fin"
    assert second.text == "Go. " and second[0].tag_ == ""
    assert third[0].text == third[0].lemma_ == "_"


def test_documents_of_several_sentences(write):
    two, one = docs(write(SAMPLE), n_sents=10)
    assert [len(sent) for sent in two.sents] == [3, 2] and len(one) == 1
    assert [t.head.i for t in two] == [0, 0, 0, 3, 3]
    assert [len(doc) for doc in docs(write(SAMPLE), n_sents=0)] == [5, 1]
    assert len(docs(write(SAMPLE), limit=2)) == 2


def test_multiword_tokens_as_written(write):
    first, *_ = docs(write(SAMPLE), merge_subtokens=True)
    assert [t.text_with_ws for t in first] == ["don't", "! "]
    assert first[0].pos_ == "AUX" and first[0].tag_ == "VB_RB" and first[0].lemma_ == "do not"
    assert [t.head.i for t in first] == [0, 0]


def test_spaces_around_multiword_tokens(write):
    lines = [line(1, "a"), line("2-3", "bc"), line(2, "b"), line(3, "c"), line(4, "d")]
    assert docs(write(lines))[0].text == "a bc d "
    assert docs(write(lines), merge_subtokens=True)[0].text == "a bc d "


def test_without_heads_sentences_are_kept(write):
    (doc,) = docs(write([line(1, "a"), "", line(1, "b"), line(2, "c")]), n_sents=0)
    assert [len(sent) for sent in doc.sents] == [1, 2] and not doc.has_annotation("DEP")


def test_predicted_tokens(write):
    path = write([line(1, "can't", misc="SpaceAfter=No"), line(2, "!")])
    (gold,) = create_conllu_reader_v1(path)(NLP)
    (own,) = create_conllu_reader_v1(path, gold_preproc=False)(NLP)
    assert [t.text for t in gold.predicted] == ["can't", "!"]
    assert [t.text for t in own.predicted] == ["ca", "n't", "!"]
    assert not gold.predicted.has_annotation("POS") and not own.predicted.has_annotation("POS")


def test_other_line_ends_compression_and_byte_order_mark(write, tmp_path):
    expected = [doc.to_json() for doc in docs(write(SAMPLE))]
    assert [doc.to_json() for doc in docs(write(SAMPLE, "\r\n"))] == expected
    path = tmp_path / "sample.conllu.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + "\n".join(SAMPLE).encode("utf8")))
    assert [doc.to_json() for doc in docs(path)] == expected


def test_sentence_ids(write):
    assert list(sentence_ids(write(SAMPLE))) == ["a-1", "a-2", ""]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1))
)
def test_any_words(tmp_path_factory, words):
    path = tmp_path_factory.mktemp("any") / "any.conllu"
    words = ["first", *words]
    text = "\n".join(line(i, word) for i, word in enumerate(words, start=1))
    path.write_text(text + "\n", encoding="utf8", newline="\n")
    (sentence,) = read_conllu(path)
    assert sentence.words == words


@pytest.mark.parametrize(
    "lines,message",
    [
        (["1 no tabs"], "line 1: found 1 columns, expected 10"),
        ([line(1, "a"), line(3, "b")], "line 2: the word's id is '3', expected 2"),
        ([line(1, "a"), line("x", "b")], "line 2: the word's id is 'x', expected 2"),
        ([line(1, "")], "line 1: the word is empty"),
        ([line(1, "a", head="top")], "line 1: the head is 'top'"),
        (["# c", line(1, "a", head="7")], "line 2: .* no word 7, a head"),
        ([line("2-3", "a"), line(1, "b")], "line 1: the multiword token 2-3 is out of order"),
        ([line("1-1", "a"), line(1, "b")], "line 1: the multiword token 1-1 is out of order"),
        (
            [line("1-2", "ab"), line(1, "a"), line("2-3", "bc"), line(2, "b"), line(3, "c")],
            "line 3: the multiword token 2-3 is out of order",
        ),
        ([line("1-2", "ab"), line(1, "a")], "line 2: the last multiword token goes on to word 2"),
        ([line("1.1", "ghost")], "line 1: the sentence has no word"),
        ([line(1, "a", feats="Number")], "line 1: the features are 'Number'"),
    ],
)
def test_malformed_lines_are_named(write, lines, message):
    with pytest.raises(ValueError, match=rf"(?s)R403.*sample.conllu, {message}"):
        docs(write(lines))


def test_malformed_features_can_be_left_out(write):
    (sentence,) = read_conllu(write([line(1, "a", feats="A=B=C")]), lenient=True)
    assert sentence.morphs == [""]


def test_missing_empty_and_binary_files(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*nothing.conllu"):
        docs(tmp_path / "nothing.conllu")
    with pytest.raises(ValueError, match="R405.*sample.conllu"):
        docs(write(["# only a comment"]))
    path = write([line(1, "a")])
    path.write_bytes(path.read_bytes() + b"\n2\t\xff\xfe\n")
    with pytest.raises(ValueError, match="R403.*sample.conllu.*not UTF-8"):
        docs(path)
