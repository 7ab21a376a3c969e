"""A `spacy.Tagger.v2` over the tokens that are not blank."""

from typing import Any, Callable, Tuple

from thinc.api import Model

from ..bridge.ragged import Rows, read_tokens
from ..bridge.tokens import Tokens


def score_tokens(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """The scores of tokens: of a model's `tok2vec` and what follows it, or of a model that has
    none, whose scores of other tokens are left out.

    model: From documents to one array for each, of shape (tokens, labels).
    RETURNS: Scores, and a callback from their gradient.
    """
    tok2vec: Any = model.maybe_get_ref("tok2vec")
    if [tok2vec] != model.layers[:1]:
        return read_tokens(model, tokens, is_train)
    Y, backprop_tok2vec = read_tokens(tok2vec, tokens, is_train)
    callbacks = []
    for layer in model.layers[1:]:
        Y, backprop_layer = layer(Y, is_train)
        callbacks.append(backprop_layer)

    def backprop(dY: Any) -> Any:
        for backprop_layer in reversed(callbacks):
            dY = backprop_layer(dY)
        return backprop_tok2vec(dY)

    return Y, backprop
