"""Adam for several processes, which in one is thinc's."""

import numpy
import pytest
import spacy
from spacy.util import registry
from thinc.api import Adam, Config, fix_random_seed, warmup_linear
from torch import distributed

from spacy_rnn.training.all_reduce_adam import AllReduceAdam
from tests.conftest import make_examples, small_model
from tests.training.together import ADAM, together

SETTINGS = {"L2": 0.01, "grad_clip": 0.5, "beta1": 0.8, "beta2": 0.99, "eps": 1e-7}


def test_is_found_by_its_name():
    config = Config().from_str(f"""
    [optimizer]
    @optimizers = "{ADAM}"
    beta1 = 0.8
    grad_clip = 0.5
    use_averages = false

    [optimizer.learn_rate]
    @schedules = "warmup_linear.v1"
    warmup_steps = 2
    total_steps = 10
    initial_rate = 0.1
    """)
    optimizer = registry.resolve(config)["optimizer"]
    assert isinstance(optimizer, AllReduceAdam)
    assert (optimizer.b1, optimizer.grad_clip, optimizer.averages) == (0.8, 0.5, None)
    assert optimizer.learn_rate == 0.0
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.05


def test_a_wrong_argument_is_refused():
    with pytest.raises(Exception, match="beta3"):
        registry.resolve({"optimizer": {"@optimizers": ADAM, "beta3": 0.1}})


@pytest.mark.parametrize("settings", [{}, SETTINGS, {"use_averages": False}])
def test_one_process_has_thincs_to_the_bit(settings):
    found = []
    for make in (Adam, registry.optimizers.get(ADAM)):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec__sparse=True)})
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        optimizer = make(warmup_linear(0.05, 2, 20), **settings)
        for _ in range(5):
            nlp.update(examples, sgd=optimizer, drop=0.2)
            optimizer.step_schedules()
        with nlp.use_params(optimizer.averages):
            found.append(nlp.get_pipe("textcat_lstm").to_bytes(exclude=["vocab"]))
    assert found[0] == found[1]


def learn(folder, steps):
    """In each process, learn from a share of the same texts in a loop of one's own."""
    ranks = distributed.get_world_size() if distributed.is_initialized() else 1
    rank = distributed.get_rank() if ranks > 1 else 0
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = small_model(fitted_model=None, linear_model=None, tok2vec__word_dropout=0.0)
    nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = AllReduceAdam(0.01)
    pipe = nlp.get_pipe("textcat_lstm")
    for _ in range(steps):
        nlp.update(examples[rank::ranks], sgd=False, drop=0.0)
        optimizer.all_reduce([pipe.model])
        pipe.finish_update(optimizer)
    scores = pipe.predict([eg.predicted for eg in examples])
    numpy.save(folder / f"{ranks}_{rank}.npy", scores)


def test_a_loop_of_ones_own(tmp_path):
    for count in (1, 2):
        codes, printed = together(learn, tmp_path, 20, folder=tmp_path / str(count), count=count)
        assert codes == [0] * count, printed
    alone, first, second = (numpy.load(tmp_path / f"{n}.npy") for n in ("1_0", "2_0", "2_1"))
    # Of what is rounded, where Adam divides by little.
    numpy.testing.assert_allclose(first, alone, atol=2e-4)
    assert numpy.array_equal(first, second) and abs(alone - 0.5).max() > 0.1


def step_without_sum():
    optimizer = AllReduceAdam(0.01)
    weights, gradient = numpy.ones((2, 2), dtype="f"), numpy.ones((2, 2), dtype="f")
    with pytest.raises(ValueError, match=r"\[R871\] The gradient of 'W' is that of one"):
        optimizer((1, "W"), weights, gradient)
    assert (weights == 1).all() and not optimizer.nr_update


def test_a_step_without_the_sum_is_refused(tmp_path):
    codes, printed = together(step_without_sum, folder=tmp_path / "out")
    assert codes == [0, 0], printed
