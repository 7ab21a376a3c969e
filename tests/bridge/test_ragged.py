"""One flat array, or lists of arrays: layers give the same in either form."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed, build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import Linear, Model, with_array
from thinc.types import Ragged

from spacy_rnn.bridge.ragged import (
    Rows,
    join,
    read_rows,
    read_tokens,
    reads_flat,
    split,
    split_rows,
    takes_lists,
)
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from tests.conftest import without_width

NLP = spacy.blank("en")
MODEL = Model("test", None)
LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=6)
WORDS = st.sampled_from(["the", "Cat", "saw", "unheard", " ", "\n", "\t \n"])
TEXTS = st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=5)


def rows_of(lengths, width=3):
    rng = numpy.random.default_rng(sum(lengths))
    data = rng.standard_normal((sum(lengths), width)).astype("f")
    return Rows(data, numpy.asarray(lengths, dtype="int64"))


@given(LENGTHS)
def test_split_gives_views_and_join_the_whole(lengths):
    X = rows_of(lengths)
    parts = split(X, 3, MODEL)
    assert [part.shape for part in parts] == [(length, 3) for length in lengths]
    assert all(numpy.shares_memory(part, X.data) for part in parts if len(part))
    whole = join(MODEL, parts)
    assert whole.data.tolist() == X.data.tolist() and whole.data.shape == X.data.shape
    assert whole.lengths.tolist() == lengths and whole.lengths.dtype == "int64"


@given(LENGTHS)
def test_rows_split_by_lengths(lengths):
    data = numpy.arange(sum(lengths))
    parts = split_rows(data, numpy.asarray(lengths, dtype="int64"))
    assert [len(part) for part in parts] == lengths and sum(map(list, parts), []) == list(data)


def test_no_rows_keep_their_width():
    X = Rows(numpy.zeros((0, 3), dtype="f"), numpy.zeros(2, dtype="int64"))
    assert X.data.shape == (0, 3) and X.dataXd.shape == (0, 3) and isinstance(X, Ragged)


def recording(seen):
    """A layer that doubles rows, or gives tokens their length, and records what it is given."""

    @takes_lists
    def forward(model, X, is_train):
        seen.append(X)
        if isinstance(X, Tokens):
            sizes = [[len(token)] for doc in X.docs for token in doc]
            return Rows(numpy.array(sizes, dtype="f").reshape(-1, 1), X.lengths), seen.append
        return Rows(X.data * 2, X.lengths), lambda dY: Rows(dY.data * 3, dY.lengths)

    return Model("recording", forward, dims={"nO": 1}, attrs={"reads_flat": True})


def test_takes_lists_answers_in_the_form_given():
    seen = []
    layer, X = recording(seen), rows_of([2, 0, 1], width=1)
    assert reads_flat(layer) and not reads_flat(MODEL)
    Y, backprop = layer.begin_update(X)
    Ys, backprop_lists = layer.begin_update(split(X, 1, layer))
    assert seen[0] is X and isinstance(seen[1], Ragged) and isinstance(Ys, list)
    assert [len(part) for part in Ys] == [2, 0, 1]
    assert numpy.concatenate(Ys).tolist() == Y.data.tolist() == (X.data * 2).tolist()
    dXs = backprop_lists(Ys)
    assert [part.shape for part in dXs] == [(2, 1), (0, 1), (1, 1)]
    assert numpy.concatenate(dXs).tolist() == backprop(Y).data.tolist()


def test_takes_lists_takes_documents():
    seen = []
    docs = [NLP("a bc"), NLP("")]
    Ys, backprop = recording(seen).begin_update(docs)
    assert isinstance(seen[0], Tokens) and seen[0].docs == docs
    assert [Y.tolist() for Y in Ys] == [[[1.0], [2.0]], []]
    assert backprop(Ys) == [] and seen[1].data.tolist() == [[1.0], [2.0]]


def test_takes_lists_of_nothing():
    Ys, backprop = recording([]).begin_update([])
    assert Ys == [] and backprop([]) == []


def vocab_embed():
    return build_vocab_embed_v1(4, min_count=1, attr="LOWER", dropout=0.0)


def spacys_embed():
    return MultiHashEmbed(4, ["NORM"], [50], False)


def spacys_encoder(width=6):
    return MaxoutWindowEncoder(width, 1, 2, 1)


def in_one_piece():
    layer = build_Tok2Vec_model(spacys_embed(), spacys_encoder(4))
    layer.set_ref("embed", None)
    return layer


# Whether each looks at one token alone, or at whole documents even where blank tokens are left
# out, or at the tokens given.
READERS = {
    "ours": (vocab_embed, "alone"),
    "ours in Tok2Vec": (
        lambda: build_Tok2Vec_model(vocab_embed(), build_rnn_encoder_v1(6)),
        "tokens",
    ),
    "spaCy's embed, our net": (
        lambda: build_Tok2Vec_model(spacys_embed(), build_rnn_encoder_v1(6)),
        "tokens",
    ),
    "our embed, spaCy's net": (
        lambda: build_Tok2Vec_model(vocab_embed(), spacys_encoder(4)),
        "tokens",
    ),
    "spaCy's": (spacys_embed, "alone"),
    # spaCy's transformers and listeners are such.
    "spaCy's, in one piece": (in_one_piece, "documents"),
}


@pytest.fixture(scope="module", params=READERS)
def reader(request):
    build, looks_at = READERS[request.param]
    layer, docs = build(), [NLP("the Cat saw Cat"), NLP("saw")]
    learn_vocab(learners_in(layer), docs)
    layer.initialize(X=docs)
    return layer, looks_at


def gradients(model):
    """Of all parameters, by layer and name; taken away."""
    found = {}
    for i, node in enumerate(model.walk()):
        for name in node.grad_names:
            found[i, name] = node.get_grad(name)
        for shim in node.shims:
            for name, parameter in shim.module.named_parameters():
                if parameter.grad is not None:
                    found[i, name] = parameter.grad.to_dense().numpy()
    model.finish_update(lambda key, weights, gradient: (weights, gradient * 0))
    return {key: grad for key, grad in found.items() if grad.any()}


@settings(max_examples=25, deadline=None)
@given(texts=TEXTS)
def test_any_layer_reads_tokens(reader, texts):
    """In list form and flat form, forward and backward, with blank tokens left out."""
    layer, looks_at = reader
    docs = [Doc(NLP.vocab, words=words) for words in texts]
    tokens = Tokens.of(docs).visible()
    kept = [numpy.array([not t.is_space for t in doc], dtype=bool) for doc in docs]
    if looks_at == "tokens":
        docs = [Doc(NLP.vocab, words=[w for w in words if w.strip()]) for words in texts]
        kept = [numpy.ones(len(doc), dtype=bool) for doc in docs]
    Y, backprop = read_tokens(layer, tokens, True)
    assert Y.lengths.tolist() == [mask.sum() for mask in kept]
    if not any(map(len, docs)):
        return
    Ys, backprop_lists = layer.begin_update(docs)
    expected = numpy.concatenate([part[mask] for part, mask in zip(Ys, kept)])
    assert numpy.allclose(Y.data, expected, atol=1e-5)
    assert numpy.allclose(read_tokens(layer, tokens, False)[0].data, expected, atol=1e-5)
    dY = numpy.random.default_rng(0).standard_normal(Y.data.shape).astype("f")
    dYs = [numpy.zeros_like(part) for part in Ys]
    parts = split_rows(dY, Y.lengths)
    for part, mask, kept_part in zip(dYs, kept, parts):
        part[mask] = kept_part
    backprop(Rows(dY, Y.lengths))
    flat = gradients(layer)
    backprop_lists(dYs)
    lists = gradients(layer)
    assert flat.keys() == lists.keys() and (flat or not len(dY))
    for key, grad in flat.items():
        assert numpy.allclose(grad, lists[key], atol=1e-4), key


ENCODERS = {
    "ours": lambda: build_rnn_encoder_v1(6),
    "spaCy's": lambda: spacys_encoder(3),
    "thinc's": lambda: with_array(Linear(6, 3)),
}


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request):
    layer = ENCODERS[request.param]()
    return layer.initialize(X=[numpy.zeros((2, 3), dtype="f")])


@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS)
def test_any_layer_reads_rows(encoder, lengths):
    X = rows_of(lengths)
    if not len(X.data):
        return
    Y, backprop = read_rows(encoder, X, True)
    Ys, backprop_lists = encoder.begin_update(split(X, 3, encoder))
    assert Y.lengths.tolist() == lengths
    assert numpy.allclose(Y.data, numpy.concatenate(Ys), atol=1e-5)
    dY = numpy.random.default_rng(1).standard_normal(Y.data.shape).astype("f")
    dX = backprop(Rows(dY, Y.lengths))
    dXs = backprop_lists(split_rows(dY, Y.lengths))
    assert dX.lengths.tolist() == lengths
    assert numpy.allclose(dX.data, numpy.concatenate(dXs), atol=1e-5)


@pytest.mark.parametrize("is_train", [False, True])
def test_no_rows_are_read(encoder, is_train):
    X = rows_of([0, 0])
    Y, backprop = read_rows(encoder, X, is_train)
    assert Y.data.shape == (0, encoder.maybe_get_dim("nO") or 3) and Y.lengths.tolist() == [0, 0]
    assert backprop(Y).data.shape == (0, 3)


def test_layers_that_give_no_width_where_there_are_no_tokens():
    docs = [NLP(""), NLP("a bc"), NLP(""), NLP("d")]
    tokens = Tokens.of(docs)
    Y, backprop = read_tokens(without_width(), tokens, True)
    assert Y.data.tolist() == [[2.0] * 3] * 3 and Y.lengths.tolist() == [0, 2, 0, 1]
    assert backprop(Y) == [(0, 3), (2, 3), (0, 3), (1, 3)]
    Y, backprop = read_tokens(without_width(), Tokens.of(docs[:1]), True)
    assert Y.data.shape[0] == 0 and Y.lengths.tolist() == [0] and backprop(Y) == []


def test_a_layer_that_lacks_rows_is_named():
    """As one that reads what a component has made of a document before its tokens were split."""
    docs = [NLP.make_doc(text) for text in ("", "the cat", "the dog saw")]
    lacking = Model("lacking", lambda model, X, is_train: ([numpy.zeros((2, 3))] * 3, None))
    with pytest.raises(ValueError, match="R007.*'lacking' has given 2 rows for the 3.*dog saw"):
        read_tokens(lacking, Tokens(docs), False)
