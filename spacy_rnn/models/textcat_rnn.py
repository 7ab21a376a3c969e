"""Registered architecture: the text classifier."""

from typing import List, Optional, Union

from spacy.util import registry
from thinc.api import Dropout, Linear, Model, Softmax, chain, noop
from thinc.layers.resizable import resizable, resize_linear_weighted, resize_model
from thinc.types import Floats2d
from thinc.util import partial

from ..layers.keep_ends import keep_ends
from ..layers.pool import pool
from ..layers.sigmoid import sigmoid_of_logits
from ..types import Docs, TokenRows
from .checks import check_at_least

# What a label added after training scores before it is trained: so little that a
# softmax leaves the other labels as they are, and little enough of a way back.
NEW_LABEL_LOGIT = {True: -30.0, False: -5.0}


@registry.architectures("spacy-rnn.TextCatRNN.v1")
def build_textcat_rnn_v1(
    tok2vec: Model[Docs, TokenRows],
    encode: Optional[Model[TokenRows, TokenRows]] = None,
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
    pooling: How a text's tokens become one vector: "last", "mean", "max", "attention",
        or a list of these to use side by side.
    max_tokens: Read at most so many tokens of a text, the first quarter of them from
        its head and the rest from its tail. 0 reads all.
    exclusive_classes: Exactly one label is true of a text (softmax), or any number of
        them (one sigmoid each).
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to probabilities, of shape (docs, labels). The
        gradient that its backward pass takes is that of the logits.
    RAISES: ValueError for an unknown pooling or a negative max_tokens.
    """
    check_at_least("max_tokens", max_tokens, 0)
    kinds = [pooling] if isinstance(pooling, str) else list(pooling)
    encode = noop() if encode is None else encode
    width = encode.maybe_get_dim("nO") or tok2vec.maybe_get_dim("nO")
    pooled = pool(kinds, width, bidirectional=encode.attrs.get("bidirectional", False))
    output: Model = Softmax(nO=nO) if exclusive_classes else Linear(nO=nO)
    defaults = {"W": 0.0, "b": NEW_LABEL_LOGIT[exclusive_classes]}
    labels: Model = resizable(output, partial(resize_linear_weighted, fill_defaults=defaults))
    probabilities = noop() if exclusive_classes else sigmoid_of_logits()
    head = chain(Dropout(), labels, probabilities)
    model: Model = chain(tok2vec, keep_ends(max_tokens), encode, pooled, head)
    model.name = "textcat_rnn"
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output)
    model.set_ref("labels", labels)
    model.set_ref("pool", pooled)
    model.set_ref("head", head)
    model.attrs["resize_output"] = resize_output
    model.attrs["multi_label"] = not exclusive_classes
    return model


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for labels added after training; the scores of the others stay."""
    labels = resize_model(model.get_ref("labels"), new_nO)
    model.set_ref("output_layer", labels.layers[0])
    for node in (model, model.get_ref("head"), labels):
        node.set_dim("nO", new_nO, force=True)
    return model
