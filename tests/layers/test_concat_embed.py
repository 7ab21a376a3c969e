import numpy
import pytest
import spacy
from thinc.api import Config

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.concat_embed import build_concat_embed_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from tests.conftest import without_width

NLP = spacy.blank("en")
DOCS = [NLP.make_doc(text) for text in ("the cat saw", "", "a cat")]


def make():
    widths = ((2, "LOWER"), (3, "ORTH"))
    parts = [build_vocab_embed_v1(n, attr, min_count=1, dropout=0.0) for n, attr in widths]
    model = build_concat_embed_v1(*parts)
    learn_vocab(learners_in(model), DOCS)
    return model.initialize(X=DOCS)


def test_rows_stand_side_by_side_and_so_do_gradients():
    model = make()
    one, two = model.layers
    assert model.get_dim("nO") == 5
    for Y, left, right in zip(model.predict(DOCS), one.predict(DOCS), two.predict(DOCS)):
        assert numpy.allclose(Y, numpy.concatenate((left, right), axis=1))
    Ys, backprop = model.begin_update(DOCS)
    backprop([numpy.full_like(Y, [1, 2, 3, 4, 5]) for Y in Ys])
    cat = one.attrs["words"].words.index("cat") + 1
    grads = [shim_of(part).module.table.weight.grad.to_dense()[cat].tolist() for part in (one, two)]
    assert grads == [[2, 4], [6, 8, 10]]


def test_runs_on_only_if_all_parts_do():
    assert "running" in make().attrs
    other = without_width()
    other.set_dim("nO", 3) if other.has_dim("nO") else other._dims.update(nO=3)
    assert "running" not in build_concat_embed_v1(make().layers[0], other).attrs


@pytest.mark.parametrize("names", [("words", "more"), ("a", "b")])
def test_a_config_names_the_parts_as_it_likes(names):
    section = '@architectures = "spacy-rnn.VocabEmbed.v1"\nwidth = 2\n'
    parts = "\n".join(f"[embed.*.{name}]\n{section}" for name in names)
    text = f'[embed]\n@architectures = "spacy-rnn.ConcatEmbed.v1"\n\n{parts}'
    model = spacy.registry.resolve(Config().from_str(text))["embed"]
    assert [layer.name for layer in model.layers] == ["vocab_embed"] * 2
