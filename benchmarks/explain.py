"""How good explanations of a trained classifier are, and how fast.

    python -m benchmarks.explain training/textcat_lstm/model-best corpus/dev.spacy

Completeness: the difference between the margin of a text and what its tokens add to it, by the rule
and the number of steps of integrated gradients; as a share of the margin's distance from the
baseline, for the whole model and for its net alone.

Deletion: by how much the probability of the right label falls where the tenth of a text's tokens
that ranks highest is taken out, against a tenth by chance. The text is read without the rows of
these tokens; no document is made anew. `--attention` takes a pipeline that pools by attention, to
rank by its weights, too.

Speed: texts a second, of `explain_pipe`, behind the tokenizer.
"""

import argparse
import random
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_rnn.bridge.integrated_gradients import Rule, gauss_legendre
from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.explaining import AT_THE_INPUT, ExplainedTexts, Explanation
from spacy_rnn.pipeline.explanations import STEPS
from spacy_rnn.pipeline.textcat_lstm import TextCatLSTM

from .timing import markdown

SHARE = 0.1
# So often tokens are drawn by chance.
DRAWS = 10


def midpoints(steps: int) -> Rule:
    return (numpy.arange(steps) + 0.5) / steps, numpy.full(steps, 1.0 / steps)


def trapezoids(steps: int) -> Rule:
    weights = numpy.full(steps, 1.0 / max(steps - 1, 1))
    weights[[0, -1]] /= 2.0
    return numpy.linspace(0.0, 1.0, steps), weights


RULES: Dict[str, Callable[[int], Rule]] = {
    "Gauss-Legendre": gauss_legendre,
    "midpoint": midpoints,
    "trapezoid": trapezoids,
}


class Labelled:
    """Texts whose label is known, and a classifier of them.

    pipe: The classifier. docs: The texts, as tokens. labels: The right label of each.
    """

    def __init__(self, pipe: TextCatLSTM, docs: List[Doc], labels: Sequence[str]):
        self.pipe, self.docs, self.tokens = pipe, docs, Tokens(docs)
        self.right = numpy.asarray([pipe.labels.index(label) for label in labels])
        lengths = self.tokens.lengths
        self.ends = lengths.cumsum()
        self.starts = self.ends - lengths
        self.direction = self.explained().towards(self.right)

    def explained(self, baseline: Any = None) -> ExplainedTexts:
        return ExplainedTexts("benchmark", self.pipe.model, self.tokens, baseline)

    def per_text(self, of_tokens: numpy.ndarray) -> numpy.ndarray:
        return numpy.add.reduceat(of_tokens, self.starts)

    def probabilities(self, tokens: Tokens) -> numpy.ndarray:
        """Of the right labels."""
        scores = self.pipe.model.ops.to_numpy(self.pipe.model.predict(tokens))
        return scores[numpy.arange(len(scores)), self.right]

    def fall(self, ranks: numpy.ndarray) -> float:
        """By how much the probability of the right label falls, on average, without the tokens that
        rank highest. ranks: Of each token."""
        kept = []
        for start, end in zip(self.starts, self.ends):
            order = numpy.argsort(-ranks[start:end], kind="stable")
            kept.append(numpy.sort(order[int(numpy.ceil(SHARE * (end - start))) :]) + start)
        lengths = numpy.asarray([len(rows) for rows in kept])
        without = Tokens(self.docs, lengths, numpy.concatenate(kept))
        change = self.probabilities(self.tokens) - self.probabilities(without)
        return float(change.mean())

    def fall_by_chance(self) -> float:
        drawn = numpy.random.default_rng(0)
        return statistics.mean(self.fall(drawn.random(self.ends[-1])) for _ in range(DRAWS))


def load(path: Path, docs: Path, count: int) -> Labelled:
    """A classifier and so many texts, drawn by chance."""
    nlp = spacy.load(path)
    pipe = classifier_of(nlp)
    found = [doc for doc in DocBin().from_disk(docs).get_docs(nlp.vocab) if len(doc)]
    random.Random(0).shuffle(found)
    found = found[:count]
    labels = [max(doc.cats, key=lambda label: doc.cats[label]) for doc in found]
    return Labelled(pipe, [nlp.make_doc(doc.text) for doc in found], labels)


def classifier_of(nlp: Language) -> TextCatLSTM:
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, TextCatLSTM):
            return pipe
    raise SystemExit(f"No classifier of this package among: {nlp.pipe_names}")


def completeness(texts: Labelled, counts: Sequence[int]) -> str:
    """A table of errors, by rule and number of steps."""
    explained, rows = texts.explained(), []
    for name, make_rule in RULES.items():
        for steps in counts:
            found = explained.add_up(texts.direction, make_rule(steps))
            errors, distances, of_net = errors_of(texts, found)
            shares = errors / distances
            cells = [f"{shares.mean():.2%}", f"{shares.max():.2%}", f"{errors.mean():.4f}"]
            cells += [f"{errors.max():.4f}", f"{(errors / of_net).mean():.2%}"]
            rows.append((name, str(steps), *cells))
    header = ("rule", "steps", "error", "largest", "in logits", "largest", "of the net's alone")
    return markdown(header, rows)


def errors_of(texts: Labelled, found: Explanation) -> List[numpy.ndarray]:
    """Of each text the error, the distance of its margin from the baseline, and the same of the net
    alone: its part of the distance, error included."""
    distances = found.margins - found.baselines
    errors = distances - texts.per_text(numpy.asarray(sum(found.parts.values())))
    of_net = texts.per_text(found.parts["net"]) + errors
    return [numpy.abs(part) for part in (errors, distances, of_net)]


def deletion(texts: Labelled) -> List[Sequence[str]]:
    """Rows of a table: how far the probability falls by each ranking."""
    explained, chance = texts.explained(), texts.fall_by_chance()
    rule = gauss_legendre(STEPS)
    found = explained.add_up(texts.direction, rule).parts
    falls = {"by chance": chance, "integrated gradients": texts.fall(total(found))}
    unknown = unknown_word(texts.pipe)
    if unknown is not None:
        other = texts.explained(unknown).add_up(texts.direction, rule).parts
        falls["from the unknown word in place of zeros"] = texts.fall(total(other))
    falls["integrated gradients, net alone"] = texts.fall(found["net"])
    if len(found) > 1:
        falls["linear models alone"] = texts.fall(total(found) - found["net"])
    once = explained.add_up(texts.direction, AT_THE_INPUT).parts
    falls["gradient times input"] = texts.fall(total(once))
    if "attention" in texts.pipe.model.get_ref("pool").attrs:
        attention = explained.attend(texts.direction).parts["net"]
        falls["attention"] = texts.fall(attention)
    return [(name, f"{fall:.4f}", f"{fall / chance:.1f}x") for name, fall in falls.items()]


def total(parts: Dict[str, numpy.ndarray]) -> numpy.ndarray:
    return numpy.asarray(sum(parts.values()))


def unknown_word(pipe: TextCatLSTM) -> Optional[Any]:
    """The embedding of words that are not in the vocabulary, which word dropout trains; None where
    the model embeds words in another way."""
    embed = pipe.model.get_ref("tok2vec")
    return shim_of(embed).view("table.weight")[0] if "words" in embed.attrs else None


def speed(texts: Labelled, rounds: int) -> str:
    """A table of rates, of the clock's time and of the processor's."""
    rates: Dict[str, List[float]] = {"of the clock": [], "of one processor": []}
    list(texts.pipe.explain_pipe(texts.docs[:8]))
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        for _ in texts.pipe.explain_pipe(texts.docs):
            pass
        seconds = time.perf_counter() - start, time.process_time() - used
        for name, value in zip(rates, seconds):
            rates[name].append(len(texts.docs) / value)
    threads = f"{torch.get_num_threads()} thread(s), {STEPS} steps"
    rows = [(name, f"{statistics.median(r):.1f}", f"{max(r):.1f}") for name, r in rates.items()]
    return markdown((f"texts a second, {threads}", "median", "best round"), rows)


def main(args: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("docs", type=Path, help="a .spacy file with cats")
    parser.add_argument("--attention", type=Path, help="a pipeline that pools by attention")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--steps", type=int, nargs="+", default=[8, STEPS, 32])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(args)
    texts = load(options.model, options.docs, options.texts)
    print(completeness(texts, options.steps))
    header = ("deleted: a tenth of the tokens", "the probability falls by", "of chance")
    print(f"\n{markdown(header, deletion(texts))}")
    if options.attention:
        pooled = load(options.attention, options.docs, options.texts)
        header = ("the same, pooled by attention", *header[1:])
        print(f"\n{markdown(header, deletion(pooled))}")
    print(f"\n{speed(texts, options.rounds)}")


if __name__ == "__main__":
    main()
