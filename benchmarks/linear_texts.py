"""Linear classifiers of whole texts, as components of spaCy: over TF-IDF of words, and over the
vectors of a small transformer that stays as it is. Peers of what the benchmarks measure."""

import importlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy
import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch, registry
from spacy.vocab import Vocab

CS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
TFIDF, TRANSFORMER = "benchmark_tfidf_linear", "benchmark_transformer_linear"


def sklearn(module: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise SystemExit("This needs scikit-learn: pip install 'spacy-rnn[benchmarks]'") from error


class TfIdf:
    """TF-IDF of one and two words."""

    parameters = 0

    def __init__(self, **settings: Any):
        text = sklearn("feature_extraction.text")
        self.words = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **settings)

    def fit(self, texts: Sequence[str]) -> None:
        self.words.fit(texts)

    def __call__(self, texts: Sequence[str]) -> Any:
        return self.words.transform(texts)

    def make(self, C: float, seed: int) -> Any:
        """A classifier that fits these features."""
        return sklearn("svm").LinearSVC(C=C, random_state=seed)

    def to_disk(self, folder: Path) -> None:
        data = {"words": self.words.get_feature_names_out().tolist(), "idf": self.words.idf_}
        srsly.write_msgpack(folder / "tfidf", data)

    def from_disk(self, folder: Path) -> None:
        data = srsly.read_msgpack(folder / "tfidf")
        self.__init__(vocabulary={word: i for i, word in enumerate(data["words"])})
        self.words.idf_ = data["idf"]


class TransformerVectors:
    """The mean of a transformer's last layer over the first 256 pieces of each text."""

    def from_disk(self, name: Any) -> None:
        """name: The transformer's name, or its folder."""
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise SystemExit("This needs: pip install 'spacy-rnn[transformers]'") from error
        self.tokenizer, self.model = (c.from_pretrained(name) for c in (AutoTokenizer, AutoModel))
        self.parameters = sum(p.numel() for p in self.model.parameters())

    def to_disk(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        self.model.save_pretrained(folder)

    def fit(self, texts: Sequence[str]) -> None:
        """It stays as it is."""

    def __call__(self, texts: Sequence[str]) -> numpy.ndarray:
        vectors = numpy.empty((len(texts), self.model.config.hidden_size), dtype="float32")
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), 32):
            places = order[start : start + 32]
            vectors[places] = self._means([texts[i] for i in places])
        return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)

    def _means(self, texts: List[str]) -> numpy.ndarray:
        options = {"truncation": True, "max_length": 256, "padding": True, "return_tensors": "pt"}
        inputs = self.tokenizer(texts, **options)
        with torch.no_grad():
            rows = self.model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(2)
        return ((rows * mask).sum(1) / mask.sum(1)).numpy()

    def make(self, C: float, seed: int) -> Any:
        return sklearn("linear_model").LogisticRegression(C=100 * C, max_iter=1000)


def best_linear(
    X: Any, truths: numpy.ndarray, make: Callable[[float], Any], quality: Callable[[Any], float]
) -> Any:
    """One linear classifier for each label, with the best C.

    X: Features of the texts, one row each. truths: Of shape (texts, labels). make: Makes a
    classifier of a C. quality: How good a classifier is on dev.
    """
    fitted = []
    for C in CS:
        classifier = sklearn("multiclass").OneVsRestClassifier(make(C))
        fitted.append(classifier.fit(X, truths.astype("int32")))
    return max(fitted, key=quality)


class LinearTexts:
    """A component that writes `doc.cats`: linear classifiers over features of the whole text."""

    def __init__(self, features: Any):
        self.features = features
        self.labels: List[str] = []

    def set(self, labels: List[str], classifier: Any) -> None:
        """Take over what a fitted OneVsRestClassifier has learned."""
        self.labels = labels
        self.W = numpy.vstack([label.coef_ for label in classifier.estimators_]).T
        self.b = numpy.concatenate([label.intercept_ for label in classifier.estimators_])

    @property
    def parameters(self) -> int:
        return self.features.parameters + self.W.size + self.b.size

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, docs: Iterable[Doc], batch_size: int = 1000) -> Iterator[Doc]:
        for batch in minibatch(docs, batch_size):
            scores = self.features([doc.text for doc in batch]) @ self.W + self.b
            for doc, row in zip(batch, scores.tolist()):
                doc.cats = dict(zip(self.labels, row))
            yield from batch

    def to_disk(self, folder: Path, exclude: Sequence[str] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self.features.to_disk(folder)
        srsly.write_msgpack(folder / "linear", {"labels": self.labels, "W": self.W, "b": self.b})

    def from_disk(self, folder: Path, exclude: Sequence[str] = ()) -> "LinearTexts":
        self.features.from_disk(folder)
        data = srsly.read_msgpack(folder / "linear")
        self.labels, self.W, self.b = data["labels"], data["W"], data["b"]
        return self


@Language.factory(TFIDF)
def make_tfidf_linear(nlp: Language, name: str) -> LinearTexts:
    return LinearTexts(TfIdf())


@Language.factory(TRANSFORMER)
def make_transformer_linear(nlp: Language, name: str) -> LinearTexts:
    return LinearTexts(TransformerVectors())


class WholeText:
    """A tokenizer that leaves a text as it is: these classifiers have tokenizers of their own."""

    def __init__(self, vocab: Vocab):
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        return Doc(self.vocab, words=[text] if text else [], spaces=[False] if text else [])

    def to_disk(self, path: Path, **options: Any) -> None:
        """It has nothing to save."""

    def from_disk(self, path: Path, **options: Any) -> "WholeText":
        return self


@registry.tokenizers("benchmarks.WholeText.v1")
def create_whole_text() -> Callable[[Language], WholeText]:
    return lambda nlp: WholeText(nlp.vocab)


def linear_pipeline(factory: str, transformer: Optional[Path] = None) -> Language:
    """A pipeline of one such component. transformer: Its folder, where the factory wants one."""
    tokenizer: Dict[str, Any] = {"@tokenizers": "benchmarks.WholeText.v1"}
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})
    component = nlp.add_pipe(factory)
    if transformer is not None:
        component.features.from_disk(transformer)
    return nlp
