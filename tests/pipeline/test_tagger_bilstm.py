"""`tagger_bilstm`, as a spaCy user would use it."""

import copy
import pickle

import numpy
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.ml.models.tagger import build_tagger_model
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.tokens import Doc, Token
from spacy.training import Example
from thinc.api import Adam

from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.pipeline import tagger_bilstm
from spacy_rnn.pipeline.tagger_bilstm import TaggerBiLSTM
from spacy_rnn.vocabulary.learning import learners_in
from tests.conftest import SENTENCES, small_tagger, without_width
from tests.conftest import make_tagged_examples as make_examples

WORDS = [sentence[0].split() for sentence in SENTENCES]


def make(*, model=None, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(**(model or {})), **config})
    return nlp


def train(nlp, examples, *, steps=60, learn_rate=0.02, **update):
    """RETURNS: The losses of the last component in the first and in the last step."""
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    losses = []
    for _ in range(steps):
        step = {}
        nlp.update(examples, sgd=optimizer, losses=step, **update)
        losses.append(step[nlp.pipe_names[-1]])
    return losses[0], losses[-1]


def make_trained(**settings):
    nlp = make(**settings)
    train(nlp, make_examples(nlp))
    return nlp


@pytest.fixture
def nlp():
    return make()


@pytest.fixture(scope="module")
def trained():
    """A pipeline that has learned its sentences. Tests must not change it."""
    return make_trained()


def docs_of(nlp, words=WORDS):
    return [Doc(nlp.vocab, words=part) for part in words]


def tags_of(nlp, words=WORDS, attr="pos_"):
    return [[getattr(token, attr) for token in doc] for doc in nlp.pipe(docs_of(nlp, words))]


def probs_of(nlp, words=WORDS):
    return nlp.get_pipe("tagger_bilstm").predict_proba(docs_of(nlp, words))


def differ(a, b):
    assert [x.shape for x in a] == [y.shape for y in b]
    return max((numpy.abs(x - y).max() for x, y in zip(a, b) if x.size), default=0.0)


@pytest.mark.parametrize("attr,column", [("POS", 1), ("TAG", 2)])
def test_learns_its_sentences(attr, column):
    nlp = make_trained(attr=attr)
    expected = [sentence[column].split() for sentence in SENTENCES]
    assert tags_of(nlp, attr=f"{attr.lower()}_") == expected
    other = {"POS": "tag_", "TAG": "pos_"}[attr]
    assert not any(sum(tags_of(nlp, attr=other), [])), "writes its own attribute only"
    scores = nlp.evaluate(make_examples(nlp))
    assert scores[f"{attr.lower()}_acc"] == 1.0


def test_labels_are_sorted_and_those_of_the_data(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    assert pipe.labels == ("ADJ", "CCONJ", "DET", "NOUN", "PROPN", "PUNCT", "VERB")
    assert pipe.label_data == pipe.labels


def test_labels_from_a_file(nlp):
    labels = ["VERB", "NOUN", "ADJ", "CCONJ", "DET", "PROPN", "PUNCT", "X"]
    nlp.config["initialize"]["components"]["tagger_bilstm"] = {"labels": labels}
    train(nlp, make_examples(nlp), steps=60)
    assert nlp.get_pipe("tagger_bilstm").labels == tuple(labels)
    assert tags_of(nlp) == [sentence[1].split() for sentence in SENTENCES]


def test_words_from_a_file(nlp):
    nlp.config["initialize"]["components"]["tagger_bilstm"] = {"vocab": ["dog", "cat"]}
    nlp.initialize(lambda: make_examples(nlp))
    words, _ = learners_in(nlp.get_pipe("tagger_bilstm").model)
    assert words.attrs["words"].words == ["dog", "cat"]


def test_serialization(trained, tmp_path):
    expected = probs_of(trained)
    trained.to_disk(tmp_path)
    others = [
        spacy.load(tmp_path),
        spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes()),
        copy.deepcopy(trained),
    ]
    for other in others:
        assert differ(probs_of(other), expected) == 0.0
        assert tags_of(other) == tags_of(trained)
        pipe, before = other.get_pipe("tagger_bilstm"), trained.get_pipe("tagger_bilstm")
        assert (pipe.seen_words == before.seen_words).all() and len(pipe.seen_words)
        assert other.to_bytes() == trained.to_bytes()
    pipe = pickle.loads(pickle.dumps(trained.get_pipe("tagger_bilstm")))  # noqa: S301
    assert differ(pipe.predict_proba(docs_of(trained)), expected) == 0.0


def test_a_tag_does_not_depend_on_batch_mates(trained):
    extreme = [[], ["\n"], ["x" * 10_000], ["dog"] * 50_000, ["😀", "e\u0301", "עברית", "日本"]]
    words = [*WORDS, *extreme]
    batch = probs_of(trained, words)
    alone = [probs_of(trained, [part])[0] for part in words]
    assert differ(alone, batch) < 1e-5
    assert differ(probs_of(trained, words[::-1])[::-1], batch) < 1e-5


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text(max_size=40), max_size=6))
def test_any_text_is_legal(trained, texts):
    pipe = trained.get_pipe("tagger_bilstm")
    docs = [trained.make_doc(text) for text in texts]
    batch = pipe.predict_proba(docs)
    assert differ([pipe.predict_proba([doc])[0] for doc in docs], batch) < 1e-5
    for doc, rows in zip(trained.pipe(texts), batch):
        for token, row in zip(doc, rows):
            assert row.sum() == pytest.approx(0.0 if token.is_space else 1.0, abs=1e-5)
            assert (token.pos_ == "SPACE") == token.is_space and token.pos_


def test_padding_would_be_noticed():
    """The tests above fail for spaCy's own recurrent encoder."""
    encode = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 8, "depth": 1, "dropout": 0}
    embed = {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "min_count": 1}
    nlp = make_trained(model={"tok2vec__encode": encode, "tok2vec__embed": embed})
    words = [["old"], ["dog"] * 60]
    alone = [probs_of(nlp, [part])[0] for part in words]
    assert differ(alone, probs_of(nlp, words)) > 1e-4


def test_memory_is_bounded_by_parts(trained, monkeypatch):
    expected = probs_of(trained)
    sizes = []
    original = tagger_bilstm.score_tokens

    def counted(model, tokens, is_train):
        sizes.append(int(tokens.lengths.sum()))
        return original(model, tokens, is_train)

    monkeypatch.setattr(tagger_bilstm, "TOKENS_AT_ONCE", 7)
    monkeypatch.setattr(tagger_bilstm, "score_tokens", counted)
    assert differ(probs_of(trained), expected) < 1e-6
    assert sizes == [6, 5, 7]


# Blank tokens


def test_blank_tokens_are_tagged_by_rule_and_change_nothing(trained):
    plain = probs_of(trained, [["the", "old", "dog"]])[0]
    spaced = probs_of(trained, [["the", "\n\n", "old", " ", "dog", "\t"]])[0]
    assert numpy.abs(spaced[[0, 2, 4]] - plain).max() < 1e-6
    assert not spaced[[1, 3, 5]].any()
    assert tags_of(trained, [["the", "\n", "dog"], ["\n"]]) == [["DET", "SPACE", "NOUN"], ["SPACE"]]
    assert tags_of(make_trained(attr="TAG"), [["\n"]], "tag_") == [["_SP"]]


def test_blank_tokens_are_not_learned(nlp):
    examples = make_examples(nlp)
    words = "the \n dog".split(" ")
    gold = Doc(nlp.vocab, words=words, pos=["DET", "SPACE", "NOUN"])
    examples.append(Example(Doc(nlp.vocab, words=words), gold))
    train(nlp, examples, steps=2)
    assert "SPACE" not in nlp.get_pipe("tagger_bilstm").labels
    scores = nlp.evaluate(examples)
    assert "SPACE" not in scores["pos_per_type"]


# Scores and loss


def test_scores():
    nlp = make_trained()
    sentences = [("the old dog runs", "DET ADJ NOUN VERB", "DT JJ NN VBZ")]
    gold = make_examples(nlp, sentences)
    for eg in gold:
        eg.predicted = nlp(eg.predicted)
    guess = [token.pos_ for token in gold[0].predicted]
    scores = nlp.get_pipe("tagger_bilstm").score(gold)
    right = [a == b for a, b in zip(guess, sentences[0][1].split())]
    assert scores["pos_acc"] == pytest.approx(sum(right) / 4)
    assert scores["pos_acc_unseen"] == float(right[3]), "only 'runs' is new"
    assert scores["pos_per_type"]["DET"] == {"p": 1.0, "r": 1.0, "f": 1.0}


def test_loss_is_cross_entropy(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    examples = make_examples(trained)
    probs = pipe.predict_proba([eg.predicted for eg in examples])
    loss, gradient = pipe.get_loss(examples, probs)
    index = {label: i for i, label in enumerate(pipe.labels)}
    rows = [[index[tag] for tag in sentence[1].split()] for sentence in SENTENCES]
    expected = [-numpy.log(p[range(len(r)), r]) for p, r in zip(probs, rows)]
    assert loss == pytest.approx(numpy.concatenate(expected).mean(), rel=1e-5)
    for p, r, d in zip(probs, rows, gradient):
        assert numpy.allclose(d, p - numpy.eye(len(pipe.labels))[r], atol=1e-6)


def test_a_loss_that_is_not_a_number_is_an_error(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    examples = make_examples(trained)
    probs = pipe.predict_proba([eg.predicted for eg in examples])
    probs[0][0, 0] = numpy.nan
    with pytest.raises(ValueError, match="E910.*tagger_bilstm"):
        pipe.get_loss(examples, probs)


def test_missing_and_misaligned_tags_do_not_count(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    predicted = Doc(trained.vocab, words=["the", "olddog", "sees"])
    words = ["the", "old", "dog", "sees"]
    gold = Doc(trained.vocab, words=words, pos=["DET", "ADJ", "NOUN", ""])
    examples = [Example(predicted, gold)]
    _, (gradient,) = pipe.get_loss(examples, pipe.predict_proba([predicted]))
    assert gradient[0].any() and not gradient[1:].any()


def test_tokens_split_otherwise_learn_the_tag_they_share(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    predicted = Doc(trained.vocab, words=["the", "do", "gs"], spaces=[True, False, False])
    gold = Doc(trained.vocab, words=["the", "dogs"], pos=["DET", "NOUN"])
    _, (gradient,) = pipe.get_loss([Example(predicted, gold)], pipe.predict_proba([predicted]))
    noun = pipe.labels.index("NOUN")
    assert (gradient[1:, noun] < 0).all()


def test_negative_tags():
    nlp = make(attr="TAG")
    examples = make_examples(nlp)
    train(nlp, examples, steps=1)
    pipe = nlp.get_pipe("tagger_bilstm")
    gold = Doc(nlp.vocab, words=["dog", "cat"], tags=["!NN", "NN"])
    example = Example(Doc(nlp.vocab, words=["dog", "cat"]), gold)
    (probs,) = pipe.predict_proba([example.predicted])
    _, (gradient,) = pipe.get_loss([example], [probs])
    noun = pipe.labels.index("NN")
    assert gradient[0, noun] == pytest.approx(probs[0, noun])
    assert not numpy.delete(gradient[0], noun).any() and gradient[1, noun] < 0
    nlp.initialize(lambda: [*examples, example])
    assert "!NN" not in pipe.labels


def test_label_smoothing():
    nlp = make(label_smoothing=0.1)
    train(nlp, make_examples(nlp), steps=200)
    best = numpy.concatenate([rows.max(axis=1) for rows in probs_of(nlp)])
    sharp = numpy.concatenate([rows.max(axis=1) for rows in probs_of(make_trained())])
    assert best.mean() < 0.97 < sharp.mean()


# Confidence


@pytest.mark.parametrize("normalize", [False, True])
def test_probabilities(normalize):
    nlp = make_trained(model={"normalize": normalize})
    for rows, words in zip(probs_of(nlp), WORDS):
        assert rows.shape == (len(words), 7)
        assert numpy.allclose(rows.sum(axis=1), 1.0, atol=1e-5)
    doc = docs_of(nlp)[0]
    (rows,) = nlp.get_pipe("tagger_bilstm").predict_proba([doc])
    labels = nlp.get_pipe("tagger_bilstm").labels
    assert [labels[i] for i in rows.argmax(axis=1)] == [token.pos_ for token in nlp(doc)]
    assert not nlp.make_doc("dogs")[0].pos, "changes no document"


@pytest.fixture
def without_extensions():
    yield
    for name in ("pos_probs", "tag_probs"):
        if Token.has_extension(name):
            Token.remove_extension(name)


def test_top_k(without_extensions, tmp_path):
    nlp = make_trained(top_k=2)
    labels = nlp.get_pipe("tagger_bilstm").labels
    words = ["dogs", "\n", "bark"]
    (rows,) = probs_of(nlp, [words])
    doc = nlp(Doc(nlp.vocab, words=words))
    for i in (0, 2):
        found = doc[i]._.pos_probs
        best = numpy.argsort(-rows[i])[:2]
        assert list(found) == [labels[j] for j in best]
        assert list(found.values()) == pytest.approx(rows[i][best].tolist())
    assert doc[1]._.pos_probs == {"SPACE": 1.0}
    copied = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert copied[0]._.pos_probs == doc[0]._.pos_probs
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)(Doc(nlp.vocab, words=words))[0]._.pos_probs


def test_top_k_of_tags_and_more_than_there_are(without_extensions):
    nlp = make_trained(top_k=100, attr="TAG")
    (token,) = nlp("dogs")
    assert sum(token._.tag_probs.values()) == pytest.approx(1.0)


def test_top_k_is_off_by_default(trained):
    assert not Token.has_extension("pos_probs")
    assert not trained("dogs bark").user_data


# In pipelines


def test_overwrite():
    for overwrite, expected in ((True, ["NOUN", "VERB"]), (False, ["X", "VERB"])):
        nlp = make_trained(overwrite=overwrite)
        doc = nlp.make_doc("dogs bark")
        doc[0].pos_ = "X"
        assert [token.pos_ for token in nlp(doc)] == expected


def test_averages_and_memory():
    nlp = make()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    raw = probs_of(nlp)
    with nlp.use_params(optimizer.averages):
        averaged = probs_of(nlp)
        saved = nlp.to_bytes()
    assert differ(raw, averaged) > 1e-3
    assert differ(probs_of(nlp), raw) == 0.0
    other = spacy.util.load_model_from_config(nlp.config).from_bytes(saved)
    assert differ(probs_of(other), averaged) == 0.0


def test_same_seed_same_weights():
    found = []
    for _ in range(2):
        spacy.util.fix_random_seed(3)
        found.append(probs_of(make_trained()))
    assert differ(*found) == 0.0


def test_sourced_and_frozen(trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", source=trained)
    assert differ(probs_of(nlp), probs_of(trained)) == 0.0
    nlp.add_pipe("tagger_bilstm", name="tags", config={"model": small_tagger(), "attr": "TAG"})
    examples = make_examples(nlp)
    with nlp.select_pipes(enable=["tags"]):
        nlp.initialize(lambda: examples)
    before = nlp.get_pipe("tagger_bilstm").model.to_bytes()
    for _ in range(60):
        nlp.update(examples, sgd=nlp.create_optimizer(), exclude=["tagger_bilstm"])
    assert nlp.get_pipe("tagger_bilstm").model.to_bytes() == before
    doc = nlp(docs_of(nlp)[2])
    assert all(token.pos_ and token.tag_ for token in doc)


def with_listener():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": small_tagger()["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 12, "upstream": "tok2vec"}
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(tok2vec=listener)})
    return nlp


def test_shared_tok2vec_learns_and_listeners_can_be_replaced(tmp_path):
    nlp = with_listener()
    callback = {"@callbacks": "spacy-rnn.init_vocab.v1", "path": str(tmp_path / "words.json")}
    nlp.config["initialize"]["before_init"] = callback
    (tmp_path / "words.json").write_text('["the", "dog", "dogs", "Anna", "sees", "cats"]')
    first, last = train(nlp, make_examples(nlp))
    assert last < first / 2
    words = [*WORDS, [], ["\n", "dog"]]
    expected = tags_of(nlp, words)
    assert expected[0] == SENTENCES[0][1].split() and expected[-1][0] == "SPACE"
    nlp.to_disk(tmp_path / "pipeline")
    assert tags_of(spacy.load(tmp_path / "pipeline"), words) == expected
    nlp.replace_listeners("tok2vec", "tagger_bilstm", ["model.tok2vec"])
    assert tags_of(nlp, words[:-1]) == expected[:-1]


def test_shared_tok2vec_without_vocabulary_says_what_to_do():
    with pytest.raises(ValueError, match="(?s)R103.*before_init"):
        nlp = with_listener()
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_parallel_prediction_ends_with_the_same_tags(trained, start, monkeypatch):
    import multiprocessing

    expected = tags_of(trained) * 4
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context(start))
    found = trained.pipe(docs_of(trained) * 4, n_process=2, batch_size=6)
    assert [[token.pos_ for token in doc] for doc in found] == expected


def test_rehearse():
    nlp = make_trained()
    optimizer = nlp.resume_training()
    losses = nlp.rehearse(make_examples(nlp), sgd=optimizer)
    assert losses["tagger_bilstm"] >= 0.0


def test_no_docs_and_empty_docs(trained):
    pipe = trained.get_pipe("tagger_bilstm")
    assert list(trained.pipe([])) == [] and pipe.predict([]) == []
    assert [rows.shape for rows in pipe.predict([Doc(trained.vocab)])] == [(0, 7)]
    assert len(trained("")) == 0


def test_update_of_nothing_changes_nothing():
    nlp = make_trained()
    shims = [s for node in nlp.get_pipe("tagger_bilstm").model.walk() for s in node.shims]
    before = [shim.to_bytes() for shim in shims]
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    blank = Example(Doc(nlp.vocab, words=["\n"]), Doc(nlp.vocab, words=["\n"]))
    assert nlp.update([empty, blank]) == {"tagger_bilstm": 0.0}
    assert [shim.to_bytes() for shim in shims] == before
    nlp.update([empty, blank, *make_examples(nlp)])
    assert [shim.to_bytes() for shim in shims] != before


# Bad input


def test_use_before_initialize(nlp):
    with pytest.raises((ValueError, KeyError), match="E109|R101"):
        nlp("text")


def with_tag(nlp, **annotation):
    return Example(Doc(nlp.vocab, words=["odd"]), Doc(nlp.vocab, words=["odd"], **annotation))


@pytest.mark.parametrize("pos", ["CONJ", "SPACE", "EOL"])
def test_labels_that_are_not_universal(nlp, pos):
    bad = with_tag(nlp, pos=[pos])
    with pytest.raises(ValueError, match=rf"(?s)R310.*'{pos}'.*attr = \"TAG\""):
        nlp.initialize(lambda: [*make_examples(nlp), bad])
    with pytest.raises(ValueError, match=f"R310.*'{pos}'"):
        nlp.get_pipe("tagger_bilstm").add_label(pos)
    train(nlp, make_examples(nlp), steps=1)
    with pytest.raises(ValueError, match=f"R310.*'{pos}'"):
        nlp.update([bad])


def test_labels_of_another_tag_set(nlp):
    nlp.config["initialize"]["components"]["tagger_bilstm"] = {"labels": ["NN", "VBZ"]}
    with pytest.raises(ValueError, match="R310.*'NN'"):
        nlp.initialize(lambda: make_examples(nlp))


def test_tags_that_are_no_labels():
    nlp = make_trained(attr="TAG")
    with pytest.raises(ValueError, match="R312.*'NEW'"):
        nlp.update([with_tag(nlp, tags=["NEW"])])
    with pytest.raises(ValueError, match="E922"):
        nlp.get_pipe("tagger_bilstm").add_label("NEW")


def test_empty_documents_before_all_others(nlp):
    """Widths of layers are those that documents with tokens have."""
    tok2vec = build_Tok2Vec_model(without_width(), build_rnn_encoder_v1(12))
    tagger = TaggerBiLSTM(nlp.vocab, build_tagger_model(tok2vec))
    gold = [Example(Doc(nlp.vocab), Doc(nlp.vocab)), *make_examples(nlp)]
    tagger.initialize(lambda: gold)
    assert tok2vec.get_ref("encode").get_dim("nI") == 3
    first, second = tagger.predict([gold[0].predicted, gold[1].predicted])
    assert first.shape == (0, len(tagger.labels)) and len(second) == len(gold[1].predicted)


def test_empty_corpus_and_corpus_without_tags(nlp):
    with pytest.raises(TypeError, match="R301.*tagger_bilstm"):
        nlp.initialize(lambda: iter([]))
    with pytest.raises(ValueError, match=r"R311.*Token.pos_"):
        nlp.initialize(lambda: [with_tag(nlp, tags=["NN"])])
    tags = make(attr="TAG")
    with pytest.raises(ValueError, match=r"R311.*Token.tag_"):
        tags.initialize(lambda: [with_tag(tags, pos=["X"])])


@pytest.mark.parametrize(
    "config,message",
    [
        ({"attr": "MORPH"}, "R001.*attr.*MORPH.*POS"),
        ({"top_k": -1}, "R002.*top_k is -1"),
        ({"label_smoothing": 1.0}, "R307.*1.0"),
    ],
)
def test_bad_config(config, message):
    with pytest.raises(ValueError, match=message):
        make(**config)


def test_class_is_spacys(trained):
    assert isinstance(trained.get_pipe("tagger_bilstm"), TaggerBiLSTM)
    assert trained.get_pipe_meta("tagger_bilstm").assigns == ["token.pos"]


@pytest.mark.gpu
def test_gpu_equals_cpu(trained):
    expected = probs_of(trained)
    spacy.require_gpu()
    try:
        nlp = spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes())
        found = [rows.get() for rows in probs_of(nlp)]
        nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())
    finally:
        spacy.require_cpu()
    assert differ(found, expected) < 1e-4
