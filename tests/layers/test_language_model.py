import math

import numpy
import pytest
import spacy
import torch
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, build_Tok2Vec_model
from thinc.api import Adam, chain, set_dropout_rate
from torch import nn
from torch.nn import functional

from spacy_rnn.bridge.ragged import read_rows, read_tokens
from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.language_model import SampledSoftmax, language_model, perplexity
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.layers.word_char_embed import build_word_char_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in, set_vocab

NLP = spacy.blank("en")
TEXTS = ["the cat saw the old dog", "the dog saw a cat", "a dog ran", "", "cat"]
DOCS = [NLP.make_doc(text) for text in TEXTS]
COUNTS = [3, 9, 4, 2, 1]


def embedding(**settings):
    return build_vocab_embed_v1(4, min_count=1, start="random", **settings)


def make(*, samples=99, embed=None, bidirectional=True, **net):
    encode = build_rnn_encoder_v1(6, bidirectional=bidirectional, **net)
    tok2vec = build_Tok2Vec_model(embedding() if embed is None else embed, encode)
    learn_vocab(learners_in(tok2vec), DOCS)
    model = language_model(tok2vec, samples)
    model.initialize(X=DOCS)
    return set_dropout_rate(model, 0.0)


def head(samples=99, directions=2):
    sizes = {"input_size": 3, "embedding_dim": 4, "num_directions": directions}
    return SampledSoftmax(COUNTS, **sizes, samples=samples).double()


def table():
    return nn.Embedding(5, 4).double()


def test_full_softmax_is_cross_entropy_with_its_gradients():
    module, vectors = head(), table()
    data = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    lengths, ids = torch.tensor([4, 0, 1, 2]), torch.tensor([1, 2, 0, 3, 4, 1, 1])
    found = module(data, lengths, ids, vectors, torch.float64)
    # Each known word is predicted from its left half one before, and its right half one after.
    pairs = [(0, 0, 1), (0, 2, 3), (0, 5, 6), (1, 1, 0), (1, 2, 1), (1, 6, 5)]
    expected = []
    for half, place, target in pairs:
        read = data[place, 3 * half : 3 * half + 3]
        logits = vectors.weight[1:] @ module.projections[half](read) + module.bias[1:]
        expected.append(functional.cross_entropy(logits, ids[target] - 1))
    assert torch.allclose(found, torch.stack(expected))
    sources = [data, *module.parameters(), *vectors.parameters()]
    grads = torch.autograd.grad(found.sum(), sources)
    for grad, other in zip(grads, torch.autograd.grad(sum(expected), sources)):
        assert torch.allclose(grad, other)
    predicted, targets = module.predictions(data, lengths, ids)
    assert torch.allclose(module.full_losses(predicted, targets, vectors), found)


def test_sampled_softmax_by_value():
    module, vectors = head(samples=3), table()
    predicted = torch.randn(2, 4, dtype=torch.float64)
    targets, sample = torch.tensor([2, 4]), torch.tensor([1, 2, 1])
    found = module.losses(predicted, targets, vectors, sample, torch.float64)
    counts = [10, 5, 3, 2]
    for i, target in enumerate(targets.tolist()):
        # What is drawn and right is no wrong answer.
        words = [target, *(word for word in sample.tolist() if word != target)]
        logits = [
            (vectors.weight[word] @ predicted[i] + module.bias[word]).item()
            - math.log(counts[word - 1] / 20)
            for word in words
        ]
        total = sum(math.exp(logit) for logit in logits)
        assert math.isclose(found[i].item(), math.log(total) - logits[0], rel_tol=1e-6)


def test_gradients_of_the_sampled_softmax():
    module, vectors = head(samples=3), table()
    targets, sample = torch.tensor([2, 4, 1]), torch.tensor([1, 2, 1])

    def losses(predicted, weight, bias):
        # Of the very tensors that are checked.
        vectors._parameters["weight"], module._parameters["bias"] = weight, bias
        return module.losses(predicted, targets, vectors, sample, torch.float64)

    shapes = ((3, 4), (5, 4), (5,))
    checked = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(losses, checked)


def test_words_are_drawn_by_frequency_and_the_unknown_one_is_not():
    module = SampledSoftmax(
        [50, 899, 99, 0], input_size=3, embedding_dim=4, num_directions=1, samples=2
    )
    drawn = torch.cat([module.draw(torch.tensor([1])) for _ in range(5000)])
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    assert shares[0] == 0 and abs(shares[1] - 0.899) < 0.02 and abs(shares[2] - 0.1) < 0.02
    assert head(samples=4).draw(torch.tensor([1])) is None


def test_begins_with_how_frequent_words_are():
    model = make()
    for projection in shim_of(model).module.projections:
        projection.weight.data.zero_()
        projection.bias.data.zero_()
    table = model.get_ref("words").attrs["words"]
    shares = dict(zip(table.words, (table.counts[1:] + 1) / (table.counts[1:] + 1).sum()))
    losses = model.predict([NLP.make_doc("the cat")])
    assert numpy.allclose(losses, [-math.log(shares["cat"]), -math.log(shares["the"])], atol=1e-5)


def test_frequencies_of_given_words_fall_with_their_order():
    tok2vec = build_Tok2Vec_model(embedding(), build_rnn_encoder_v1(6))
    set_vocab(learners_in(tok2vec), ["the", "cat", "dog"])
    model = language_model(tok2vec, 2)
    model.initialize(X=DOCS)
    shares = shim_of(model).module.frequencies.exp()
    assert torch.allclose(shares, torch.tensor([0, 6 / 11, 3 / 11, 2 / 11]), atol=1e-3)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_sees_neither_its_target_nor_what_is_behind_it(bidirectional):
    model = make(bidirectional=bidirectional)

    def predicted(text):
        tokens = Tokens.of([NLP.make_doc(text)])
        X, _ = read_tokens(model.get_ref("embed"), tokens, False)
        H, _ = read_rows(model.get_ref("encode"), X, False)
        data, ids = torch.from_numpy(H.data), torch.ones(6, dtype=torch.int64)
        found, _ = shim_of(model).module.predictions(data, torch.tensor([6]), ids)
        return found.detach().view(-1, 5, 4)

    found, other = predicted("the cat saw the old dog"), predicted("the cat saw a old dog")
    same = torch.isclose(found, other).all(dim=2)
    # Of words 1 to 5 by what comes before, and of words 0 to 4 by what comes after: word 3 differs.
    assert same[0].tolist() == [True, True, True, False, False]
    if bidirectional:
        assert same[1].tolist() == [False, False, False, True, True]


def test_texts_with_nothing_to_predict():
    model = make()
    before = {n: p.clone() for n, p in shim_of(model.get_ref("encode")).module.named_parameters()}
    for texts in ([""], ["cat"], ["zzz yyy xxx"], ["", "cat", "\n\n", "zzz zzz"]):
        docs = [NLP.make_doc(text) for text in texts]
        losses, backprop = model.begin_update(docs)
        assert losses.shape == (0,) and backprop(losses) == []
        model.finish_update(Adam(0.1))
        assert math.isnan(perplexity(model, docs))
    for name, parameter in shim_of(model.get_ref("encode")).module.named_parameters():
        assert torch.equal(parameter, before[name])


def test_unknown_and_blank_words_are_no_targets():
    model = make(bidirectional=False)
    # "dog" is predicted from the unknown word, which is not predicted itself.
    assert len(model.predict([NLP.make_doc("the zzz dog")])) == 1
    one, other = (NLP.make_doc(text) for text in ("the dog ran", "the \n dog  ran"))
    assert numpy.allclose(model.predict([one]), model.predict([other]), atol=1e-5)


def train(model, steps=60, docs=DOCS, rate=0.02):
    optimizer = Adam(rate)
    means = []
    for _ in range(steps):
        losses, backprop = model.begin_update(docs)
        backprop(numpy.full_like(losses, 1 / len(losses)))
        model.finish_update(optimizer)
        means.append(losses.mean())
    return means


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("samples", [2, 99])
@pytest.mark.filterwarnings("ignore:.*W001")
def test_learns_its_texts(samples, precision):
    model = make(samples=samples, precision=precision)
    before = perplexity(model, DOCS)
    train(model)
    assert perplexity(model, DOCS) < before / 2 < 5


def test_learns_over_characters_as_well():
    chars = build_char_rnn_embed_v1(6, char_dropout=0.0)
    model = make(embed=build_word_char_embed_v1(embedding(), chars))
    before = shim_of(chars).module.table.weight.clone()
    means = train(model, steps=30)
    assert means[-1] < means[0] / 1.5
    assert not torch.equal(shim_of(chars).module.table.weight, before)


def test_a_step_changes_vectors_of_words_read_or_drawn_alone():
    model = make(samples=1, embed=embedding())
    words = model.get_ref("words")
    table, vectors = words.attrs["words"], shim_of(words).module.table.weight
    before = vectors.detach().clone()
    head = shim_of(model).module
    head.draw = lambda targets: torch.tensor([table.words.index("ran") + 1])
    train(model, steps=1, docs=[NLP.make_doc("the cat")])
    changed = (vectors != before).any(dim=1).nonzero()[:, 0].tolist()
    assert sorted(table.words[row - 1] for row in changed) == ["cat", "ran", "the"]


def test_gradient_of_the_encoder_by_finite_differences():
    model = make()
    net = shim_of(model.get_ref("encode")).module
    losses, backprop = model.begin_update(DOCS)
    backprop(numpy.ones_like(losses))
    weight = net.layers[0].weight_ih_l0
    grad, step = weight.grad.clone(), 1e-2
    for place in ((0, 0), (3, 1), (7, 2)):
        sums = []
        for sign in (1, -1):
            weight.data[place] += sign * step
            sums.append(model.begin_update(DOCS)[0].sum())
            weight.data[place] -= sign * step
        assert numpy.isclose((sums[0] - sums[1]) / (2 * step), grad[place], atol=2e-2)


def test_schedules_of_the_optimizer_go_on():
    model = make()
    optimizer = Adam([0.3, 0.2, 0.1])
    rates = []
    for _ in range(4):
        losses, backprop = model.begin_update(DOCS)
        backprop(losses)
        model.finish_update(optimizer)
        rates.append(optimizer.learn_rate)
    assert rates == [0.3, 0.2, 0.1, 0.1]


def test_dropout_reaches_the_head_and_the_encoder():
    model = set_dropout_rate(make(), 0.5)
    one, other = model.begin_update(DOCS)[0], model.begin_update(DOCS)[0]
    assert not numpy.allclose(one, other)
    assert numpy.allclose(model.predict(DOCS), model.predict(DOCS))


def net(**settings):
    return build_rnn_encoder_v1(6, **settings)


@pytest.mark.parametrize(
    "build, problem",
    [
        (embedding, "no embedding and encoder to tell apart"),
        (lambda: chain(embedding(), net()), "no embedding and encoder to tell apart"),
        (lambda: build_Tok2Vec_model(build_char_rnn_embed_v1(6), net()), "no table of words"),
        (
            lambda: build_Tok2Vec_model(embedding(), MaxoutWindowEncoder(4, 1, 2, 1)),
            "encoder is none",
        ),
        (lambda: build_Tok2Vec_model(embedding(), net(num_layers=2)), "num_layers = 1"),
        (
            lambda: build_Tok2Vec_model(build_Tok2Vec_model(embedding(), net()), net()),
            "more than one token",
        ),
    ],
)
def test_what_cannot_be_pretrained(build, problem):
    with pytest.raises(ValueError, match=f"R506.*{problem}"):
        language_model(build(), 4)
    with pytest.raises(ValueError, match="R002.*samples"):
        language_model(build(), 0)


def test_the_encoder_of_a_classifier():
    textcat = build_textcat_rnn_v1(embedding(), net(bidirectional=False, num_layers=2))
    learn_vocab(learners_in(textcat), DOCS)
    encoder = textcat.get_ref("encoder")
    encoder.initialize(X=DOCS)
    model = set_dropout_rate(language_model(encoder, 99), 0.0)
    model.initialize(X=DOCS)
    weights = shim_of(textcat.get_ref("encode")).module.layers[0].weight_hh_l0
    before = weights.clone()
    means = train(model, steps=10)
    assert means[-1] < means[0] and not torch.equal(weights, before)
