"""Temperatures that are fitted before a pipeline is saved: training goes on as without."""

import io

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_nlp
from spacy.util import load_config
from thinc.api import get_current_ops

from spacy_rnn.configs import config_path
from spacy_rnn.layers.temperature import get_temperature, set_temperature
from spacy_rnn.training.calibrate import calibrate_pipeline, create_calibrate_v1
from tests.conftest import GOOD, TEXTS, cats_of, make_examples, small_model, small_tagger, train
from tests.pipeline.test_textcat_lstm import examples_for, make_trained, topics_of

WRONG = [GOOD[0], TEXTS[-1]]


def half_wrong(text):
    """Labels that the training texts do not have."""
    cats = cats_of(text)
    return {label: 1.0 - value for label, value in cats.items()} if text in WRONG else cats


def corpora(folder):
    nlp = spacy.blank("en")
    for name, cats in (("train", cats_of), ("dev", half_wrong)):
        docs = [eg.reference for eg in make_examples(nlp, cats=cats)]
        DocBin(docs=docs * 3).to_disk(folder / f"{name}.spacy")
    return {f"paths.{name}": str(folder / f"{name}.spacy") for name in ("train", "dev")}


def train_config(folder, name, callback, **changes):
    """Train by the shipped config with a small model. RETURNS: The trained and the saved ones."""
    config = load_config(config_path("textcat_lstm"), overrides=corpora(folder), interpolate=False)
    config["components"]["textcat_lstm"]["model"] = small_model(**changes)
    config["training"].update(max_steps=30, eval_frequency=10, before_to_disk=callback)
    config["training"]["optimizer"]["learn_rate"] = 0.02
    nlp = init_nlp(config)
    (folder / name).mkdir()
    train_nlp(nlp, folder / name, stdout=io.StringIO(), stderr=io.StringIO())
    return nlp, *(spacy.load(folder / name / f"model-{which}") for which in ("best", "last"))


def model_of(nlp):
    return nlp.get_pipe("textcat_lstm").model


def weights_of(nlp):
    for node in model_of(nlp).walk():
        yield from (node.get_param(name) for name in node.param_names if node.has_param(name))
        for shim in node.shims:
            yield from (p.detach().numpy() for p in shim.module.parameters())


def test_training_is_as_without_and_what_is_saved_is_calibrated(tmp_path):
    callback = {"@callbacks": "spacy-rnn.calibrate.v1", "corpus": "${corpora.dev}"}
    plain, fitted = (train_config(tmp_path, x, y) for x, y in (("a", None), ("b", callback)))
    for before, after in zip(plain, fitted):
        pairs = list(zip(weights_of(before), weights_of(after), strict=True))
        assert len(pairs) > 5 and all(numpy.allclose(a, b, atol=1e-6) for a, b in pairs)
    for before, after in zip(plain[1:], fitted[1:]):
        scores, others = (dict(nlp.meta["performance"]) for nlp in (before, after))
        assert scores.pop("cats_f_per_type") == others.pop("cats_f_per_type")
        assert scores["cats_ece"] > 0.0 and scores == pytest.approx(others, abs=1e-5)
        assert get_temperature(model_of(before)) == 1.0
        found = get_temperature(model_of(after))
        # It was fitted to the weights that were saved.
        dev = [eg for eg in make_examples(after, cats=half_wrong) for _ in range(3)]
        set_temperature(model_of(after), 1.0)
        again = calibrate_pipeline(after, dev)["textcat_lstm"]
        assert found == pytest.approx(again.temperature, rel=1e-4) and abs(found - 1.0) > 0.05
        assert again.log_loss < again.log_loss_before


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_labels_stay_and_probabilities_move(factory):
    nlp = make_trained(factory)
    pipe = nlp.get_pipe(factory)
    before = numpy.array([list(nlp(text).cats.values()) for text in TEXTS])
    logits = pipe._predict(pipe.model.get_ref("logits"), [nlp.make_doc(t) for t in TEXTS])
    examples = examples_for(nlp)
    for eg in examples[::2]:
        eg.reference.cats = {label: 1.0 - value for label, value in eg.reference.cats.items()}
    found = calibrate_pipeline(nlp, examples)[factory]
    after = numpy.array([list(nlp(text).cats.values()) for text in TEXTS])
    assert found.texts == len(TEXTS) and found.temperature > 1.2
    assert found.log_loss < found.log_loss_before - 0.1
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert ((before >= 0.5) == (after >= 0.5)).all()
    odds = numpy.log(after / (1.0 - after))
    if factory == "textcat_lstm":
        logits = logits - logits[:, ::-1]
    assert numpy.allclose(odds, logits / found.temperature, atol=1e-3)


def test_a_step_of_training_forgets_it(trained):
    pipe = trained.get_pipe("textcat_lstm")
    examples = make_examples(trained)
    set_temperature(pipe.model, 3.0)
    trained.evaluate(examples)
    assert get_temperature(pipe.model) == 3.0
    trained.update(examples)
    assert get_temperature(pipe.model) == 1.0
    set_temperature(pipe.model, 3.0)
    trained.initialize(lambda: examples)
    assert get_temperature(pipe.model) == 1.0


def test_a_frozen_classifier_keeps_it(trained):
    set_temperature(trained.get_pipe("textcat_lstm").model, 3.0)
    trained.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    examples = make_examples(trained)
    for eg in examples:
        for token in eg.reference:
            token.pos_ = "NOUN" if token.i % 2 else "VERB"
    tagger = trained.get_pipe("tagger_bilstm")
    tagger.initialize(lambda: examples, nlp=trained)
    trained.update(examples, exclude=["textcat_lstm"])
    assert get_temperature(trained.get_pipe("textcat_lstm").model) == 3.0


def test_rehearsal_of_a_calibrated_classifier_has_nothing_to_mend(trained):
    pipe = trained.get_pipe("textcat_lstm")
    set_temperature(pipe.model, 3.0)
    trained.resume_training()
    losses = pipe.rehearse(make_examples(trained))
    assert losses["textcat_lstm"] == pytest.approx(0.0, abs=1e-4)


def test_texts_and_pipeline_are_left_as_they_are(trained):
    trained.add_pipe("sentencizer")
    examples = make_examples(trained)
    before = list(weights_of(trained))
    state = numpy.random.get_state()[1].copy()
    names = trained.pipe_names, trained.disabled
    calibrate_pipeline(trained, examples)
    assert not any(eg.predicted.cats for eg in examples)
    assert (trained.pipe_names, trained.disabled) == names
    assert (numpy.random.get_state()[1] == state).all()
    assert all(numpy.array_equal(a, b) for a, b in zip(before, weights_of(trained), strict=True))


@spacy.Language.component("marks_norms")
def marks_norms(doc):
    for token in doc:
        token.norm_ = "dull" if token.text == "warm" else token.norm_
    return doc


def test_reads_what_components_before_it_write(trained):
    examples = make_examples(trained, cats=half_wrong)
    alone = calibrate_pipeline(trained, examples)["textcat_lstm"]
    trained.add_pipe("marks_norms", first=True)
    behind = calibrate_pipeline(trained, examples)["textcat_lstm"]
    assert behind.log_loss_before != pytest.approx(alone.log_loss_before, abs=1e-3)
    evaluated = [trained.make_doc(eg.text) for eg in examples]
    evaluated = [marks_norms(doc) for doc in evaluated]
    direct = trained.get_pipe("textcat_lstm").calibrate(
        Example(doc, eg.reference) for doc, eg in zip(evaluated, examples)
    )
    assert direct == pytest.approx(behind, rel=1e-5)


def test_over_a_shared_tok2vec():
    nlp = spacy.blank("en")
    embed = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 8,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    nlp.add_pipe("tok2vec", config={"model": embed})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener)})
    train(nlp, make_examples(nlp), steps=20)
    examples = make_examples(nlp, cats=half_wrong)
    found = calibrate_pipeline(nlp, examples)["textcat_lstm"]
    gold = [[eg.reference.cats[label] for label in model_labels(nlp)] for eg in examples]
    probs = [[nlp(eg.text).cats[label] for label in model_labels(nlp)] for eg in examples]
    loss = -(numpy.array(gold) * numpy.log(probs)).sum(axis=1).mean()
    assert found.log_loss == pytest.approx(loss, abs=1e-4)


def model_labels(nlp):
    return nlp.get_pipe("textcat_lstm").labels


def test_what_does_not_count(trained):
    """Texts without labels, with none that is true, and with one that the component does not
    have; soft values do, as they are."""
    pipe = trained.get_pipe("textcat_lstm")
    examples = make_examples(trained, cats=half_wrong)
    expected = pipe.calibrate(examples)
    others = [{}, {"POSITIVE": 0.0, "NEGATIVE": 0.0}, {"OTHER": 1.0}]
    more = [Example.from_dict(trained.make_doc("a film"), {"cats": cats}) for cats in others]
    assert pipe.calibrate(examples + more) == expected
    soft = make_examples(trained, cats=lambda text: {"POSITIVE": 0.75, "NEGATIVE": 0.25})
    hard = [
        eg
        for label, count in (("POSITIVE", 3), ("NEGATIVE", 1))
        for eg in make_examples(trained, cats=lambda text, label=label: {label: 1.0}) * count
    ]
    losses = [pipe.calibrate(egs).log_loss_before for egs in (soft, hard)]
    assert losses[0] == pytest.approx(losses[1])


def test_labels_that_are_missing_do_not_count():
    nlp = make_trained("textcat_multilabel_lstm")
    pipe = nlp.get_pipe("textcat_multilabel_lstm")
    examples = make_examples(nlp, cats=lambda text: {"FILM": topics_of(text)["FILM"]})
    found = pipe.calibrate(examples)
    film = numpy.array([nlp(text).cats["FILM"] for text in TEXTS])
    truth = numpy.array([topics_of(text)["FILM"] for text in TEXTS])
    expected = -numpy.log(numpy.where(truth, film, 1.0 - film)).mean()
    assert found.log_loss == pytest.approx(expected, abs=1e-4)


def test_only_the_component_that_is_named(trained):
    other = make_trained()
    trained.add_pipe("textcat_lstm", name="other", source=None, config={"model": small_model()})
    trained.get_pipe("other").initialize(lambda: make_examples(trained), nlp=trained)
    examples = make_examples(other, cats=half_wrong)
    create_calibrate_v1(lambda nlp: examples, component="textcat_lstm")(trained)
    models = [trained.get_pipe(name).model for name in ("textcat_lstm", "other")]
    assert get_temperature(models[0]) != 1.0 and get_temperature(models[1]) == 1.0
    assert list(calibrate_pipeline(trained, examples)) == ["textcat_lstm", "other"]


def test_texts_are_read_once_for_each_pipeline(trained):
    read = []

    def corpus(nlp):
        read.append(nlp)
        return iter(make_examples(nlp, cats=half_wrong))

    callback = create_calibrate_v1(corpus)
    assert callback(trained) is trained and callback(trained) is trained
    found = get_temperature(model_of(trained))
    other = make_trained()
    callback(other)
    assert read == [trained, other] and found != 1.0
    expected = calibrate_pipeline(trained, make_examples(trained, cats=half_wrong))
    assert found == pytest.approx(expected["textcat_lstm"].temperature, rel=1e-4)


def test_nothing_to_calibrate(trained):
    examples = make_examples(trained)
    for component in ("nobody", "tagger_bilstm"):
        with pytest.raises(ValueError, match=f"R510.*'{component}'.*textcat_lstm"):
            calibrate_pipeline(trained, examples, component)
    tagger = spacy.blank("en")
    tagger.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    with pytest.raises(ValueError, match="R510.*no classifier to calibrate"):
        calibrate_pipeline(tagger, examples)


def test_nothing_to_calibrate_on(trained):
    for cats in ({}, {"OTHER": 1.0}, {"POSITIVE": 0.0}):
        examples = make_examples(trained, cats=lambda text, cats=cats: cats)
        with pytest.raises(ValueError, match="R326.*textcat_lstm.*POSITIVE"):
            calibrate_pipeline(trained, examples)
    with pytest.raises(ValueError, match="R326"):
        calibrate_pipeline(trained, [])
    examples = make_examples(trained, cats=lambda text: {"POSITIVE": 7.0})
    with pytest.raises(ValueError, match=r"R302.*7\.0"):
        calibrate_pipeline(trained, examples)
    assert get_temperature(trained.get_pipe("textcat_lstm").model) == 1.0


def test_what_is_no_example(trained):
    doc = trained.make_doc("a film")
    for examples in ([doc], ["a film"], [("a film", {"cats": {}})]):
        with pytest.raises(TypeError, match="E978.*calibrate_pipeline"):
            calibrate_pipeline(trained, examples)
        with pytest.raises(TypeError, match="E978.*TextCatLSTM.calibrate"):
            trained.get_pipe("textcat_lstm").calibrate(examples)


def test_a_model_that_cannot_be_calibrated():
    nlp = spacy.blank("en")
    bow = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 1,
        "length": 64,
        "no_output_layer": False,
    }
    nlp.add_pipe("textcat_lstm", config={"model": bow})
    train(nlp, make_examples(nlp), steps=2)
    with pytest.raises(ValueError, match="R325.*TextCatRNN"):
        nlp.get_pipe("textcat_lstm").calibrate(make_examples(nlp))
    with pytest.raises(ValueError, match="R510"):
        calibrate_pipeline(nlp, make_examples(nlp))


def test_texts_without_tokens(trained):
    examples = make_examples(trained, texts=[*TEXTS, "", "  "])
    found = calibrate_pipeline(trained, examples)["textcat_lstm"]
    assert found.texts == len(TEXTS) + 2 and get_current_ops().xp.isfinite(found.log_loss)
