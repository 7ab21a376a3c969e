"""`tagger_bilstm` against spaCy's own taggers and the tutorial's loop, side by side.

    python -m benchmarks.tagger

All learn the same tags from the same sentences in one process, in turns: UD English-EWT if
its files are in `assets`, UD Portuguese-Porttinari otherwise. The speed of training is
measured in updates of 1,000 words; that of `nlp.pipe` over running text, as documents of
20 sentences, tokenized beforehand. The accuracy is that on dev after training on the
shuffled sentences for the same time each; that of a finished training is in the README.
"""

import argparse
import logging
import random
import statistics
import tempfile
import time
import warnings
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import spacy
import torch
from safetensors.torch import save
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config
from torch import nn

from spacy_rnn.corpus.conllu_reader import read_conllu
from spacy_rnn.corpus.porttinari_reader import read_porttinari
from spacy_rnn.corpus.sentences import Sentence

from .timing import markdown, median_ratio, rates_in_turns

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "tagger_bilstm.cfg"
OURS, HALF = "`tagger_bilstm`", "`tagger_bilstm`, bfloat16"
MORPHOLOGIZER, TAGGER = "spaCy's `morphologizer`", "spaCy's `tagger`"
TUTORIAL = "the tutorial's loop, widths as ours"
WIDE_TUTORIAL = "the tutorial's loop, 1,024 wide"
WORDS_OF_UPDATE = 1000
SENTENCES_OF_TEXT = 20


def treebank() -> Tuple[str, List[Sentence], List[Sentence]]:
    """Language, training and dev sentences."""
    files = [ROOT / "assets" / f"en_ewt-ud-{split}.conllu" for split in ("train", "dev")]
    if all(path.exists() for path in files):
        train, dev = ([s for s in read_conllu(path)] for path in files)
        return "en", train, dev
    return "pt", read_porttinari("train"), read_porttinari("dev")


class Pipeline:
    """A spaCy pipeline of one tagger.

    factory, config: Of the tagger. attr: "pos" or "tag", which it writes.
    """

    def __init__(self, lang: str, factory: str, config: Dict[str, Any], attr: str):
        self.nlp = spacy.blank(lang)
        self.nlp.add_pipe(factory, config=config)
        self.attr = attr

    def prepare(self, train: List[Sentence]) -> None:
        self.examples = [Example(self.doc(s), self.doc(s, gold=True)) for s in train]
        optimizer = load_config(CONFIG)["training"]["optimizer"]
        self.nlp.initialize(lambda: self.examples)
        resolved = spacy.util.registry.resolve({"optimizer": optimizer})
        # spaCy's taggers learn best with the optimizer of spaCy's own default config.
        ours = "tagger_bilstm" in self.nlp.pipe_names
        self.optimizer = resolved["optimizer"] if ours else self.nlp.create_optimizer()

    def doc(self, sentence: Sentence, *, gold: bool = False) -> Doc:
        tags = {self.attr if self.attr == "pos" else "tags": sentence.pos} if gold else {}
        return Doc(self.nlp.vocab, words=sentence.words, **tags)

    def update(self, batch: List[int]) -> None:
        drop = 0.4 if "tagger_bilstm" in self.nlp.pipe_names else 0.1
        self.nlp.update([self.examples[i] for i in batch], sgd=self.optimizer, drop=drop)
        self.optimizer.step_schedules()

    def predict(self, texts: List[List[str]]) -> List[List[str]]:
        docs = [Doc(self.nlp.vocab, words=words) for words in texts]
        return [[getattr(t, f"{self.attr}_") for t in doc] for doc in self.nlp.pipe(docs)]

    def speed(self, texts: List[List[str]]) -> Callable[[], int]:
        def run() -> int:
            return sum(len(doc) for doc in self.nlp.pipe(docs.pop()))

        docs = [[Doc(self.nlp.vocab, words=words) for words in texts] for _ in range(20)]
        return run

    def size(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            self.nlp.to_disk(folder)
            return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())


class DualLSTMTagger(nn.Module):
    """The character and word LSTM of the tutorials, as they run it: the words of one
    sentence one by one through the character LSTM, then the sentence.

    widths: Of a character's embedding, its state, a word's embedding, its state.
    """

    def __init__(
        self, words: Dict[str, int], chars: Dict[str, int], tags: List[str], widths: List[int]
    ):
        super().__init__()
        self.words, self.chars, self.tags = words, chars, tags
        char_embedding, char_state, word_embedding, word_state = widths
        self.char_embeddings = nn.Embedding(len(chars), char_embedding)
        self.char_lstm = nn.LSTM(char_embedding, char_state)
        self.word_embeddings = nn.Embedding(len(words), word_embedding)
        self.lstm = nn.LSTM(word_embedding + char_state, word_state)
        self.hidden_to_tag = nn.Linear(word_state, len(tags))

    def forward(self, sentence: List[str]) -> torch.Tensor:
        states = []
        for word in sentence:
            ids = torch.tensor([self.chars.get(char, 0) for char in word])
            _, (hidden, _) = self.char_lstm(self.char_embeddings(ids)[:, None])
            states.append(hidden[0])
        ids = torch.tensor([self.words.get(word, 0) for word in sentence])
        features = torch.cat((self.word_embeddings(ids), torch.cat(states)), dim=1)
        output, _ = self.lstm(features[:, None])
        return nn.functional.log_softmax(self.hidden_to_tag(output[:, 0]), dim=1)


class Tutorial:
    """The tutorial's loop: one sentence at a time, one step of the optimizer for each."""

    def __init__(self, widths: List[int]):
        self.widths = widths

    def prepare(self, train: List[Sentence]) -> None:
        self.train = train
        words = sorted(set(chain.from_iterable(s.words for s in train)))
        chars = sorted(set(chain.from_iterable(words)))
        tags = sorted(set(chain.from_iterable(s.pos for s in train)))
        # Row 0 is for what training has not seen, on which the tutorial stops.
        self.model = DualLSTMTagger(
            {word: i for i, word in enumerate(words, start=1)} | {"": 0},
            {char: i for i, char in enumerate(chars, start=1)} | {"": 0},
            tags,
            self.widths,
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)

    def update(self, batch: List[int]) -> None:
        for i in batch:
            sentence = self.train[i]
            self.model.zero_grad()
            truths = torch.tensor([self.model.tags.index(tag) for tag in sentence.pos])
            nn.functional.nll_loss(self.model(sentence.words), truths).backward()
            self.optimizer.step()

    def predict(self, texts: List[List[str]]) -> List[List[str]]:
        with torch.no_grad():
            best = [self.model(words).argmax(dim=1).tolist() for words in texts]
        return [[self.model.tags[i] for i in row] for row in best]

    def speed(self, texts: List[List[str]]) -> Callable[[], int]:
        return lambda: sum(map(len, self.predict(texts[:5])))

    def size(self) -> int:
        return len(save(self.model.state_dict()))


def contestants(lang: str) -> Dict[str, Any]:
    model = load_config(CONFIG)["components"]["tagger_bilstm"]["model"]
    half = load_config(CONFIG)["components"]["tagger_bilstm"]["model"]
    half["tok2vec"]["encode"]["precision"] = "bfloat16"
    half["tok2vec"]["embed"]["chars"]["precision"] = "bfloat16"
    return {
        OURS: Pipeline(lang, "tagger_bilstm", {"model": model}, "pos"),
        HALF: Pipeline(lang, "tagger_bilstm", {"model": half}, "pos"),
        MORPHOLOGIZER: Pipeline(lang, "morphologizer", {}, "pos"),
        TAGGER: Pipeline(lang, "tagger", {}, "tag"),
        TUTORIAL: Tutorial([32, 128, 100, 256]),
        WIDE_TUTORIAL: Tutorial([128, 1024, 1024, 1024]),
    }


def batches(train: List[Sentence], words: int, seed: int = 0) -> Iterator[List[int]]:
    """Shuffled sentences in batches of so many words, without end."""
    rng = random.Random(seed)
    order = list(range(len(train)))
    while True:
        rng.shuffle(order)
        batch: List[int] = []
        for i in order:
            batch.append(i)
            if sum(len(train[j].words) for j in batch) >= words:
                yield batch
                batch = []


def trainer(one: Any, train: List[Sentence], updates: int, words: int) -> Callable[[], int]:
    stream = batches(train, words)

    def run() -> int:
        done = 0
        for _ in range(updates):
            batch = next(stream)
            one.update(batch)
            done += sum(len(train[i].words) for i in batch)
        return done

    return run


def accuracy(one: Any, train: List[Sentence], dev: List[Sentence], seconds: float) -> float:
    """Train anew for some seconds, and tag dev."""
    torch.manual_seed(0)
    spacy.util.fix_random_seed(0)
    one.prepare(train)
    end = time.perf_counter() + seconds
    stream = batches(train, WORDS_OF_UPDATE)
    while time.perf_counter() < end:
        one.update(next(stream))
    found = one.predict([s.words for s in dev])
    right = sum(a == b for row, s in zip(found, dev) for a, b in zip(row, s.pos))
    return right / sum(len(s.words) for s in dev)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20, help="updates of a round")
    parser.add_argument("--seconds", type=float, default=60, help="of training, for accuracy")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("spacy").setLevel(logging.ERROR)
    lang, train, dev = treebank()
    words = [s.words for s in dev]
    texts = [
        list(chain.from_iterable(words[i : i + SENTENCES_OF_TEXT]))
        for i in range(0, len(words), SENTENCES_OF_TEXT)
    ]
    all_ = contestants(lang)
    for one in all_.values():
        one.prepare(train)
    # The tutorial would need minutes for what the others do in seconds.
    slow = {TUTORIAL, WIDE_TUTORIAL}
    shares = {name: 1 if name in slow else args.updates for name in all_}
    training = rates_in_turns(
        {n: trainer(one, train, shares[n], WORDS_OF_UPDATE) for n, one in all_.items()},
        rounds=args.rounds,
    )
    predicting = rates_in_turns(
        {name: one.speed(texts) for name, one in all_.items()}, rounds=args.rounds
    )
    found = {name: accuracy(one, train, dev, args.seconds) for name, one in all_.items()}
    rows = [
        (
            name,
            f"{statistics.median(training[name]):,.0f}",
            f"{median_ratio(training, OURS, name):.2f}x",
            f"{statistics.median(predicting[name]):,.0f}",
            f"{median_ratio(predicting, OURS, name):.2f}x",
            f"{found[name]:.2%}",
            f"{all_[name].size() / 1e6:.1f} MB",
        )
        for name in all_
    ]
    print(f"{lang}, {sum(len(s.words) for s in train):,} words to train on\n")
    header = (
        *("words per second", "training", "ours is by", "`nlp.pipe`", "ours is by"),
        *(f"accuracy after {args.seconds:.0f} s", "on disk"),
    )
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
