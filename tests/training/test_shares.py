"""Two processes that train together do what one does with the same batches."""

import json
import signal

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.training.checkpoint import NAME, Checkpoint
from spacy_rnn.training.ranks import Ranks
from spacy_rnn.training.shares import joint_losses, share_of
from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger
from tests.training.together import train_together, write_training
from tests.training.trainings import kill, results, terminate

UPDATE = "spacy.language.Language.update"
# spaCy's classifier takes maxima. Where two are equal but for rounding, another one gets the
# gradient, and Adam makes a whole step of the smallest one. Its losses are compared, its weights
# are not.
UNSTEADY = "/textcat_multilabel/"


class Rank:
    def __init__(self, number, count):
        self.number, self.count, self.is_first = number, count, number == 0


class Text:
    """As much of an example as is asked of it."""

    def __init__(self, length):
        self.predicted = range(length)


def rows_of(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text("utf8").splitlines()]


def largest_difference(found, expected):
    pairs = ((value, expected[name]) for name, value in found.items())
    return max(float(numpy.abs(a - b).max()) for a, b in pairs if a.size)


def differences(found, expected):
    """Of losses, relative to them if they are above 1, and of all that is learned but by what is
    `UNSTEADY`."""
    pairs = list(zip(rows_of(found), rows_of(expected)))
    assert len(rows_of(found)) == len(rows_of(expected)) == 8
    losses = []
    for row, other in pairs:
        assert (row["step"], row["words"]) == (other["step"], other["words"])
        assert set(row["losses"]) == set(other["losses"])
        for name, loss in row["losses"].items():
            losses.append(abs(loss - other["losses"][name]) / max(1.0, abs(loss)))
    first, second = (Checkpoint.read(folder / NAME) for folder in (found, expected))
    assert set(first.arrays) == set(second.arrays)
    assert first.facts["updates"] == second.facts["updates"]
    steady = {name: value for name, value in first.arrays.items() if UNSTEADY not in name}
    return max(losses), largest_difference(steady, second.arrays)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Makes a config, and the folder of its training in one process."""
    known = {}

    def make(name, **training):
        key = (name, str(training))
        if key not in known:
            folder = tmp_path_factory.mktemp(name)
            config = write_training(folder, name, **training)
            codes, printed = train_together(config, folder / "alone", count=1)
            assert codes == [0], printed
            known[key] = config
        return known[key]

    return make


def batches_of(size):
    """Batches of so many texts."""
    size = {"@schedules": "constant.v1", "rate": size}
    return {"batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": size}}


@pytest.mark.parametrize(
    "name,count,training,tolerance",
    [
        # Batches of two texts and more, half of them for each part of a step: often one process
        # or two have none.
        ("textcat", 3, {"accumulate_gradient": 2}, 1e-5),
        # A stream of texts.
        ("tagger", 2, {**batches_of(3), "max_epochs": -1}, 1e-5),
        ("tagger", 2, {**batches_of(1), "use_averages": False}, 1e-5),
        ("joint", 2, {}, 1e-4),
    ],
)
def test_the_result_is_that_of_one_process(alone, tmp_path, name, count, training, tolerance):
    config = alone(name, **training)
    codes, printed = train_together(config, tmp_path / "out", count=count)
    assert codes == [0] * count, printed
    assert f"Processes: {count}" in printed[0] and printed[1:] == [""] * (count - 1)
    losses, weights = differences(tmp_path / "out", config.parent / "alone")
    assert losses < tolerance and weights < 1e-5


def halve():
    """Take means over processes in place of sums."""
    sum_up = Ranks.add_up

    def add_up(self, values):
        sum_up(self, values)
        values /= self.count

    Ranks.add_up = add_up


def keep_to_oneself():
    """Sum nothing."""
    Ranks.add_up = lambda self, values: None


def learn_twice():
    """Let all processes learn from all of a batch."""
    import spacy_rnn.training.shares as module

    module.share_of = lambda examples, ranks: list(examples)


@pytest.mark.parametrize(
    "fault",
    [
        halve,
        pytest.param(keep_to_oneself, marks=pytest.mark.slow),
        pytest.param(learn_twice, marks=pytest.mark.slow),
    ],
)
def test_these_tests_find_faults(alone, tmp_path, fault):
    """A sum that is none is another training by far more than what is rounded."""
    training = {**batches_of(3), "max_epochs": -1}
    config = alone("tagger", **training)
    every = (-2, "spacy_rnn.training.ranks.Ranks.from_first", 0, fault)
    codes, printed = train_together(config, tmp_path / "out", fault=every)
    assert codes == [0, 0], printed
    losses, weights = differences(tmp_path / "out", config.parent / "alone")
    assert weights > 1e-3


@given(
    st.lists(st.integers(0, 9), max_size=12).map(sorted),
    st.integers(1, 5),
)
@settings(deadline=None)
def test_each_text_is_in_one_share(lengths, count):
    batch = [Text(length) for length in lengths]
    shares = [share_of(batch, Rank(number, count)) for number in range(count)]
    found = [text for share in shares for text in share]
    assert sorted(map(id, found)) == sorted(map(id, batch))
    tokens = [sum(len(text.predicted) for text in share) for share in shares]
    assert bool(shares[0]) == bool(batch)
    # About as much to do.
    assert max(tokens) - min(tokens) <= 2 * max(lengths, default=0)
    for share, total in zip(shares[1:], tokens[1:]):
        assert len(share) == 0 or total > 0


@given(
    st.lists(st.lists(st.floats(0, 9), min_size=0, max_size=4), min_size=1, max_size=4).filter(
        lambda shares: any(shares)
    )
)
@settings(deadline=None)
def test_losses_of_shares_make_that_of_the_batch(shares):
    means = [
        {"mean": (float(numpy.mean(share)), float(len(share))), "sum": (sum(share), None)}
        if share
        else {}
        for share in shares
    ]
    everything = [value for share in shares for value in share]
    found = joint_losses(means)
    assert found["mean"] == pytest.approx(numpy.mean(everything))
    assert found["sum"] == pytest.approx(sum(everything))
    assert joint_losses([{}, {}]) == {} and joint_losses([{"none": (0.0, 0.0)}]) == {"none": 0.0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A config with dropout, and the folder of its training in two processes."""
    folder = tmp_path_factory.mktemp("whole")
    settings = {"max_steps": 10, "eval_frequency": 4, "keep_dropout": True, "dropout": 0.3}
    config = write_training(folder, "textcat", **settings)
    codes, printed = train_together(config, folder / "out")
    assert codes == [0, 0], printed
    return config


@pytest.mark.parametrize(
    "rank,action",
    [(1, kill), pytest.param(0, kill, marks=pytest.mark.slow), (1, terminate)],
)
def test_goes_on_to_the_bit(whole, tmp_path, rank, action):
    """Where one process is killed, the others end by themselves; where it is interrupted, all save
    and end after the same step."""
    codes, printed = train_together(whole, tmp_path / "out", fault=(rank, UPDATE, 6, action))
    if action is kill:
        assert codes[rank] == -signal.SIGKILL and codes[1 - rank] == 1
        assert "[R876]" in printed[1 - rank]
    else:
        assert codes == [1, 1] and "SystemExit" in printed[0], printed
        assert Checkpoint.read(tmp_path / "out" / NAME).facts["step"] == 6
    codes, printed = train_together(whole, tmp_path / "out")
    assert codes == [0, 0], printed
    assert f"Going on after step {4 if action is kill else 6}" in printed[0]
    assert results(tmp_path / "out") == results(whole.parent / "out")
    found = Checkpoint.read(tmp_path / "out" / NAME).facts
    expected = Checkpoint.read(whole.parent / "out" / NAME).facts
    assert found["random"] == expected["random"] and len(found["random"]) == 2
    # Each has dropout of its own.
    assert found["random"][0] != found["random"][1]


@pytest.mark.slow
def test_goes_on_in_another_number_of_processes(whole, tmp_path):
    codes, printed = train_together(whole, tmp_path / "out", training__max_steps=5)
    assert codes == [0, 0], printed
    codes, printed = train_together(whole, tmp_path / "out", count=3)
    assert codes == [0, 0, 0] and "Until then it had 2 processes" in printed[0], printed
    codes, printed = train_together(whole, tmp_path / "out", count=1, training__max_steps=12)
    assert codes == [0] and "Until then it had 3 processes" in printed[0], printed
    assert rows_of(tmp_path / "out")[-1]["step"] == 12


def other_texts():
    """Read other texts than the other process, as many and with the same labels."""
    from spacy_rnn.training.batches import Batches

    Batches._note = lambda self, eg: setattr(self, "checksum", 7)


def other_weights():
    torch.manual_seed(5)


def test_processes_that_differ_are_told(alone, tmp_path):
    config = alone("tagger", **batches_of(1), use_averages=False)
    fault = (1, "spacy_rnn.training.ranks.Ranks.from_first", 1, other_texts)
    codes, printed = train_together(config, tmp_path / "texts", fault=fault)
    assert codes == [1, 1]
    assert all("[R875] Rank 1 has drawn other batches" in text for text in printed)
    fault = (1, "spacy.language.Language.initialize", 0, other_weights)
    codes, printed = train_together(config, tmp_path / "weights", fault=fault)
    assert codes == [1, 1]
    assert all("[R874] The component 'tagger_bilstm' begins with" in text for text in printed)


def test_an_error_of_the_first_process_ends_all(tmp_path):
    codes, printed = train_together(tmp_path / "config.cfg", tmp_path / "out")
    assert codes == [1, 1]
    assert "FileNotFoundError" in printed[0] and "[R872] Rank 1 ends" in printed[1]


def test_what_several_processes_cannot_train(tmp_path):
    config = write_training(tmp_path, "tagger")
    settings = {"training__optimizer__@optimizers": "Adam.v1"}
    codes, printed = train_together(config, tmp_path / "out", **settings)
    assert codes == [1, 1]
    assert all('`@optimizers = "spacy-rnn.AllReduceAdam.v1"`' in text for text in printed)
    config = write_training(tmp_path, "semi_supervised")
    codes, printed = train_together(config, tmp_path / "out")
    assert codes == [1, 1]
    assert all("[R873] 'textcat_lstm' learns from texts without labels" in t for t in printed)


def test_what_losses_are_means_over():
    nlp = spacy.blank("en")
    for name in ("textcat_lstm", "textcat_multilabel_lstm"):
        nlp.add_pipe(name, config={"model": small_model()})
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    texts = make_examples(nlp, ["a b", "c", "d e f"], cats=lambda text: {"X": float("b" in text)})
    for eg in texts:
        eg.reference.cats["Y"] = 1.0 - eg.reference.cats["X"]
    sentences = make_tagged_examples(nlp)
    nlp.initialize(lambda: [*texts, *sentences])
    del texts[2].reference.cats["Y"]
    texts[1].reference.cats = {}
    found = {name: pipe.loss_counts(texts) for name, pipe in nlp.pipeline}
    # The third text is of X with 0, and of no other label.
    assert found["textcat_lstm"]["textcat_lstm"] == 1
    assert found["textcat_multilabel_lstm"]["textcat_multilabel_lstm"] == 3
    assert found["textcat_lstm"]["textcat_lstm.entropy"] == 3
    assert found["tagger_bilstm"] == {"tagger_bilstm": 0}
    tagger = nlp.get_pipe("tagger_bilstm")
    assert tagger.loss_counts(sentences) == {"tagger_bilstm": sum(map(len, sentences))}
    assert tagger.loss_counts([]) == {"tagger_bilstm": 0}
