import pytest
from spacy.util import load_config
from thinc.api import ConfigValidationError

pytest.importorskip("optuna", reason="needs the extra `tune`")

from spacy_rnn.configs import config_path
from spacy_rnn.tuning.space import read_space
from spacy_rnn.tuning.trial_config import (
    check_space,
    complete_config,
    values_of,
    with_values,
)

MODEL = "components.textcat_lstm.model"


@pytest.fixture(scope="module")
def config():
    return complete_config(load_config(config_path("textcat_lstm"), interpolate=False))


def check(config, folder, text):
    path = folder / "space.yml"
    path.write_text(text, "utf8")
    space = read_space(path)
    check_space(config, space, path)
    return space


def test_what_is_left_out_is_filled_in_and_can_be_tried(tmp_path):
    short = load_config(config_path("textcat_lstm"), interpolate=False)
    del short["components"]["textcat_lstm"]["label_smoothing"]
    del short["training"]["accumulate_gradient"]
    config = complete_config(short)
    assert config["components"]["textcat_lstm"]["label_smoothing"] == 0.0
    # Variables stay.
    assert config["training"]["seed"] == "${system.seed}"
    space = check(config, tmp_path, "components.textcat_lstm.label_smoothing: [0.0, 0.1]")
    assert values_of(config, space) == {"components.textcat_lstm.label_smoothing": 0.0}


def test_values(config, tmp_path):
    text = f"training.dropout: [0.1]\ntraining.seed: [1]\n{MODEL}.linear_model: [null]"
    space = check(config, tmp_path, text)
    assert values_of(config, space)["training.seed"] == 0
    values = {"training.dropout": 0.123456789012345, f"{MODEL}.linear_model": None}
    changed = with_values(config, values)
    assert changed["components"]["textcat_lstm"]["model"]["linear_model"] is None
    # As it is written, so that what is written gives the same.
    assert changed["training"]["dropout"] == pytest.approx(0.123456789012345, abs=1e-9)
    assert changed.from_str(changed.to_str(), interpolate=False) == changed
    assert config["training"]["dropout"] == 0.3 and changed["training"]["seed"] == "${system.seed}"
    with pytest.raises(KeyError):
        with_values(changed, {f"{MODEL}.linear_model.length": 3})


def test_a_metric_is_weighed_alone(config):
    weights = complete_config(config, "cats_macro_auc")["training"]["score_weights"]
    assert {name: weight for name, weight in weights.items() if weight} == {"cats_macro_auc": 1.0}
    # Those that were shown still are.
    assert weights["cats_micro_f"] == 0.0 and weights["cats_macro_p"] is None


def test_sourced_components_stay_sourced(tmp_path):
    config = load_config(config_path("textcat_lstm"), interpolate=False)
    nlp = config.interpolate()
    from spacy.util import load_model_from_config

    load_model_from_config(nlp, auto_fill=True).to_disk(tmp_path / "model")
    config["components"]["textcat_lstm"] = {"source": str(tmp_path / "model")}
    found = complete_config(config)["components"]["textcat_lstm"]
    assert found == {"source": str(tmp_path / "model")}


@pytest.mark.parametrize(
    "name,nearest",
    [
        ("training.drop_out", "Did you mean training.dropout?"),
        (f"{MODEL}.encoder.width", f"Did you mean {MODEL}.encode.width?"),
        ("components.tagger.width", ""),
        ("zzz", ""),
    ],
)
def test_unknown_settings(config, tmp_path, name, nearest):
    with pytest.raises(ValueError) as error:
        check(config, tmp_path, f"{name}: [1]")
    message = str(error.value)
    assert message.startswith(f"[R893] The config has no setting {name}, which")
    assert message.endswith(nearest or ".") or "Did you mean" in message


@pytest.mark.parametrize(
    "text,value",
    [
        ("training.max_steps: [10, many]", "'many'"),
        ("training.optimizer.L2: [0.1, high]", "'high'"),
        (f"{MODEL}.encode.width: {{type: int, low: -8, high: 8}}", "-8"),
        (f"{MODEL}.encode.cell: [lstm, gru, mlp]", "'mlp'"),
        (f"{MODEL}.pooling: [last, [mean, most]]", "['mean', 'most']"),
        ("components.textcat_lstm.label_smoothing: [0.0, 1.0]", "1.0"),
        (f"{MODEL}.encode: [null, wide]", "'wide'"),
    ],
)
def test_values_that_the_config_cannot_have(config, tmp_path, text, value):
    with pytest.raises(ValueError) as error:
        check(config, tmp_path, text)
    name = text.partition(":")[0]
    start = f"[R894] The space gives {name} the value {value}, which the config cannot have: "
    assert str(error.value).startswith(start) and "\n" not in str(error.value)


def test_what_is_wrong_without_any_change_is_said_as_it_is(config):
    wrong = config.copy()
    wrong["components"]["textcat_lstm"]["threshold"] = "high"
    with pytest.raises(ConfigValidationError):
        complete_config(wrong)
