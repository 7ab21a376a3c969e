"""Every layer that runs on token by token gives what it gives for the whole text."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, build_Tok2Vec_model
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Linear

from spacy_rnn.bridge.ragged import Rows, split_rows
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.cluster_embed import build_cluster_embed_v1
from spacy_rnn.layers.concat_embed import build_concat_embed_v1
from spacy_rnn.layers.nb_svm import build_nb_svm_v1
from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.layers.pool import POOLINGS, pool
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.running import running_form
from spacy_rnn.layers.static_vectors import build_static_vectors_v1
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v1
from spacy_rnn.layers.truncate import truncate
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.layers.word_char_embed import build_word_char_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from spacy_rnn.vocabulary.nb_svm import Target

NLP = spacy.blank("en")
NLP.vocab.vectors = Vectors(
    strings=NLP.vocab.strings, data=numpy.arange(6, dtype="f").reshape(2, 3), keys=["cat", "The"]
)
NLP.vocab.lookups.add_table("lexeme_cluster", {NLP.vocab.strings.add("dog"): 5})
WORDS = ["the", "The", "cat", "dog", "saw", "unheard", "\n", "é"]
TRAINING = [Doc(NLP.vocab, words=WORDS[:5]), Doc(NLP.vocab, words=WORDS[2:4])]
WIDTH = 4


def words():
    return build_vocab_embed_v1(WIDTH, min_count=1)


def chars():
    return build_char_rnn_embed_v1(WIDTH, min_count=1)


def net(**changes):
    return build_rnn_encoder_v1(5, bidirectional=False, **changes)


def textcat(pooling="max", tok2vec=words, encode=net, **changes):
    return build_textcat_rnn_v1(tok2vec(), encode(), pooling=pooling, nO=3, **changes)


def ngrams(size):
    return build_ngram_linear_v1(size, 64, nO=3)


# What reads documents.
READERS = {
    "VocabEmbed": words,
    "VocabEmbed, LOWER": lambda: build_vocab_embed_v1(WIDTH, attr="LOWER", max_size=2),
    "CharRNNEmbed": chars,
    "WordCharEmbed": lambda: build_word_char_embed_v1(words(), chars()),
    "ConcatEmbed": lambda: build_concat_embed_v1(
        words(), build_static_vectors_v1(WIDTH), build_cluster_embed_v1(WIDTH)
    ),
    "ConcatEmbed, projected": lambda: build_concat_embed_v1(words(), chars(), width=WIDTH),
    "Tok2Vec": lambda: build_Tok2Vec_model(words(), net()),
    "NgramLinear, 1": lambda: ngrams(1),
    "NgramLinear, 3": lambda: ngrams(3),
    "NBSVM, 1": lambda: build_nb_svm_v1(1, nO=3),
    "NBSVM, 4": lambda: build_nb_svm_v1(nO=3),
    "NBSVM, tail of 3": lambda: build_nb_svm_v1(3, nO=3, tail=3),
    "NBSVM, tail of 50": lambda: build_nb_svm_v1(nO=3, tail=50),
    "NBSVM, without n-grams": lambda: build_nb_svm_v1(min_count=9, nO=3),
    "TextCatRNN": textcat,
    "TextCatRNN, all": lambda: textcat(list(POOLINGS), linear_model=build_nb_svm_v1(2, tail=2)),
    "TextCatRNN with NgramLinear": lambda: textcat("max", linear_model=ngrams(2)),
    "TextCatRNN, sigmoid": lambda: textcat(["mean", "last"], exclusive_classes=False),
    "TextCatRNN over Tok2Vec": lambda: textcat(
        "last", lambda: build_Tok2Vec_model(words(), net()), lambda: None
    ),
    **{f"TextCatRNN, {kind}": lambda kind=kind: textcat(kind) for kind in POOLINGS},
}
# What reads rows.
ROW_READERS = {
    **{f"RNNEncoder, {cell}": lambda cell=cell: net(cell=cell) for cell in ("rnn", "lstm", "gru")},
    "RNNEncoder, relu": lambda: net(cell="rnn", nonlinearity="relu", bias=False),
    "RNNEncoder, two layers": lambda: net(num_layers=2),
    "pool": lambda: pool(list(POOLINGS), WIDTH, bidirectional=False),
    "pool, max and mean": lambda: pool(["max", "mean"], WIDTH, bidirectional=False),
    "truncate": lambda: truncate(0),
}


def randomize(layer):
    """Heads start at zero, which would make all scores alike. Weights are not as large as to make
    scores small differences of large sums, which rounding changes by more than that of trained
    ones."""
    rng = numpy.random.default_rng(0)
    for node in layer.walk():
        for name in node.param_names:
            if node.has_param(name):
                shape = node.get_param(name).shape
                node.set_param(name, (0.2 * rng.standard_normal(shape)).astype("f"))
    return layer


@pytest.fixture(scope="module", params=READERS)
def reader(request):
    layer = READERS[request.param]()
    corpus = learn_vocab(learners_in(layer), TRAINING)
    Y = numpy.eye(3, dtype="f")[:2] if layer.maybe_get_dim("nO") == 3 else None
    layer.initialize(X=TRAINING, Y=Y)
    for node in layer.walk():
        if "fit_labels" in node.attrs:
            node.attrs["fit_labels"](node, corpus, Target(Y, numpy.ones_like(Y), True))
    return randomize(layer)


@pytest.fixture(scope="module", params=ROW_READERS)
def row_reader(request):
    layer = ROW_READERS[request.param]()
    X = Rows(numpy.ones((2, WIDTH), dtype="f"), numpy.array([2]))
    return randomize(layer.initialize(X=X))


# The sizes of the pieces in which each of some texts arrives.
PIECES = st.lists(st.lists(st.integers(1, 4) | st.just(40), min_size=1, max_size=5), min_size=1)


def run_in_pieces(layer, pieces, part_of):
    """RETURNS: What the running form gives for each text, piece by piece."""
    running = running_form("test", layer)
    states = [numpy.stack([part] * len(pieces)) for part in running.initial]
    found = [[] for _ in pieces]
    for step in range(max(map(len, pieces))):
        texts = [i for i, sizes in enumerate(pieces) if step < len(sizes)]
        starts = numpy.array([sum(pieces[i][:step]) for i in texts])
        lengths = numpy.array([pieces[i][step] for i in texts])
        own = [part[texts] for part in states]
        Y = running.add(part_of(texts, starts, lengths), own)
        for part, new in zip(states, own):
            part[texts] = new
        parts = split_rows(Y.data, lengths) if hasattr(Y, "data_shape") else Y[:, None]
        for text, part in zip(texts, parts):
            found[text].append(part)
    return found


def close(found, expected):
    """Up to the rounding of float32."""
    assert found.shape == expected.shape
    return numpy.allclose(found, expected, atol=1e-5 * max(1.0, abs(expected).max(initial=0.0)))


def check(found, pieces, whole_of, after_each):
    """whole_of: What the layer gives for the first so many tokens of a text, whole."""
    for text, sizes in enumerate(pieces):
        ends = numpy.cumsum(sizes)
        whole = whole_of(text, ends[-1])
        if len(whole) == ends[-1] and len(found[text][0]) == sizes[0]:
            assert close(numpy.concatenate(found[text]), whole)
            assert close(after_each(text), whole)
            continue
        each = after_each(text)
        assert len(each) == ends[-1]
        for part, end in zip(found[text], ends):
            expected = whole_of(text, end)
            assert close(part.reshape(expected.shape), expected)
            assert close(each[end - 1], expected[0])


@settings(max_examples=15, deadline=None)
@given(pieces=PIECES, seed=st.integers(0, 99))
def test_readers_of_tokens(reader, pieces, seed):
    rng = numpy.random.default_rng(seed)
    texts = [rng.choice(WORDS, sum(sizes)).tolist() for sizes in pieces]
    docs = [Doc(NLP.vocab, words=text) for text in texts]

    def part_of(some, starts, lengths):
        offsets = numpy.cumsum([0, *(len(docs[i]) for i in some)])[:-1]
        rows = [numpy.arange(n) + start for n, start in zip(lengths, offsets + starts)]
        return Tokens([docs[i] for i in some], lengths, numpy.concatenate(rows))

    def whole_of(text, end):
        Y = reader.predict([docs[text][:end].as_doc()])
        return Y[0] if isinstance(Y, list) else Y

    def after_each(text):
        Y = running_form("test", reader).after_each(Tokens.of([docs[text]]))
        return Y.data if hasattr(Y, "data_shape") else Y

    check(run_in_pieces(reader, pieces, part_of), pieces, whole_of, after_each)


@settings(max_examples=15, deadline=None)
@given(pieces=PIECES, seed=st.integers(0, 99))
def test_readers_of_rows(row_reader, pieces, seed):
    rng = numpy.random.default_rng(seed)
    texts = [rng.standard_normal((sum(sizes), WIDTH)).astype("f") for sizes in pieces]

    def part_of(some, starts, lengths):
        parts = [texts[i][start:][:n] for i, start, n in zip(some, starts, lengths)]
        return Rows(numpy.concatenate(parts), lengths)

    def whole_of(text, end):
        Y = row_reader.predict(Rows(texts[text][:end].copy(), numpy.array([end])))
        return Y.data if hasattr(Y, "data_shape") else Y

    def after_each(text):
        X = Rows(texts[text].copy(), numpy.array([len(texts[text])]))
        Y = running_form("test", row_reader).after_each(X)
        return Y.data if hasattr(Y, "data_shape") else Y

    check(run_in_pieces(row_reader, pieces, part_of), pieces, whole_of, after_each)


@pytest.mark.parametrize(
    "layer,message",
    [
        (lambda: build_rnn_encoder_v1(4), "R701.*test"),
        (lambda: build_Tok2Vec_model(words(), build_rnn_encoder_v1(4)), "R701.*test"),
        (lambda: truncate(5), "R707.*test.*5"),
        (lambda: textcat(max_tokens=5), "R707.*test.*5"),
        (lambda: build_Tok2Vec_model(words(), MaxoutWindowEncoder(4, 1, 2, 1)), "R703.*test"),
        (lambda: build_word_char_embed_v1(words(), Linear(3, 3)), "R703.*word_char_embed"),
        (lambda: textcat(linear_model=None, encode=lambda: Linear(3, 3)), "R703.*linear"),
    ],
)
def test_layers_that_look_ahead_are_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        running_form("test", layer())
