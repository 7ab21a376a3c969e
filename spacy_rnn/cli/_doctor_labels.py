"""What is wrong with the labels of a corpus, component by component."""

from collections import Counter
from typing import Dict, Iterable, Iterator, List, Sequence, Set, Tuple, Union

import numpy
from spacy.attrs import IS_SPACE
from spacy.training import Example

from ..corpus.duplicates import key_of
from ..pipeline.tagger_bilstm import ATTRS, UPOS, TaggerBiLSTM, aligned_tags
from ..pipeline.textcat_lstm import TextCatLSTM, with_hard_cats
from ._doctor_config import Setup
from ._doctor_data import Corpora
from ._doctor_findings import Finding, describe, fail, good, listed, percent, shortened, warn

Labelled = Union[TextCatLSTM, TaggerBiLSTM]

# With fewer examples, a label is hardly learned.
FEW = 10
# From which share of texts on one label is too frequent for accuracy to say much.
MAJORITY = 0.8
# Changes from one label to the next, of those that a random order would have: with fewer, a
# corpus is sorted.
SORTED = 0.2
# Labels that are named with their share.
SHOWN = 6
# What spaCy initializes a pipeline from where texts are streamed.
FIRST_OF_STREAM = 100


def components_with_labels(setup: Setup) -> Dict[str, Labelled]:
    """The classifiers and taggers of this package that training changes."""
    kinds = (TextCatLSTM, TaggerBiLSTM)
    return {name: pipe for name, pipe in setup.learners.items() if isinstance(pipe, kinds)}


def labels_of(pipe: Labelled, eg: Example) -> Tuple[str, ...]:
    """What is true of a text: its categories, or the tags of all of its tokens."""
    if isinstance(pipe, TextCatLSTM):
        cats = with_hard_cats(eg, pipe.own_cats(eg), pipe.exclusive_classes).reference.cats
        return tuple(sorted(label for label, value in cats.items() if value == 1.0))
    gold, attr = eg.reference, ATTRS[pipe.cfg["attr"]]
    tags = gold.to_array(attr)[gold.to_array(IS_SPACE) == 0]
    return tuple(gold.vocab.strings[tag] for tag in tags.tolist() if tag)


def check_labels(setup: Setup, corpora: Corpora) -> Iterator[Finding]:
    """All that is to be said of the labels of all components."""
    for name, pipe in components_with_labels(setup).items():
        if isinstance(pipe, TextCatLSTM) and setup.initializes(name, "labels"):
            pipe.leave_others([*corpora.train, *corpora.dev], setup.given_labels(name))
        train, dev = ([labels_of(pipe, eg) for eg in examples] for examples in corpora)
        yield from check_can_be_learned(name, pipe, corpora.train)
        yield from check_counts(name, train, dev)
        if isinstance(pipe, TaggerBiLSTM):
            yield from check_tags(name, pipe, corpora)
            continue
        yield from check_unlabelled(name, pipe, corpora)
        yield from check_balance(name, pipe, train)
        yield from check_contradictions(name, pipe, corpora)
        if setup.streamed:
            yield from check_order(name, train)
            if not setup.initializes(name, "labels"):
                yield from check_start_of_stream(name, train)


def check_can_be_learned(
    name: str, pipe: Labelled, examples: Iterable[Example]
) -> Iterator[Finding]:
    """Whether the component takes all labels: it raises an error otherwise."""
    if isinstance(pipe, TextCatLSTM):
        try:
            pipe._validate_categories(examples)
        except ValueError as error:
            yield fail(describe(error))
    elif pipe.cfg["attr"] == "POS":
        others = {tag for eg in examples for tag in labels_of(pipe, eg)} - {*UPOS}
        if others:
            yield fail(
                f"{name} writes universal tags, but training texts have others: "
                f'{listed(sorted(others))}. Set attr = "TAG", or convert them.'
            )


def check_counts(
    name: str, train: Sequence[Sequence[str]], dev: Sequence[Sequence[str]]
) -> Iterator[Finding]:
    """How often each label is there, in both corpora. train, dev: The labels of each text."""
    of_train, of_dev = (
        Counter(label for text in texts for label in text) for texts in (train, dev)
    )
    if not of_train:
        yield fail(f"{name}: no training text has a label. Look at what the reader writes.")
        return
    yield good(f"{name}: {len(of_train)} label(s) in the training texts, {_shares(of_train)}")
    if dev and not of_dev:
        yield fail(f"{name}: no dev text has a label, so that no score says which step is best.")
        return
    few = [f"{label} ({of_train[label]})" for label in of_train if of_train[label] < FEW]
    if few:
        yield warn(
            f"{name}: labels with few training examples, {listed(few)}: they will hardly be found. "
            "Add examples, or merge them with other labels."
        )
    only_train = sorted(of_train.keys() - of_dev.keys())
    if dev and only_train:
        yield warn(
            f"{name}: labels that no dev text has, {listed(only_train)}: no score is about them. "
            "Move some of their texts to dev."
        )
    only_dev = sorted(of_dev.keys() - of_train.keys())
    if only_dev:
        yield warn(
            f"{name}: labels that dev texts have, but no training text, {listed(only_dev)}: they "
            "are never found. Split the texts anew, or correct the spelling."
        )


def _shares(counts: Dict[str, int]) -> str:
    total, labels = sum(counts.values()), Counter(counts).most_common()
    named = [f"{label} {percent(count, total)}" for label, count in labels[:SHOWN]]
    rest = len(labels) - len(named)
    rarest = f" and {rest} more, down to {percent(labels[-1][1], total)}" if rest else ""
    return ", ".join(named) + rarest


def check_unlabelled(name: str, pipe: TextCatLSTM, corpora: Corpora) -> Iterator[Finding]:
    """Texts without categories."""
    for which, examples in zip(("training", "dev"), corpora):
        without = sum(not pipe.own_cats(eg) for eg in examples)
        if 0 < without < len(examples):
            yield warn(
                f"{name}: {without:,} {which} texts ({percent(without, len(examples))}) have no "
                "categories, and do not count. Readers that split texts into sentences "
                "(gold_preproc, max_length) lose them."
            )


def check_balance(
    name: str, pipe: TextCatLSTM, train: Sequence[Sequence[str]]
) -> Iterator[Finding]:
    """Whether one label outweighs all others."""
    counts = Counter(text[0] for text in train if text)
    if not pipe.exclusive_classes or not counts:
        return
    label, count = counts.most_common(1)[0]
    share = percent(count, sum(counts.values()))
    if len(counts) == 1:
        yield fail(
            f"{name}: all training texts have the label {label}: there is nothing to tell apart. "
            "Look at the path, and at the reader's limit: texts may be sorted by label."
        )
    elif count > MAJORITY * sum(counts.values()) and pipe.cfg["class_weight"] is None:
        yield warn(
            f"{name}: {share} of the training texts have the label {label}. Whoever always says so "
            "is right as often: choose by cats_macro_f, which is about each label, and try "
            'class_weight = "balanced".'
        )


def check_contradictions(name: str, pipe: TextCatLSTM, corpora: Corpora) -> Iterator[Finding]:
    """Texts that have other labels where they stand again."""
    alike: Dict[str, Set[Tuple[str, ...]]] = {}
    first: Dict[str, str] = {}
    for eg in (*corpora.train, *corpora.dev):
        labels, text = labels_of(pipe, eg), eg.reference.text
        if labels:
            alike.setdefault(key_of(text), set()).add(labels)
            first.setdefault(key_of(text), text)
    found = [key for key, truths in alike.items() if len(truths) > 1]
    if found:
        truths = " or ".join("+".join(labels) for labels in sorted(alike[found[0]]))
        yield warn(
            f"{name}: {len(found):,} texts stand there more than once with different labels, such "
            f"as {shortened(first[found[0]])}, which is {truths}: decide on one."
        )


def check_order(name: str, train: Sequence[Sequence[str]]) -> Iterator[Finding]:
    """Whether texts that are not shuffled are sorted by label."""
    order = [tuple(labels) for labels in train if labels]
    if len(order) < 2:
        return
    changes = sum(one != other for one, other in zip(order, order[1:]))
    shares = numpy.asarray(list(Counter(order).values())) / len(order)
    expected = (len(order) - 1) * (1.0 - float((shares**2).sum()))
    if changes < SORTED * expected:
        yield fail(
            f"{name}: training texts are sorted by label (it changes {changes:,} times, and would "
            f"{expected:,.0f} times in random order), and max_epochs = -1 does not shuffle them: "
            "shuffle the file, or set max_epochs = 0."
        )


def check_start_of_stream(name: str, train: Sequence[Sequence[str]]) -> Iterator[Finding]:
    """Whether the first texts of a stream have all labels."""
    first = {label for text in train[:FIRST_OF_STREAM] for label in text}
    later = sorted({label for text in train for label in text} - first)
    if later:
        yield fail(
            f"{name}: labels that are not in the first {FIRST_OF_STREAM} training texts, "
            f"{listed(later)}. With max_epochs = -1 no others are looked for: write them with "
            f"`python -m spacy init labels`, and name the file in [initialize.components.{name}]."
        )


def check_tags(name: str, pipe: TaggerBiLSTM, corpora: Corpora) -> Iterator[Finding]:
    """Tokens without a tag: nothing is learned from them, or their scores are wrong."""
    for which, examples in zip(("training", "dev"), corpora):
        tokens, tagged, missing = _count_tags(pipe, examples)
        if tokens and tagged < tokens:
            yield warn(
                f"{name}: {percent(tokens - tagged, tokens)} of the {which} tokens have no tag. "
                f"{missing:,} tokens have none in the data; the others are split in another way "
                "than there. Set gold_preproc = true, for the tokens of the data."
            )


def _count_tags(pipe: TaggerBiLSTM, examples: List[Example]) -> Tuple[int, int, int]:
    """How many tokens the component reads, how many of them have a tag, and how many tokens of
    the data have none."""
    tokens = tagged = missing = 0
    for eg in examples:
        visible = eg.predicted.to_array(IS_SPACE) == 0
        tokens += int(visible.sum())
        tagged += int(((aligned_tags(eg, pipe.cfg["attr"]) != 0) & visible).sum())
        gold = eg.reference
        missing += int((gold.to_array(IS_SPACE) == 0).sum()) - len(labels_of(pipe, eg))
    return tokens, tagged, missing
