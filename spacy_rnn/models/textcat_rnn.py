"""Registered architecture: the text classifier."""

from typing import List, Optional, Union

from spacy.util import registry
from thinc.api import Dropout, Linear, Model, add, chain, noop, zero_init
from thinc.layers.resizable import resizable, resize_linear_weighted, resize_model
from thinc.types import Floats2d
from thinc.util import partial

from ..errors import Errors
from ..layers.keep_ends import keep_ends
from ..layers.pool import pool
from ..layers.probabilities import probabilities
from ..types import Docs, TokenRows
from .checks import check_at_least

# The bias of a label added after training, for labels that exclude each other or not:
# so low that the scores of the others stay as they are, and a way back is left.
NEW_LABEL_BIAS = {True: -30.0, False: -5.0}


@registry.architectures("spacy-rnn.TextCatRNN.v1")
def build_textcat_rnn_v1(
    tok2vec: Model[Docs, TokenRows],
    encode: Optional[Model[TokenRows, TokenRows]] = None,
    linear_model: Optional[Model[Docs, Floats2d]] = None,
    pooling: Union[str, List[str]] = "max",
    max_tokens: int = 0,
    exclusive_classes: bool = True,
    nO: Optional[int] = None,
) -> Model[Docs, Floats2d]:
    """Classify texts by what a recurrent net has read of them.

    tok2vec: What feeds the net: `spacy-rnn.VocabEmbed.v1`, `spacy.Tok2VecListener.v1`,
        or any other model from documents to arrays of one row per token.
    encode: The recurrent net, as `spacy-rnn.RNNEncoder.v1`. null if `tok2vec` is
        recurrent itself.
    linear_model: A model whose logits are added to those of the net, as
        `spacy-rnn.NgramLinear.v1`. It learns at once what single words and phrases say,
        and leaves to the net what depends on context (Cheng et al. 2016). null for the
        net alone.
    pooling: How a text's tokens become one vector: "last", "mean", "max", "attention",
        or a list of these to use side by side.
    max_tokens: The net reads at most so many tokens of a text, the first quarter of them
        from its head and the rest from its tail. 0 reads all.
    exclusive_classes: Exactly one label is true of a text (softmax), or any number of
        them (one sigmoid each).
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to probabilities, of shape (docs, labels). The
        gradient that its backward pass takes is that of the logits.
    RAISES: ValueError for an unknown pooling, a negative max_tokens, or a linear model
        that returns probabilities.
    """
    check_at_least("max_tokens", max_tokens, 0)
    kinds = [pooling] if isinstance(pooling, str) else list(pooling)
    encode = noop() if encode is None else encode
    width = encode.maybe_get_dim("nO") or tok2vec.maybe_get_dim("nO")
    pooled = pool(kinds, width, bidirectional=encode.attrs.get("bidirectional", False))
    output = Linear(nO=nO, init_W=zero_init)
    defaults = {"W": 0.0, "b": NEW_LABEL_BIAS[exclusive_classes]}
    labels: Model[Floats2d, Floats2d] = resizable(
        output, partial(resize_linear_weighted, fill_defaults=defaults)
    )
    dropout: Model[Floats2d, Floats2d] = Dropout()
    logits = chain(tok2vec, keep_ends(max_tokens), encode, pooled, dropout, labels)
    if linear_model is not None:
        _check_linear(linear_model)
        logits = add(logits, linear_model)
    model: Model = chain(logits, probabilities(exclusive=exclusive_classes))
    model.name = "textcat_rnn"
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("encode", encode)
    model.set_ref("pool", pooled)
    model.set_ref("output_layer", output)
    model.set_ref("labels", labels)
    model.set_ref("linear_model", linear_model)
    model.attrs["resize_output"] = resize_output
    model.attrs["multi_label"] = not exclusive_classes
    return model


def _check_linear(linear_model: Model) -> None:
    """RAISES: ValueError if the model cannot grow labels, or ends in probabilities."""
    names = {node.name for node in linear_model.walk()}
    if "resize_output" not in linear_model.attrs or names & {"softmax_activation", "logistic"}:
        raise ValueError(Errors.R202.format(name=linear_model.name))


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for labels added after training; the scores of the others stay."""
    labels = resize_model(model.get_ref("labels"), new_nO)
    model.set_ref("output_layer", labels.layers[0])
    linear_model = model.maybe_get_ref("linear_model")
    if linear_model is not None:
        linear_model.attrs["resize_output"](linear_model, new_nO)
    for node in model.walk():
        if node.has_dim("nO") and labels in node.walk():
            node.set_dim("nO", new_nO, force=True)
    return model
