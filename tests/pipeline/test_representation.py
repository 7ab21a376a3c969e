import copy
import pickle

import pytest
import spacy

from tests.conftest import (
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
)

FACTORIES = {
    "textcat_lstm": small_model(linear_model=None),
    "textcat_multilabel_lstm": small_model(exclusive_classes=False),
    "tagger_bilstm": small_tagger(),
}


def component(factory, name="mine"):
    nlp = spacy.blank("en")
    return nlp, nlp.add_pipe(factory, name=name, config={"model": FACTORIES[factory]})


def initialized(factory):
    nlp, pipe = component(factory)
    make = make_tagged_examples if factory == "tagger_bilstm" else make_examples
    examples = make(nlp)
    nlp.initialize(lambda: examples)
    return nlp, pipe


@pytest.mark.parametrize("factory", FACTORIES)
def test_untrained(factory):
    _, pipe = component(factory)
    facts = "labels: none yet, parameters: 0 (0 torch, 0 thinc), initialized: no"
    assert repr(pipe) == f"<{factory} 'mine', {facts}>"
    pipe.add_label("NOUN")
    assert "labels: 1 ['NOUN'], " in repr(pipe) and "initialized: no" in repr(pipe)


def test_initialized():
    _, pipe = initialized("textcat_lstm")
    torch_size, thinc_size = sizes_of(pipe.model)
    words = len(pipe.model.get_ref("tok2vec").attrs["words"])
    # Vectors of 8; four gates of 12 over 8 and 12, with two biases.
    assert torch_size == words * 8 + 4 * 12 * (8 + 12 + 2)
    ngrams = len(pipe.model.get_ref("fitted_model").attrs["ngrams"])
    # Two labels over mean and maximum; and over n-grams, which have a scale as well.
    assert thinc_size == 2 * 24 + 2 + 2 * ngrams + 2 + 1
    assert repr(pipe) == (
        f"<textcat_lstm 'mine', labels: 2 ['POSITIVE', 'NEGATIVE'], parameters: "
        f"{torch_size + thinc_size:,} ({torch_size:,} torch, {thinc_size:,} thinc), "
        "initialized: yes>"
    )


def sizes_of(model):
    """The parameters that are saved, in torch's part and in thinc's."""
    modules = [shim.module for node in model.walk() for shim in node.shims]
    arrays = [node.get_param(name) for node in model.walk() for name in node.param_names]
    tensors = [tensor for module in modules for tensor in module.state_dict().values()]
    return sum(tensor.numel() for tensor in tensors), sum(array.size for array in arrays)


@pytest.mark.parametrize("factory", FACTORIES)
def test_copies_and_what_is_loaded_show_the_same(factory, tmp_path):
    nlp, pipe = initialized(factory)
    shown = repr(pipe)
    assert "initialized: yes" in shown
    nlp.to_disk(tmp_path)
    found = [
        spacy.load(tmp_path).get_pipe("mine"),
        copy.deepcopy(pipe),
        pickle.loads(pickle.dumps(pipe)),  # noqa: S301
        component(factory)[1].from_bytes(pipe.to_bytes()),
    ]
    assert [repr(other) for other in found] == [shown] * 4
    assert [other._repr_html_() for other in found] == [pipe._repr_html_()] * 4


def test_the_factory_is_the_one_that_makes_the_component():
    for factory in FACTORIES:
        nlp, pipe = component(factory)
        assert pipe.factory == nlp.get_pipe_meta("mine").factory


@pytest.mark.parametrize("count", [5, 6, 5000])
def test_many_labels_show_the_first(count):
    _, pipe = component("tagger_bilstm")
    pipe.cfg["labels"] = [f"L{i}" for i in range(count)]
    rest = ", ..." if count > 5 else ""
    assert f"labels: {count:,} ['L0', 'L1', 'L2', 'L3', 'L4'{rest}], " in repr(pipe)


def test_labels_of_any_text():
    _, pipe = component("textcat_lstm", name="<i>a & b</i>")
    for label in ("<script>alert(1)</script>", "two\nlines", "long" * 100):
        pipe.add_label(label)
    assert "\n" not in repr(pipe) and len(repr(pipe)) < 250
    shown = pipe._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert "<td>&lt;i&gt;a &amp; b&lt;/i&gt;</td>" in shown


def test_table():
    _, pipe = component("tagger_bilstm")
    assert pipe._repr_html_() == (
        "<table><tr><th>factory</th><td>tagger_bilstm</td></tr>"
        "<tr><th>name</th><td>mine</td></tr>"
        "<tr><th>labels</th><td>none yet</td></tr>"
        "<tr><th>parameters</th><td>0 (0 torch, 0 thinc)</td></tr>"
        "<tr><th>initialized</th><td>no</td></tr></table>"
    )


def test_what_is_listened_to_does_not_count():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"}
    model = {**FACTORIES["textcat_lstm"], "tok2vec": listener, "fitted_model": None}
    pipe = nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert "(5,280 torch, 50 thinc), initialized: yes" in repr(pipe)
    assert 4 * 12 * (96 + 12 + 2) == 5280
