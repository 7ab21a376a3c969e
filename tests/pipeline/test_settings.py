"""Settings of components: from the config, changed on loading, and for either attribute."""

import pytest
import spacy
from spacy.cli.init_config import init_config
from spacy.tokens import Token
from spacy.util import load_config

from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger, train


@pytest.fixture
def saved_tagger(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    train(nlp, make_tagged_examples(nlp), steps=20)
    nlp.to_disk(tmp_path)
    yield tmp_path
    if Token.has_extension("pos_probs"):
        Token.remove_extension("pos_probs")


def test_a_setting_is_changed_on_loading(saved_tagger):
    nlp = spacy.load(saved_tagger, config={"components.tagger_bilstm.top_k": 2})
    assert len(nlp("dogs bark")[0]._.pos_probs) == 2
    assert nlp.get_pipe("tagger_bilstm").labels


def test_a_setting_that_was_changed_after_all_is_saved(saved_tagger, tmp_path):
    nlp = spacy.load(saved_tagger)
    nlp.get_pipe("tagger_bilstm").cfg["overwrite"] = False
    nlp.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    assert again.get_pipe("tagger_bilstm").cfg["overwrite"] is False
    changed = {"components.tagger_bilstm.neg_prefix": "?"}
    both = spacy.load(tmp_path / "again", config=changed).get_pipe("tagger_bilstm").cfg
    assert both["overwrite"] is False and both["neg_prefix"] == "?"


def test_a_classifiers_setting_is_changed_on_loading(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_multilabel_lstm", config={"model": small_model(exclusive_classes=False)})
    train(nlp, make_examples(nlp), steps=5)
    nlp.to_disk(tmp_path)
    changed = {"components.textcat_multilabel_lstm.threshold": 0.9}
    pipe = spacy.load(tmp_path, config=changed).get_pipe("textcat_multilabel_lstm")
    assert pipe.cfg["threshold"] == 0.9 and len(pipe.labels) == 2


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_a_model_of_the_other_kind_of_labels(factory):
    nlp = spacy.blank("en")
    exclusive = factory == "textcat_lstm"
    wrong, right = ("false", "true") if exclusive else ("true", "false")
    message = (
        f"R313.*a {factory}.*exclusive_classes of its model is {wrong}.*exclusive_classes = {right}"
    )
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe(factory, config={"model": small_model(exclusive_classes=not exclusive)})


@pytest.mark.parametrize("attr", ["POS", "TAG"])
def test_score_of_a_config_by_init_config(attr):
    """The weights of scores, that is what `spacy train` chooses the best step by."""
    config = init_config(lang="en", pipeline=["tagger_bilstm"], silent=True)
    config["components"]["tagger_bilstm"]["attr"] = attr
    config["components"]["tagger_bilstm"]["model"] = small_tagger()
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    examples = make_tagged_examples(nlp)
    train(nlp, examples, steps=60)
    assert total_score(nlp, examples) == 1.0


def total_score(nlp, examples):
    """As `spacy train` adds it up."""
    scores = nlp.evaluate(examples)
    weights = nlp.config["training"]["score_weights"]
    return sum(scores.get(name) * (weight or 0.0) for name, weight in weights.items() if weight)


@pytest.mark.parametrize("attr", ["POS", "TAG"])
def test_score_of_the_shipped_config(attr):
    config = load_config(
        "configs/tagger_bilstm.cfg", overrides={"components.tagger_bilstm.attr": attr}
    )
    nlp = spacy.util.load_model_from_config(config)
    train(nlp, make_tagged_examples(nlp), steps=40)
    assert total_score(nlp, make_tagged_examples(nlp)) == 1.0


def with_weights(**weights):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(), "attr": "TAG"})
    nlp.config["training"]["score_weights"] = {"tagging_acc": None, **weights}
    return nlp


def test_weights_of_the_other_attribute_are_an_error():
    nlp = with_weights(pos_acc=1.0, tag_acc=None)
    with pytest.raises(ValueError, match="R317.*tagger_bilstm.*pos_acc.*tagging_acc = 1.0"):
        nlp.initialize(lambda: make_tagged_examples(nlp))
    for weights in ({"pos_acc": 0.5, "tag_acc": 0.5}, {"pos_acc": None, "tag_acc": 1.0}):
        nlp = with_weights(**weights)
        nlp.initialize(lambda nlp=nlp: make_tagged_examples(nlp))


def test_weights_of_another_component_are_none_of_ours():
    nlp = with_weights(pos_acc=1.0, tag_acc=None)
    nlp.add_pipe("morphologizer")
    nlp.initialize(lambda: make_tagged_examples(nlp))
