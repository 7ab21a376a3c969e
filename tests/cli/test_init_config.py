"""`spacy-rnn init-config`."""

import itertools

import numpy
import pytest
import spacy
from spacy.util import load_config, load_model_from_config
from thinc.api import Config
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.cli.init_config import Goal, Kind, make_config, set_values
from spacy_rnn.configs import config_path

COMPONENTS = {"textcat": "textcat_lstm", "tagger": "tagger_bilstm"}


def read(text):
    return Config().from_str(text, interpolate=False)


def run(*args):
    return CliRunner().invoke(app, ["init-config", *map(str, args)])


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """A pipeline with word vectors of width 12."""
    nlp = spacy.blank("en")
    nlp.vocab.reset_vectors(width=12)
    for word in ("film", "good"):
        nlp.vocab.set_vector(word, numpy.ones(12, dtype="float32"))
    path = tmp_path_factory.mktemp("vectors") / "pipeline"
    nlp.to_disk(path)
    return str(path)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("goal", [None, *Goal])
@pytest.mark.parametrize("gpu", [False, True])
def test_every_config_is_complete_and_valid(kind, goal, gpu):
    config = read(make_config(kind, goal, gpu=gpu))
    nlp = load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.config.to_str() == load_model_from_config(config, auto_fill=True).config.to_str()


@pytest.mark.parametrize("kind", ["textcat", "tagger"])
def test_without_options_it_is_the_components_own_config(kind):
    assert make_config(Kind(kind)) == config_path(COMPONENTS[kind]).read_text("utf8")


@pytest.mark.parametrize("kind", ["textcat", "tagger"])
def test_options_give_the_configs_that_come_with_the_package(kind):
    """The values, not the comments."""
    for goal, gpu, ending in ((Goal.streaming, False, "streaming"), (None, True, "gpu")):
        made = read(make_config(Kind(kind), goal, gpu=gpu))
        assert made == load_config(config_path(f"{COMPONENTS[kind]}_{ending}"))


def test_goals_change_the_width_and_the_direction():
    widths = [
        read(make_config(Kind.textcat, goal))["components"]["textcat_lstm"]["model"]["encode"]
        for goal in (Goal.speed, Goal.accuracy)
    ]
    assert [encode["width"] for encode in widths] == [64, 128]
    tok2vecs = [
        read(make_config(Kind.tagger, goal))["components"]["tagger_bilstm"]["model"]["tok2vec"]
        for goal in Goal
    ]
    assert [tok2vec["encode"]["width"] for tok2vec in tok2vecs] == [128, 256, 256]
    assert [tok2vec["encode"]["bidirectional"] for tok2vec in tok2vecs] == [True, True, False]


@pytest.mark.parametrize("kind", Kind)
def test_over_a_transformer(kind):
    config = read(make_config(kind, transformer="some/folder", lang="pt", gpu=True))
    name = config["nlp"]["pipeline"][-1]
    assert config["nlp"]["lang"] == "pt" and config["components"][name]["factory"] == name
    assert config["components"]["transformer"]["model"]["name"] == "some/folder"
    assert config["system"]["gpu_allocator"] == "pytorch"
    plain = read(make_config(kind))
    assert name == plain["nlp"]["pipeline"][0]
    assert config["training"]["score_weights"] == plain["training"]["score_weights"]
    for setting in ("threshold", "scorer", "attr"):
        mine, theirs = (part["components"][name].get(setting) for part in (config, plain))
        assert mine == theirs
    model, plain_model = (part["components"][name]["model"] for part in (config, plain))
    assert model.get("exclusive_classes") == plain_model.get("exclusive_classes")


def test_language_and_comments():
    text = make_config(Kind.tagger, lang="pt")
    assert read(text)["nlp"]["lang"] == "pt"
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert len(comments) > 10


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("goal", [None, *Goal])
@pytest.mark.parametrize("gpu", [False, True])
def test_every_config_with_vectors_is_complete_and_valid(kind, goal, gpu, vectors):
    config = read(make_config(kind, goal, vectors=vectors, gpu=gpu))
    nlp = load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.config.to_str() == load_model_from_config(config, auto_fill=True).config.to_str()


def test_vectors_stand_beside_trained_rows(vectors):
    config = read(make_config(Kind.textcat_multilabel, Goal.accuracy, vectors=vectors))
    model = config["components"]["textcat_multilabel_lstm"]["model"]
    assert config["paths"]["vectors"] == vectors
    static = {"@architectures": "spacy-rnn.StaticVectors.v1", "width": 64, "dropout": None}
    assert model["tok2vec"]["*"]["vectors"] == static
    assert (model["encode"]["width"], model["exclusive_classes"]) == (128, False)
    assert config["training"]["score_weights"]["cats_macro_auc"] == 1.0
    config = read(make_config(Kind.tagger, Goal.speed, vectors=vectors))
    embed = config["components"]["tagger_bilstm"]["model"]["tok2vec"]["embed"]["*"]
    assert embed["vectors"]["@architectures"] == "spacy-rnn.StaticVectors.v1"
    assert (embed["words"]["width"], embed["chars"]["width"]) == (64, 64)


def test_writes_a_file_and_does_not_replace_one(tmp_path):
    path = tmp_path / "new" / "config.cfg"
    found = run("textcat", "-o", path)
    assert found.exit_code == 0 and f"python -m spacy train {path} --output model\n" in found.output
    path.write_text("mine")
    refused = run("textcat", "-o", path)
    assert refused.exit_code == 1 and "R613" in refused.output
    assert path.read_text() == "mine"
    assert run("textcat", "-o", path, "--force").exit_code == 0
    assert read(path.read_text())["nlp"]["pipeline"] == ["textcat_lstm"]


def test_prints_without_a_file():
    assert run("tagger", "--lang", "de").output == make_config(Kind.tagger, lang="de")


@pytest.mark.parametrize(
    "args, found",
    [
        (["textcat", "--lang", "xy"], "R615"),
        (["textcat", "--vectors", "no_such_pipeline"], "E050"),
        (["textcat", "--transformer", "x", "--optimize", "streaming"], "R614"),
        (["tagger", "--transformer", "x", "--vectors", "y"], "R614"),
    ],
)
def test_bad_options_are_named(args, found):
    result = run(*args)
    assert result.exit_code == 1 and found in result.output


def test_a_pipeline_without_vectors_is_refused(tmp_path):
    spacy.blank("en").to_disk(tmp_path)
    result = run("textcat", "--vectors", tmp_path)
    assert result.exit_code == 1 and "R616" in result.output


def test_set_values_changes_that_section_only():
    text = "[a]\nwidth = 1\n# width = 0\n\n[a.b]\nwidth = 2\nwidths = 3\n"
    changed = set_values(text, {"a.b.width": 5})
    assert changed == "[a]\nwidth = 1\n# width = 0\n\n[a.b]\nwidth = 5\nwidths = 3\n"
    for name, value in itertools.product(("a.width", "a.b.widths"), (True, None, 'C:\\new "x"')):
        section, key = name.rsplit(".", 1)
        assert Config().from_str(
            set_values(text, {name: value}), interpolate=False
        ) == Config().from_str(text, overrides={name: value}, interpolate=False)
    with pytest.raises(KeyError):
        set_values(text, {"a.height": 1})
    with pytest.raises(KeyError):
        set_values("[a]\n\n[a.b]\nwidth = 2\n", {"a.width": 1})
