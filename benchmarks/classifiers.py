"""Text classifiers that the leaderboard trains: this package's, parts of it alone, and peers."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy
import spacy
from spacy.attrs import intify_attr
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Config

from spacy_rnn.configs import config_path
from spacy_rnn.vocabulary.learning import CorpusKeys
from spacy_rnn.vocabulary.nb_svm import Target

from .linear_texts import TFIDF, TRANSFORMER, best_linear, linear_pipeline
from .spacy_training import bow_model, cnn_model, spacys_config, train_config


class Corpus(NamedTuple):
    """What is learned from, and how long.

    train, dev: Files of spaCy's, with one true label for each text. max_steps: End training with
    batches after so many of them; null for the schedules of the configs. vectors: A pipeline with
    word vectors. transformer: Folder of a small transformer.
    """

    train: Path
    dev: Path
    max_steps: Optional[int] = None
    vectors: Optional[Path] = None
    transformer: Optional[Path] = None


class Texts:
    """The texts of a file, and what is true of them.

    RAISES: SystemExit if there is no such file, or it is not of texts with one true label each.
    """

    def __init__(self, path: Path):
        try:
            self.docs = list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))
        except (OSError, ValueError) as error:
            raise SystemExit(f"{path} cannot be read as a .spacy file: {error}") from error
        self.texts = [doc.text for doc in self.docs]
        self.labels = sorted({label for doc in self.docs for label in doc.cats})
        for doc in self.docs:
            if list(doc.cats.values()).count(1.0) != 1:
                reason = f"has a text with the labels {doc.cats}: '{doc.text[:50]}'"
                raise SystemExit(f"{path} {reason}. Each text must have one label of 1.0.")
        if len(self.labels) < 2:
            raise SystemExit(f"{path} has {len(self.docs)} texts and {len(self.labels)} labels.")

    @property
    def truths(self) -> numpy.ndarray:
        """Of shape (texts, labels)."""
        return numpy.asarray([[doc.cats.get(n, 0.0) for n in self.labels] for doc in self.docs])

    def accuracy(self, docs: List[Doc]) -> float:
        """The share of texts whose highest score is that of the true label."""
        right = sum(
            max(d.cats, key=d.cats.get) == max(g.cats, key=g.cats.get)
            for d, g in zip(docs, self.docs)
        )
        return right / len(self.docs)


def ours(
    corpus: Corpus, seed: int, name: str = "textcat_lstm", without: Sequence[str] = ()
) -> Language:
    """A config of this package. without: Parts of the model that are left out."""
    config = load_config(config_path(name))
    config["components"]["textcat_lstm"]["model"].update(dict.fromkeys(without))
    if name == "textcat_lstm_vectors":
        config["paths"]["vectors"] = str(corpus.vectors)
    return train_for(config, corpus, seed)


def spacys(corpus: Corpus, seed: int, settings: Dict[str, Any]) -> Language:
    """spaCy's `textcat`, by the schedule of spaCy's default config."""
    return train_for(spacys_config(settings), corpus, seed)


def train_for(config: Config, corpus: Corpus, seed: int) -> Language:
    if corpus.max_steps:
        steps = min(config["training"]["eval_frequency"], corpus.max_steps)
        config["training"].update(max_steps=corpus.max_steps, eval_frequency=steps)
    return train_config(config, corpus.train, corpus.dev, seed)


def nb_svm(corpus: Corpus, seed: int) -> Language:
    """The fitted model of `textcat_lstm` alone, in place of the net in spaCy's `textcat`. Its
    scores are logits: how frequent labels are, and what n-grams add to that."""
    train = Texts(corpus.train)
    nlp = spacy.blank("en")
    ours = load_config(config_path("textcat_lstm"))["components"]["textcat_lstm"]["model"]
    layer = nlp.add_pipe("textcat", config={"model": ours["fitted_model"]}).model
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in train.docs]
    nlp.initialize(lambda: examples)
    words = CorpusKeys([intify_attr(layer.attrs["attr"])])
    for example in examples:
        words.add(example.predicted)
    labels = nlp.get_pipe("textcat").labels
    truths = train.truths[:, [train.labels.index(name) for name in labels]].astype("float32")
    layer.attrs["fit_labels"](layer, words, Target(truths, numpy.ones_like(truths), True))
    # What the bias is multiplied by is for the fit alone.
    frequencies = numpy.log(truths.mean(axis=0)) / (1.0 + layer.get_param("scale"))
    layer.set_param("b", layer.get_param("b") + frequencies)
    return nlp


def linear(corpus: Corpus, seed: int, factory: str) -> Language:
    """Linear classifiers over features of whole texts, with the C that dev is best with."""
    train, dev = Texts(corpus.train), Texts(corpus.dev)
    nlp = linear_pipeline(factory, corpus.transformer if factory == TRANSFORMER else None)
    component = nlp.get_pipe(factory)
    component.features.fit(train.texts)
    X, X_dev = component.features(train.texts), component.features(dev.texts)
    gold = numpy.asarray([train.labels.index(max(d.cats, key=d.cats.get)) for d in dev.docs])

    def quality(classifier: Any) -> float:
        return float((classifier.decision_function(X_dev).argmax(axis=1) == gold).mean())

    make = partial(component.features.make, seed=seed)
    component.set(train.labels, best_linear(X, train.truths, make, quality))
    return nlp


class Row(NamedTuple):
    """A row of the leaderboard.

    title: As the table has it. train: Trains it. seeded: Whether a seed changes anything. needs:
    What `Corpus` must have.
    """

    title: str
    train: Callable[[Corpus, int], Language]
    seeded: bool = True
    needs: Optional[str] = None


LINEAR, FITTED = "linear_model", "fitted_model"
NO_FITTED, NO_LINEAR = partial(ours, without=[FITTED]), partial(ours, without=[LINEAR])
NET = partial(ours, without=[LINEAR, FITTED])
STREAMING = partial(ours, name="textcat_lstm_streaming")
VECTORS = partial(ours, name="textcat_lstm_vectors")
ROWS: Dict[str, Row] = {
    "textcat_lstm": Row("`textcat_lstm`", ours),
    "no_fitted": Row("`textcat_lstm`, no fitted model", NO_FITTED),
    "no_linear": Row("`textcat_lstm`, no linear model", NO_LINEAR),
    "net": Row("`textcat_lstm`, the net alone", NET),
    "streaming": Row("`textcat_lstm_streaming`", STREAMING),
    "vectors": Row("`textcat_lstm_vectors`", VECTORS, needs="vectors"),
    "nb_svm": Row("NB-SVM, the fitted model alone", nb_svm, seeded=False),
    "bow": Row("spaCy's bag of words", partial(spacys, settings={"model": bow_model()})),
    "ensemble": Row("spaCy's ensemble", partial(spacys, settings={})),
    "cnn": Row("spaCy's CNN", partial(spacys, settings={"model": cnn_model()})),
    "svm": Row("TF-IDF + SVM", partial(linear, factory=TFIDF)),
    "minilm": Row(
        "MiniLM, frozen", partial(linear, factory=TRANSFORMER), seeded=False, needs="transformer"
    ),
}
