"""What holds for every component: results depend on the text alone, and a call leaves no trace."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger, train

MIGHTNT = ["she mightnt see the old dog", "Anna feeds the cats , isn't it !"]


@pytest.fixture(scope="module")
def tagger():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    train(nlp, make_tagged_examples(nlp), steps=40)
    return nlp


@pytest.fixture(scope="module")
def textcat():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    train(nlp, make_examples(nlp), steps=40)
    return nlp


def probs(nlp, *docs):
    return nlp.get_pipe("tagger_bilstm").predict_proba(list(docs))


# Blank tokens


@pytest.mark.parametrize("text", MIGHTNT)
@pytest.mark.parametrize("attr", ["NORM", "LOWER"])
def test_a_blank_token_changes_no_other(text, attr):
    """Special cases of the tokenizer have norms that their words alone do not give."""
    nlp = spacy.blank("en")
    words = {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "attr": attr}
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(tok2vec__embed__words=words)})
    gold = [Example(nlp.make_doc(t), nlp.make_doc(t)) for t in MIGHTNT]
    for eg in gold:
        for token in eg.reference:
            token.pos_ = "VERB" if token.i % 2 else "NOUN"
    train(nlp, gold, steps=20)
    plain, spaced = nlp.make_doc(text), nlp.make_doc(f"\n {text}\n")
    expected, found = probs(nlp, plain, spaced)
    shown = [token.i for token in spaced if not token.is_space]
    assert numpy.abs(found[shown] - expected).max() < 1e-6
    (alone,) = probs(nlp, plain)
    assert numpy.abs(alone - expected).max() < 1e-6


def test_a_blank_token_changes_no_other_with_spacys_embeddings():
    nlp = spacy.blank("en")
    embed = {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 8,
        "rows": [50],
        "attrs": ["NORM"],
        "include_static_vectors": False,
    }
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(tok2vec__embed=embed)})
    train(nlp, make_tagged_examples(nlp), steps=20)
    plain, spaced = nlp.make_doc("Anna sees cats"), nlp.make_doc("Anna\n\n sees\n cats ")
    expected, found = probs(nlp, plain, spaced)
    shown = [token.i for token in spaced if not token.is_space]
    assert numpy.abs(found[shown] - expected).max() < 1e-6


# Documents of more than one vocabulary


@pytest.mark.parametrize("attr", ["POS", "TAG"])
def test_documents_of_two_vocabularies_in_one_batch(attr):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(), "attr": attr})
    train(nlp, make_tagged_examples(nlp), steps=40)
    docs = [Doc(Vocab(), words=["Anna", "xyzzy", "cats"]), Doc(nlp.vocab, words=["dogs", "qux"])]
    expected = [probs(nlp, doc)[0] for doc in docs]
    for found, alone in zip(probs(nlp, *docs), expected):
        assert numpy.abs(found - alone).max() < 1e-6
    pipe = nlp.get_pipe("tagger_bilstm")
    pipe.set_annotations(docs, pipe.predict(docs))
    assert all(getattr(token, f"{attr.lower()}_") for doc in docs for token in doc)


# Wrong input


def with_listener(width):
    nlp = spacy.blank("en")
    embed = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": width,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": False,
        "pretrained_vectors": None,
    }
    nlp.add_pipe("tok2vec", config={"model": embed})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": width, "upstream": "*"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener)})
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.mark.parametrize("width", [32, 96])
def test_a_tok2vec_of_another_width_is_an_error(width):
    nlp, other = with_listener(64), with_listener(width)
    nlp.get_pipe("tok2vec").model = other.get_pipe("tok2vec").model
    with pytest.raises(ValueError, match=rf"R006.*64.*{width}"):
        nlp("a warm film")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm", "tagger_bilstm"])
def test_scores_that_are_not_numbers_end_training(factory):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(factory)
    make = make_tagged_examples if factory == "tagger_bilstm" else make_examples
    examples = make(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 1e30
    with pytest.raises(ValueError, match=f"E910.*{pipe.name}.*batch of {len(examples)} texts"):
        for _ in range(5):
            nlp.update(examples, sgd=optimizer)


def test_unknown_labels_are_not_trained_on(textcat):
    doc = textcat.make_doc("a warm film")
    bad = Example.from_dict(doc, {"cats": {"POSITIVE": 0.0, "NEUTRAL": 1.0}})
    before = textcat.get_pipe("textcat_lstm").model.to_bytes()
    with pytest.raises(ValueError, match="R315.*'NEUTRAL'.*'a warm film'.*POSITIVE"):
        textcat.update([*make_examples(textcat), bad], sgd=textcat.create_optimizer())
    assert textcat.get_pipe("textcat_lstm").model.to_bytes() == before


def test_tags_that_are_all_negative():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"attr": "TAG"})
    gold = Doc(nlp.vocab, words=["dog"], tags=["!NN"])
    with pytest.raises(ValueError, match="R316.*tagger_bilstm.*'!'"):
        nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=["dog"]), gold)])


def test_label_smoothing_is_spacys():
    """Gradients, against those of spaCy's tagger for the same probabilities."""
    found = {}
    for factory in ("tagger", "tagger_bilstm"):
        nlp = spacy.blank("en")
        ours = {"attr": "TAG"} if factory == "tagger_bilstm" else {}
        pipe = nlp.add_pipe(factory, config={"label_smoothing": 0.1, **ours})
        examples = make_tagged_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        rng = numpy.random.default_rng(0)
        shapes = [(len(eg.predicted), len(pipe.labels)) for eg in examples]
        probs = [rng.dirichlet(numpy.ones(n), m).astype("float32") for m, n in shapes]
        found[factory] = numpy.concatenate(pipe.get_loss(examples, probs)[1])
    assert numpy.allclose(found["tagger"], found["tagger_bilstm"], atol=1e-6)


# Threads and processes


def test_predictions_in_inference_mode(tagger):
    expected = probs(tagger, tagger.make_doc("one two three four five another"))
    pipe = tagger.get_pipe("tagger_bilstm")
    pipe.model.get_ref("tok2vec").get_ref("embed").layers[1].attrs["cache"].__init__(60)
    with torch.inference_mode():
        tagger("one two three four")
        tagger("five")
    found = probs(tagger, tagger.make_doc("one two three four five another"))
    assert numpy.abs(found[0] - expected[0]).max() < 1e-5


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(before)


def test_predictions_in_threads_leave_no_trace(tagger, textcat, threads):
    texts = ["the old dog sees a cat " * n for n in range(1, 40)]

    def run(i):
        nlp = (tagger, textcat)[i % 2]
        return len(nlp(texts[i % len(texts)])) and torch.get_num_threads()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(run, range(120))) == {threads}
    assert torch.get_num_threads() == threads
    found = []
    late = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    late.start()
    late.join()
    assert found == [threads]


def test_threads_predict_what_one_does(tagger):
    rng = numpy.random.default_rng(0)
    words = [f"{w}{n}" for w in ("dog", "Cat", "sees") for n in range(50)]
    docs = [Doc(tagger.vocab, words=rng.choice(words, 12).tolist()) for _ in range(200)]
    pipe = tagger.get_pipe("tagger_bilstm")
    expected = [pipe.predict([doc])[0] for doc in docs]
    pipe.model.get_ref("tok2vec").get_ref("embed").layers[1].attrs["cache"].__init__(60)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda doc: pipe.predict([doc])[0], docs))
    assert max(numpy.abs(a - b).max() for a, b in zip(found, expected)) < 1e-5


def _tag(nlp):
    signal.alarm(60)
    os._exit(0 if nlp("Anna sees the new dogs")[0].pos_ else 1)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)
def test_forks_while_another_thread_tags(tagger):
    stop = threading.Event()

    def keep_tagging():
        count = 0
        while not stop.is_set():
            count += 1
            tagger(f"Anna sees new{count} words{count} now{count}")

    worker = threading.Thread(target=keep_tagging)
    worker.start()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                _tag(tagger)
            assert os.waitpid(child, 0)[1] == 0, "the child has not ended on its own"
            time.sleep(0.01)
    finally:
        stop.set()
        worker.join()
