"""A language model over a recurrent encoder: from what was read so far, it predicts the next word,
and from what is read backwards the one before."""

import math
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import torch
from spacy.attrs import intify_attr
from thinc.api import Model
from thinc.optimizers import Optimizer
from torch import Tensor, nn
from torch.nn import functional

from ..bridge.ragged import Rows, read_rows, read_tokens
from ..bridge.shim import RNNShim, module_of, run_module, shim_of, to_torch
from ..bridge.tokens import Tokens, parts_by_tokens
from ..engine.dropout import locked_dropout
from ..engine.plan import TOKENS_AT_ONCE
from ..engine.transfer import to_device
from ..errors import Errors
from ..types import Docs
from ..vocabulary.word_table import WordTable
from .checks import check_at_least
from .learned import Learned
from .running import TokensAlone

# Predictions whose logits of all words are in memory at once.
PREDICTIONS_AT_ONCE = 1024
# The logit of a sampled word that is the right one.
HIT = -1e30


def language_model(tok2vec: Model, samples: int) -> Model[Docs, Any]:
    """Predict words by an encoder, to pretrain it. Its parts are the encoder's own, with one
    projection for each direction and a bias for each word on top; the vectors of the words to
    predict are those that the encoder reads (Press and Wolf 2017).

    Unknown words are read, but not predicted, and blank tokens are left out. What a text's token
    is predicted from has not read that token, nor any after it (before it, in the direction that
    reads backwards).

    tok2vec: An embedding of words by `spacy-rnn.VocabEmbed.v1`, in ref "embed", and a
        `spacy-rnn.RNNEncoder.v1`, in ref "encode".
    samples: As in `SampledSoftmax`.
    RETURNS: A model from documents to the loss of each prediction, first those of next words. In
        its ref "tok2vec", the encoder is saved without settings.
    RAISES: ValueError for an encoder that is not made of these, or has read what it predicts.
    """
    check_at_least("samples", samples, 1)
    embed, encode = _parts_of(tok2vec)
    learned = Learned(tok2vec)
    refs: Dict[str, Optional[Model]] = {
        "tok2vec": learned,
        "embed": embed,
        "encode": encode,
        "words": _words_in(embed),
    }
    return Model(
        "language_model",
        forward,
        init=init,
        layers=[learned],
        refs=refs,
        attrs={"samples": samples, "dropout_rate": 0.0},
        shims=[LanguageModelShim(SampledSoftmax, "PretrainLanguageModel")],
    )


def _parts_of(tok2vec: Model) -> Tuple[Model, Model]:
    """The embedding and the net of an encoder. RAISES: ValueError if it has no such parts."""
    embed, encode = (tok2vec.maybe_get_ref(part) for part in ("embed", "encode"))
    problem = ""
    if embed is None or encode is None:
        problem = "it has no embedding and encoder to tell apart"
    elif not any("words" in node.attrs for node in embed.walk()):
        problem = "its embedding has no table of words"
    elif embed.attrs.get("running") is not TokensAlone:
        problem = "its embedding looks at more than one token at a time"
    elif "bidirectional" not in encode.attrs:
        problem = "its encoder is none of this package"
    elif encode.attrs["bidirectional"] and encode.attrs["config"]["num_layers"] > 1:
        problem = (
            "it reads in two directions in more than one layer, and what reads forwards has then "
            "seen the words to predict. Set num_layers = 1, or bidirectional = false"
        )
    if problem or embed is None or encode is None:
        raise ValueError(Errors.R506.format(name=tok2vec.name, problem=problem))
    return embed, encode


def _words_in(embed: Model) -> Model:
    """The layer whose words are predicted: the first that has a table of words."""
    return next(node for node in embed.walk() if "words" in node.attrs)


class LanguageModelShim(RNNShim):
    """As `RNNShim`, and moves on the optimizer's schedules: spaCy's `pretrain` does not."""

    started = False

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the module's parameters, at the start of an update of the whole model."""
        if self.started:
            optimizer.step_schedules()
        self.started = True
        super().finish_update(optimizer)


class SampledSoftmax(nn.Module):
    """Cross-entropy over the words of a vocabulary, against a sample of them (Jean et al. 2015).

    A sample is drawn for each batch, by how often words occur, and the logarithm of that is taken
    off the logits. Words that are drawn and right are no wrong ones.

    counts: How often the words of the table's rows occur. Row 0 is the unknown word, which is
        neither drawn nor right.
    input_size: Width of one direction of the encoder.
    embedding_dim: Width of words' vectors.
    num_directions: 1, or 2: next words are predicted from the first half of the input, words
        before from the second half.
    samples: Number of words drawn. From as many as there are words on, all of them are taken
        once, which is the full softmax.
    """

    frequencies: Tensor
    cumulative: Tensor

    def __init__(
        self,
        counts: List[int],
        *,
        input_size: int,
        embedding_dim: int,
        num_directions: int,
        samples: int,
    ):
        super().__init__()
        self.dropout = 0.0
        self.samples = samples
        projections = [nn.Linear(input_size, embedding_dim) for _ in range(num_directions)]
        self.projections = nn.ModuleList(projections)
        shares = torch.tensor(counts, dtype=torch.float64)
        # Each word has been seen once more, so that none is impossible.
        shares[1:] += 1.0
        shares[0] = 0.0
        shares /= shares.sum()
        self.register_buffer("cumulative", shares.cumsum(0))
        self.register_buffer("frequencies", shares.clamp(min=1e-30).log().float())
        # Before it has learned anything, the model says how frequent words are.
        self.bias = nn.Parameter(self.frequencies.clone())

    def forward(
        self,
        data: Tensor,
        lengths: Tensor,
        ids: Tensor,
        table: nn.Embedding,
        precision: torch.dtype,
    ) -> Tensor:
        """The loss of each prediction.

        data: What the encoder has read, of shape (tokens, num_directions * input_size).
        lengths: Tokens of each text, of shape (texts,). ids: Rows of the table, of shape
        (tokens,). table: The words' vectors. precision: For the product with the sample.
        RETURNS: Losses of shape (predictions,).
        """
        data = locked_dropout(data, lengths, self.dropout, self.training)
        predicted, targets = self.predictions(data, lengths, ids)
        return self.losses(predicted, targets, table, self.draw(targets), precision)

    def predictions(self, data: Tensor, lengths: Tensor, ids: Tensor) -> Tuple[Tensor, Tensor]:
        """What words' vectors should be near, of shape (predictions, embedding_dim), and the row
        of each right word, of shape (predictions,)."""
        parts = []
        halves = data.chunk(len(self.projections), dim=1)
        before = _before_next(lengths, ids)
        for half, project, step in zip(halves, self.projections, (1, -1)):
            # Of two neighbours, the first one predicts the second, or the other way round.
            place = before if step == 1 else before + 1
            place = place[ids[place + step] > 0]
            parts.append((project(half[place]), ids[place + step]))
        predicted, targets = zip(*parts)
        return torch.cat(predicted), torch.cat(targets)

    def draw(self, targets: Tensor) -> Optional[Tensor]:
        """Rows of sampled words, of shape (samples,), or None for all words."""
        if self.samples >= len(self.bias) - 1:
            return None
        numbers = torch.rand(self.samples, dtype=torch.float64, device=targets.device)
        return torch.searchsorted(self.cumulative, numbers).clamp_(1, len(self.bias) - 1)

    def losses(
        self,
        predicted: Tensor,
        targets: Tensor,
        table: nn.Embedding,
        sample: Optional[Tensor],
        precision: torch.dtype,
    ) -> Tensor:
        """Cross-entropy of each right word, against those of a sample, or all if it is None."""
        bias = self.bias if sample is None else self.bias - self.frequencies.to(self.bias.dtype)
        if sample is None:
            sample = torch.arange(1, len(bias), device=targets.device)
        right = (predicted * table(targets)).sum(1) + bias[targets]
        wrong = predicted.to(precision) @ table(sample).to(precision).T
        wrong = wrong.to(predicted.dtype) + bias[sample]
        wrong = wrong.masked_fill(targets[:, None] == sample, HIT)
        return torch.logaddexp(wrong.logsumexp(1), right) - right

    def full_losses(self, predicted: Tensor, targets: Tensor, table: nn.Embedding) -> Tensor:
        """Cross-entropy of each right word against all others, part by part."""
        vectors, bias, parts = table.weight[1:], self.bias[1:], []
        for rows, right in zip(*(x.split(PREDICTIONS_AT_ONCE) for x in (predicted, targets))):
            logits = torch.addmm(bias, rows, vectors.T)
            parts.append(functional.cross_entropy(logits, right - 1, reduction="none"))
        return torch.cat(parts)


def _before_next(lengths: Tensor, ids: Tensor) -> Tensor:
    """Places of tokens that are not the last ones of their text."""
    last = torch.zeros(len(ids), dtype=torch.bool)
    last[lengths[lengths > 0].cumsum(0) - 1] = True
    return to_device((~last).nonzero()[:, 0], ids.device)


def forward(model: Model, docs: Docs, is_train: bool) -> Tuple[Any, Callable]:
    """The loss of each prediction; without `is_train` against all words of the vocabulary."""
    tokens = Tokens.of(docs).visible()
    embed, encode = model.get_ref("embed"), model.get_ref("encode")
    X, backprop_embed = read_tokens(embed, tokens, is_train)
    H, backprop_encode = read_rows(encode, X, is_train)
    args = _head_args(model, H, tokens)
    if not is_train:
        return _full_losses(model, *args), lambda dY: []
    args[0].requires_grad_()
    precision = shim_of(encode).module.precision_for(args[0])
    losses, backprop_head = run_module(model, (*args, precision), True)
    if not len(losses):
        # A gradient of zeros would move weights, too.
        return losses, lambda dY: []

    def backprop(d_losses: Any) -> List:
        dH = Rows(backprop_head(d_losses), H.lengths)
        backprop_embed(backprop_encode(dH))
        return []

    return losses, backprop


def _head_args(model: Model, H: Rows, tokens: Tokens) -> Tuple[Any, ...]:
    words = model.get_ref("words")
    found = words.attrs["words"].find(tokens.words(intify_attr(words.attrs["attr"])))
    data = to_torch(model, H.data)
    ids = to_device(torch.from_numpy(found), data.device)
    return data, torch.from_numpy(H.lengths), ids, shim_of(words).module.table


def _full_losses(model: Model, data: Tensor, lengths: Tensor, ids: Tensor, table: Any) -> Any:
    head = shim_of(model).module
    with torch.no_grad():
        predicted, targets = head.predictions(data, lengths, ids)
        if not len(targets):
            return model.ops.alloc1f(0)
        return model.ops.asarray1f(head.full_losses(predicted, targets, table).cpu().numpy())


def init(model: Model, X: Optional[Docs] = None, Y: Any = None) -> None:
    """Make the projections and biases, and the encoder where it has no weights yet."""
    words, encode = model.get_ref("words"), model.get_ref("encode")
    if None in (module_of(shim_of(words)), module_of(shim_of(encode))):
        model.layers[0].layers[0].initialize(X=X)
    directions = 2 if encode.attrs["bidirectional"] else 1
    shim_of(model).build(
        counts=_counts_of(words.attrs["words"]).tolist(),
        input_size=encode.get_dim("nO") // directions,
        embedding_dim=words.get_dim("nO"),
        num_directions=directions,
        samples=model.attrs["samples"],
    )


def _counts_of(table: WordTable) -> numpy.ndarray:
    """How often words occur: as counted, or guessed from their order (Zipf's law)."""
    if table.counts is not None:
        return table.counts
    return (1e6 / numpy.arange(len(table)).clip(1)).astype("int64")


def perplexity(model: Model, docs: Docs) -> float:
    """The perplexity of texts over the whole vocabulary: exp of the mean loss of a known word.
    With two directions, of both. Not a number if there is nothing to predict."""
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int64")
    losses = [
        model.ops.to_numpy(model.predict([docs[i] for i in part]))
        for part in parts_by_tokens(lengths, TOKENS_AT_ONCE)
    ]
    found = numpy.concatenate(losses) if losses else numpy.empty(0)
    return math.exp(found.mean()) if len(found) else math.nan
