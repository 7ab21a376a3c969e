import numpy
import pytest
import spacy
import torch
from thinc.api import Config

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.concat_embed import build_concat_embed_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from tests.conftest import without_width

NLP = spacy.blank("en")
DOCS = [NLP.make_doc(text) for text in ("the cat saw", "", "a cat")]


def make(**settings):
    widths = ((2, "LOWER"), (3, "ORTH"))
    parts = [build_vocab_embed_v1(n, attr, min_count=1, dropout=0.0) for n, attr in widths]
    model = build_concat_embed_v1(*parts, **settings)
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


def test_a_projection_maps_the_rows_and_their_gradients():
    model, generator = make(width=4), torch.Generator().manual_seed(0)
    assert model.get_dim("nO") == 4
    linear = shim_of(model).module
    weight = linear.weight.detach()
    assert torch.allclose(weight @ weight.T, torch.eye(4), atol=1e-6)
    linear.bias.data = torch.randn(4, generator=generator)
    one, two = model.layers
    for Y, left, right in zip(model.predict(DOCS), one.predict(DOCS), two.predict(DOCS)):
        rows = torch.from_numpy(numpy.concatenate((left, right), axis=1))
        assert numpy.allclose(Y, (rows @ weight.T + linear.bias).detach(), atol=1e-6)
    Ys, backprop = model.begin_update(DOCS)
    d_row = torch.tensor([1.0, 2.0, 3.0, 4.0])
    backprop([numpy.full_like(Y, d_row) for Y in Ys])
    cat = one.attrs["words"].words.index("cat") + 1
    grads = [shim_of(part).module.table.weight.grad.to_dense()[cat] for part in (one, two)]
    assert torch.allclose(torch.cat(grads), 2 * d_row @ weight, atol=1e-5)
    # Five tokens have that gradient each.
    assert torch.allclose(linear.bias.grad, 5 * d_row)
    sums = sum(
        numpy.concatenate([part.predict(DOCS)[i] for part in (one, two)], 1).sum(0) for i in (0, 2)
    )
    assert torch.allclose(linear.weight.grad, torch.outer(d_row, torch.from_numpy(sums)), atol=1e-5)


def test_a_projection_is_saved_and_loaded():
    model = make(width=4)
    loaded = make(width=4).from_bytes(model.to_bytes())
    for Y, again in zip(model.predict(DOCS), loaded.predict(DOCS)):
        assert numpy.array_equal(Y, again)
    with pytest.raises(ValueError, match="from 3 to 4"):
        make(width=3).from_bytes(model.to_bytes())


@pytest.mark.parametrize("width", [0, -4])
def test_a_width_below_one_is_refused(width):
    with pytest.raises(ValueError, match="R002.*width"):
        build_concat_embed_v1(width=width)


def test_runs_on_only_if_all_parts_do():
    assert "running" in make().attrs
    other = without_width()
    other.set_dim("nO", 3) if other.has_dim("nO") else other._dims.update(nO=3)
    assert "running" not in build_concat_embed_v1(make().layers[0], other).attrs


@pytest.mark.parametrize("width", ["", "width = 3"])
@pytest.mark.parametrize("names", [("words", "more"), ("a", "b")])
def test_a_config_names_the_parts_as_it_likes(names, width):
    section = '@architectures = "spacy-rnn.VocabEmbed.v1"\nwidth = 2\n'
    parts = "\n".join(f"[embed.*.{name}]\n{section}" for name in names)
    text = f'[embed]\n@architectures = "spacy-rnn.ConcatEmbed.v1"\n{width}\n\n{parts}'
    model = spacy.registry.resolve(Config().from_str(text))["embed"]
    assert [layer.name for layer in model.layers] == ["vocab_embed"] * 2
    assert model.get_dim("nO") == (3 if width else 4)
