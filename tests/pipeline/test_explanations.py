"""Explanations and scores of spans, as a spaCy user would use them."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_rnn.layers.temperature import set_temperature
from tests.conftest import GOOD, TEXTS, make_examples, small_model, train

NET_ONLY = {"linear_model": None, "fitted_model": None}
NGRAMS = {"@architectures": "spacy-rnn.NgramLinear.v1", "ngram_size": 2, "length": 4096}
BOTH = {
    "linear_model": NGRAMS,
    "fitted_model": {"@architectures": "spacy-rnn.NBSVM.v1", "min_count": 1},
}
# Words that are known and not, blank tokens, no tokens, one token, special cases.
ODD = [
    "",
    " ",
    "\n\n film \n",
    "film",
    "unheard of",
    "she mightnt isn't :)",
    "e\u0301 🙂 \u202eעברית",
]
pytestmark = pytest.mark.filterwarnings("ignore:.*W002")


def topics_of(text):
    return {"GOOD": float(text in GOOD), "FILM": float("film" in text), "DAY": float("day" in text)}


def one_of_three(text):
    topics = topics_of(text)
    return {**topics, "GOOD": float(not topics["FILM"] and not topics["DAY"])}


def make(factory="textcat_lstm", cats=None, steps=30, **model):
    nlp = spacy.blank("en")
    exclusive = factory == "textcat_lstm"
    model = small_model(exclusive_classes=exclusive, **{**BOTH, **model})
    nlp.add_pipe(factory, config={"model": model})
    examples = make_examples(nlp, cats=cats) if cats else make_examples(nlp)
    train(nlp, examples, steps=steps)
    return nlp


@pytest.fixture(scope="module")
def nlp():
    """Tests must not change it."""
    return make(pooling=["mean", "max", "attention"], encode__bidirectional=False)


@pytest.fixture(scope="module")
def both_ways():
    return make(pooling=["last", "max"], encode__bidirectional=True)


@pytest.fixture
def no_extension():
    yield
    if Span.has_extension("cats"):
        Span.remove_extension("cats")


def pipe_of(nlp):
    return nlp.get_pipe(nlp.pipe_names[-1])


def logit(p):
    return numpy.log(p) - numpy.log1p(-p)


def differ(a, b):
    assert a.keys() == b.keys()
    return max(abs(a[label] - b[label]) for label in a)


def same(a, b, *, atol=1e-5):
    """Explanations that are equal up to rounding."""
    flat = [json.loads(json.dumps(one), parse_float=lambda _: 0.0) for one in (a, b)]
    numbers = [[one["margin"], one["baseline"], one["score"]] for one in (a, b)]
    weights = [
        [value for token in one["tokens"] for value in token.values() if isinstance(value, float)]
        for one in (a, b)
    ]
    assert flat[0] == flat[1]
    return numpy.allclose(numbers[0] + weights[0], numbers[1] + weights[1], atol=atol)


# What an explanation is


def test_an_explanation(nlp):
    doc = nlp(TEXTS[0])
    found = pipe_of(nlp).explain(doc, "NEGATIVE")
    assert json.loads(json.dumps(found)) == found
    assert list(found) == [
        *("component", "text", "label", "score", "method", "steps"),
        *("margin", "baseline", "error", "tokens"),
    ]
    assert (found["component"], found["text"], found["label"]) == (
        "textcat_lstm",
        TEXTS[0],
        "NEGATIVE",
    )
    assert found["method"] == "integrated_gradients" and found["steps"] == 16
    assert found["score"] == pytest.approx(doc.cats["NEGATIVE"], abs=1e-6)
    assert found["margin"] == pytest.approx(logit(found["score"]), abs=1e-3)
    total = 0.0
    for token, part in zip(doc, found["tokens"], strict=True):
        assert list(part) == [
            "text",
            "start",
            "end",
            "weight",
            "net",
            "linear_model",
            "fitted_model",
        ]
        assert part["text"] == token.text == found["text"][part["start"] : part["end"]]
        parts = part["net"] + part["linear_model"] + part["fitted_model"]
        assert part["weight"] == pytest.approx(parts, abs=1e-9)
        total += part["weight"]
    assert found["error"] == pytest.approx(found["margin"] - found["baseline"] - total, abs=1e-9)
    assert abs(found["error"]) < 0.02 * abs(found["margin"] - found["baseline"])


def test_what_was_learned_is_what_counts(nlp):
    """Words of one label speak for it, of the other against it."""
    found = pipe_of(nlp).explain(nlp("wonderful terrible"), "POSITIVE")
    good, bad = (token["weight"] for token in found["tokens"])
    assert good > 0.1 > -0.1 > bad
    other = pipe_of(nlp).explain(nlp("wonderful terrible"), "NEGATIVE")
    assert [t["weight"] for t in other["tokens"]] == pytest.approx([-good, -bad], abs=1e-5)
    assert other["margin"] == pytest.approx(-found["margin"], abs=1e-5)


def test_the_label_of_the_highest_score(nlp):
    for text in (TEXTS[0], TEXTS[-1]):
        doc = nlp(text)
        found = pipe_of(nlp).explain(doc)
        assert found["label"] == max(doc.cats, key=doc.cats.get)
        assert same(found, pipe_of(nlp).explain(doc, found["label"]))


@pytest.mark.parametrize(
    "factory,cats", [("textcat_lstm", one_of_three), ("textcat_multilabel_lstm", topics_of)]
)
def test_the_margin_of_three_labels(factory, cats):
    """Against the mean of the others where labels exclude each other; else alone."""
    nlp = make(factory, cats)
    doc = nlp(TEXTS[0])
    scores = numpy.array(list(doc.cats.values()))
    for i, label in enumerate(pipe_of(nlp).labels):
        found = pipe_of(nlp).explain(doc, label)
        expected = logit(scores[i])
        if factory == "textcat_lstm":
            expected = numpy.log(scores[i]) - numpy.log(numpy.delete(scores, i)).mean()
        assert found["margin"] == pytest.approx(expected, abs=1e-3)
        assert found["score"] == pytest.approx(scores[i], abs=1e-6)


def test_parts_are_those_of_the_model():
    nlp = make(**{**NET_ONLY, "linear_model": NGRAMS})
    (token,) = pipe_of(nlp).explain(nlp("film"))["tokens"]
    assert list(token) == ["text", "start", "end", "weight", "net", "linear_model"]
    nlp = make(**NET_ONLY)
    (token,) = pipe_of(nlp).explain(nlp("film"))["tokens"]
    assert list(token) == ["text", "start", "end", "weight", "net"]
    assert token["weight"] == token["net"]


def test_more_steps_err_less(nlp):
    pipe, docs = pipe_of(nlp), list(nlp.pipe(TEXTS))

    def error(steps):
        found = list(pipe.explain_pipe(docs, steps=steps))
        assert all(one["steps"] == steps for one in found)
        return sum(abs(one["error"]) for one in found)

    assert error(64) < 0.5 * error(4) < 0.5 * error(1)


def test_the_margin_is_that_of_the_score(nlp):
    """Also where a temperature has been fitted: the log-odds of two labels."""
    pipe, doc = pipe_of(nlp), nlp(TEXTS[0])
    before = pipe.explain(doc)
    set_temperature(pipe.model, 2.0)
    try:
        after = pipe.explain(nlp(TEXTS[0]))
    finally:
        set_temperature(pipe.model, 1.0)
    for found, share in ((before, 1.0), (after, 0.5)):
        log_odds = math.log(found["score"] / (1.0 - found["score"]))
        assert found["margin"] == pytest.approx(log_odds, rel=1e-3)
        assert found["margin"] == pytest.approx(share * before["margin"], abs=1e-6)
        for token, other in zip(found["tokens"], before["tokens"]):
            assert token["weight"] == pytest.approx(share * other["weight"], abs=1e-6)


def test_gradient_times_input(nlp):
    pipe, docs = pipe_of(nlp), list(nlp.pipe(TEXTS))
    found = list(pipe.explain_pipe(docs, method="gradient_times_input"))
    integrated = list(pipe.explain_pipe(docs))
    for one, whole in zip(found, integrated):
        assert one["steps"] == 1 and one["baseline"] == pytest.approx(whole["baseline"])
        total = sum(token["weight"] for token in one["tokens"])
        assert one["error"] == pytest.approx(one["margin"] - one["baseline"] - total)
    # Only the other one sums to the margin.
    errors = [max(abs(one["error"]) for one in some) for some in (found, integrated)]
    assert errors[0] > 2 * errors[1]


def test_attention(nlp, both_ways):
    found = pipe_of(nlp).explain(nlp(TEXTS[0]), method="attention")
    assert found["steps"] == 0 and found["baseline"] is None and found["error"] is None
    assert list(found["tokens"][0]) == ["text", "start", "end", "weight", "net"]
    weights = [token["weight"] for token in found["tokens"]]
    assert sum(weights) == pytest.approx(1.0) and min(weights) > 0
    assert pipe_of(nlp).explain(nlp(""), method="attention")["tokens"] == []
    with pytest.raises(ValueError, match="R333.*textcat_lstm.*last.*max"):
        pipe_of(both_ways).explain(both_ways(TEXTS[0]), method="attention")


# What holds for every call


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_times_input", "attention"])
def test_alone_and_in_a_batch(nlp, method, monkeypatch):
    pipe = pipe_of(nlp)
    docs = list(nlp.pipe([*TEXTS, *ODD, " ".join(TEXTS)]))
    together = list(pipe.explain_pipe(iter(docs), "POSITIVE", method))
    assert [one["text"] for one in together] == [doc.text for doc in docs]
    assert [len(one["tokens"]) for one in together] == list(map(len, docs))
    for doc, found in zip(docs, together):
        assert found["score"] == pytest.approx(doc.cats["POSITIVE"], abs=1e-5)
    if method != "attention":
        together = list(zip(docs, together))
        monkeypatch.setitem(pipe.cfg, "max_batch_tokens", 9)
        in_parts = pipe.explain_pipe(docs, "POSITIVE", method)
        for (doc, found), part in zip(together, in_parts, strict=True):
            assert same(found, part) and same(found, pipe.explain(doc, "POSITIVE", method))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=40))
def test_any_text_can_be_explained(both_ways, text):
    found = pipe_of(both_ways).explain(both_ways.make_doc(text), "POSITIVE")
    assert json.loads(json.dumps(found)) == found
    assert all(text[t["start"] : t["end"]] == t["text"] for t in found["tokens"])
    assert abs(found["error"]) < 0.05 * max(1.0, abs(found["margin"] - found["baseline"]))


def test_a_text_without_tokens(nlp):
    found = pipe_of(nlp).explain(nlp(""), "POSITIVE")
    assert found["tokens"] == [] and found["margin"] == pytest.approx(found["baseline"], abs=1e-5)
    assert list(pipe_of(nlp).explain_pipe([])) == []


def test_nothing_is_changed():
    nlp = make(pooling=["max", "attention"], encode__dropout=0.5)
    pipe, docs = pipe_of(nlp), [nlp.make_doc(text) for text in TEXTS]
    # With gradients that wait for an update.
    scores, backprop = pipe.model.begin_update(docs)
    backprop(scores)

    def state():
        modules = [shim.module for node in pipe.model.walk() for shim in node.shims]
        parts = [part for module in modules for part in module.parameters()]
        grads = [p.grad.to_dense().numpy().copy() for p in parts if p.grad is not None]
        grads += [
            node.get_grad(name).copy()
            for node in pipe.model.walk()
            for name in node.param_names
            if node.has_grad(name)
        ]
        training = [m.training for module in modules for m in module.modules()]
        rates = [node.attrs.get("dropout_rate") for node in pipe.model.walk()]
        return pipe.to_bytes(), grads, training, rates, numpy.random.get_state()[1].tolist()

    before = state()
    assert len(before[1]) > 5
    cats, user_data = [dict(doc.cats) for doc in docs], [dict(doc.user_data) for doc in docs]
    for method in ("integrated_gradients", "gradient_times_input", "attention"):
        list(pipe.explain_pipe(docs, method=method))
    pipe.score_spans([doc[1:3] for doc in docs])
    pipe.running_cats(docs[0])
    after = state()
    assert before[0] == after[0] and before[2:] == after[2:]
    assert all(map(numpy.array_equal, before[1], after[1]))
    assert [dict(doc.cats) for doc in docs] == cats
    assert [dict(doc.user_data) for doc in docs] == user_data


def test_threads(nlp):
    """Side by side, and beside predictions."""
    pipe, docs = pipe_of(nlp), list(nlp.pipe(TEXTS * 3))
    expected = [pipe.explain(doc) for doc in docs]
    scores = pipe.predict(docs)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(pipe.explain, docs)
        beside = list(pool.map(lambda _: pipe.predict(docs), range(20)))
        assert all(same(a, b) for a, b in zip(found, expected, strict=True))
    assert all(numpy.allclose(found, scores, atol=1e-5) for found in beside)


@pytest.mark.gpu
def test_gpu_equals_cpu(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    docs = list(nlp.pipe(TEXTS))
    expected = list(pipe_of(nlp).explain_pipe(docs, "POSITIVE"))
    spans = pipe_of(nlp).score_spans([doc[1:4] for doc in docs])
    spacy.require_gpu()
    try:
        pipe = pipe_of(spacy.load(tmp_path))
        found = list(pipe.explain_pipe(docs, "POSITIVE"))
        assert all(same(a, b, atol=1e-3) for a, b in zip(found, expected, strict=True))
        on_gpu = pipe.score_spans([doc[1:4] for doc in docs])
        assert max(differ(a, b) for a, b in zip(on_gpu, spans, strict=True)) < 1e-4
    finally:
        spacy.require_cpu()


# Bad input


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"label": "OTHER"}, r"R330.*textcat_lstm.*'OTHER'.*\['POSITIVE', 'NEGATIVE'\]"),
        ({"label": 1}, "R330.*'1'"),
        ({"method": "lime"}, "R001.*method.*'lime'.*integrated_gradients"),
        ({"steps": 0}, "R002.*steps is 0.*at least 1"),
        ({"steps": 2.5}, "R002.*steps is 2.5.*whole number"),
        ({"steps": True}, "R002.*steps is True"),
        ({"steps": 8, "method": "attention"}, "R002.*steps is 8.*left out.*'attention'"),
    ],
)
def test_wrong_arguments(nlp, settings, message):
    for call in (pipe_of(nlp).explain, lambda doc, **s: pipe_of(nlp).explain_pipe([doc], **s)):
        with pytest.raises(ValueError, match=message):
            call(nlp("film"), **settings)


def test_in_inference_mode(nlp):
    """Services often answer in it."""
    pipe = pipe_of(nlp)
    expected = pipe.explain(nlp(TEXTS[0]))
    with torch.inference_mode():
        found = pipe.explain(nlp(TEXTS[0]))
        assert torch.is_inference_mode_enabled()
    assert differ_in_weights(found, expected) < 1e-5
    assert any(token["net"] for token in found["tokens"])


def differ_in_weights(found, expected):
    pairs = zip(found["tokens"], expected["tokens"])
    return max(abs(one["weight"] - other["weight"]) for one, other in pairs)


def test_what_is_no_document(nlp):
    with pytest.raises(ValueError, match="R336.*running_cats of 'textcat_lstm'.*Doc.*found Span"):
        pipe_of(nlp).running_cats(nlp("a film")[:1])
    with pytest.raises(ValueError, match="R336.*explain of 'textcat_lstm'.*Doc.*found str"):
        pipe_of(nlp).explain("a film")
    with pytest.raises(ValueError, match="R336.*score_spans of 'textcat_lstm'.*Span.*found Doc"):
        pipe_of(nlp).score_spans([nlp("a film")])


def test_before_initialize():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    pipe_of(nlp).add_label("A")
    doc = nlp.make_doc("film")
    for call in (lambda: pipe_of(nlp).explain(doc), lambda: pipe_of(nlp).score_spans([doc[:]])):
        with pytest.raises(KeyError, match="R101"):
            call()


def test_a_linear_model_of_spacys():
    bag = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 1,
        "no_output_layer": True,
        "length": 4096,
    }
    nlp = make(linear_model=bag, encode__bidirectional=True)
    doc = nlp("a film")
    with pytest.raises(ValueError, match="R331.*textcat_lstm.*NgramLinear"):
        pipe_of(nlp).explain(doc)
    for call in (
        lambda: pipe_of(nlp).score_spans([doc[:]]),
        lambda: pipe_of(nlp).running_cats(doc),
    ):
        with pytest.raises(ValueError, match="R335.*textcat_lstm.*whole documents"):
            call()


def test_a_model_of_spacys():
    nlp = spacy.blank("en")
    bag = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 1,
        "no_output_layer": False,
        "length": 4096,
    }
    nlp.add_pipe("textcat_lstm", config={"model": bag})
    nlp.initialize(lambda: make_examples(nlp))
    doc = nlp("a film")
    for call in (lambda: pipe_of(nlp).explain(doc), lambda: pipe_of(nlp).score_spans([doc[:]])):
        with pytest.raises(ValueError, match="R332.*textcat_lstm.*TextCatRNN"):
            call()
    with pytest.raises(ValueError, match="R335"):
        pipe_of(nlp).running_cats(doc)


@pytest.mark.parametrize("beside", [False, True])
def test_a_listener(beside):
    """With the embeddings of its component a document can be explained, and without them not."""
    nlp = spacy.blank("en")
    embed = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": 8,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": False,
        "pretrained_vectors": None,
    }
    nlp.add_pipe("tok2vec", config={"model": embed})
    tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    if beside:
        words = small_model()["tok2vec"]
        tok2vec = {
            "@architectures": "spacy-rnn.ConcatEmbed.v1",
            "*": {"shared": tok2vec, "own": words},
        }
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=tok2vec, **BOTH)})
    train(nlp, make_examples(nlp), steps=30)
    doc, bare, empty = nlp(TEXTS[0]), nlp.make_doc(TEXTS[0]), nlp.make_doc("")
    pipe = pipe_of(nlp)
    # So many steps, as a net of a few texts is anything but smooth.
    found, _ = pipe.explain_pipe([doc, empty], "POSITIVE", steps=256)
    assert found["score"] == pytest.approx(doc.cats["POSITIVE"], abs=1e-5)
    assert any(abs(token["net"]) > 1e-3 for token in found["tokens"])
    assert abs(found["error"]) < 0.05
    assert differ(pipe.score_spans([doc[:]])[0], doc.cats) < 1e-5
    with pytest.raises(ValueError, match="R334.*textcat_lstm.*nlp"):
        list(pipe.explain_pipe([doc, bare]))
    with pytest.raises(ValueError, match="R334.*textcat_lstm.*nlp"):
        pipe.score_spans([doc[:], bare[:2]])


# Scores of spans


def test_a_span_that_is_the_whole_document(nlp, both_ways):
    for pipeline in (nlp, both_ways, make(max_tokens=3)):
        docs = list(pipeline.pipe([*TEXTS, *ODD]))
        found = pipe_of(pipeline).score_spans(doc[:] for doc in docs)
        for doc, cats in zip(docs, found, strict=True):
            assert differ(cats, doc.cats) < 1e-5


def test_beginnings_are_the_running_scores(nlp):
    """Of a net that reads in one direction: what follows a span is not read yet."""
    pipe, doc = pipe_of(nlp), nlp("A warm film, isn't it? But a terrible   mess.")
    expected = pipe.running_cats(doc)
    found = pipe.score_spans([doc[: i + 1] for i in range(len(doc))])
    assert max(map(differ, found, expected)) < 1e-5


@pytest.mark.parametrize("name", ["nlp", "both_ways"])
def test_a_span_in_its_context(name, request):
    """The net's states come from the whole text, n-grams from the span alone."""
    pipeline = request.getfixturevalue(name)
    pipe, doc = pipe_of(pipeline), pipeline("what a wonderful , terrible day indeed")
    span = doc[2:5]
    model = pipe.model
    states = model.get_ref("encode").predict(model.get_ref("tok2vec").predict([doc]))[0]
    states = states[span.start : span.end]
    vectors = {
        "nlp": lambda: [states.mean(axis=0), states.max(axis=0), attended(model, states)],
        "both_ways": lambda: [states[-1, :6], states[0, 6:], states.max(axis=0)],
    }[name]()
    output = model.get_ref("output_layer")
    logits = numpy.concatenate(vectors) @ output.get_param("W").T + output.get_param("b")
    for layer in (model.get_ref("linear_model"), model.get_ref("fitted_model")):
        logits = logits + layer.predict([pipeline.make_doc(span.text)])[0]
    expected = numpy.exp(logits) / numpy.exp(logits).sum()
    (found,) = pipe.score_spans([span])
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    alone = pipeline(span.text).cats
    assert differ(found, alone) > 1e-5


def attended(model, states):
    (layer,) = [node for node in model.walk() if node.has_ref("key_transform")]
    weights = numpy.exp(layer.get_ref("key_transform").predict(states) @ layer.get_param("Q"))
    return (weights / weights.sum()) @ states


def test_spans_of_several_documents_that_overlap(both_ways, monkeypatch):
    pipe = pipe_of(both_ways)
    first, second, empty = (both_ways(text) for text in (TEXTS[0], TEXTS[4], ""))
    spans = [second[1:3], first[0:4], second[0:3], first[2:2], empty[:], first[2:5], first[0:4]]
    alone = [pipe.score_spans([span])[0] for span in spans]
    found = pipe.score_spans(spans)
    assert max(map(differ, found, alone)) < 1e-5
    assert differ(found[3], both_ways("").cats) < 1e-5
    monkeypatch.setitem(pipe.cfg, "max_batch_tokens", 5)
    assert max(map(differ, pipe.score_spans(spans), found)) < 1e-5
    assert pipe.score_spans([]) == []


def test_spans_of_a_text_that_is_cut():
    """A span has the states of those of its tokens that the net reads."""
    nlp = make(max_tokens=4, fitted_model=None, linear_model=None, pooling="max")
    pipe, doc = pipe_of(nlp), nlp("a film of no great story")
    whole, kept, cut, over = pipe.score_spans([doc[:], doc[3:], doc[1:3], doc[1:4]])
    assert differ(whole, doc.cats) < 1e-5
    assert differ(cut, nlp("").cats) < 1e-5
    assert differ(kept, whole) > 1e-4
    assert differ(over, pipe.score_spans([doc[3:4]])[0]) < 1e-5


def test_each_document_is_read_once(nlp, monkeypatch):
    from spacy_rnn.layers import span_scores

    read, plain = [], span_scores.read_tokens

    def counting(layer, tokens, is_train):
        read.append(int(tokens.lengths.sum()))
        return plain(layer, tokens, is_train)

    monkeypatch.setattr(span_scores, "read_tokens", counting)
    docs = [nlp(text) for text in TEXTS]
    pipe_of(nlp).score_spans([doc[i:] for doc in docs for i in range(len(doc))])
    assert read == [sum(map(len, docs))]


# Span._.cats


def with_span_cats(trained, **names):
    nlp = spacy.blank("en")
    config = {"model": small_model(**BOTH), "span_cats": True}
    nlp.add_pipe("textcat_lstm", config=config, **names)
    nlp.get_pipe(nlp.pipe_names[-1]).from_bytes(trained.get_pipe("textcat_lstm").to_bytes())
    return nlp


@pytest.fixture(scope="module")
def plain():
    return make()


def test_sentences(plain, no_extension):
    nlp = with_span_cats(plain)
    nlp.add_pipe("sentencizer")
    doc = nlp("A warm and funny film. What a terrible mess!")
    good, bad = doc.sents
    assert good._.cats["POSITIVE"] > 0.6 > 0.4 > bad._.cats["POSITIVE"]
    scores = nlp.get_pipe("textcat_lstm").score_spans([good, bad])
    assert max(map(differ, [good._.cats, bad._.cats], scores)) < 1e-5
    assert doc[:]._.cats == pytest.approx(doc.cats, abs=1e-5)


def test_off_by_default(plain):
    assert not Span.has_extension("cats")
    assert plain.config["components"]["textcat_lstm"]["span_cats"] is False


def test_a_component_of_the_same_name_replaces_its_own(plain, no_extension, tmp_path):
    nlp = with_span_cats(plain)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("textcat_lstm").cfg["span_cats"] is True
    getter = Span.get_extension("cats")[2]
    assert getter.pipe is loaded.get_pipe("textcat_lstm")
    assert loaded(TEXTS[0])[:]._.cats == pytest.approx(nlp(TEXTS[0]).cats, abs=1e-5)


def test_an_extension_of_others_is_left_alone(plain, no_extension):
    Span.set_extension("cats", default="theirs")
    with pytest.raises(ValueError, match=r"R337.*textcat_lstm.*something else.*remove_extension"):
        with_span_cats(plain)
    assert Doc(plain.vocab, words=["a"])[:]._.cats == "theirs"


def test_two_components_cannot_share_it(plain, no_extension):
    with_span_cats(plain, name="first")
    with pytest.raises(ValueError, match="R337.*'second'.*the component 'first'"):
        with_span_cats(plain, name="second")


def test_what_gives_it_can_go_to_another_process(plain, no_extension):
    nlp = with_span_cats(plain)
    doc = nlp(TEXTS[0])
    getter = pickle.loads(pickle.dumps(Span.get_extension("cats")[2]))  # noqa: S301
    assert differ(getter(doc[:3]), doc[:3]._.cats) < 1e-6


def test_running_scores_keep_norms(both_ways):
    """Of special cases of the tokenizer, whose norms words alone do not say."""
    pipe, doc = pipe_of(both_ways), both_ways("she mightnt see a warm film")
    assert [token.norm_ for token in doc[1:3]] == ["might", "not"]
    running = pipe.running_cats(doc)
    assert differ(running[-1], doc.cats) < 1e-5
    for i, cats in enumerate(running, start=1):
        beginning = both_ways(doc[:i].text)
        if len(beginning) == i:
            assert differ(cats, beginning.cats) < 1e-5
