"""What spaCy's documentation of its `TextCategorizer` and `Tagger` shows, with our names."""

import pytest
import spacy
from spacy.training import Example

TEXTS = {"textcat_lstm": "cats", "textcat_multilabel_lstm": "cats", "tagger_bilstm": "tags"}


def examples_of(nlp, name):
    if TEXTS[name] == "cats":
        data = [
            ("This is good.", {"cats": {"A": 1.0, "B": 0.0}}),
            ("Bad.", {"cats": {"A": 0.0, "B": 1.0}}),
        ]
    else:
        data = [
            ("I like green eggs", {"tags": ["N", "V", "J", "N"]}),
            ("Eat blue ham", {"tags": ["V", "J", "N"]}),
        ]
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in data]


def annotated(name, doc):
    return bool(doc.cats) if TEXTS[name] == "cats" else all(token.tag_ for token in doc)


@pytest.mark.parametrize("name", TEXTS)
def test_examples(name, tmp_path):
    config = {"attr": "TAG"} if name == "tagger_bilstm" else {}
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name, config=config)
    examples = examples_of(nlp, name)
    pipe.initialize(lambda: examples, nlp=nlp)
    # __call__ and pipe
    assert annotated(name, pipe(nlp.make_doc("This is a sentence.")))
    docs = [nlp.make_doc(text) for text in ("One text.", "Another text.")]
    assert all(annotated(name, doc) for doc in pipe.pipe(docs, batch_size=50))
    # predict and set_annotations
    docs = [nlp.make_doc("One text."), nlp.make_doc("Another text.")]
    pipe.set_annotations(docs, pipe.predict(docs))
    assert all(annotated(name, doc) for doc in docs)
    # update, rehearse, score, get_loss
    optimizer = nlp.initialize(lambda: examples)
    assert pipe.update(examples, sgd=optimizer)[name] > 0
    optimizer = nlp.resume_training()
    assert pipe.rehearse(examples, sgd=optimizer)[name] >= 0
    assert pipe.score([Example(pipe(eg.predicted.copy()), eg.reference) for eg in examples])
    scores = pipe.predict([eg.predicted for eg in examples])
    if name == "tagger_bilstm":
        scores = pipe.predict_proba([eg.predicted for eg in examples])
    loss, gradient = pipe.get_loss(examples, scores)
    assert loss > 0 and len(gradient) == len(examples)
    assert pipe.create_optimizer()
    with nlp.use_params(optimizer.averages):
        pipe.to_disk(tmp_path / "pipe")
    # Serialization
    other = spacy.blank("en").add_pipe(name, config=config)
    other.from_disk(tmp_path / "pipe")
    assert other.labels == pipe.labels
    again = spacy.blank("en").add_pipe(name, config=config).from_bytes(pipe.to_bytes())
    assert again.labels == pipe.labels == tuple(pipe.label_data)


@pytest.mark.parametrize("name", TEXTS)
def test_adding_a_label(name):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name, config={"attr": "TAG"} if name == "tagger_bilstm" else {})
    assert pipe.add_label("MY_LABEL") == 1 and pipe.add_label("MY_LABEL") == 0
    assert pipe.labels == ("MY_LABEL",)
