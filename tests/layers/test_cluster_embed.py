import numpy
import pytest
import spacy
import srsly
import torch

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.cluster_embed import build_cluster_embed_v1
from spacy_rnn.vocabulary.cluster_table import ClusterTable
from spacy_rnn.vocabulary.learning import learn_vocab

# The first turn from the root of the tree is the lowest bit.
CLUSTERS = {"cat": 0b0101, "dog": 0b1101, "sees": 0b0110, "the": 0b0011, "odd": 0}


def pipeline(clusters=CLUSTERS):
    nlp = spacy.blank("en")
    table = {nlp.vocab.strings.add(word): path for word, path in clusters.items()}
    nlp.vocab.lookups.add_table("lexeme_cluster", table)
    return nlp


def docs_of(nlp, *texts):
    return [nlp.make_doc(text) for text in texts]


def make(nlp, width=2, prefixes=(2, 0), **settings):
    model = build_cluster_embed_v1(width, prefixes, **settings)
    return model.initialize(X=docs_of(nlp, "cat"))


def test_clusters_that_begin_alike_share_a_vector():
    nlp = pipeline()
    (found,) = make(nlp).predict(docs_of(nlp, "cat dog sees the"))
    cat, dog, sees, the = found
    assert found.shape == (4, 4)
    assert (cat[:2] == dog[:2]).all() and (cat[2:] != dog[2:]).all()
    assert (cat[:2] != the[:2]).all() and (cat[:2] != sees[:2]).all()
    assert len({tuple(row) for row in found.tolist()}) == 4


def test_words_without_a_cluster_are_alike_and_lower_case_is_looked_up():
    nlp = pipeline()
    model = make(nlp)
    for is_train in (False, True):
        (found,), _ = model(docs_of(nlp, "Cat cat unheard odd sees"), is_train)
        assert (found[0] == found[1]).all() and (found[2] == found[3]).all()
        assert (found[2] != found[4]).all()


def test_prediction_needs_no_lookups():
    nlp = pipeline()
    model = make(nlp)
    expected = model.predict(docs_of(nlp, "cat dog unheard"))[0]
    other = build_cluster_embed_v1(2, (2, 0)).from_bytes(model.to_bytes())
    bare = spacy.blank("en")
    assert not bare.vocab.lookups.has_table("lexeme_cluster")
    assert (other.predict(docs_of(bare, "cat dog unheard"))[0] == expected).all()
    # Initialized again, it keeps the clusters that it has.
    other.initialize(X=docs_of(bare, "cat"))
    assert other.predict(docs_of(bare, "cat dog"))[0].std() > 0


def test_gradients_reach_the_prefixes_of_a_batch():
    nlp = pipeline()
    model = make(nlp, dropout=0.0)
    Ys, backprop = model.begin_update(docs_of(nlp, "cat dog", "cat unheard"))
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    counts = shim_of(model).module.table.weight.grad[:, 0]
    # No cluster, and 01 of cat and dog; no cluster, cat, dog.
    assert sorted(counts[counts > 0].tolist()) == [1, 1, 1, 2, 3]


def test_a_saved_model_of_other_prefixes_is_refused():
    nlp = pipeline()
    model = make(nlp)
    other = build_cluster_embed_v1(2, (2, 0)).from_bytes(model.to_bytes())
    other.attrs["check"](other)
    other.attrs["prefixes"] = [1, 2, 0]
    with pytest.raises(ValueError, match="R102.*ClusterEmbed.*9 vectors for 12 prefixes"):
        other.attrs["check"](other)


def test_without_lookups():
    nlp = spacy.blank("en")
    nlp.vocab.lookups.add_table("lexeme_prob", {})
    message = r"(?s)R109.*lexeme_cluster.*tables: lexeme_prob.*spacy-lookups-data.*initialize"
    with pytest.raises(ValueError, match=message):
        make(nlp)
    with pytest.raises(ValueError, match="R109"):
        learn_vocab([build_cluster_embed_v1(2)], docs_of(nlp, "cat"))
    with pytest.raises(ValueError, match="R109"):
        make(pipeline({"odd": 0}))
    with pytest.raises(KeyError, match="R101.*ClusterEmbed"):
        build_cluster_embed_v1(2).predict(docs_of(nlp, "cat"))


@pytest.mark.parametrize("path", [2**63, -1, "0110", 1.5, None])
def test_clusters_that_are_no_paths(path):
    message = r"R112.*lexeme_cluster.*'dog' is .*, but must be a whole number from 0 to 2\*\*63"
    with pytest.raises(ValueError, match=message):
        make(pipeline({"cat": 0b01, "dog": path}))


def test_the_deepest_paths_differ_by_any_turn():
    nlp = pipeline({"cat": 2**63 - 1, "dog": 2**63 - 2, "sees": 2**62 - 1})
    model = make(nlp, prefixes=(0,))
    for other in (model, build_cluster_embed_v1(2, (0,)).from_bytes(model.to_bytes())):
        (found,) = other.predict(docs_of(nlp, "cat dog sees unheard"))
        assert len({tuple(row) for row in found.tolist()}) == 4


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"width": 0}, "R002.*width is 0"),
        ({"width": 2, "prefixes": []}, "R002.*number of prefixes is 0"),
        ({"width": 2, "prefixes": [4, -1]}, "R002.*prefixes is -1"),
        ({"width": 2, "dropout": 1.0}, "R002.*dropout is 1.0"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        build_cluster_embed_v1(**settings)


def test_the_table_finds_words():
    table = ClusterTable.of({30: 6, 10: 5, 2**64 - 1: 5, 20: 0})
    assert len(table) == 3 and table.paths == [5, 6]
    keys = numpy.array([10, 20, 30, 40, 2**64 - 1], dtype="uint64")
    assert table.find(keys).tolist() == [1, 0, 2, 0, 1]
    assert ClusterTable().find(keys).tolist() == [0] * 5


def test_the_table_numbers_beginnings():
    table = ClusterTable([1, 2, 3], [0, 1, 2], [0b0101, 0b0110, 0b1101])
    assert table.rows((2, 0)).tolist() == [[0, 3], [1, 4], [2, 5], [1, 6]]


@pytest.mark.parametrize(
    "data", [[b"", b"\0\0\0\0", [1]], [b"\0" * 8, b"\1\0\0\0", [1]], [b"123", b"", []], [1], "x"]
)
def test_damaged_clusters_are_refused(data):
    model = make(pipeline())
    msg = srsly.msgpack_loads(model.to_bytes())
    attrs = msg["attrs"][0]
    attrs["clusters"] = srsly.msgpack_dumps(data)
    with pytest.raises(ValueError, match="R102.*clusters of words"):
        build_cluster_embed_v1(2, (2, 0)).from_bytes(srsly.msgpack_dumps(msg))


def test_weights_are_of_float32():
    assert shim_of(make(pipeline())).module.table.weight.dtype == torch.float32
