"""Vectors of words from their characters, each form of a batch computed once."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.strings import StringStore
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.compat import torch

from ..errors import Errors
from ..types import Docs, TokenRows
from .char_table import CharTable, most_frequent_chars
from .convert import follow_dropout_rate, keys_of, lengths_of, split
from .form_cache import FormCache
from .shim import RNNShim, shim_of

# Forms that go through the net at a time in prediction: bounds memory.
FORMS_AT_ONCE = 4096


def char_rnn_embed(
    width: int,
    *,
    char_width: int,
    cell: str,
    num_layers: int,
    bidirectional: bool,
    precision: str,
    min_count: int,
    max_chars: int,
    char_dropout: float,
    dropout: Optional[float],
    max_grad_norm: float,
    cache_size: int,
) -> Model[Docs, TokenRows]:
    """A recurrent net over the characters of each token.

    `learn_vocab` fills the table of characters, before the layer is initialized. For
    the arguments, see `spacy_rnn.models.char_rnn_embed`.
    """
    config = {
        "embedding_dim": char_width,
        "hidden_size": width // 2 if bidirectional else width,
        "cell": cell,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "precision": precision,
        "char_dropout": char_dropout,
        "dropout": dropout or 0.0,
    }
    attrs: Dict[str, Any] = {
        "config": config,
        "min_count": min_count,
        "max_chars": max_chars,
        "learn": True,
        "chars": CharTable(),
        "cache": FormCache(cache_size),
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    return Model(
        "char_rnn_embed",
        forward,
        init=init,
        dims={"nO": width},
        attrs=attrs,
        shims=[RNNShim(build_char_rnn, "CharRNNEmbed", max_grad_norm=max_grad_norm)],
    )


def init(model: Model[Docs, TokenRows], X: Any = None, Y: Any = None) -> None:
    table: CharTable = model.attrs["chars"]
    if not table.chars:
        raise ValueError(Errors.R103.format(name="CharRNNEmbed"))
    shim_of(model).build(num_embeddings=len(table), **model.attrs["config"])


def build_char_rnn(**config: Any) -> Any:
    from ..modules.char_rnn import CharRNN

    return CharRNN(**config)


def learn_chars(layer: Model, keys: numpy.ndarray, counts: numpy.ndarray, vocab: Vocab) -> None:
    """Fill the table of characters.

    keys: The forms of the training texts, each once. counts: How often each occurs.
    """
    words = zip((vocab.strings[key] for key in keys.tolist()), counts.tolist())
    layer.attrs["chars"] = CharTable(most_frequent_chars(words, layer.attrs["min_count"]))


def forward(
    model: Model[Docs, TokenRows], docs: Docs, is_train: bool
) -> Tuple[TokenRows, Callable]:
    follow_dropout_rate(model, is_train)
    lengths = lengths_of(docs)
    forms, words = numpy.unique(keys_of(docs, ORTH), return_inverse=True)
    if not len(forms):
        empty: TokenRows = [model.ops.alloc2f(0, model.get_dim("nO")) for _ in docs]
        return empty, lambda dYs: []
    strings = docs[0].vocab.strings
    if is_train:
        return _update(model, strings, forms, words, lengths)
    return _predict(model, strings, forms, words, lengths), lambda dYs: []


def _update(
    model: Model, strings: StringStore, forms: Any, words: Any, lengths: Any
) -> Tuple[TokenRows, Callable]:
    shim = shim_of(model)
    chars = _encode(model, strings, forms)
    index = torch.from_numpy(words).to(shim.device)
    inputs = ArgsKwargs(args=(*chars, index, torch.from_numpy(lengths)), kwargs={})
    Y, backprop_module = shim.begin_update(inputs)

    def backprop(dYs: TokenRows) -> List:
        xp: Any = model.ops.xp
        dY = xp2torch(xp.concatenate(dYs), device=shim.device)
        backprop_module(ArgsKwargs(args=((Y,),), kwargs={"grad_tensors": (dY,)}))
        return []

    return split(torch2xp(Y), lengths), backprop


def _predict(model: Model, strings: StringStore, forms: Any, words: Any, lengths: Any) -> TokenRows:
    shim = shim_of(model)

    def compute(keys: numpy.ndarray) -> Any:
        parts = [keys[i : i + FORMS_AT_ONCE] for i in range(0, len(keys), FORMS_AT_ONCE)]
        inputs = (ArgsKwargs(args=_encode(model, strings, part), kwargs={}) for part in parts)
        return torch.cat([shim.predict(part) for part in inputs])

    vectors = model.attrs["cache"].get(forms, shim.version, compute)
    index = torch.from_numpy(words).to(vectors.device)
    return split(torch2xp(vectors.index_select(0, index)), lengths)


def _encode(model: Model, strings: StringStore, forms: numpy.ndarray) -> Tuple[Any, Any]:
    """Characters of forms, and their number in each, as the module takes them."""
    from ..modules.transfer import to_device

    words = [strings[key] for key in forms.tolist()]
    chars, lengths = model.attrs["chars"].encode(words, model.attrs["max_chars"])
    data = to_device(torch.from_numpy(chars), shim_of(model).device)
    return data, torch.from_numpy(lengths)
