"""`spacy-rnn.NBSVM.v1`: a linear model over n-grams, fitted before the net beside it learns."""

import hashlib
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.util import registry
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr
from thinc.types import Floats2d

from ..bridge.ragged import split_rows
from ..bridge.tokens import Tokens, lengths_of
from ..errors import Errors
from ..types import TokensIn
from ..vocabulary.learning import CorpusKeys
from ..vocabulary.nb_svm import Target, fit_nb_svm, strongest, value_of
from ..vocabulary.ngrams import KEY_MASK, NEAR_END, Bags, NgramTable, count_ngrams
from .checks import check, check_at_least, check_attr, check_rate
from .evidence import Evidence, Ngrams, ngrams_in, share
from .running import Running, States
from .temperature import fit_temperature
from .windows import CPU, ngrams_that_end, windows_of

# So many times the n-grams that are kept are fitted first, to see which ones say most. With many
# labels fewer, as the fit takes some 100 bytes for each of these weights.
CANDIDATES, MAX_WEIGHTS = 4, 1 << 24
# Parts of the corpus. What the net learns beside is told by a fit to the others.
FOLDS = 5


@registry.architectures("spacy-rnn.NBSVM.v1")
def build_nb_svm_v1(
    ngram_size: int = 4,
    max_size: int = 262144,
    min_count: int = 3,
    attr: str = "NORM",
    C: float = 0.1,
    dropout: float = 0.5,
    tail: int = 0,
    nO: Optional[int] = None,
) -> Model[TokensIn, Floats2d]:
    """What words and phrases add to the logits: the `fitted_model` of
    `spacy-rnn.TextCatRNN.v2`. A logistic regression over the n-grams that a text has, scaled by
    their log-count ratios (Wang and Manning 2012), is fitted to the whole corpus in
    initialization. Training leaves it as it is.

    In training, a text's logits are those of a model that was fitted without this text: the net
    would otherwise learn that the linear model is always right. What all logits are multiplied by
    is fitted to these as well.

    ngram_size: Words in the longest n-gram. Shorter ones are counted too.
    max_size: Number of n-grams to keep, of those that tell labels apart most.
    min_count: Leave out n-grams that are in fewer texts. In a corpus of less than 10,000 tokens,
        all are kept.
    attr: What of a token counts as its word: "NORM", "LOWER" or "ORTH".
    C: Inverse strength of the L2 penalty, as in scikit-learn's `LogisticRegression`.
    dropout: Share of texts of which training does not see the logits: what the net beside learns
        is then not only what the linear model does not know.
    tail: The n-grams that end within the last `tail` words of a text have a second weight each,
        since a verdict often comes at the end. 0 for none.
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to logits, of shape (docs, labels).
    RAISES: ValueError for an argument out of its range.
    """
    check_attr(attr)
    check_at_least("ngram_size", ngram_size, 1)
    check_at_least("max_size", max_size, 1)
    check_at_least("min_count", min_count, 1)
    check("C", C, C > 0, "above 0")
    check_rate("dropout", dropout)
    check_at_least("tail", tail, 0)
    attrs: Dict[str, Any] = {
        "ngram_size": ngram_size,
        "tail": tail,
        "max_size": max_size,
        "min_count": min_count,
        "attr": attr,
        "C": C,
        "dropout": dropout,
        "ngrams": NgramTable(),
        "held_out": HeldOut(),
        "fit_labels": fit_labels,
        "reads_flat": True,
        "resize_output": resize_output,
        "running": RunningNBSVM,
        "evidence": evidence,
        "check": check_size,
    }
    # The logits are multiplied by 1 and this, which is fitted to the held-out logits. In pipelines
    # that were saved before 0.10, training has learned it.
    params: Dict[str, Any] = {"W": None, "b": None, "scale": None}
    return Model("nb_svm", forward, init=init, dims={"nO": nO}, params=params, attrs=attrs)


class HeldOut:
    """Logits of the texts of a corpus, each by a model that was fitted without the text. Not
    saved: they are of use as long as training goes on.

    logits: By hash of the text.
    """

    def __init__(self, logits: Optional[Dict[bytes, numpy.ndarray]] = None):
        self.logits = logits or {}


@contextmanager
def as_in_prediction(model: Model) -> Iterator[None]:
    """Let fitted layers of a model say in training what they say in prediction."""
    layers = [node for node in model.walk() if "held_out" in node.attrs]
    before = [{name: node.attrs[name] for name in ("held_out", "dropout")} for node in layers]
    for node in layers:
        node.attrs.update(held_out=HeldOut(), dropout=0.0)
    try:
        yield
    finally:
        for node, attrs in zip(layers, before):
            node.attrs.update(attrs)


serialize_attr.register(HeldOut, lambda _, value, *where: b"")
deserialize_attr.register(HeldOut, lambda _, data, *where: HeldOut())


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Begin without n-grams, as soon as the number of labels is known."""
    if Y is not None:
        model.set_dim("nO", Y.shape[1])
    if model.has_dim("nO"):
        labels = model.get_dim("nO")
        model.attrs["ngrams"], model.attrs["held_out"] = NgramTable(), HeldOut()
        _set(model, numpy.zeros((0, labels)), numpy.zeros(labels))


def _set(model: Model, weights: numpy.ndarray, bias: numpy.ndarray, scale: float = 0.0) -> None:
    params: Dict[str, Any] = {"W": weights, "b": bias, "scale": numpy.asarray([scale])}
    for name, value in params.items():
        model.set_param(name, model.ops.asarray_f(value))


def fit_labels(model: Model, corpus: CorpusKeys, target: Target) -> None:
    """Fit the model to a labelled corpus.

    corpus: The words of all texts. target: What is true of them.
    """
    attrs = model.attrs
    texts = corpus.texts[intify_attr(attrs["attr"])]
    words, lengths = numpy.concatenate(texts), lengths_of(texts)
    least = corpus.min_count(attrs["min_count"])
    size, tail, kept = attrs["ngram_size"], attrs["tail"], attrs["max_size"]
    most = max(kept, min(CANDIDATES * kept, MAX_WEIGHTS // target.truths.shape[1]))
    keys, bags = count_ngrams(words, lengths, size, least, most, tail)
    if not len(keys):
        return
    fitted = fit_nb_svm(bags, len(keys), target, attrs["C"])
    if len(keys) > kept:
        chosen = strongest(fitted, kept)
        keys, fitted = keys[chosen], fit_nb_svm(bags.keep(chosen), chosen.sum(), target, attrs["C"])
    attrs["ngrams"] = NgramTable(keys)
    names = [_name_of(text) for text in texts]
    logits = _held_out_logits(names, bags, target, least, attrs["C"])
    # A fit to few texts is too certain about others.
    temperature = fit_temperature(logits, *target, target.log_frequencies())
    _set(model, *fitted, 1.0 / temperature - 1.0)
    attrs["held_out"] = HeldOut(dict(zip(names, logits)))


def _held_out_logits(
    names: List[bytes], bags: Bags, target: Target, min_count: int, C: float
) -> numpy.ndarray:
    """Logits of each text, by a model fitted without it, of shape (texts, labels)."""
    # By what the text says, so that one that stands twice in a corpus is in one fold.
    folds = numpy.asarray([name[0] % FOLDS for name in names])
    logits = numpy.zeros(target.truths.shape, dtype="float32")
    for fold in range(FOLDS):
        out = folds == fold
        if out.any() and not out.all():
            logits[out] = _fit_without(out, bags, target, min_count, C)
    return logits


def _fit_without(
    out: numpy.ndarray, bags: Bags, target: Target, min_count: int, C: float
) -> numpy.ndarray:
    """Logits of some texts by a model fitted to the others. out: Whether each is left out."""
    rest = bags.select(~out)
    kept = rest.text_counts(bags.columns.max() + 1) >= min_count
    model = fit_nb_svm(rest.keep(kept), kept.sum(), target.select(~out), C)
    return model.logits(bags.select(out).keep(kept))


def _name_of(words: numpy.ndarray) -> bytes:
    return hashlib.blake2b(words.tobytes(), digest_size=8).digest()


def forward(model: Model, X: TokensIn, is_train: bool) -> Tuple[Floats2d, Callable]:
    """Logits of texts, of shape (texts, labels)."""
    tokens = Tokens.of(X)
    words = tokens.words(intify_attr(model.attrs["attr"]))
    held_out = model.attrs["held_out"].logits if is_train else {}
    found: Any = _logits(model, words, tokens.lengths, held_out)
    logits: Any = model.ops.asarray2f(found)
    if is_train:
        kept = numpy.random.random((len(logits), 1)) >= model.attrs["dropout"]
        logits *= model.ops.asarray(kept, dtype="f")
    return logits * (1.0 + model.get_param("scale")), lambda d_logits: []


def _logits(
    model: Model, words: numpy.ndarray, lengths: numpy.ndarray, held_out: Dict
) -> numpy.ndarray:
    table: NgramTable = model.attrs["ngrams"]
    weights, bias = (model.ops.to_numpy(model.get_param(name)) for name in ("W", "b"))
    if held_out:
        texts = split_rows(words, lengths)
        found: List[Any] = [held_out.get(_name_of(text)) for text in texts]
        if all(row is not None for row in found):
            return numpy.stack(found)
    bags = table.bags(words, lengths, model.attrs["ngram_size"], model.attrs["tail"])
    logits = sum_rows(weights[bags.columns], bags.lengths)
    logits *= value_of(bags.lengths)[:, None]
    logits += bias
    if held_out:
        for row, known in zip(logits, found):
            if known is not None:
                row[:] = known
    return logits


def sum_rows(rows: Any, lengths: numpy.ndarray) -> numpy.ndarray:
    """Sums of so many rows each, of shape (lengths, columns)."""
    if len(lengths) == 1:
        return numpy.add.reduce(rows, axis=0)[None]
    if not len(rows):
        return numpy.zeros((len(lengths), rows.shape[1]), dtype=rows.dtype)
    return CPU.reduce_sum(rows, lengths.astype("int32"))


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for more labels, of which the n-grams say nothing."""
    xp: Any = model.ops.xp
    params: Dict[str, Any] = {name: model.maybe_get_param(name) for name in model.param_names}
    if model.has_param("W"):
        more = new_nO - model.get_dim("nO")
        for name in ("W", "b"):
            zeros = model.ops.alloc((*params[name].shape[:-1], more))
            params[name] = xp.concatenate((params[name], zeros), axis=-1)
            # thinc keeps the dimensions of a layer that has parameters.
            model.set_param(name, None)
        logits: Any = model.attrs["held_out"].logits
        logits = {text: numpy.append(row, numpy.zeros(more, "f")) for text, row in logits.items()}
        model.attrs["held_out"] = HeldOut(logits)
    model.set_param("scale", None)
    model.set_dim("nO", new_nO, force=True)
    for name, value in params.items():
        model.set_param(name, value)
    return model


def evidence(model: Model, tokens: Tokens) -> Evidence:
    """What each token adds to the logits: its share of the n-grams that it is part of. An n-gram
    counts once in a text, so that each of its occurrences there has an equal part; one near the
    end counts as often as it occurs there."""
    attrs, lengths = model.attrs, tokens.lengths
    weights, bias, scale = (
        model.ops.to_numpy(model.get_param(name)) for name in ("W", "b", "scale")
    )
    ngrams = ngrams_in(tokens.words(intify_attr(attrs["attr"])), lengths, attrs["ngram_size"])
    last = ngrams.starts + ngrams.sizes - 1
    near = ngrams.select(lengths.cumsum()[ngrams.texts] - last <= attrs["tail"])
    ngrams, rows = _known(attrs["ngrams"], ngrams, numpy.uint64(0))
    near, near_rows = _known(attrs["ngrams"], near, NEAR_END)
    pairs = ngrams.texts * len(weights) + rows
    different, number, times = numpy.unique(pairs, return_inverse=True, return_counts=True)
    of_each = numpy.bincount(different // max(len(weights), 1), minlength=len(lengths))
    of_each += numpy.bincount(near.texts, minlength=len(lengths))
    values = value_of(of_each).astype("float64")
    once = weights[rows] * (values[ngrams.texts] / times[number])[:, None]
    found = share(ngrams, once, lengths.sum())
    found += share(near, weights[near_rows] * values[near.texts][:, None], lengths.sum())
    factor = 1.0 + scale.astype("float64")
    return Evidence(found * factor, bias * factor)


def _known(table: NgramTable, ngrams: Ngrams, mark: Any) -> Tuple[Ngrams, numpy.ndarray]:
    """Those of some n-grams that a table has, and their rows. mark: Of those near the end."""
    rows = table.find((ngrams.keys & KEY_MASK) ^ mark)
    return ngrams.select(rows >= 0), rows[rows >= 0]


def check_size(model: Model) -> None:
    """RAISES: ValueError if the n-grams loaded are not as many as the weights."""
    if not model.has_param("W"):
        return
    expected = (len(model.attrs["ngrams"]), model.get_dim("nO"))
    if model.get_param("W").shape != expected:
        problem = f"weights of shape {model.get_param('W').shape}, expected {expected}"
        raise ValueError(Errors.R102.format(name=model.name, problem=problem))


class RunningNBSVM(Running):
    """The layer's logits over the words so far. The state has four parts: how many of its n-grams
    a text has and the sum of their weights, in double precision; the last words, 0 for none; one
    bit for each n-gram of the table, whether the text has it; and, for each of the last `tail`
    words, how many n-grams near the end end in it and the sum of their weights.

    name: Of the component. layer: The layer, whose labels are known.
    """

    def __init__(self, name: str, layer: Model):
        self.size: int = layer.attrs["ngram_size"]
        self.tail: int = layer.attrs["tail"]
        self.attr = intify_attr(layer.attrs["attr"])
        self.table: NgramTable = layer.attrs["ngrams"]
        self.weights, self.bias, scale = (
            layer.ops.to_numpy(layer.get_param(name)) for name in ("W", "b", "scale")
        )
        self.factor = 1.0 + scale
        sums = numpy.zeros(1 + len(self.bias))
        words = numpy.zeros(self.size - 1, dtype="uint64")
        bits = numpy.zeros(len(self.table) // 8 + 1, dtype="uint8")
        self.initial = [sums, words, bits, numpy.zeros(self.tail * len(sums))]

    def add(self, X: Tokens, states: States) -> numpy.ndarray:
        """RETURNS: The logits, of shape (texts, labels)."""
        sums, last, seen, near = states
        windows = windows_of(X.words(self.attr), X.lengths, last)
        keys, tokens = _that_end(windows)
        rows, owners = self._known(keys, tokens)
        texts = numpy.arange(len(X.lengths)).repeat(X.lengths)
        bits = (seen[texts[owners], rows >> 3] >> (rows & 7).astype("uint8")) & 1
        # Most words of a text come again.
        if not bits.all():
            self._add_new(texts[owners][bits == 0], rows[bits == 0], sums, seen)
        last[:] = windows[X.lengths.cumsum() - 1, 1:]
        if not self.tail:
            return self._logits(sums)
        recent = near.reshape(len(near), self.tail, -1)
        recent = last_rows(recent, self._near(keys, tokens, len(windows)), X.lengths)
        near[:] = recent.reshape(near.shape)
        return self._logits(sums + recent.sum(axis=1))

    def _add_new(
        self, texts: numpy.ndarray, rows: numpy.ndarray, sums: numpy.ndarray, seen: numpy.ndarray
    ) -> None:
        """Add n-grams that texts did not have. One may come twice in what was added to a text."""
        pairs = numpy.unique(texts * len(self.table) + rows)
        texts, rows = pairs // len(self.table), pairs % len(self.table)
        bits = numpy.left_shift(1, rows & 7).astype("uint8")
        numpy.bitwise_or.at(seen, (texts, rows >> 3), bits)
        numpy.add.at(sums[:, 0], texts, 1.0)
        numpy.add.at(sums[:, 1:], texts, self.weights[rows])

    def _known(
        self, keys: numpy.ndarray, tokens: numpy.ndarray
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The rows of n-grams that the table has, and the words that they end in."""
        rows = self.table.find(keys)
        known = rows >= 0
        return rows[known], tokens[known]

    def _near(self, keys: numpy.ndarray, tokens: numpy.ndarray, count: int) -> numpy.ndarray:
        """How many n-grams near the end each word would end, and the sum of their weights, of shape
        (words, 1 + labels)."""
        rows, owners = self._known(keys ^ NEAR_END, tokens)
        found = numpy.zeros((count, 1 + len(self.bias)))
        numpy.add.at(found[:, 0], owners, 1.0)
        numpy.add.at(found[:, 1:], owners, self.weights[rows])
        return found

    def _logits(self, sums: numpy.ndarray) -> numpy.ndarray:
        logits = sums[:, 1:] * value_of(sums[:, 0])[:, None] + self.bias
        return (logits * self.factor).astype("float32")

    def after_each(self, X: Tokens) -> numpy.ndarray:
        """The logits after each word of one text, of shape (tokens, labels)."""
        words = X.words(self.attr)
        keys, tokens = _that_end(windows_of(words, X.lengths, self.initial[1][None]))
        rows, owners = self._known(keys, tokens)
        # Only where the text has the n-gram for the first time.
        rows, first = numpy.unique(rows, return_index=True)
        sums = numpy.zeros((len(words), 1 + len(self.bias)))
        numpy.add.at(sums[:, 0], owners[first], 1.0)
        numpy.add.at(sums[:, 1:], owners[first], self.weights[rows])
        near = self._near(keys, tokens, len(words)) if self.tail else numpy.zeros_like(sums)
        gone = numpy.zeros_like(near)
        gone[self.tail :] = near[: max(len(near) - self.tail, 0)]
        return self._logits((sums + near - gone).cumsum(axis=0))


def _that_end(windows: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The n-grams that end in each word, and the number of the word."""
    keys, counts = ngrams_that_end(windows)
    return keys & KEY_MASK, numpy.arange(len(windows)).repeat(counts)


def last_rows(before: numpy.ndarray, new: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """The last rows of texts, as many as before, when rows were added to each, at least one.

    before: Of shape (texts, size, columns). new: One text's after the other's, of shape (rows,
        columns). lengths: New rows of each text, of shape (texts,).
    """
    if len(lengths) == len(new):
        return numpy.concatenate((before[:, 1:], new[:, None]), axis=1)
    size = before.shape[1]
    # Where each text's last rows are, in its old rows followed by its new ones.
    place = lengths[:, None] + numpy.arange(size)
    starts = (lengths.cumsum() - lengths)[:, None]
    texts = numpy.arange(len(before))[:, None]
    old = before[texts, numpy.minimum(place, size - 1)]
    rows = new[numpy.clip(starts + place - size, 0, len(new) - 1)]
    return numpy.where((place < size)[:, :, None], old, rows)
