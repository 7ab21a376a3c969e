"""Adversarial, virtual adversarial and entropy losses of both classifiers."""

import copy
import pickle

import numpy
import pytest
import spacy
import srsly
from spacy.training import Example
from spacy.util import registry
from thinc.api import NumpyOps, set_dropout_rate

from spacy_rnn.bridge.ragged import Rows
from spacy_rnn.training import semi_supervised
from spacy_rnn.training.loss import divergence, entropy
from spacy_rnn.training.semi_supervised import (
    EmbeddedTexts,
    create_semi_supervised_v1,
    move,
    text_norms,
)
from spacy_rnn.training.unlabelled_texts import UnlabelledTexts
from tests.conftest import GOOD, TEXTS, make_examples, small_model, train

OPS = NumpyOps()
FACTORIES = {"textcat_lstm": True, "textcat_multilabel_lstm": False}
ALL = {"adversarial": 1.0, "virtual_adversarial": 1.0, "entropy": 1.0}
UNLABELLED = ["a warm and wonderful story", "a terrible and empty day", "", "film", "zebra"]
LINEAR = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 64}
both_kinds = pytest.mark.parametrize("factory", FACTORIES)


@registry.readers("test_semi_supervised.texts")
def create_reader(texts=UNLABELLED):
    def read(nlp):
        for text in texts:
            yield Example(nlp.make_doc(text), nlp.make_doc(text))

    return read


def make(factory="textcat_lstm", *, texts=None, model=None, **settings):
    """A pipeline of one component. texts: The reader's. settings: None of them for null."""
    section = {"@misc": "spacy-rnn.semi_supervised.v1", **settings}
    if texts is not None:
        section["texts"] = {"@readers": "test_semi_supervised.texts", "texts": texts}
    # Training sees the fitted model's logits of some texts only, by chance.
    beside = {"linear_model": dict(LINEAR), "fitted_model": None}
    net = small_model(exclusive_classes=FACTORIES[factory], **beside)
    # So that the same texts have the same loss twice.
    net["tok2vec"]["word_dropout"] = 0.0
    config = {"model": model or net, "semi_supervised": section if settings else None}
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=config)
    return nlp


def examples_of(nlp, texts=TEXTS):
    cats = {"textcat_lstm": ("GOOD", "BAD"), "textcat_multilabel_lstm": ("GOOD", "FILM")}
    first, second = cats[nlp.pipe_names[-1]]
    truths = {"BAD": lambda text: text not in GOOD, "FILM": lambda text: "film" in text}
    return make_examples(
        nlp, texts, lambda text: {first: float(text in GOOD), second: float(truths[second](text))}
    )


def make_trained(factory="textcat_lstm", steps=25, **settings):
    """RETURNS: The pipeline, its component, and what it learned from."""
    nlp = make(factory, **settings)
    examples = examples_of(nlp)
    train(nlp, examples, steps=steps)
    return nlp, nlp.get_pipe(factory), examples


def weights_of(model):
    """All parameters with their gradients, as flat arrays that share the model's memory."""
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                grad = node.get_grad(name).reshape(-1) if node.has_grad(name) else None
                yield node.get_param(name).reshape(-1), grad
        for shim in node.shims:
            for parameter in shim.module.parameters():
                grad = parameter.grad
                grad = None if grad is None else grad.to_dense().numpy().reshape(-1)
                yield parameter.data.numpy().reshape(-1), grad


def check_gradients(model, loss):
    """The derivative of a loss in a random direction of all weights."""
    pairs = list(weights_of(model))
    directions = [numpy.random.standard_normal(len(w)).astype("f") for w, _ in pairs]
    assert all(grad is not None and grad.any() for _, grad in pairs)
    expected = sum(float(grad @ d) for (_, grad), d in zip(pairs, directions))

    def moved(step):
        for (weights, _), direction in zip(pairs, directions):
            weights += step * direction
        found = loss()
        for (weights, _), direction in zip(pairs, directions):
            weights -= step * direction
        return found

    found = (moved(1e-3) - moved(-1e-3)) / 2e-3
    assert found == pytest.approx(expected, rel=0.02, abs=1e-3) and abs(expected) > 0.01


def nothing_supervised(scores):
    return 0.0, numpy.zeros_like(scores)


def docs_of(nlp, texts):
    return [nlp.make_doc(text) for text in texts]


def keep_moves(monkeypatch):
    """Move embeddings as the first time, whatever has become of the model."""
    moves = []

    def kept(ops, X, direction, size, moves=moves):
        found = move(ops, X, direction, size)
        moves.append(found.data - X.data)
        return found

    monkeypatch.setattr(semi_supervised, "move", kept)
    return moves


@both_kinds
def test_gradients_of_adversarial_loss(factory, monkeypatch):
    nlp, pipe, examples = make_trained(factory)
    moves = keep_moves(monkeypatch)
    docs = [eg.predicted for eg in examples]
    settings = create_semi_supervised_v1(adversarial=0.7)
    _, found = settings.learn(pipe.model, docs, lambda scores: pipe.get_loss(examples, scores))

    def loss():
        batch = EmbeddedTexts(pipe.model, docs)
        plain = pipe.get_loss(examples, batch.run(batch.rows)[0])[0]
        moved = Rows(batch.rows.data + moves[0], batch.rows.lengths)
        adversarial = pipe.get_loss(examples, batch.run(moved)[0])[0]
        assert adversarial > plain
        # Means: over texts, or over labels of texts.
        terms = len(docs) * (1 if factory == "textcat_lstm" else 2)
        return terms * (plain + 0.7 * adversarial)

    assert found["adversarial"] > 0 and len(moves) == 1
    check_gradients(pipe.model, loss)


@both_kinds
def test_gradients_of_virtual_adversarial_loss(factory, monkeypatch):
    """Two labelled texts and three others: the mean over five, for each of two."""
    nlp, pipe, _ = make_trained(factory)
    moves = keep_moves(monkeypatch)
    docs = docs_of(nlp, ["warm film", "", *UNLABELLED[:3]])
    settings = create_semi_supervised_v1(virtual_adversarial=0.7, batch_size=3)
    settings.texts = UnlabelledTexts(create_reader([UNLABELLED[0], *UNLABELLED[1:3]]), nlp)
    settings.texts.take = lambda count: docs[2 : 2 + count]
    target = pipe.model.predict(docs)
    _, found = settings.learn(pipe.model, docs[:2], nothing_supervised)

    def loss():
        batch = EmbeddedTexts(pipe.model, docs)
        moved = Rows(batch.rows.data + moves[1], batch.rows.lengths)
        scores = batch.run(moved)[0]
        exclusive = FACTORIES[factory]
        return 0.7 * 2 * divergence(target, scores, exclusive=exclusive, xp=numpy)[0]

    assert 0.7 * 2 * found["virtual_adversarial"] == pytest.approx(loss(), rel=1e-3)
    check_gradients(pipe.model, loss)


@both_kinds
def test_gradients_of_entropy(factory):
    nlp, pipe, _ = make_trained(factory)
    docs = docs_of(nlp, ["warm film", "", "zebra"])
    settings = create_semi_supervised_v1(entropy=0.7)
    _, found = settings.learn(pipe.model, docs, nothing_supervised)

    def loss():
        """Texts without tokens tell nothing."""
        scores = pipe.model.predict([docs[0], docs[2]])
        return 0.7 * 2 * entropy(scores, exclusive=FACTORIES[factory], xp=numpy)[0]

    assert found["entropy"] > 0
    check_gradients(pipe.model, loss)


def rows_of(lengths, width=3):
    data = 4 * numpy.random.standard_normal((sum(lengths), width)).astype("f")
    return Rows(data, numpy.asarray(lengths, dtype="int64"))


def test_each_text_is_moved_as_far_as_its_own_embeddings_say():
    lengths = [4, 0, 1, 3]
    X, direction = rows_of(lengths), rows_of(lengths)
    direction.data[4] = 0.0
    moved = move(OPS, X, direction, 5.0)
    start = 0
    for length in lengths:
        rows = slice(start, start + length)
        start += length
        found = moved.data[rows] - X.data[rows]
        if not direction.data[rows].any():
            assert not found.any()
            continue
        assert numpy.linalg.norm(found) == pytest.approx(
            5.0 * numpy.sqrt((X.data[rows] ** 2).mean()), rel=1e-5
        )
        cosine = (found * direction.data[rows]).sum() / (
            numpy.linalg.norm(found) * numpy.linalg.norm(direction.data[rows])
        )
        assert cosine == pytest.approx(1.0, abs=1e-5)
        # As alone, and scaled as its embeddings are.
        alone = Rows(X.data[rows], numpy.array([length]))
        its_own = Rows(direction.data[rows], alone.lengths)
        assert numpy.allclose(move(OPS, alone, its_own, 5.0).data, moved.data[rows], atol=1e-5)
        larger = Rows(10 * alone.data, alone.lengths)
        assert numpy.allclose(
            move(OPS, larger, its_own, 5.0).data, 10 * moved.data[rows], rtol=1e-4, atol=1e-4
        )
    norms = text_norms(OPS, X)[:, 0]
    assert norms[1] == 0.0 and norms[2] == pytest.approx(numpy.linalg.norm(X.data[4]))


@both_kinds
def test_moves_are_worse_than_random_ones(factory):
    """Of the loss, and of the scores, whose labels are not looked at."""
    nlp, pipe, examples = make_trained(factory)
    batch = EmbeddedTexts(pipe.model, [eg.predicted for eg in examples])
    settings = create_semi_supervised_v1(**ALL, epsilon=2.0)
    target, backprop = batch.run(batch.rows)
    d_rows = backprop(pipe.get_loss(examples, target)[1])
    target = batch.run(batch.rows, False)[0]

    def loss(rows):
        return pipe.get_loss(examples, batch.run(rows, False)[0])[0]

    def change(rows):
        scores = batch.run(rows, False)[0]
        return divergence(target, scores, exclusive=FACTORIES[factory], xp=numpy)[0]

    noise = [numpy.random.standard_normal(d_rows.data.shape).astype("f") for _ in range(20)]
    others = [move(OPS, batch.rows, Rows(n, batch.rows.lengths), 2.0) for n in noise]
    worst = move(OPS, batch.rows, d_rows, 2.0)
    assert loss(worst) > max(loss(other) for other in others) > loss(batch.rows)
    different = settings._move_to_differ(batch, target)
    assert change(different) > 2 * numpy.mean([change(other) for other in others])
    norms = [text_norms(OPS, Rows(r.data - batch.rows.data, r.lengths)) for r in (worst, different)]
    assert numpy.allclose(*norms, rtol=1e-4)


@both_kinds
def test_a_model_that_says_the_same_of_all_texts_differs_nowhere(factory):
    nlp = make(factory, virtual_adversarial=1.0)
    examples = examples_of(nlp)
    nlp.initialize(lambda: examples)
    found = nlp.update(examples, sgd=False)
    assert found[f"{factory}.virtual_adversarial"] == pytest.approx(0.0, abs=1e-7)


def torch_weights(pipe):
    return [shim.to_bytes() for node in pipe.model.walk() for shim in node.shims]


def weights_after(nlp, steps=5, seed=3):
    examples = examples_of(nlp)
    spacy.util.fix_random_seed(seed)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer, drop=0.3)
    return torch_weights(nlp.get_pipe(nlp.pipe_names[0]))


@both_kinds
def test_off_is_the_same_to_the_bit(factory):
    """As without the setting, and as with the model's own passes."""
    off = weights_after(make(factory))
    zero = {name: 0.0 for name in ALL}
    assert weights_after(make(factory, texts=UNLABELLED, **zero)) == off
    nlp = make(factory)
    pipe, examples = nlp.get_pipe(factory), examples_of(nlp)
    spacy.util.fix_random_seed(3)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(5):
        set_dropout_rate(pipe.model, 0.3)
        scores, backprop = pipe.model([eg.predicted for eg in examples], True)
        backprop(pipe.get_loss(examples, scores)[1])
        pipe.finish_update(optimizer)
    assert torch_weights(pipe) == off
    assert weights_after(make(factory, adversarial=1.0)) != off


def test_the_same_seed_gives_the_same_weights():
    first, second = (weights_after(make(texts=UNLABELLED, **ALL)) for _ in range(2))
    assert first == second
    assert weights_after(make(texts=UNLABELLED, **ALL), seed=4) != first


@both_kinds
@pytest.mark.parametrize("texts", [None, UNLABELLED])
def test_learns_with_all_losses(factory, texts):
    """With documents without tokens in the batch, and a step that is made later."""
    nlp = make(factory, texts=texts, batch_size=2, **ALL)
    examples = examples_of(nlp)
    first, last = train(nlp, [*examples, *examples_of(nlp, [""])], drop=0.2)
    assert last < first / 2
    for eg in examples:
        for label, value in nlp(eg.text).cats.items():
            assert abs(value - eg.reference.cats[label]) < 0.3
    losses = {factory: 1.0}
    nlp.update(examples, sgd=False, losses=losses)
    nlp.update(examples, sgd=False, losses=losses)
    assert set(losses) == {factory, *(f"{factory}.{kind}" for kind in ALL)}
    assert losses[factory] > 1.0 and losses[f"{factory}.virtual_adversarial"] > 0.0


def test_only_texts_without_tokens():
    nlp, pipe, _ = make_trained(texts=UNLABELLED, **ALL)
    before = torch_weights(pipe)
    losses = nlp.update(examples_of(nlp, [""]), sgd=nlp.create_optimizer())
    assert losses == {"textcat_lstm": 0.0} and torch_weights(pipe) == before


def test_unlabelled_texts_make_scores_decided():
    """With entropy, of words that no labelled text has."""
    labelled, _, _ = make_trained(steps=60)
    nlp, _, _ = make_trained(steps=60, texts=["zebra zebra film"], entropy=2.0)
    found = [abs(p("zebra zebra film").cats["GOOD"] - 0.5) for p in (labelled, nlp)]
    assert found[1] > found[0] + 0.05


def test_no_dropout_between_what_is_compared():
    """A net with dropout of its own, whose embeddings have none, differs from itself by the
    moves alone: here none."""
    model = small_model(encode__num_layers=2, encode__dropout=0.5)
    nlp, pipe, examples = make_trained(model=model, virtual_adversarial=1.0, epsilon=1e-9)
    found = nlp.update(examples, sgd=False, drop=0.5)
    assert found["textcat_lstm.virtual_adversarial"] == pytest.approx(0.0, abs=1e-6)
    encode = pipe.model.get_ref("encode")
    assert encode.shims[0].module.dropout == 0.5
    assert [n.attrs["dropout_rate"] for n in pipe.model.walk() if n.name == "dropout"] == [0.5]


def test_rehearsing_learns_nothing_else():
    nlp, _, examples = make_trained(texts=UNLABELLED, **ALL)
    losses = nlp.rehearse(examples, sgd=nlp.resume_training())
    assert set(losses) == {"textcat_lstm"}


def test_saved_loaded_and_copied(tmp_path):
    """A trained pipeline needs no texts; one that learns on reads them."""
    texts = tmp_path / "texts.jsonl"
    srsly.write_jsonl(texts, [{"text": text} for text in UNLABELLED])
    nlp = spacy.blank("en")
    reader = {"@readers": "spacy.JsonlCorpus.v1", "path": str(texts)}
    section = {"@misc": "spacy-rnn.semi_supervised.v1", **ALL, "texts": reader}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(), "semi_supervised": section})
    examples = examples_of(nlp)
    train(nlp, examples, steps=5)
    nlp.to_disk(tmp_path / "pipeline")
    pipe = nlp.get_pipe("textcat_lstm")
    sent = pickle.loads(pickle.dumps(pipe))  # noqa: S301
    assert numpy.array_equal(
        sent.predict([nlp.make_doc("film")]), pipe.predict([nlp.make_doc("film")])
    )
    for other in (copy.deepcopy(nlp), spacy.load(tmp_path / "pipeline")):
        assert other.get_pipe("textcat_lstm").semi_supervised.texts.nlp is other
        losses = other.update(examples, sgd=other.resume_training())
        assert losses["textcat_lstm.entropy"] > 0.0
        assert other("film").cats
    texts.unlink()
    assert spacy.load(tmp_path / "pipeline")("film").cats == nlp("film").cats


def with_listener(**settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": small_model()["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    model = small_model(tok2vec=listener)
    section = {"@misc": "spacy-rnn.semi_supervised.v1", **ALL, **settings}
    nlp.add_pipe("textcat_lstm", config={"model": model, "semi_supervised": section})
    words = {"@callbacks": "spacy-rnn.init_vocab.v1", "path": "words.json"}
    nlp.config["initialize"]["before_init"] = words
    return nlp


def test_a_listener_learns_from_the_labelled_texts(tmp_path):
    nlp = with_listener()
    srsly.write_json(tmp_path / "words.json", ["warm", "wonderful", "brilliant", "film"])
    nlp.config["initialize"]["before_init"]["path"] = str(tmp_path / "words.json")
    first, last = train(nlp, examples_of(nlp))
    assert last < first / 2


def test_a_listener_cannot_read_other_texts():
    with pytest.raises(ValueError, match="R319.*textcat_lstm"):
        with_listener(texts={"@readers": "test_semi_supervised.texts"})


def test_a_model_without_a_recurrent_net():
    bow = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "length": 64,
        "ngram_size": 1,
        "no_output_layer": False,
    }
    with pytest.raises(ValueError, match="R318.*textcat_lstm.*TextCatRNN"):
        make(model=bow, adversarial=1.0)
    make(model=bow, adversarial=0.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"adversarial": -1.0},
        {"virtual_adversarial": float("nan")},
        {"entropy": float("inf")},
        {"epsilon": 0.0},
        {"xi": -0.1},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_settings_out_of_their_range(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"R002.*{name} is"):
        create_semi_supervised_v1(**settings)


def test_texts_that_are_not_there(tmp_path):
    """Said before training."""
    nlp = make(texts=[""], **ALL)
    with pytest.raises(ValueError, match="R504"):
        nlp.initialize(lambda: examples_of(nlp))
    nlp = spacy.blank("en")
    reader = {"@readers": "spacy.JsonlCorpus.v1", "path": str(tmp_path / "none.jsonl")}
    section = {"@misc": "spacy-rnn.semi_supervised.v1", "entropy": 1.0, "texts": reader}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(), "semi_supervised": section})
    with pytest.raises(ValueError, match="none.jsonl"):
        nlp.initialize(lambda: examples_of(nlp))
