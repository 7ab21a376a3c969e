"""What each token of a text adds to what the classifier says of it."""

from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Model

from ..bridge.gradients import differentiate
from ..bridge.integrated_gradients import Rule, integrate
from ..bridge.ragged import Rows, read_rows, read_tokens, reads_flat
from ..bridge.tokens import Tokens, parts_by_tokens
from ..engine.plan import GRADIENTS_AT_ONCE
from ..errors import Errors
from .evidence import Evidence, evidence_of
from .temperature import get_temperature
from .textcat_rnn import beside_the_net, differentiate_net
from .truncate import kept_rows

# One gradient, at the end of the way from the baseline: for `gradient_times_input`.
AT_THE_INPUT = numpy.ones(1), numpy.ones(1)


class Explanation(NamedTuple):
    """Why texts have their margins: of each text, `baseline` and the sum over its tokens of all
    `parts` are the margin, up to the error of the method.

    margins: The logits in the direction that was asked for, of shape (texts,).
    baselines: The same without any word, None where nothing is taken apart.
    parts: By the name of each part of the model, what each token adds, of shape (tokens,).
    """

    margins: numpy.ndarray
    baselines: Optional[numpy.ndarray]
    parts: Dict[str, numpy.ndarray]


class ExplainedTexts:
    """Some texts, and what a classifier says of them.

    name: Of the component, for errors. model: `spacy-rnn.TextCatRNN.v2`, initialized.
    tokens: Of the texts.
    baseline: The embedding that stands for no word, of shape (width,). None for zeros.
    RAISES: ValueError for a model without a recurrent net, and for one that listens to a component
        which has not run.
    """

    def __init__(self, name: str, model: Model, tokens: Tokens, baseline: Any = None):
        if not model.has_ref("net"):
            raise ValueError(Errors.R332.format(name=name, layer=model.name))
        self.name, self.model, self.tokens, self.ops = name, model, tokens, model.ops
        check_embedded(name, model.get_ref("tok2vec"), tokens)
        embed, self.before = _parts_of(model.get_ref("tok2vec"))
        self.rows, _ = read_tokens(embed, tokens, False)
        zeros: Any = self.ops.alloc1f(self.rows.data.shape[1])
        self.baseline = zeros if baseline is None else baseline
        logits: Any = model.layers[0].predict(tokens)
        # Before they are probabilities: of shape (texts, labels) both.
        self.logits = self.ops.to_numpy(logits).astype("float64")
        self.scores = self.ops.to_numpy(model.layers[-1].predict(logits))

    def towards(self, labels: numpy.ndarray) -> numpy.ndarray:
        """What of the logits says how far a label is from the others: it alone, or where labels
        exclude each other, minus the mean of the others; by the temperature, as scores have it.

        labels: The number of the label of each text, of shape (texts,).
        RETURNS: A direction for `add_up` and `attend`, of shape (texts, labels).
        """
        others = self.logits.shape[1] - 1
        exclusive = not self.model.attrs["multi_label"] and others
        direction = numpy.full(self.logits.shape, -1.0 / others if exclusive else 0.0)
        direction[numpy.arange(len(labels)), labels] = 1.0
        return direction / get_temperature(self.model)

    def add_up(self, direction: numpy.ndarray, rule: Rule) -> Explanation:
        """What tokens add: of the net by integrated gradients, of the models beside it exactly.

        direction: Of the logits of each text, of shape (texts, labels).
        rule: Where on the way from the baseline gradients are taken, and the weight of each.
        """
        of_text: Any = direction.astype("float32")
        net = integrate(
            self._run,
            self.rows,
            self.baseline,
            self.ops.asarray2f(of_text),
            rule,
            ops=self.ops,
            budget=GRADIENTS_AT_ONCE,
        )
        parts, start = {"net": net}, self._net_without_words()
        of_token = direction.repeat(self.tokens.lengths, axis=0)
        for part, layer in beside_the_net(self.model).items():
            found: Evidence = evidence_of(self.name, layer, self.tokens)
            parts[part] = (found.tokens * of_token).sum(axis=1)
            start = start + found.bias
        margins, baselines = ((part * direction).sum(axis=1) for part in (self.logits, start))
        return Explanation(margins, baselines, parts)

    def attend(self, direction: numpy.ndarray) -> Explanation:
        """How much of a text's vector each token is, by attention.

        RAISES: ValueError for a model that does not pool by attention.
        """
        pool = self.model.get_ref("pool")
        if "attention" not in pool.attrs:
            found = pool.attrs.get("pooling")
            raise ValueError(Errors.R333.format(name=self.name, found=found))
        rows, cut = self.rows, self.model.get_ref("truncate")
        for layer in self.before:
            rows, _ = read_rows(layer, rows, False)
        kept = kept_rows(cut, rows.lengths)
        rows, _ = read_rows(self.model.get_ref("encode"), differentiate(cut, rows)[0], False)
        weights = numpy.zeros(len(self.rows.data))
        found = self.ops.to_numpy(pool.attrs["attention"](pool, rows))
        weights[slice(None) if kept is None else kept] = found
        return Explanation((self.logits * direction).sum(axis=1), None, {"net": weights})

    def _run(self, X: Rows) -> Tuple[Any, Callable[[Any], Rows]]:
        """The net's logits as a function of its embeddings."""
        callbacks: List[Callable] = []
        for layer in self.before:
            X, backprop_layer = differentiate(layer, X, read_rows)
            callbacks.append(backprop_layer)
        logits, backprop_net = differentiate_net(self.model, X)

        def backprop(dY: Any) -> Rows:
            dX = backprop_net(dY)
            for backprop_layer in reversed(callbacks):
                dX = backprop_layer(dX)
            return dX

        return logits, backprop

    def _net_without_words(self) -> numpy.ndarray:
        """The net's logits where all embeddings are the baseline, which differ by a text's length
        alone. RETURNS: Of shape (texts, labels)."""
        lengths, texts = numpy.unique(self.tokens.lengths, return_inverse=True)
        found = numpy.zeros((len(lengths), self.logits.shape[1]))
        for part in parts_by_tokens(lengths, GRADIENTS_AT_ONCE):
            sizes = lengths[part]
            rows: Any = self.ops.alloc2f(int(sizes.sum()), len(self.baseline))
            rows += self.baseline
            found[part] = self.ops.to_numpy(self._run(Rows(rows, sizes))[0])
        return found[texts]


def _parts_of(tok2vec: Model) -> Tuple[Model, List[Model]]:
    """The layer that embeds tokens, and those between it and the rest of the classifier."""
    if tok2vec.has_ref("embed") and tok2vec.has_ref("encode"):
        embed, before = _parts_of(tok2vec.get_ref("embed"))
        return embed, [*before, tok2vec.get_ref("encode")]
    return tok2vec, []


def check_embedded(name: str, tok2vec: Model, tokens: Tokens) -> None:
    """RAISES: ValueError if a layer listens to a component that has not read some of the documents:
    spaCy gives zeros for these.

    name: Of the component, for errors. tokens: All of the documents.
    """
    for layer in _listening(tok2vec):
        rows, _ = read_tokens(layer, tokens, False)
        xp: Any = layer.ops.xp
        known = layer.ops.to_numpy(xp.any(rows.data != 0, axis=1))
        starts = (rows.lengths.cumsum() - rows.lengths)[rows.lengths > 0]
        if len(starts) and not numpy.logical_or.reduceat(known, starts).all():
            raise ValueError(Errors.R334.format(name=name, layer=layer.name))


def _listening(layer: Model) -> Iterator[Model]:
    """The embeddings in a layer that get their rows from another component."""
    if reads_flat(layer) and layer.layers:
        for part in layer.layers:
            yield from _listening(part)
    elif any(hasattr(node, "upstream_name") for node in layer.walk()):
        yield layer
