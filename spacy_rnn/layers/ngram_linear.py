"""`spacy-rnn.NgramLinear.v1`: a linear model over hashed n-grams, beside a recurrent net."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.util import registry
from thinc.api import Model, NumpyOps, with_cpu
from thinc.layers.chain import init
from thinc.layers.resizable import resizable, resize_linear_weighted, resize_model
from thinc.layers.sparselinear import SparseLinear_v2
from thinc.types import Floats2d
from thinc.util import partial

from ..bridge.ragged import split_rows
from ..bridge.tokens import Tokens
from ..types import TokensIn
from ..vocabulary.learning import CorpusKeys
from ..vocabulary.rarity_table import RarityTable, learn_rarity
from .checks import check_at_least, check_attr, check_rate
from .evidence import Evidence, ngrams_in, share
from .running import Running, States
from .windows import CPU, ngrams_that_end, windows_of

# thinc's Adam moves every weight at one pace, whatever its gradient. Features of this
# size make the sum over a text's n-grams move as fast as the net does: at ten times
# the size, it knows the training texts by heart before the net has learned anything.
SCALE = 2.5

# Of so many tokens, training learns by itself how little frequent words say: on 22,500 film
# reviews, weights by document frequency make the best step 0.2 points worse, on 1,000 of them 2
# points better.
LARGE_CORPUS = 2_000_000


@registry.architectures("spacy-rnn.NgramLinear.v1")
def build_ngram_linear_v1(
    ngram_size: int = 2,
    length: int = 262144,
    attr: str = "NORM",
    dropout: Optional[float] = None,
    nO: Optional[int] = None,
) -> Model[TokensIn, Floats2d]:
    """Logits from single words and phrases: the `linear_model` of
    `spacy-rnn.TextCatRNN.v2`. As `spacy.TextCatBOW.v3` without its output layer, with
    dropout of n-grams, weights that learn at the pace of a net beside it, and documents
    without tokens. The weights of a text's n-grams are summed and divided by the square root
    of their number, so that a long text is not more certain for its length alone.
    What stands in many texts counts less, by its inverse document frequency, if the corpus has
    less than two million tokens.

    ngram_size: Words in the longest n-gram. Shorter ones are counted too.
    length: Number of hashed weights of each label.
    attr: What of a token counts as its word: "NORM", "LOWER" or "ORTH".
    dropout: Share of n-grams dropped in training. null follows the dropout that
        `[training]` sets.
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to logits, of shape (docs, labels).
    RAISES: ValueError for an argument out of its range.
    """
    check_attr(attr)
    check_at_least("ngram_size", ngram_size, 1)
    check_at_least("length", length, 1)
    check_rate("dropout", dropout)
    attrs: Dict[str, Any] = {"ngram_size": ngram_size, "attr": attr, "dropout": dropout}
    attrs["rarity"] = RarityTable()
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    ngrams: Model = Model("ngrams", forward_ngrams, attrs=attrs)
    weights = SparseLinear_v2(nO=nO, length=length)
    fill = partial(resize_linear_weighted, fill_defaults={"W": 0.0, "b": 0.0})
    labels: Model = resizable(weights, fill)
    # Not around the n-grams: with_cpu runs what it wraps in training mode at all times.
    layers = [ngrams, with_cpu(labels, labels.ops)]
    return Model(
        "ngram_linear",
        forward,
        init=init,
        dims={"nO": nO},
        layers=layers,
        attrs={
            "attr": attr,
            "learn": True,
            "learn_vocab": learn_ngrams,
            "reads_flat": True,
            "resize_output": resize_output,
            "running": RunningNgrams,
            "evidence": evidence,
        },
        refs={"ngrams": ngrams, "labels": labels},
    )


def learn_ngrams(model: Model, corpus: CorpusKeys) -> None:
    """Learn how rare the n-grams of a corpus are, once where that is a larger corpus than the
    component sees. In one that is large, all are alike."""
    if not model.attrs["learn"]:
        return
    ngrams, linear = model.get_ref("ngrams"), model.get_ref("labels").layers[0]
    size = ngrams.attrs["ngram_size"]
    texts = (_ngrams(words, size) for words in corpus.texts[intify_attr(model.attrs["attr"])])
    large = corpus.tokens >= LARGE_CORPUS
    length = linear.get_dim("length")
    ngrams.attrs["rarity"] = RarityTable() if large else learn_rarity(texts, length)


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for more labels, whose weights are zero."""
    labels = resize_model(model.get_ref("labels"), new_nO)
    for node in model.walk():
        if node.has_dim("nO") and labels in node.walk():
            node.set_dim("nO", new_nO, force=True)
    return model


def forward(model: Model, X: TokensIn, is_train: bool) -> Tuple[Floats2d, Callable]:
    """Logits of texts, of shape (texts, labels)."""
    ngrams, weights = model.layers
    features, _ = ngrams(X, is_train)
    if not is_train and isinstance(model.ops, NumpyOps):
        # As the layers around it, which only matter beside a GPU and for new labels.
        return model.get_ref("labels").layers[0].predict(features), lambda dY: []
    logits, backprop_weights = weights(features, is_train)

    def backprop(dY: Floats2d) -> List:
        backprop_weights(dY)
        return []

    return logits, backprop


def forward_ngrams(model: Model, X: TokensIn, is_train: bool) -> Tuple[Tuple, Callable]:
    """Keys, values and numbers of the n-grams of each text, for `SparseLinear`."""
    tokens = Tokens.of(X)
    rate = model.attrs.get("dropout_rate", model.attrs["dropout"]) if is_train else 0.0
    words = tokens.words(intify_attr(model.attrs["attr"]))
    size, rarity = model.attrs["ngram_size"], model.attrs["rarity"]
    if len(tokens.lengths) == 1:
        keys, values = _weighted_ngrams(words, size, rate, rarity)
        return (keys, values, numpy.asarray([len(keys)], dtype="int32")), lambda d_output: []
    texts = split_rows(words, tokens.lengths)
    parts = [_weighted_ngrams(text, size, rate, rarity) for text in texts]
    lengths = numpy.asarray([len(keys) for keys, _ in parts], dtype="int32")
    keys = numpy.concatenate([_NO_KEYS, *(keys for keys, _ in parts)])
    values = numpy.concatenate([_NO_VALUES, *(values for _, values in parts)])
    return (keys, values, lengths), lambda d_output: []


_NO_KEYS, _NO_VALUES = numpy.zeros(0, dtype="uint64"), numpy.zeros(0, dtype="float32")


def _weighted_ngrams(
    words: numpy.ndarray, ngram_size: int, rate: float, rarity: RarityTable
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """A text's n-grams and the value of each.

    words: Hashes of the text's words, of shape (tokens,). rate: Share of n-grams to drop.
    rarity: Of all n-grams.
    """
    found = _ngrams(words, ngram_size)
    value = SCALE / max(len(found), 1) ** 0.5
    if not rate:
        return found, rarity.weigh(found, value)
    # All occurrences of an n-gram are dropped, or none.
    found, counts = numpy.unique(found, return_counts=True)
    kept = numpy.random.random(len(found)) >= rate
    found = found[kept]
    return found, rarity.weigh(found, counts[kept] * (value / (1.0 - rate)))


def _ngrams(words: numpy.ndarray, ngram_size: int) -> numpy.ndarray:
    """Hashes of a text's n-grams."""
    longest = min(ngram_size, len(words))
    longer = [CPU.ngrams(size, words) for size in range(2, longest + 1)]
    return numpy.concatenate([words, *longer])


def evidence(model: Model, tokens: Tokens) -> Evidence:
    """What each token adds to the logits: its share of the n-grams that it is part of."""
    attrs, linear = model.get_ref("ngrams").attrs, model.get_ref("labels").layers[0]
    lengths = tokens.lengths
    ngrams = ngrams_in(tokens.words(intify_attr(attrs["attr"])), lengths, attrs["ngram_size"])
    counts = numpy.bincount(ngrams.texts, minlength=len(lengths))
    value = SCALE / numpy.sqrt(numpy.maximum(counts, 1))
    values = attrs["rarity"].weigh(ngrams.keys, value[ngrams.texts])
    bias = CPU.to_numpy(linear.get_param("b")).astype("float64")
    # Each n-gram as a text of its own.
    alone = numpy.ones(len(values), dtype="int32")
    added = linear.predict((ngrams.keys, values, alone)) - bias
    return Evidence(share(ngrams, added, lengths.sum()), bias)


class RunningNgrams(Running):
    """The layer's logits over the words so far. The state has two parts: how many n-grams there
    were and the sum of their weights, in double precision; and the last words, 0 for none.

    name: Of the component. layer: The layer, whose labels are known.
    """

    def __init__(self, name: str, layer: Model):
        attrs = layer.get_ref("ngrams").attrs
        self.attr = intify_attr(attrs["attr"])
        self.rarity: RarityTable = attrs["rarity"]
        self.linear = layer.get_ref("labels").layers[0]
        self.bias = CPU.to_numpy(self.linear.get_param("b"))
        sums = numpy.zeros(1 + len(self.bias))
        self.initial = [sums, numpy.zeros(attrs["ngram_size"] - 1, dtype="uint64")]

    def add(self, X: Tokens, states: States) -> numpy.ndarray:
        """RETURNS: The logits, of shape (texts, labels)."""
        sums, last = states
        windows = windows_of(X.words(self.attr), X.lengths, last)
        keys, counts = ngrams_that_end(windows)
        ends = X.lengths.cumsum()
        if len(ends) < len(counts):
            counts = numpy.add.reduceat(counts, ends - X.lengths)
        sums[:, 0] += counts
        sums[:, 1:] += self._sum(keys, counts)
        last[:] = windows[ends - 1, 1:]
        return self._logits(sums)

    def _sum(self, keys: numpy.ndarray, counts: numpy.ndarray) -> numpy.ndarray:
        """The weights of the n-grams of each text, of shape (texts, labels)."""
        values = self.rarity.weigh(keys, SCALE)
        sums: Any = self.linear.predict((keys, values, counts.astype("int32")))
        return sums.astype("float64") - self.bias

    def _logits(self, sums: numpy.ndarray) -> numpy.ndarray:
        count = numpy.maximum(sums[:, :1], 1.0)
        return (sums[:, 1:] / numpy.sqrt(count) + self.bias).astype("float32")

    def after_each(self, X: Tokens) -> numpy.ndarray:
        """The logits after each word of one text, of shape (tokens, labels)."""
        windows = windows_of(X.words(self.attr), X.lengths, self.initial[1][None])
        keys, counts = ngrams_that_end(windows)
        found = self._sum(keys, counts)
        return self._logits(numpy.concatenate((counts[:, None], found), axis=1).cumsum(axis=0))
