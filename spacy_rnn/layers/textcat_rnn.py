"""`spacy-rnn.TextCatRNN.v2`: the text classifier."""

from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy
from spacy.util import registry
from thinc.api import Dropout, Linear, Model, chain, noop, zero_init
from thinc.layers.resizable import resizable, resize_linear_weighted, resize_model
from thinc.types import Floats2d
from thinc.util import partial

from ..bridge.gradients import differentiate
from ..bridge.ragged import Rows, read_rows, read_tokens, reads_flat, split
from ..bridge.tokens import Tokens
from ..engine.plan import MAX_NUMPY_PRODUCT
from ..errors import Errors
from ..types import Docs, RowsOut, TokenRows, TokensIn
from .checks import check_at_least
from .pool import pool
from .running import Chain, Running, States, running_form
from .temperature import Temperature
from .truncate import truncate

# The bias of a label added after training, for labels that exclude each other or not: so low that
# the scores of the others hardly move, and no lower, as it has to be learned from there.
NEW_LABEL_BIAS = {True: -14.0, False: -5.0}


@registry.architectures("spacy-rnn.TextCatRNN.v2")
def build_textcat_rnn_v2(
    tok2vec: Model[TokensIn, RowsOut],
    encode: Optional[Model[RowsOut, RowsOut]] = None,
    linear_model: Optional[Model[TokensIn, Floats2d]] = None,
    fitted_model: Optional[Model[TokensIn, Floats2d]] = None,
    pooling: Union[str, List[str]] = "max",
    max_tokens: int = 0,
    exclusive_classes: bool = True,
    nO: Optional[int] = None,
) -> Model[TokensIn, Floats2d]:
    """Classify texts by what a recurrent net has read of them.

    tok2vec: What feeds the net: `spacy-rnn.VocabEmbed.v1`, `spacy.Tok2VecListener.v1`,
        or any other model from documents to arrays of one row per token.
    encode: The recurrent net, as `spacy-rnn.RNNEncoder.v1`. null if `tok2vec` is
        recurrent itself.
    linear_model: A model whose logits are added to those of the net, as
        `spacy-rnn.NgramLinear.v1`. It learns at once what single words and phrases say,
        and leaves to the net what depends on context (Cheng et al. 2016). null for the
        net alone.
    fitted_model: A model whose logits are added as well, fitted to all training texts before
        the net learns, as `spacy-rnn.NBSVM.v1`. null for none.
    pooling: How a text's tokens become one vector: "last", "mean", "max", "attention",
        or a list of these to use side by side.
    max_tokens: The net reads at most so many tokens of a text, the first quarter of them
        from its head and the rest from its tail. 0 reads all.
    exclusive_classes: Exactly one label is true of a text (softmax), or any number of
        them (one sigmoid each).
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to probabilities, of shape (docs, labels). The
        gradient that its backward pass takes is that of the logits.
    RAISES: ValueError for an unknown pooling or a negative max_tokens; in initialization for a
        linear or fitted model that returns probabilities.
    """
    check_at_least("max_tokens", max_tokens, 0)
    kinds = [pooling] if isinstance(pooling, str) else list(pooling)
    both_ways = _reads_both_ways(tok2vec if encode is None else encode)
    if encode is None:
        encode = noop()
        encode.attrs.update(reads_flat=True, running=run_nothing)
    width = encode.maybe_get_dim("nO") or tok2vec.maybe_get_dim("nO")
    pooled = pool(kinds, width, bidirectional=both_ways)
    output = Linear(nO=nO, nI=pooled.maybe_get_dim("nO"), init_W=zero_init)
    defaults = {"W": 0.0, "b": NEW_LABEL_BIAS[exclusive_classes]}
    labels: Model = resizable(output, partial(resize_linear_weighted, fill_defaults=defaults))
    dims = {"nO": nO}
    cut = truncate_between(tok2vec, encode, max_tokens)
    parts: List[Model] = [tok2vec, cut, encode, pooled, Dropout(), labels]
    net: Model = Model("net", forward_net, init=init_net, dims=dims, layers=parts)
    logits = net
    beside = [model for model in (linear_model, fitted_model) if model is not None]
    for model in beside:
        if "resize_output" not in model.attrs:
            raise ValueError(Errors.R202.format(name=model.name))
    if beside:
        logits = Model("logits", forward_sum, init=init_sum, dims=dims, layers=[net, *beside])
    attrs: Dict[str, Any] = {
        "multi_label": not exclusive_classes,
        "reads_flat": True,
        "resize_output": resize_output,
        "running": RunningTextCat,
        "start_from": start_from,
    }
    scale: Dict[str, Any] = {"exclusive": exclusive_classes, "temperature": Temperature()}
    activate: Model = Model("probabilities", forward_probabilities, attrs=scale)
    layers = [logits, activate]
    refs: Dict[str, Any] = dict(zip(("tok2vec", "truncate", "encode", "pool"), parts))
    refs.update(encoder=cut, net=net, output_layer=output, labels=labels)
    refs.update(logits=logits, probabilities=activate)
    refs.update(linear_model=linear_model, fitted_model=fitted_model)
    return Model(
        "textcat_rnn", forward, init=init, dims=dims, layers=layers, refs=refs, attrs=attrs
    )


def truncate_between(tok2vec: Model, encode: Model, max_tokens: int) -> Model:
    """The layer that cuts texts. It stands for all before the head as well, with both as its
    layers: for `[pretraining] layer = "encoder"`.

    The net has the two, too. Each layer of a model counts once, so that the tree of saved models
    stays what it was without this.
    """
    layers = [tok2vec, encode]
    refs = {"embed": tok2vec, "encode": encode}
    return truncate(max_tokens, layers=layers, refs=refs, init=init_encoder)


@registry.architectures("spacy-rnn.TextCatRNN.v1")
def build_textcat_rnn_v1(
    tok2vec: Model[TokensIn, RowsOut],
    encode: Optional[Model[RowsOut, RowsOut]] = None,
    linear_model: Optional[Model[TokensIn, Floats2d]] = None,
    pooling: Union[str, List[str]] = "max",
    max_tokens: int = 0,
    exclusive_classes: bool = True,
    nO: Optional[int] = None,
) -> Model[TokensIn, Floats2d]:
    """As `build_textcat_rnn_v2`, without a fitted model: the classifier of pipelines that were
    trained before there was one."""
    return build_textcat_rnn_v2(
        tok2vec,
        encode,
        linear_model,
        pooling=pooling,
        max_tokens=max_tokens,
        exclusive_classes=exclusive_classes,
        nO=nO,
    )


def run_nothing(name: str, layer: Model) -> Running:
    """For `attrs["running"]` of a layer that does nothing."""
    return Chain([])


def _reads_both_ways(layer: Model) -> bool:
    """Whether the second half of a layer's rows comes from a net that reads backwards."""
    if layer.has_ref("encode"):
        layer = layer.get_ref("encode")
    return bool(layer.attrs.get("bidirectional"))


def forward(model: Model, X: TokensIn, is_train: bool) -> Tuple[Floats2d, Callable]:
    """Probabilities of texts."""
    logits, activate = model.layers
    scores, backprop_logits = logits(Tokens.of(X), is_train)

    def backprop(dY: Floats2d) -> List:
        backprop_logits(dY)
        return []

    return activate(scores, is_train)[0], backprop


def init(model: Model, X: Optional[Docs] = None, Y: Optional[Floats2d] = None) -> None:
    """Initialize all parts, and note how many labels there are."""
    model.layers[0].initialize(X=X, Y=Y)
    labels = model.get_ref("output_layer").maybe_get_dim("nO")
    if labels is not None:
        for node in (model, model.layers[0], model.get_ref("net")):
            node.set_dim("nO", labels)


def init_sum(model: Model, X: Optional[Docs] = None, Y: Optional[Floats2d] = None) -> None:
    """RAISES: ValueError if a model beside the net begins with anything but zeros."""
    net, *beside = model.layers
    net.initialize(X=X, Y=Y)
    docs = [doc for doc in X or [] if len(doc)] or None
    for layer in beside:
        layer.initialize(X=docs, Y=Y)
        if docs and layer.predict(docs).any():
            raise ValueError(Errors.R202.format(name=layer.name))


def forward_sum(model: Model, X: TokensIn, is_train: bool) -> Tuple[Floats2d, Callable]:
    """The logits of the net, and of the models beside it."""
    net, *beside = model.layers
    tokens = Tokens.of(X)
    total, backprop_net = net(tokens, is_train)
    callbacks = []
    for layer in beside:
        logits, backprop_layer = run_linear(layer, tokens, total.shape[1], is_train)
        total = total + logits
        callbacks.append(backprop_layer)

    def backprop(dY: Floats2d) -> Any:
        for backprop_layer in callbacks:
            backprop_layer(dY)
        return backprop_net(dY)

    return total, backprop


def run_linear(
    model: Model, tokens: Tokens, labels: int, is_train: bool
) -> Tuple[Floats2d, Callable]:
    """The logits of a model beside the net, of this package or of spaCy's. labels: Their number."""
    if reads_flat(model):
        return model(tokens, is_train)
    # Not all layers of spaCy's take a text without tokens, of which there is nothing to add up.
    rows: Any = tokens.lengths.nonzero()[0]
    full: Any = model.ops.asarray1i(rows)
    logits: Any = model.ops.alloc2f(len(tokens.docs), labels)
    if not len(full):
        return logits, lambda dY: []
    docs = [doc for doc in tokens.docs if len(doc)]
    logits[full], backprop = model(docs, is_train)
    return logits, lambda dY: backprop(dY[full])


def forward_net(model: Model, X: TokensIn, is_train: bool) -> Tuple[Floats2d, Callable]:
    """The logits of the recurrent net."""
    rows, backprop_tok2vec = read_tokens(model.layers[0], Tokens.of(X), is_train)
    logits, backprop = run_net(model, rows, is_train)
    return logits, lambda dY: backprop_tok2vec(backprop(dY))


def run_net(model: Model, X: Rows, is_train: bool) -> Tuple[Floats2d, Callable]:
    """The logits of the recurrent net as a function of its embeddings.

    model: The net. X: Rows as `tok2vec` gives them.
    RETURNS: The logits, and a callback from their gradient to that of X.
    """
    _, cut, encode, pooled, dropout, labels = model.layers
    rows, backprop_cut = cut(X, is_train)
    rows, backprop_encode = read_rows(encode, rows, is_train)
    if not is_train:
        return apply_linear(labels.layers[0], pooled.predict(rows)), lambda dY: X
    vectors, backprop_pool = pooled(rows, is_train)
    vectors, backprop_dropout = dropout(vectors, is_train)
    logits, backprop_labels = labels(vectors, is_train)

    def backprop(dY: Floats2d) -> Any:
        dX = backprop_pool(backprop_dropout(backprop_labels(dY)))
        return backprop_cut(backprop_encode(dX))

    return logits, backprop


def apply_linear(layer: Model, X: Any) -> Any:
    """What thinc's `Linear` predicts, for rows of the layer's kind of array."""
    weights, bias = layer.get_param("W"), layer.get_param("b")
    if len(X) * weights.size > MAX_NUMPY_PRODUCT:
        return layer.predict(X)
    # thinc's product takes longer to begin than a few rows take.
    return X @ weights.T + bias


def init_net(model: Model, X: Optional[Docs] = None, Y: Optional[Floats2d] = None) -> None:
    """Initialize the parts, each with what the ones before it make of a sample."""
    if not X or not any(map(len, X)):
        for layer in model.layers:
            layer.initialize()
        return
    tok2vec, cut, encode, pooled, _, labels = model.layers
    cut.initialize(X=X)
    rows, _ = read_tokens(tok2vec, Tokens.of(X), False)
    rows, _ = read_rows(encode, cut.predict(rows), False)
    pooled.initialize(X=rows)
    labels.initialize(X=pooled.predict(rows), Y=Y)


def init_encoder(model: Model, X: Optional[Docs] = None, Y: Any = None) -> None:
    """Initialize what reads texts, of those that have tokens."""
    tok2vec, encode = model.layers
    if not X or not any(map(len, X)):
        tok2vec.initialize()
        encode.initialize()
        return
    tok2vec.initialize(X=X)
    rows, _ = read_tokens(tok2vec, Tokens.of(X), False)
    encode.initialize(X=split(rows, rows.data.shape[1], encode))


def forward_probabilities(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable]:
    """Turn logits into probabilities: of labels that exclude each other (softmax), or of
    each label on its own (sigmoid).

    As with thinc's `Softmax`, the gradient given to the backward pass is that of the
    logits: `probability - truth` is the gradient of cross-entropy. thinc's `Logistic`
    would multiply it by p (1 - p), which makes it that of squared error.

    The temperature is for prediction only: training goes on as if it were 1.
    """
    logits: Any = X if is_train else model.attrs["temperature"].cool(X)
    if not model.attrs["exclusive"]:
        return model.ops.sigmoid(logits), lambda dY: dY
    # As `ops.softmax`, in fewer calls: of one text, these take longer than the numbers.
    xp: Any = model.ops.xp
    Y = xp.exp(logits - logits.max(axis=1, keepdims=True))
    Y /= Y.sum(axis=1, keepdims=True)
    return Y, lambda dY: dY


def start_from(model: Model, logits: Any) -> None:
    """Set what is added to the logits of all texts: the biases of the labels."""
    model.get_ref("output_layer").set_param("b", model.ops.asarray1f(logits))


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for labels added after training; the scores of the others stay."""
    labels = resize_model(model.get_ref("labels"), new_nO)
    model.set_ref("output_layer", labels.layers[0])
    for layer in models_beside(model):
        layer.attrs["resize_output"](layer, new_nO)
    for node in model.walk():
        if node.has_dim("nO") and labels in node.walk():
            node.set_dim("nO", new_nO, force=True)
    return model


def beside_the_net(model: Model) -> Dict[str, Model]:
    """The models whose logits are added to those of the net, by the names of their arguments."""
    found = {name: model.maybe_get_ref(name) for name in ("linear_model", "fitted_model")}
    return {name: layer for name, layer in found.items() if layer is not None}


def models_beside(model: Model) -> List[Model]:
    """The models whose logits are added to those of the net."""
    return list(beside_the_net(model).values())


def encoder_of(model: Model) -> Model[Docs, TokenRows]:
    """The part of a classifier before its head, as a model from documents to lists of arrays:
    to be trained for another objective than the head's. The layers are the classifier's own."""
    return chain(model.get_ref("tok2vec"), model.get_ref("encode"))


def embed(model: Model, docs: Docs) -> Rows:
    """What `tok2vec` gives for documents, for `differentiate_net`."""
    return read_tokens(model.get_ref("tok2vec"), Tokens.of(docs), False)[0]


def differentiate_net(model: Model, X: Rows) -> Tuple[Floats2d, Callable]:
    """The logits of the recurrent net as a function of its input, in evaluation mode and
    without touching the gradients of parameters: what explanations are made of.

    X: Rows as `embed` gives them, or others of the same shape.
    RETURNS: The logits without those of the models beside it, of shape (texts, labels), and a
        callback from their gradient to that of X.
    """
    _, cut, encode, pooled, _, labels = model.get_ref("net").layers
    callbacks = []
    found: Any = X
    for layer in (cut, encode, pooled, labels):
        run = read_rows if layer is encode else Model.__call__
        found, backprop_layer = differentiate(layer, found, run)
        callbacks.append(backprop_layer)

    def backprop(dY: Any) -> Rows:
        for backprop_layer in reversed(callbacks):
            dY = backprop_layer(dY)
        return dY

    return found, backprop


class RunningTextCat(Running):
    """The classifier over texts that are still arriving.

    name: Of the component. model: The classifier, initialized.
    RAISES: ValueError for a model that reads in two directions, or cuts texts.
    """

    def __init__(self, name: str, model: Model):
        self.ops = model.ops
        parts = ("truncate", "tok2vec", "encode", "pool")
        self.net = Chain([running_form(name, model.get_ref(part)) for part in parts])
        self.beside = [running_form(name, layer) for layer in models_beside(model)]
        self.initial = [state for part in (self.net, *self.beside) for state in part.initial]
        self.output = model.get_ref("output_layer")
        self.activate = model.layers[-1]

    def add(self, X: Tokens, states: States) -> numpy.ndarray:
        """RETURNS: Scores of shape (texts, labels)."""
        own, states = _take(states, self.net)
        logits = apply_linear(self.output, self.ops.asarray2f(self.net.add(X, own)))
        for part in self.beside:
            own, states = _take(states, part)
            logits = logits + self.ops.asarray2f(part.add(X, own))
        return self._scores(logits)

    def after_each(self, X: Tokens) -> numpy.ndarray:
        """The scores after each token of one text, of shape (tokens, labels)."""
        logits = apply_linear(self.output, self.ops.asarray2f(self.net.after_each(X)))
        for part in self.beside:
            logits = logits + self.ops.asarray2f(part.after_each(X))
        return self._scores(logits)

    def _scores(self, logits: Any) -> numpy.ndarray:
        return self.ops.to_numpy(self.activate.predict(logits))


def _take(states: States, part: Running) -> Tuple[States, States]:
    """The states of a part, which come first, and those of the others."""
    return states[: len(part.initial)], states[len(part.initial) :]
