import pytest
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("optuna", reason="needs the extra `tune`")

from spacy_rnn.configs import config_path, space_path
from spacy_rnn.tuning.space import find_space, read_space, short_names
from spacy_rnn.tuning.trial_config import check_space, complete_config, values_of
from tests.test_configs import load_config

SHIPPED = ("textcat_lstm", "tagger_bilstm")


def read(folder, text):
    path = folder / "space.yml"
    path.write_text(text, "utf8")
    return read_space(path)


def test_all_that_can_be_tried(tmp_path):
    space = read(
        tmp_path,
        """
        a.rate: {type: float, low: 1e-4, high: 0.1, log: true}
        a.share: {type: float, low: 0, high: 1, step: 0.25}
        a.width: {type: int, low: 8, high: 16, step: 4}
        a.pooling: [last, null, true, [mean, max], {b: 1}]
        a.cell: {type: categorical, choices: [lstm, gru]}
        """,
    )
    rate, share, width, pooling, cell = space.distributions.values()
    assert (rate.low, rate.high, rate.log, rate.step) == (1e-4, 0.1, True, None)
    assert (share.low, share.high, share.step) == (0.0, 1.0, 0.25)
    assert (width.low, width.high, width.step) == (8, 16, 4)
    assert pooling.choices == ("last", None, True, '["mean","max"]', '{"b":1}')
    assert cell.choices == ("lstm", "gru")
    assert space.value("a.pooling", '["mean","max"]') == ["mean", "max"]
    assert space.value("a.pooling", '{"b":1}') == {"b": 1} and space.value("a.rate", 0.01) == 0.01
    assert space.outermost("a.rate") == [1e-4, 0.1] and space.outermost("a.cell") == ["lstm", "gru"]


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "[R891] {path} cannot be read as a space to search: it is empty"),
        ("[a, b]", "it is a list, not a mapping"),
        ("a: [1", "[R891] {path} cannot be read as a space to search: Invalid YAML"),
        ("a: [1]\na: [2]", "duplicate key"),
        ("a: 3", "[R892] In the space {path}, a is wrong: 3 is neither a list"),
        ("a: {low: 1, high: 2}", "its type is None, but must be one of float, int, categorical"),
        ("a: {type: [1]}", "its type is [1], but"),
        ("a: {type: text}", "its type is 'text', but"),
        ("a: {type: float, low: 1, high: 2, q: 1}", "'q' says nothing of type float, but low"),
        ("a: {type: float, high: 2}", "it has no 'low'"),
        ("a: {type: float, low: x, high: 2}", "'low' is 'x', but must be a number"),
        ("a: {type: float, low: true, high: 2}", "'low' is True, but must be a number"),
        ("a: {type: float, low: .nan, high: 2}", "'low' is nan, but must be a number"),
        ("a: {type: float, low: 0, high: .inf}", "'high' is inf, but must be a number"),
        ("a: {type: int, low: 0.5, high: 2}", "'low' is 0.5, but must be a whole number"),
        ("a: {type: int, low: 2, high: 2}", "'high' is 2, but must be above 'low', 2"),
        ("a: {type: float, low: 2, high: 1}", "'high' is 1, but must be above 'low', 2"),
        ("a: {type: float, low: 0, high: 1, step: 2}", "'step' is 2, but must be above 0"),
        ("a: {type: float, low: 0, high: 1, step: 0}", "'step' is 0, but must be above 0"),
        ("a: {type: float, low: 0, high: 1, step: 0.3}", "'high' is 1, where no number of steps"),
        ("a: {type: float, low: 0, high: 1, log: yes}", "'log' is 'yes', but must be true or"),
        ("a: {type: float, low: 0, high: 1, log: true}", "low"),
        ("a: {type: float, low: 1, high: 2, log: true, step: 0.5}", "step"),
        ("a: []", "its choices must be a list with something in it"),
        ("a: {type: categorical}", "its choices must be a list with something in it"),
        ("a: {type: categorical, choices: lstm}", "its choices must be a list"),
        ("a: [1, 2, 1]", "its choices have 1 twice"),
        ("a: [[x], [x]]", "its choices have ['x'] twice"),
    ],
)
def test_what_is_no_space(tmp_path, text, message):
    with pytest.raises(ValueError) as error:
        read(tmp_path, text)
    path = tmp_path / "space.yml"
    assert message.format(path=path) in str(error.value)
    assert str(path) in str(error.value) and str(error.value).startswith("[R89")


def test_values_by_what_the_study_calls_them(tmp_path):
    space = read(
        tmp_path,
        "a: {type: float, low: 0, high: 1, step: 0.1}\nb: {type: int, low: 1, high: 5, step: 2}\n"
        "c: [[x], 1, y]",
    )
    assert space.stored({"a": 0.3, "b": 3, "c": ["x"]}) == {"a": 0.3, "b": 3, "c": '["x"]'}
    # Not on a step, beyond the range, of another type, or not among the choices.
    for other in (
        {"a": 0.35},
        {"a": 1.1},
        {"a": None},
        {"b": 2},
        {"b": 7},
        {"b": 3.0},
        {"b": True},
    ):
        assert space.stored({"a": 0.3, "b": 3, "c": "y", **other}) is None
    for choice in ("z", True, ["y"], None):
        assert space.stored({"a": 0.3, "b": 3, "c": choice}) is None


@settings(deadline=None, max_examples=50)
@given(
    low=st.integers(-5, 5),
    count=st.integers(1, 12),
    step=st.sampled_from([1, 2, 0.1, 0.25]),
    choices=st.lists(
        st.integers(-99, 99) | st.text("abc", max_size=3), min_size=1, max_size=4, unique_by=str
    ),
)
def test_a_grid_has_each_combination_once(tmp_path_factory, low, count, step, choices):
    path = tmp_path_factory.mktemp("space") / "space.yml"
    kind = "int" if isinstance(step, int) else "float"
    wanted = {"type": kind, "low": low, "high": low + count * step, "step": step}
    srsly.write_yaml(path, {"a": wanted, "b": choices})
    space = read_space(path)
    grid = space.grid(1)
    found = {(values["a"], values["b"]) for values in grid}
    assert len(grid) == len(found) == (count + 1) * len(choices)
    assert {b for _, b in found} == set(choices)
    assert sorted({a for a, _ in found}) == pytest.approx(
        [low + i * step for i in range(count + 1)]
    )
    # What a grid has is of the space, and its order is that of the seed.
    assert all(space.stored(values) == values for values in grid)
    assert grid == space.grid(1)


def test_what_is_no_grid(tmp_path):
    ranged = read(tmp_path, "a.b: {type: float, low: 0, high: 1}")
    with pytest.raises(ValueError, match=r"\[R895\] a.b cannot be .* without steps"):
        ranged.grid(0)
    many = read(tmp_path, "a: {type: int, low: 1, high: 999999}")
    with pytest.raises(ValueError, match=r"\[R895\] a cannot be .* 999,999 values"):
        many.grid(0)
    wide = "\n".join(f"a{i}: {list(range(100))}" for i in range(3))
    with pytest.raises(ValueError, match=r"\[R895\] The space .* 1,000,000 combinations"):
        read(tmp_path, wide).grid(0)


def test_order_of_a_grid_is_by_chance(tmp_path):
    space = read(tmp_path, f"a: {list(range(50))}")
    first, other = ([v["a"] for v in space.grid(seed)] for seed in (0, 1))
    assert first != other and sorted(first) == sorted(other) == list(range(50)) != first


def test_find(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_space("textcat_lstm") == space_path("textcat_lstm")
    (tmp_path / "textcat_lstm").write_text("a: [1]", "utf8")
    assert str(find_space("textcat_lstm")) == "textcat_lstm"
    for name in ("nothing.yml", "spaces/textcat_lstm", "textcat", ""):
        with pytest.raises(ValueError, match=r"\[R901\].*tagger_bilstm, textcat_lstm"):
            find_space(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_spaces(name):
    space = read_space(space_path(name))
    config = complete_config(load_config(config_path(name), interpolate=False))
    check_space(config, space, space_path(name))
    assert 4 <= len(space.distributions) <= 8
    # So that the search knows what the config's own values are good for.
    assert space.stored(values_of(config, space)) is not None


def test_short_names():
    names = ["a.b.width", "a.c.width", "a.c.rate", "rate", "b.width"]
    assert short_names(names) == {
        "a.b.width": "a.b.width",
        "a.c.width": "c.width",
        "a.c.rate": "c.rate",
        "rate": "rate",
        "b.width": "b.width",
    }
