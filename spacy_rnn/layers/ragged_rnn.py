"""The recurrent encoder as a thinc layer."""

from typing import Any, Callable, Optional, Tuple

from thinc.api import Model
from thinc.layers.pytorchwrapper import forward

from ..types import TokenRows
from .convert import rows_to_torch, torch_to_rows
from .shim import RNNShim, shim_of


def ragged_rnn(
    width: int,
    *,
    cell: str,
    nonlinearity: str,
    num_layers: int,
    bidirectional: bool,
    bias: bool,
    dropout: Optional[float],
    precision: str,
    max_grad_norm: float,
) -> Model[TokenRows, TokenRows]:
    """A recurrent net over each document's rows, exact for rows of any length.

    `width` is that of the output, both directions together. For the other arguments,
    see `spacy_rnn.models.rnn_encoder`.
    """
    config = {
        "hidden_size": width // 2 if bidirectional else width,
        "cell": cell,
        "nonlinearity": nonlinearity,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "bias": bias,
        "dropout": dropout or 0.0,
        "precision": precision,
    }
    attrs = {
        "config": config,
        "bidirectional": bidirectional,
        "convert_inputs": rows_to_torch,
        "convert_outputs": output_to_rows,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    return Model(
        "ragged_rnn",
        forward,
        init=init,
        dims={"nI": None, "nO": width},
        attrs=attrs,
        shims=[RNNShim(build_rnn, "RNNEncoder", max_grad_norm=max_grad_norm)],
    )


def init(model: Model, X: Optional[TokenRows] = None, Y: Any = None) -> None:
    if X:
        model.set_dim("nI", X[0].shape[1])
    if model.has_dim("nI"):
        shim_of(model).build(input_size=model.get_dim("nI"), **model.attrs["config"])


def build_rnn(**config: Any) -> Any:
    from ..modules.ragged_rnn import RaggedRNN

    return RaggedRNN(**config)


def output_to_rows(model: Model, X_Ytorch: Any, is_train: bool) -> Tuple[TokenRows, Callable]:
    """Leave the final state, which the module returns beside its output."""
    Xs, (output, _) = X_Ytorch
    return torch_to_rows(model, (Xs, output), is_train)
