"""What holds for any documents and any annotation: results are numbers and depend on the document
alone, or an error with a code says what is wrong and leaves the component as it was."""

import math
import re

import numpy
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import PyTorchShim, set_dropout_rate

from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger, train

# Errors of this package, and those of spaCy for texts that differ, for labels that are no strings
# and for fewer than two of them.
# E143 is spaCy's of labels that are none but an empty one.
CODED = re.compile(r"\[R\d{3}\]|\[E(949|187|867|143)\]")
ANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
OTHER = spacy.blank("de").vocab

LETTERS = st.characters(exclude_categories=["Cs"])
WORDS = (
    st.text(LETTERS, min_size=1, max_size=4)
    | st.sampled_from([" ", "\n\n", "\u3000", "\0", "film", "warm", "Anna", "sees", "n't", "🙂"])
    | st.sampled_from(["x" * 5_000, "\U0010ffff" * 999, "e\u0301" * 50])
)
TEXTS = st.lists(WORDS, max_size=8).map(" ".join) | st.sampled_from(["", "I can't, won't", "\n"])
CATS = ["POSITIVE", "NEGATIVE", "GOOD", "FILM"]
NUMBERS = st.sampled_from([0.0, 1.0, 0, True, 0.5, 0.25, 0.75, 1e-320, numpy.float32(1), -0.0])
NO_NUMBERS = st.sampled_from(
    [math.nan, math.inf, -1, 1.01, 10**400, "1", None, [1.0], 1j, numpy.float64("nan")]
)
POS = st.sampled_from(["", "NOUN", "VERB", "DET"])
TAGS = st.sampled_from(["", "NN", "VBZ", "!DT", "_SP"])


@st.composite
def documents(draw, nlp):
    """Of the tokenizer or of any words, of this or another vocabulary, annotated or not."""
    if draw(st.booleans()):
        return nlp.make_doc(draw(TEXTS))
    words = draw(st.lists(WORDS, max_size=6))

    def each(values):
        return draw(st.lists(values, min_size=len(words), max_size=len(words)))

    columns = {"spaces": each(st.booleans())}
    if words and draw(st.booleans()):
        columns["heads"] = each(st.integers(0, len(words) - 1))
        columns["deps"] = ["dep"] * len(words)
    elif draw(st.booleans()):
        columns["sent_starts"] = each(st.sampled_from([True, False, None]))
    if draw(st.booleans()):
        columns.update(pos=each(POS), tags=each(TAGS))
    doc = Doc(draw(st.sampled_from([nlp.vocab, OTHER, Vocab()])), words=words, **columns)
    doc.cats = draw(st.dictionaries(st.sampled_from([*CATS, "OTHER"]), NUMBERS, max_size=2))
    return doc


@st.composite
def golds(draw, nlp, doc, *, cats, pos=POS, tags=TAGS):
    """Annotation of a document: of its tokens, of others of the same text, or of another text."""
    kind = draw(st.sampled_from(["same", "split", "split", "other"]))
    if kind == "other":
        gold = draw(documents(nlp))
    else:
        words = [token.text for token in doc]
        spaces = [bool(token.whitespace_) for token in doc]
        if kind == "split":
            text = doc.text
            size = draw(st.integers(1, 5)) if len(text) < 100 else 99
            words = [text[i : i + size] for i in range(0, len(text), size)]
            spaces = [False] * len(words)
        columns = {
            name: draw(st.lists(values, min_size=len(words), max_size=len(words)))
            for name, values in (("pos", pos), ("tags", tags))
        }
        vocab = draw(st.sampled_from([nlp.vocab, doc.vocab, Vocab()]))
        gold = Doc(vocab, words=words, spaces=spaces, **columns)
    gold.cats = draw(cats)
    return Example(doc, gold)


@st.composite
def batches(draw, nlp, **settings):
    """Examples, some of which may share their document."""
    docs = draw(st.lists(documents(nlp), max_size=4))
    chosen = draw(st.lists(st.sampled_from(docs), max_size=5)) if docs else []
    return [draw(golds(nlp, doc, **settings)) for doc in chosen]


def some_cats(labels, values=NUMBERS):
    """One label that is true, or any values of some labels."""
    one = st.sampled_from(labels).map(lambda label: {label: 1.0})
    return one | st.dictionaries(st.sampled_from(labels), values, max_size=3)


MAKERS = {
    "textcat_lstm": lambda: ("textcat_lstm", {"model": small_model()}),
    "textcat_multilabel_lstm": lambda: (
        "textcat_multilabel_lstm",
        {"model": small_model(exclusive_classes=False)},
    ),
    "pos": lambda: ("tagger_bilstm", {"model": small_tagger()}),
    "tag": lambda: ("tagger_bilstm", {"model": small_tagger(), "attr": "TAG"}),
}


def make(kind):
    nlp = spacy.blank("en")
    factory, config = MAKERS[kind]()
    nlp.add_pipe(factory, name="pipe", config=config)
    return nlp, nlp.get_pipe("pipe")


@pytest.fixture(scope="module", params=MAKERS)
def trained(request):
    """A trained pipeline, its component and its weights."""
    nlp, pipe = make(request.param)
    tagged = request.param in ("pos", "tag")
    train(nlp, make_tagged_examples(nlp) if tagged else make_examples(nlp), steps=5)
    return nlp, pipe, state_of(pipe)


def state_of(pipe):
    """All that is learned. Dropout belongs to training."""
    set_dropout_rate(pipe.model, 0.0)
    return pipe.model.to_bytes()


def weights_of(model):
    for node in model.walk():
        yield from (node.get_param(name) for name in node.param_names if node.has_param(name))
        for shim in node.shims:
            if isinstance(shim, PyTorchShim):
                yield from (values.detach().numpy() for values in shim.module.parameters())


def differ(a, b):
    assert a.shape == b.shape
    return numpy.abs(a - b).max(initial=0.0)


def check_scores(pipe, docs):
    """RETURNS: The scores, which are numbers, as are those of each document alone."""
    scores = pipe.predict(doc for doc in docs)
    assert len(scores) == len(docs)
    for doc, found in zip(docs, scores):
        assert numpy.isfinite(found).all() and differ(pipe.predict([doc])[0], found) < 1e-4
        if pipe.factory == "textcat_lstm":
            assert found.sum() == pytest.approx(1.0, abs=1e-5)
    return scores


def are_numbers(value):
    if isinstance(value, dict):
        return all(map(are_numbers, value.values()))
    return value is None or isinstance(value, str) or math.isfinite(value)


@ANY
@given(data=st.data())
def test_any_documents_are_scored_each_on_its_own(trained, data):
    nlp, pipe, _ = trained
    docs = data.draw(st.lists(documents(nlp), max_size=5))
    docs += docs[:1]
    before = [doc.to_bytes() for doc in docs]
    scores = check_scores(pipe, docs)
    assert [doc.to_bytes() for doc in docs] == before
    pipe.set_annotations((doc for doc in docs), scores)
    for doc, found in zip(nlp.pipe(doc for doc in docs), scores):
        if pipe.factory == "tagger_bilstm":
            tags = [getattr(token, f"{pipe.cfg['attr'].lower()}_") for token in doc]
            best = [pipe.labels[i] for i in found.argmax(axis=1)] if len(doc) else []
            blank = {"POS": "SPACE", "TAG": "_SP"}[pipe.cfg["attr"]]
            assert tags == [blank if t.is_space else tag for t, tag in zip(doc, best)]
        else:
            assert [doc.cats[label] for label in pipe.labels] == pytest.approx(found.tolist())


@ANY
@given(data=st.data())
def test_any_annotation_is_learned_from_or_refused(trained, data):
    nlp, pipe, before = trained
    values = data.draw(st.sampled_from([NUMBERS, NUMBERS | NO_NUMBERS]))
    labels = data.draw(st.sampled_from([CATS[:2], [*CATS, "NEW", "", 3]]))
    pos, tags = POS, TAGS
    if data.draw(st.booleans()):
        pos, tags = pos | st.sampled_from(["SPACE", "SYM"]), tags | st.just("NEW")
    examples = data.draw(batches(nlp, cats=some_cats(labels, values), pos=pos, tags=tags))
    pipe.model.from_bytes(before)
    losses = {}
    try:
        drop = data.draw(st.sampled_from([0.0, 0.5]))
        pipe.update((eg for eg in examples), sgd=nlp.create_optimizer(), losses=losses, drop=drop)
    except ValueError as error:
        assert CODED.search(str(error))
        assert state_of(pipe) == before
    assert are_numbers(losses)
    assert all(numpy.isfinite(values).all() for values in weights_of(pipe.model))
    check_scores(pipe, [nlp.make_doc("a warm film"), *(eg.predicted for eg in examples)])


@ANY
@given(data=st.data())
def test_any_annotation_is_scored_or_refused(trained, data):
    """Also with labels that the component does not have."""
    nlp, _, _ = trained
    values = data.draw(st.sampled_from([NUMBERS, NUMBERS | NO_NUMBERS]))
    cats = some_cats(data.draw(st.sampled_from([CATS[:2], [*CATS, "NEW"], ["NEW"]])), values)
    tags = st.sampled_from(["NEW", "NN", ""])
    examples = data.draw(batches(nlp, cats=cats, tags=tags))
    try:
        scores = nlp.evaluate(eg for eg in examples)
    except ValueError as error:
        assert CODED.search(str(error))
        assert "E949" in str(error) or "R302" in str(error)
    else:
        assert are_numbers({**scores, "speed": None})


@settings(ANY, max_examples=8)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:.*W003")
@pytest.mark.parametrize("kind", MAKERS)
def test_any_corpus_is_learned_from_or_refused(kind, data):
    nlp, pipe = make(kind)
    names = st.text(LETTERS, max_size=3)
    labels = data.draw(st.lists(names, min_size=1, max_size=3, unique=True))
    values = data.draw(st.sampled_from([st.sampled_from([0.0, 1.0]), NUMBERS | NO_NUMBERS]))
    train = data.draw(batches(nlp, cats=some_cats(labels, values), tags=names | st.just("!")))
    dev = data.draw(batches(nlp, cats=some_cats([*labels, "NEW"])))
    try:
        optimizer = nlp.initialize(lambda: iter(train))
        nlp.update(train, sgd=optimizer)
        assert are_numbers({**nlp.evaluate(dev), "speed": None})
    except (TypeError, ValueError) as error:
        # An empty corpus is a TypeError, as of spaCy's components.
        assert CODED.search(str(error))
    else:
        check_scores(pipe, [eg.predicted for eg in dev])


@pytest.mark.parametrize("attr", ["POS", "TAG"])
def test_annotation_of_another_vocabulary(attr):
    """Its tags are strings that the component's own vocabulary has never seen."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(), "attr": attr})
    words, pos, tags = ["Anna", "sees"], ["PROPN", "VERB"], ["ONE", "TWO"]
    gold = Doc(Vocab(), words=words, pos=pos, tags=tags)
    examples = [Example(nlp.make_doc("Anna sees"), gold)]
    train(nlp, examples, steps=60)
    assert pipe.labels == tuple(sorted(pos if attr == "POS" else tags))
    assert [getattr(token, f"{attr.lower()}_") for token in nlp("Anna sees")] == (
        pos if attr == "POS" else tags
    )
    other = Example(nlp.make_doc("Anna"), Doc(Vocab(), words=["Anna"], pos=["X"], tags=["THREE"]))
    with pytest.raises(ValueError, match="R312.*'(X|THREE)'"):
        nlp.update([other])


@pytest.mark.parametrize("value", [None, math.nan, "1", [1.0], 1j, 10**400, -0.5])
@pytest.mark.parametrize("kind", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_values_that_are_no_probabilities(kind, value):
    nlp, pipe = make(kind)
    good = make_examples(nlp)
    cats = {"POSITIVE": value, "NEGATIVE": 0.0}
    bad = Example.from_dict(nlp.make_doc("an odd film"), {"cats": cats})
    with pytest.raises(ValueError, match="R302.*'POSITIVE'.*'an odd film'"):
        nlp.initialize(lambda: [*good, bad])
    nlp.initialize(lambda: good)
    for run in (nlp.update, nlp.evaluate, pipe.calibrate):
        with pytest.raises(ValueError, match="R302.*'POSITIVE'.*'an odd film'"):
            run([*good, bad])
