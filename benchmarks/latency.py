"""How long one answer takes: a short text, a word of a stream, a row of the engine.

    python -m benchmarks.latency

What a program waits for that asks about one text at a time. `nlp(text)` is timed over some 200
sentences: the first ones of film reviews for classifiers, those of a treebank's dev set for
taggers. Models are initialized, but not trained. All take turns in one process; a turn reads the
whole set once. Times are medians over rounds, and ratios medians of the rounds' ratios.

Then one stream, a word a push; and the engine on its own, against torch's layers over a single
row, and against packed rows over 16 sentences. These are timed twice, with all of torch's threads
and with one: on cores that others use as well, torch's threads wait for each other, and any number
looks good against them. A ratio is the lower of the two.
"""

import argparse
import itertools
import logging
import statistics
import warnings
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_config
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from spacy_rnn.engine.ragged_rnn import CELLS, RaggedRNN
from spacy_rnn.engine.threads import one_thread
from spacy_rnn.vocabulary.form_cache import FormCache

from . import streaming, tagger, textcat
from .rnn import draw_lengths, run_packed
from .spacy_training import bow_model
from .timing import markdown, median_ratio, rates_in_turns, reviews

# Tokens of a sentence of a review.
SHORTEST, LONGEST = 10, 30
TOKENIZER = "tokenizer alone"
NEW_WORDS = "`tagger_bilstm`, no word seen before"
# The engine: width of the input, and tokens that a turn reads.
INPUT, TOKENS_OF_TURN = 96, 4000
ENGINE, TORCH, TORCH_ALONE = "RaggedRNN", "torch", "torch in one thread"

Run = Callable[[], int]
Rates = Dict[str, List[float]]


class Goal(NamedTuple):
    """What a number should come to at least.

    name: Of what is measured. found: The ratio, or the rate.
    """

    name: str
    found: float
    at_least: float


def sentences_of_reviews(count: int) -> List[str]:
    """The first sentence of each of so many reviews, where it is short."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    firsts = (next(nlp(record.text).sents) for record in reviews(5 * count))
    return [sent.text for sent in firsts if SHORTEST <= len(sent) <= LONGEST][:count]


def sentences_of_treebank(sentences: List[Any], count: int) -> List[str]:
    """Sentences as they are written, from all parts of a treebank's split."""
    short = [s for s in sentences if SHORTEST <= len(s.words) <= LONGEST]
    chosen = short[:: max(1, len(short) // count)][:count]
    pairs = (zip(s.words, s.spaces) for s in chosen)
    return ["".join(word + " " * space for word, space in words) for words in pairs]


def make_classifiers() -> Dict[str, Language]:
    """Initialized on a few hundred reviews."""
    nlp = spacy.blank("en")
    examples = [Example.from_dict(nlp.make_doc(r.text), {"cats": r.cats}) for r in reviews(500)]
    pipes: Dict[str, Tuple[str, Any]] = {
        textcat.OURS: ("textcat_lstm", {"model": textcat.our_model()}),
        textcat.BOW: ("textcat", {"model": bow_model()}),
        textcat.ENSEMBLE: ("textcat", {}),
    }
    return {name: make_pipeline(*pipe, examples=examples) for name, pipe in pipes.items()}


def make_pipeline(factory: str, config: Dict[str, Any], examples: List[Example]) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=config)
    nlp.initialize(lambda: examples)
    return nlp


def make_taggers(lang: str, train: List[Any]) -> Dict[str, Language]:
    """Initialized on a treebank's sentences, all for the same tags."""
    model = load_config(tagger.CONFIG)["components"]["tagger_bilstm"]["model"]
    pipes: Dict[str, Any] = {
        tagger.OURS: ("tagger_bilstm", {"model": model}, "pos"),
        NEW_WORDS: ("tagger_bilstm", {"model": model}, "pos"),
        tagger.TAGGER: ("tagger", {}, "tag"),
        tagger.MORPHOLOGIZER: ("morphologizer", {}, "pos"),
    }
    taggers = {name: tagger.Pipeline(lang, *pipe) for name, pipe in pipes.items()}
    for one in taggers.values():
        one.prepare(train)
    return {name: one.nlp for name, one in taggers.items()}


def answers(nlp: Language, texts: List[str], *, forget: bool = False) -> Run:
    """Ask about one text after the other.

    forget: Forget the words of the last turn first, so that each is new when it comes.
    """

    def run() -> int:
        if forget:
            forget_words(nlp)
        for text in texts:
            nlp(text)
        return len(texts)

    return run


def forget_words(nlp: Language) -> None:
    """Empty what embeddings remember of words."""
    for _, pipe in nlp.pipeline:
        model: Any = getattr(pipe, "model", None)
        for node in model.walk() if model is not None else ():
            if "cache" in node.attrs:
                node.attrs["cache"] = FormCache(node.attrs["cache"].max_forms)


def tokenizer(lang: str, texts: List[str]) -> Run:
    nlp = spacy.blank(lang)
    return lambda: len([nlp.make_doc(text) for text in texts])


def table_of_answers(title: str, rates: Rates, ours: str) -> str:
    """Milliseconds for a text, and how many times as fast ours is."""
    rows = [
        (name, f"{1000 / statistics.median(found):.3f}", f"{median_ratio(rates, ours, name):.2f}x")
        for name, found in rates.items()
    ]
    return markdown((title, "ms a text", "ours is faster by"), rows)


def report_classifiers(rounds: int, texts: int) -> Tuple[str, List[Goal]]:
    """The table, and whether goals are reached."""
    asked = sentences_of_reviews(texts)
    runs = {name: answers(nlp, asked) for name, nlp in make_classifiers().items()}
    rates = rates_in_turns({TOKENIZER: tokenizer("en", asked), **runs}, rounds=rounds)
    ratio = median_ratio(rates, textcat.OURS, textcat.ENSEMBLE)
    goals = [Goal(f"{textcat.OURS} to {textcat.ENSEMBLE}", ratio, 2.5)]
    return table_of_answers(f"{len(asked)} texts to classify", rates, textcat.OURS), goals


def report_taggers(rounds: int, texts: int) -> Tuple[str, List[Goal]]:
    """The table, and whether goals are reached."""
    lang, train, dev = tagger.treebank()
    asked = sentences_of_treebank(dev, texts)
    runs = {
        name: answers(nlp, asked, forget=name == NEW_WORDS)
        for name, nlp in make_taggers(lang, train[:1000]).items()
    }
    rates = rates_in_turns({TOKENIZER: tokenizer(lang, asked), **runs}, rounds=rounds)
    goals = [
        Goal(
            f"{name} to {tagger.MORPHOLOGIZER}", median_ratio(rates, name, tagger.MORPHOLOGIZER), 2
        )
        for name in (tagger.OURS, NEW_WORDS)
    ]
    return table_of_answers(f"{len(asked)} texts to tag, {lang}", rates, tagger.OURS), goals


def report_stream(rounds: int, texts: int) -> Tuple[str, List[Goal]]:
    """One stream of each config, a word a push."""
    runs = {}
    for config in streaming.CONFIGS:
        name = f"`{config}`"
        runs[name] = streaming.runs(*streaming.make_pipeline(config), 1)["push"]
    found = rates_in_turns(runs, rounds=rounds)
    rows, goals = [], []
    for name, rates in found.items():
        rate = statistics.median(rates)
        rows.append((name, f"{rate:,.0f}", f"{max(rates):,.0f}", f"{1000 / rate:.3f}"))
        goals.append(Goal(f"one stream of {name}, tokens/s", rate, 5000))
    header = ("one stream, a word a push", "tokens/s", "in the best round", "ms a token")
    return markdown(header, rows), goals


def repeated(run: Callable[[], Any], tokens: int, *, training: bool = False) -> Run:
    """Read so many tokens again and again, until a turn is long enough to be timed."""
    repeats = max(1, TOKENS_OF_TURN // tokens)

    def repeat() -> int:
        with torch.set_grad_enabled(training):
            for _ in range(repeats):
                output = run()
                if training:
                    output.sum().backward()
        return repeats * tokens

    return repeat


def against(ours: Run, torchs: Run) -> Dict[str, Run]:
    """Ours, as our layers run it, and torch's own way with all threads and with one."""
    return {ENGINE: alone(ours), TORCH: torchs, TORCH_ALONE: alone(torchs)}


def alone(run: Run) -> Run:
    """Keep torch's loops in the calling thread."""

    def in_one_thread() -> int:
        with one_thread():
            return run()

    return in_one_thread


def ratio_of(runs: Dict[str, Run], rounds: int) -> float:
    """How many times as fast ours is as the faster of torch's ways."""
    rates = rates_in_turns(runs, rounds=rounds)
    return min(median_ratio(rates, ENGINE, name) for name in (TORCH, TORCH_ALONE))


def single_row(cell: str, tokens: int, width: int, directions: int) -> Dict[str, Run]:
    """A single row by the engine, and by torch's layer as it is.

    width: Of the output, all directions together.
    """
    settings: Any = {"bidirectional": directions == 2}
    ours = RaggedRNN(INPUT, width // directions, cell=cell, **settings).eval()
    plain = CELLS[cell](INPUT, width // directions, **settings).eval()
    data, lengths = torch.randn(tokens, INPUT), torch.tensor([tokens])
    return against(
        repeated(lambda: ours(data, lengths)[0], tokens),
        repeated(lambda: plain(data.unsqueeze(1))[0], tokens),
    )


def report_single_rows(rounds: int, texts: int) -> Tuple[str, List[Goal]]:
    """Shares of the speed of torch's layers over one row."""
    rows, goals = [], []
    for cell, tokens in itertools.product(CELLS, (20, 240, 2000)):
        shares = []
        for width, directions in itertools.product((64, 128), (1, 2)):
            shares.append(ratio_of(single_row(cell, tokens, width, directions), rounds))
            ways = "both ways" if directions == 2 else "one way"
            goals.append(Goal(f"{cell} of {width}, {tokens:,} tokens, {ways}", shares[-1], 0.9))
        rows.append((cell, f"{tokens:,}", *(f"{share:.2f}" for share in shares)))
    header = ("one row, share of plain", "tokens", "64", "64, both ways", "128", "128, both ways")
    return markdown(header, rows), goals


def sentences(cell: str, lengths: List[int], training: bool) -> Dict[str, Run]:
    """Rows of different lengths by the engine, and packed as torch's documentation shows."""
    ours = RaggedRNN(INPUT, 128, cell=cell, bidirectional=True).train(training)
    plain = CELLS[cell](INPUT, 128, bidirectional=True).train(training)
    rows, counts, tokens = draw_rows(lengths), torch.tensor(lengths), sum(lengths)
    flat = torch.cat(rows).requires_grad_(training)
    padded = pad_sequence(rows).requires_grad_(training)
    return against(
        repeated(lambda: ours(flat, counts)[0], tokens, training=training),
        repeated(lambda: run_packed(plain, padded, counts), tokens, training=training),
    )


def draw_rows(lengths: List[int]) -> List[Tensor]:
    return [torch.randn(length, INPUT) for length in lengths]


def report_sentences(rounds: int, texts: int) -> Tuple[str, List[Goal]]:
    """How many times as fast as packed rows 16 sentences are."""
    lengths = draw_lengths("sentences", 16)
    rows, goals = [], []
    for cell in CELLS:
        ratios = []
        for training in (False, True):
            ratios.append(ratio_of(sentences(cell, lengths, training), rounds))
            mode = "training" if training else "inference"
            goals.append(Goal(f"{cell}, 16 sentences to packed, {mode}", ratios[-1], 1.0))
        rows.append((cell, *(f"{ratio:.2f}x" for ratio in ratios)))
    return markdown(("16 sentences, by packed", "inference", "training"), rows), goals


REPORTS: Dict[str, Callable[[int, int], Tuple[str, List[Goal]]]] = {
    "classifiers": report_classifiers,
    "taggers": report_taggers,
    "stream": report_stream,
    "rows": report_single_rows,
    "sentences": report_sentences,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=REPORTS, default=list(REPORTS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--texts", type=int, default=200, help="texts asked about in a turn")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("spacy").setLevel(logging.ERROR)
    goals: List[Goal] = []
    for part in args.parts:
        table, found = REPORTS[part](args.rounds, args.texts)
        print(f"{table}\n", flush=True)
        goals += found
    missed = [goal for goal in goals if goal.found < goal.at_least]
    print(f"{len(goals) - len(missed)} of {len(goals)} goals reached")
    for goal in missed:
        print(f"- {goal.name}: {goal.found:,.2f}, goal {goal.at_least:,.2f}")


if __name__ == "__main__":
    main()
