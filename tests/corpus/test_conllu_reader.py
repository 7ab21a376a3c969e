import gzip

import pytest
import spacy
from hypothesis import given, settings
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


def docs(path, **options):
    return [eg.reference for eg in create_conllu_reader_v1(path, **options)(NLP)]


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


@pytest.mark.parametrize(
    "heads,chosen,merged",
    [
        # The root is in the token, and its other word depends on a word outside.
        ((0, 3, 1), "A", [0, 0]),
        # Both depend on words outside, the first one on a word below the second.
        ((3, 4, 2, 0), "B", [2, 0, 2]),
    ],
)
def test_the_word_nearest_to_the_root_speaks_for_a_multiword_token(write, heads, chosen, merged):
    tags = ("NOUN", "VERB", "ADJ", "ADV")
    lines = [line(i, "w", tags[i - 1], str(head), "x") for i, head in enumerate(heads, start=1)]
    (doc,) = docs(write([line("1-2", "AB"), *lines]), merge_subtokens=True)
    assert doc[0].pos_ == {"A": "NOUN", "B": "VERB"}[chosen]
    assert [t.head.i for t in doc] == merged


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
        ([line(1, "a", head="²")], "line 1: the head is '²'"),
        ([line(1, "a", head="00")], "line 1: the head is '00'"),
        ([line(1, "a", head="9" * 5000)], "line 1: the head is '999"),
        ([line(1, "a", head="1")], "line 1: the head is '1', expected the id of another word"),
        (["# c", line(1, "a"), line(2, "b", head="7")], "line 3: the head is '7', .* no such word"),
        (
            [line(1, "a", head="3"), line(2, "b", head="3"), line(3, "c", head="2")],
            "line 1: the heads from here on lead in a circle",
        ),
        ([line(1, "a"), line(2, "b", "FOO")], "line 2: .* 'FOO', .*ADJ, ADP, .*, VERB, X"),
        ([line(1, "a", "noun")], "line 1: the universal tag is 'noun'"),
        ([line("٣", "a")], "line 1: the word's id is '٣', expected 1"),
        ([line("9" * 5000, "a")], "line 1: the word's id is '999"),
        ([line("1-" + "9" * 5000, "a"), line(1, "a")], "line 1: the word's id is '1-999"),
        ([line("1-2", ""), line(1, "a"), line(2, "b")], "line 1: the multiword token is empty"),
        ([line("2-3", "a"), line(1, "b")], "line 1: the multiword token 2-3 is out of order"),
        ([line("1-1", "a"), line(1, "b")], "line 1: the multiword token 1-1 is out of order"),
        (
            [line("1-2", "ab"), line(1, "a"), line("2-3", "bc"), line(2, "b"), line(3, "c")],
            "line 3: the multiword token 2-3 is out of order",
        ),
        ([line("1-2", "ab"), line(1, "a")], "line 2: the last multiword token goes on to word 2"),
        ([line("1.1", "ghost")], "line 1: the sentence has no word"),
        ([line(1, "a", feats="Number")], "line 1: the features are 'Number'"),
        ([line(1, "a", feats="")], "line 1: the features are ''"),
        ([line(1, "a", feats="A=|B=C")], "line 1: the features are 'A=|B=C'"),
        ([line(1, "a", feats="A=B|A=C")], "line 1: the features are 'A=B|A=C'"),
    ],
)
def test_malformed_lines_are_named(write, lines, message):
    message = message.replace("|", r"\|")
    with pytest.raises(ValueError, match=rf"(?s)R403.*sample.conllu, {message}"):
        docs(write(lines))


def test_malformed_features_can_be_left_out(write):
    (sentence,) = read_conllu(write([line(1, "a", feats="A=B=C")]), lenient=True)
    assert sentence.morphs == [""]


def test_missing_and_empty_files(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*nothing.conllu"):
        docs(tmp_path / "nothing.conllu")
    with pytest.raises(ValueError, match="R405.*sample.conllu"):
        docs(write(["# only a comment"]))


def test_the_line_that_is_not_utf8_is_named(write):
    path = write([line(1, "a"), ""] * 50)
    path.write_bytes(path.read_bytes() + b"1\t\xff\xfe\n" + path.read_bytes())
    with pytest.raises(ValueError, match="R403.*sample.conllu, line 101: the byte ff is not UTF-8"):
        docs(path)


def test_damaged_compressed_files(tmp_path):
    path = tmp_path / "sample.conllu.gz"
    whole = gzip.compress("\n".join(SAMPLE).encode("utf8"))
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"R403.*conllu.gz, line \d+: .* damaged \(Compressed"):
        docs(path)
    for data in (b"no archive", whole[:-8] + bytes(8), whole[:10] + b"\xff" * 40):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"R403.*conllu.gz, line \d+: .* damaged"):
            docs(path)


@pytest.mark.parametrize("setting", ["limit", "n_sents"])
def test_numbers_below_zero(tmp_path, setting):
    with pytest.raises(ValueError, match=f"R411.*{setting} is -1"):
        create_conllu_reader_v1(tmp_path, **{setting: -1})


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_bytes_make_examples_or_an_error_that_names_the_file(tmp_path_factory, data):
    """A treebank with one cell changed, and any bytes after it."""
    cells = [text.encode("utf8").split(b"\t") for text in SAMPLE]
    row = data.draw(st.sampled_from(cells))
    odd = st.sampled_from([b"", b"0", b"1", b"9" * 5000, "²".encode(), b"A=B|A", b"_"])
    row[data.draw(st.integers(0, len(row) - 1))] = data.draw(odd | st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "any.conllu"
    path.write_bytes(b"\n".join(map(b"\t".join, cells)) + data.draw(st.binary()))
    try:
        docs(path, merge_subtokens=data.draw(st.booleans()))
    except ValueError as error:
        assert str(error).startswith("[R40") and str(path) in str(error)
