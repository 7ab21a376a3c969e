"""Small components, of all layers, whose saved data the fuzzer damages."""

from typing import Any, Dict, List, NamedTuple

import numpy
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vectors import Vectors

from spacy_rnn.bridge.half_precision import halve
from spacy_rnn.layers.temperature import set_temperature
from spacy_rnn.pipeline.checksums import CHECKSUMS, add_checksums
from tests.conftest import make_examples, make_tagged_examples, small_tagger, train

TEXTS = ["a warm film", "Anna sees the old dogs", "", "qqq", "a dull and empty film ! " * 10]
WORDS = {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 4, "min_count": 1}
CHARS = {"@architectures": "spacy-rnn.CharRNNEmbed.v1", "width": 4, "char_width": 3}
VECTORS = {"@architectures": "spacy-rnn.StaticVectors.v1", "width": 3}
CLUSTERS = {"@architectures": "spacy-rnn.ClusterEmbed.v1", "width": 2, "prefixes": [2, 0]}
NET = {"@architectures": "spacy-rnn.RNNEncoder.v1", "width": 4}
LINEAR = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 32}
FITTED = {"@architectures": "spacy-rnn.NBSVM.v1", "ngram_size": 2}
CONCAT = {
    "@architectures": "spacy-rnn.ConcatEmbed.v1",
    "*": {"words": WORDS, "vectors": VECTORS, "clusters": CLUSTERS},
}
MODEL = {
    "@architectures": "spacy-rnn.TextCatRNN.v2",
    "tok2vec": WORDS,
    "encode": NET,
    "linear_model": None,
    "fitted_model": None,
}
CLASSIFIERS: Dict[str, Dict[str, Any]] = {
    "lstm": {"linear_model": LINEAR, "pooling": ["attention", "last"]},
    "gru": {"encode": {**NET, "cell": "gru"}, "fitted_model": FITTED, "exclusive_classes": False},
    "rnn": {"encode": {**NET, "cell": "rnn"}, "tok2vec": CONCAT, "pooling": "mean"},
}


class Seed(NamedTuple):
    """A pipeline whose last component is damaged. data: That component as bytes."""

    name: str
    nlp: Language
    data: bytes

    @property
    def pipe(self) -> Any:
        """The component."""
        return self.nlp.pipeline[-1][1]

    @property
    def has_checksums(self) -> bool:
        """Whether it is saved with checksums, as it is since version 0.8."""
        return CHECKSUMS in srsly.msgpack_loads(self.data)

    def load(self, data: bytes) -> None:
        """Load the component from data."""
        self.pipe.from_bytes(data, exclude=["vocab"])

    def scores(self) -> numpy.ndarray:
        """What the component says of all texts, as one row."""
        docs: List[Doc] = [self.nlp.make_doc(text) for text in TEXTS]
        pipe = self.pipe
        probs = pipe.predict_proba(docs) if hasattr(pipe, "predict_proba") else pipe.predict(docs)
        return numpy.concatenate([numpy.ravel(rows) for rows in probs])


def make_seeds() -> List[Seed]:
    """RETURNS: Components of each kind, with checksums, and one as earlier versions have saved,
    and one in half precision."""
    seeds = [_classifier(name, model) for name, model in CLASSIFIERS.items()]
    seeds.append(_tagger())
    for name, change in (("first format", as_first_format), ("half precision", _as_halved)):
        seed = _classifier(name, CLASSIFIERS["lstm"])
        seeds.append(seed._replace(data=change(seed)))
    for seed in seeds:
        seed.load(seed.data)
    return seeds


def _blank() -> Language:
    nlp = spacy.blank("en")
    data = numpy.arange(8, dtype="f").reshape(2, 4)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=["warm", "film"])
    clusters = {nlp.vocab.strings.add(word): path for word, path in (("warm", 5), ("dull", 13))}
    nlp.vocab.lookups.add_table("lexeme_cluster", clusters)
    return nlp


def _seed(name: str, nlp: Language) -> Seed:
    return Seed(name, nlp, nlp.pipeline[-1][1].to_bytes(exclude=["vocab"]))


def _classifier(name: str, model: Dict[str, Any]) -> Seed:
    nlp = _blank()
    exclusive = model.get("exclusive_classes", True)
    component = "textcat_lstm" if exclusive else "textcat_multilabel_lstm"
    nlp.add_pipe(component, config={"model": {**MODEL, **model}})
    train(nlp, make_examples(nlp), steps=5)
    set_temperature(nlp.get_pipe(component).model, 1.5)
    return _seed(name, nlp)


def _tagger() -> Seed:
    nlp = _blank()
    embed = {"@architectures": "spacy-rnn.WordCharEmbed.v1", "words": WORDS, "chars": CHARS}
    model = small_tagger(tok2vec__embed=embed, tok2vec__encode={**NET, "num_layers": 2})
    nlp.add_pipe("tagger_bilstm", config={"model": model})
    train(nlp, make_tagged_examples(nlp), steps=5)
    return _seed("tagger", nlp)


def as_first_format(seed: Seed) -> bytes:
    """The data of a component as versions before 0.8 save it."""
    msg = srsly.msgpack_loads(seed.data)
    cfg = srsly.json_loads(msg["cfg"])
    del msg[CHECKSUMS], cfg["config"]["format"], cfg["config"]["saved_by"]
    return srsly.msgpack_dumps({**msg, "cfg": srsly.json_dumps(cfg)})


def _as_halved(seed: Seed) -> bytes:
    msg = srsly.msgpack_loads(seed.data)
    halved = {**msg, "model": halve(seed.pipe.model, msg["model"])}
    return add_checksums(srsly.msgpack_dumps(halved))
