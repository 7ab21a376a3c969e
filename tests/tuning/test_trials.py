import pytest

optuna = pytest.importorskip("optuna", reason="needs the extra `tune`")

from optuna.trial import TrialState, create_trial  # noqa: E402

from spacy_rnn.tuning.sampler import NumberedSampler  # noqa: E402
from spacy_rnn.tuning.trials import counted, error_of, first_number, is_surplus  # noqa: E402


def study_of(*trials):
    """A study with trials, each given by its state, values that were fixed, and numbers under which
    it was run before."""
    study = optuna.create_study()
    for state, fixed, history, marks in trials:
        system = {} if fixed is None else {"fixed_params": fixed}
        system |= {"retry_history": history} if history else {}
        value = 0.5 if state == TrialState.COMPLETE else None
        trial = create_trial(state=state, value=value, system_attrs=system, user_attrs=marks)
        study.add_trial(trial)
    return study.get_trials()


def plain(state=TrialState.COMPLETE, fixed=None, history=(), **marks):
    return state, fixed, list(history), marks


FAIL, RUNNING = TrialState.FAIL, TrialState.RUNNING


def test_what_counts():
    trials = study_of(
        plain(FAIL, {}, default=True),
        plain(),
        plain(FAIL),
        plain(FAIL, error="No."),
        plain(FAIL, surplus=True),
        plain(FAIL, history=[2]),
        plain(RUNNING, history=[2, 5]),
        plain(FAIL, error="No.", default=True),
        plain(default=True),
    )
    assert [trial.number for trial in counted(trials)] == [1, 3, 6, 8]
    assert [first_number(trials[number]) for number in (1, 6)] == [1, 2]
    assert error_of(trials[3]) == "No." and "killed" in error_of(trials[5])


def test_a_trial_is_one_too_many_by_its_number():
    trials = study_of(
        plain(fixed={}, default=True), plain(FAIL), plain(), plain(RUNNING, history=[1]), plain()
    )
    # There are 0, 2 and 3 before it.
    assert not is_surplus(4, trials, 4, queued=False)
    assert is_surplus(4, trials, 3, queued=False)
    # What is run again has its place.
    assert not is_surplus(3, trials, 1, queued=False)
    # All processes answer the same, however many have asked since.
    assert [is_surplus(n, trials, 2, queued=False) for n in (0, 2, 4)] == [False, False, True]


def test_given_values_are_tried_once():
    a, b = {"x": 1}, {"x": 2}
    trials = study_of(
        plain(fixed=a, default=True), plain(fixed=b), plain(RUNNING, a), plain(RUNNING, b), plain()
    )
    surplus = [is_surplus(n, trials, 9, queued=True) for n in range(5)]
    # In a grid, no other values are tried.
    assert surplus == [False, False, True, True, True]
    assert not is_surplus(4, trials, 9, queued=False)


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_values_are_those_of_the_number(kind):
    """Whichever process draws them, so that none draws those of another one again."""

    def draw(seed, start, count):
        study = optuna.create_study(sampler=NumberedSampler(kind, seed))
        for _ in range(start):
            study.add_trial(create_trial(value=0.0))
        found = []
        for trial in (study.ask() for _ in range(count)):
            found.append((trial.suggest_float("x", 0, 1), trial.suggest_int("y", 0, 1000)))
        return found

    one = draw(0, 0, 6)
    assert len(set(one)) == 6
    assert draw(0, 3, 3) == one[3:] and draw(0, 0, 6) == one
    assert not set(one) & set(draw(1, 0, 6))


def test_tpe_learns():
    """The sampler that is made anew for each trial knows the trials before."""
    study = optuna.create_study(sampler=NumberedSampler("tpe", 0))
    study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 3) ** 2, n_trials=40)
    found = [abs(trial.params["x"] - 3) for trial in study.get_trials()]
    # By chance it would be 5.8 away on average.
    assert sum(found[20:]) / 20 < 3.5
