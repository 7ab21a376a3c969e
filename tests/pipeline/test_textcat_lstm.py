"""Both text classifiers, as a spaCy user would use them."""

import copy
import pickle
import warnings

import numpy
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.training import Example
from thinc.api import Adam

from spacy_rnn.bridge.tokens import parts_by_tokens
from spacy_rnn.layers.temperature import set_temperature
from spacy_rnn.pipeline.textcat_lstm import TextCatLSTM
from tests.conftest import BAD, GOOD, TEXTS, cats_of, make_examples, small_model, train

FACTORIES = {"textcat_lstm": True, "textcat_multilabel_lstm": False}


def topics_of(text):
    return {"GOOD": float(text in GOOD), "FILM": float("film" in text)}


def make(factory="textcat_lstm", *, model=None, **config):
    nlp = spacy.blank("en")
    model = small_model(exclusive_classes=FACTORIES[factory], **(model or {}))
    nlp.add_pipe(factory, config={"model": model, **config})
    return nlp


def examples_for(nlp):
    exclusive = "textcat_lstm" in nlp.pipe_names
    return make_examples(nlp, cats=cats_of if exclusive else topics_of)


def make_trained(factory="textcat_lstm", **settings):
    nlp = make(factory, **settings)
    train(nlp, examples_for(nlp))
    return nlp


@pytest.fixture(params=FACTORIES)
def pipeline(request):
    return make_trained(request.param)


def scores_of(nlp, texts=TEXTS):
    return [doc.cats for doc in nlp.pipe(texts)]


def differ(a, b):
    return max(abs(x[label] - y[label]) for x, y in zip(a, b) for label in x)


def test_overfitting_and_serialization(pipeline, tmp_path):
    """The model learns its texts, and a loaded copy scores the same."""
    for eg in examples_for(pipeline):
        for label, value in pipeline(eg.text).cats.items():
            assert abs(value - eg.reference.cats[label]) < 0.2
    uncalibrated = scores_of(pipeline)
    set_temperature(pipeline.get_pipe(pipeline.pipe_names[0]).model, 3.0)
    assert differ(scores_of(pipeline), uncalibrated) > 1e-3
    expected = scores_of(pipeline)
    pipeline.to_disk(tmp_path / "pipeline")
    assert scores_of(spacy.load(tmp_path / "pipeline")) == expected
    other = spacy.util.load_model_from_config(pipeline.config)
    other.from_bytes(pipeline.to_bytes())
    assert scores_of(other) == expected
    assert other.to_bytes() == pipeline.to_bytes()
    assert scores_of(copy.deepcopy(pipeline)) == expected
    (name,) = pipeline.pipe_names
    pipe = pickle.loads(pickle.dumps(pipeline.get_pipe(name)))  # noqa: S301
    docs = [pipeline.make_doc(text) for text in TEXTS]
    assert (pipe.predict(docs) == pipeline.get_pipe(name).predict(docs)).all()


def test_evaluate(pipeline):
    scores = pipeline.evaluate(examples_for(pipeline))
    assert scores["cats_score"] == 1.0
    assert scores["cats_micro_f"] == 1.0


def test_a_text_alone_in_a_batch_and_beside_extreme_texts(pipeline):
    texts = [*TEXTS, "", "  ", "film " * 100_000, "🙂 e\u0301 \u202e עברית"]
    batch = scores_of(pipeline, texts)
    assert differ([pipeline(text).cats for text in texts], batch) < 1e-5
    assert differ(scores_of(pipeline, texts[::-1])[::-1], batch) < 1e-5


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text(max_size=60), max_size=8))
def test_any_text_is_legal_and_scored_on_its_own(trained, texts):
    batch = scores_of(trained, texts)
    assert all(0.0 <= value <= 1.0 for cats in batch for value in cats.values())
    if texts:
        assert differ([trained(text).cats for text in texts], batch) < 1e-5


def test_padding_would_be_noticed(trained):
    """The test above fails for spaCy's own recurrent encoder."""
    config = {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": True,
        "use_reduce_first": True,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": False,
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 8,
                "rows": [50],
                "attrs": ["NORM"],
                "include_static_vectors": False,
            },
            "encode": {
                "@architectures": "spacy.TorchBiLSTMEncoder.v1",
                "width": 8,
                "depth": 1,
                "dropout": 0.0,
            },
        },
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat", config={"model": config})
    train(nlp, make_examples(nlp), steps=10)
    texts = [TEXTS[0], "film " * 50]
    assert differ([nlp(text).cats for text in texts], scores_of(nlp, texts)) > 1e-4


def test_memory_is_bounded_by_parts():
    lengths = numpy.array([5, 0, 100, 3, 7, 2])
    parts = [part.tolist() for part in parts_by_tokens(lengths, 10)]
    assert parts == [[2], [4], [0, 3, 5, 1]]
    together = [part.tolist() for part in parts_by_tokens(lengths, 200)]
    assert together == [[0, 1, 2, 3, 4, 5]]
    assert parts_by_tokens(numpy.array([], dtype="i"), 10) == []
    assert [part.tolist() for part in parts_by_tokens(numpy.array([0, 0]), 10)] == [[0, 1]]


def test_loss_is_cross_entropy(pipeline):
    (name,) = pipeline.pipe_names
    pipe = pipeline.get_pipe(name)
    examples = examples_for(pipeline)
    scores = pipe.predict([eg.predicted for eg in examples])
    loss, gradient = pipe.get_loss(examples, scores)
    truths = numpy.array([[eg.reference.cats[label] for label in pipe.labels] for eg in examples])
    if name == "textcat_lstm":
        expected = -numpy.log((scores * truths).sum(axis=1)).mean()
    else:
        expected = -numpy.log(numpy.where(truths, scores, 1 - scores)).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert numpy.allclose(gradient, scores - truths, atol=1e-7)


def test_missing_annotation_is_not_learned_from():
    nlp = make("textcat_multilabel_lstm")
    examples = examples_for(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("textcat_multilabel_lstm")
    doc = nlp.make_doc(TEXTS[0])
    partial = [Example.from_dict(doc, {"cats": {"GOOD": 1.0}})]
    _, gradient = pipe.get_loss(partial, pipe.predict([doc]))
    assert gradient[0, pipe.labels.index("FILM")] == 0.0
    assert gradient[0, pipe.labels.index("GOOD")] != 0.0


def test_texts_without_a_true_label_are_not_learned_from(trained):
    pipe = trained.get_pipe("textcat_lstm")
    doc = trained.make_doc(TEXTS[0])
    examples = [Example.from_dict(doc, {"cats": {}})]
    loss, gradient = pipe.get_loss(examples, pipe.predict([doc]))
    assert loss == 0.0 and not gradient.any()


def test_class_weights_and_smoothing_change_the_gradient():
    nlp = make(class_weight={"POSITIVE": 3.0}, label_smoothing=0.2)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("textcat_lstm")
    assert pipe.labels == ("POSITIVE", "NEGATIVE")
    scores = numpy.full((2, 2), 0.5, dtype="f")
    loss, gradient = pipe.get_loss([examples[0], examples[-1]], scores)
    assert gradient.tolist() == pytest.approx(numpy.array([[-1.2, 1.2], [0.4, -0.4]]))
    assert loss == pytest.approx(2 * numpy.log(2))


def test_balanced_weights():
    def examples_of(nlp, cats):
        return make_examples(nlp, [*GOOD, BAD[0]], cats)

    nlp = make(class_weight="balanced")
    nlp.initialize(lambda: examples_of(nlp, cats_of))
    cfg = nlp.get_pipe("textcat_lstm").cfg
    assert cfg["balanced_weights"] == pytest.approx({"POSITIVE": 4 / 6, "NEGATIVE": 4 / 2})
    nlp = make("textcat_multilabel_lstm", class_weight="balanced")
    nlp.initialize(lambda: examples_of(nlp, topics_of))
    cfg = nlp.get_pipe("textcat_multilabel_lstm").cfg
    assert cfg["balanced_weights"] == pytest.approx({"GOOD": 1 / 3, "FILM": 1.0})


def test_scores_start_from_how_frequent_labels_are():
    """Before any training, of an empty text as well: as often as it occurs, and once more, so
    that none is impossible. A weighted label counts as often as it weighs."""
    texts = [*GOOD, BAD[0]]

    def start(factory, cats, **config):
        nlp = make(factory, model={"fitted_model": None}, **config)
        nlp.initialize(lambda: make_examples(nlp, texts, cats))
        return nlp("").cats, nlp(BAD[0]).cats

    for cats in start("textcat_lstm", cats_of):
        assert cats == pytest.approx({"POSITIVE": 4 / 6, "NEGATIVE": 2 / 6})
    for cats in start("textcat_lstm", cats_of, class_weight="balanced"):
        assert cats == pytest.approx({"POSITIVE": 1 / 2, "NEGATIVE": 1 / 2})
    for cats in start("textcat_multilabel_lstm", topics_of):
        assert cats == pytest.approx({"GOOD": 4 / 6, "FILM": 3 / 6})
    for cats in start("textcat_multilabel_lstm", lambda text: {"GOOD": 1.0, "BAD": 0.0}):
        assert cats == pytest.approx({"GOOD": 5 / 6, "BAD": 1 / 6})


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_a_label_without_examples_does_not_spoil_the_start_of_others(factory):
    def start(labels):
        nlp = make(factory)
        examples = make_examples(nlp, [*GOOD, BAD[0]], cats_of)
        nlp.get_pipe(factory).initialize(lambda: examples, nlp=nlp, labels=labels)
        return nlp("").cats

    alone = start(["POSITIVE", "NEGATIVE"])
    with pytest.warns(UserWarning, match="W003.*MIXED"):
        beside = start(["POSITIVE", "NEGATIVE", "MIXED"])
    ratio = alone["POSITIVE"] / alone["NEGATIVE"]
    assert ratio > 1.9
    # The fit itself changes a little with a third label.
    assert beside["POSITIVE"] / beside["NEGATIVE"] == pytest.approx(ratio, rel=0.02)


def test_labels_grow_after_training_without_changing_old_scores(pipeline):
    before = scores_of(pipeline)
    (name,) = pipeline.pipe_names
    pipe = pipeline.get_pipe(name)
    assert pipe.add_label("NEW") == 1 and pipe.add_label("NEW") == 0
    after = scores_of(pipeline)
    assert differ(before, after) < 1e-6
    assert all(cats["NEW"] < 0.01 for cats in after)


def test_labels_from_init_labels(nlp):
    nlp.get_pipe("textcat_lstm").add_label("POSITIVE")
    nlp.config["initialize"]["components"]["textcat_lstm"] = {"labels": ["NEGATIVE", "POSITIVE"]}
    nlp.initialize(lambda: make_examples(nlp))
    pipe = nlp.get_pipe("textcat_lstm")
    assert pipe.labels == ("POSITIVE", "NEGATIVE")
    assert list(pipe.label_data) == ["POSITIVE", "NEGATIVE"]


def test_positive_label(nlp):
    nlp.config["initialize"]["components"]["textcat_lstm"] = {"positive_label": "POSITIVE"}
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("textcat_lstm").cfg["positive_label"] == "POSITIVE"
    assert "(POSITIVE)" in nlp.evaluate(make_examples(nlp))["cats_score_desc"]


def test_vocabulary_from_a_file(nlp):
    nlp.config["initialize"]["components"]["textcat_lstm"] = {"vocab": ["film", "day"]}
    nlp.initialize(lambda: make_examples(nlp))
    (layer,) = [n for n in nlp.get_pipe("textcat_lstm").model.walk() if n.name == "vocab_embed"]
    assert layer.attrs["words"].words == ["film", "day"]


def test_initialize_reads_the_corpus_once_and_a_sample(nlp):
    reads = []

    def get_examples():
        for eg in make_examples(nlp):
            reads.append(eg)
            yield eg

    nlp.initialize(get_examples)
    # spaCy's own check of the function reads it once before, and we a sample after.
    assert len(reads) <= 3 * len(TEXTS)


def test_initializing_again_starts_afresh(trained):
    other = [("rain today", "RAIN"), ("sun today", "SUN")]

    def get_examples():
        for text, label in other:
            cats = {"RAIN": float(label == "RAIN"), "SUN": float(label == "SUN")}
            yield Example.from_dict(trained.make_doc(text), {"cats": cats})

    nlp = make()
    nlp.initialize(lambda: make_examples(nlp))
    first = scores_of(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    assert scores_of(nlp) == first


def test_averages(nlp):
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    raw = scores_of(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = scores_of(nlp)
        saved = nlp.to_bytes()
    assert differ(raw, averaged) > 1e-3
    assert scores_of(nlp) == raw
    other = spacy.util.load_model_from_config(nlp.config)
    assert scores_of(other.from_bytes(saved)) == averaged


def test_same_seed_same_weights():
    results = []
    for _ in range(2):
        spacy.util.fix_random_seed(7)
        results.append(scores_of(make_trained()))
    assert results[0] == results[1]


def test_sourced_frozen_and_annotating(trained, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", source=trained)
    assert scores_of(nlp) == scores_of(trained)
    nlp.add_pipe("textcat_lstm", name="second", config={"model": small_model()})
    examples = make_examples(nlp)
    with nlp.select_pipes(enable=["second"]):
        nlp.initialize(lambda: examples)
    before = nlp.get_pipe("textcat_lstm").model.to_bytes()
    optimizer = nlp.create_optimizer()
    nlp.update(examples, sgd=optimizer, exclude=["textcat_lstm"], annotates=["textcat_lstm"])
    assert nlp.get_pipe("textcat_lstm").model.to_bytes() == before


def with_listener():
    nlp = spacy.blank("en")
    tok2vec = small_model()["tok2vec"]
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener)})
    before_init = {"@callbacks": "spacy-rnn.init_vocab.v1", "path": "words.json"}
    nlp.config["initialize"]["before_init"] = before_init
    return nlp


def test_shared_tok2vec_learns_and_listeners_can_be_replaced(tmp_path):
    nlp = with_listener()
    (tmp_path / "words.json").write_text('["warm", "wonderful", "brilliant", "film"]')
    nlp.config["initialize"]["before_init"]["path"] = str(tmp_path / "words.json")
    first, last = train(nlp, make_examples(nlp))
    assert last < first / 2
    expected = scores_of(nlp, [*TEXTS, ""])
    nlp.to_disk(tmp_path / "pipeline")
    assert differ(scores_of(spacy.load(tmp_path / "pipeline"), [*TEXTS, ""]), expected) < 1e-6
    nlp.replace_listeners("tok2vec", "textcat_lstm", ["model.tok2vec"])
    assert differ(scores_of(nlp, [*TEXTS, ""]), expected) < 1e-6


def test_shared_tok2vec_without_vocabulary_says_what_to_do():
    nlp = with_listener()
    nlp.config["initialize"]["before_init"] = None
    with pytest.raises(ValueError, match="R103"):
        nlp.initialize(lambda: make_examples(nlp))


def test_rehearse(trained):
    optimizer = trained.resume_training()
    losses = trained.rehearse(make_examples(trained), sgd=optimizer)
    assert losses["textcat_lstm"] >= 0.0


def test_says_how_much_max_tokens_cuts():
    nlp = make(model={"max_tokens": 4})
    with pytest.warns(UserWarning, match="W002.*4 of 6 texts.*max_tokens = 4"):
        nlp.initialize(lambda: make_examples(nlp))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp("a much longer text than four words")


def test_no_docs(trained):
    assert list(trained.pipe([])) == []
    pipe = trained.get_pipe("textcat_lstm")
    assert pipe.predict([]).shape == (0, 2)


def test_update_of_empty_texts_changes_nothing(trained):
    shims = [s for node in trained.get_pipe("textcat_lstm").model.walk() for s in node.shims]
    before = [shim.to_bytes() for shim in shims]
    examples = [Example.from_dict(trained.make_doc(""), {"cats": {"POSITIVE": 1.0}})]
    assert trained.update(examples) == {"textcat_lstm": 0.0}
    assert [shim.to_bytes() for shim in shims] == before
    trained.update([*examples, *make_examples(trained)])


# Bad input


def test_use_before_initialize(nlp):
    with pytest.raises(ValueError, match="E109.*textcat_lstm"):
        nlp("text")
    with pytest.raises(ValueError, match="E109.*textcat_lstm"):
        nlp("")
    with pytest.raises(KeyError, match="R101"):
        list(nlp.pipe(["text"]))


@pytest.mark.parametrize("value", [2.0, -1.0, float("nan"), 1.001, "1"])
@pytest.mark.parametrize("factory", FACTORIES)
def test_values_outside_of_0_to_1(factory, value):
    nlp = make(factory)
    bad = make_examples(nlp, ["a film without a value"], lambda text: {"GOOD": value})
    with pytest.raises(ValueError, match="R302.*GOOD.*a film without a value"):
        nlp.initialize(lambda: [*examples_for(nlp), *bad])


def test_two_true_labels(nlp):
    bad = make_examples(nlp, ["both"], lambda text: {"POSITIVE": 1.0, "NEGATIVE": 1.0})
    with pytest.raises(ValueError, match="R303.*both.*textcat_multilabel_lstm"):
        nlp.initialize(lambda: [*make_examples(nlp), *bad])


@pytest.mark.parametrize("factory", FACTORIES)
def test_empty_corpus(factory):
    nlp = make(factory)
    with pytest.raises(TypeError, match="R301"):
        nlp.initialize(lambda: iter([]))


def test_one_class_only(nlp):
    with pytest.raises(ValueError, match="R304.*3.*POSITIVE"):
        nlp.initialize(lambda: make_examples(nlp, GOOD))
    multi = make("textcat_multilabel_lstm")
    with pytest.raises(ValueError, match="R304"):
        multi.initialize(lambda: make_examples(multi, GOOD, lambda text: {"GOOD": 1.0}))


def test_no_labels_at_all(nlp):
    with pytest.raises(ValueError, match="R309"):
        nlp.initialize(lambda: make_examples(nlp, cats=lambda text: {}))


def test_label_without_examples_is_said(nlp):
    nlp.config["initialize"]["components"]["textcat_lstm"] = {
        "labels": ["NEGATIVE", "POSITIVE", "MIXED"]
    }
    with pytest.warns(UserWarning, match="W003.*MIXED"):
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize(
    "config,message",
    [
        ({"class_weight": "equal"}, "R306.*equal"),
        ({"class_weight": {"POSITIVE": 0.0}}, "R306"),
        ({"label_smoothing": 1.0}, "R307.*1.0"),
        ({"label_smoothing": -0.1}, "R307"),
    ],
)
def test_bad_config(config, message):
    with pytest.raises(ValueError, match=message):
        make(**config)


def test_weight_of_an_unknown_label():
    nlp = make(class_weight={"GREAT": 2.0})
    with pytest.raises(ValueError, match="R305.*GREAT.*POSITIVE"):
        nlp.initialize(lambda: make_examples(nlp))


def test_class_is_spacys(trained):
    assert isinstance(trained.get_pipe("textcat_lstm"), TextCatLSTM)
    assert trained.get_pipe_meta("textcat_lstm").assigns == ["doc.cats"]
