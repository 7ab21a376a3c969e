"""The configs and the workflow that come with the package."""

import copy
import re
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

REPOSITORY = Path(__file__).parents[1]
CONFIGS = sorted((REPOSITORY / "spacy_rnn" / "configs").rglob("*.cfg"))
GPU = [path for path in CONFIGS if path.stem.endswith("_gpu")]
TRANSFORMERS = [path for path in CONFIGS if path.stem.endswith("_trf")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_complete_and_valid(path):
    """Filling adds nothing: every setting there is can be read in the file."""
    if path in TRANSFORMERS:
        pytest.importorskip("spacy_transformers", reason="needs spacy-rnn[transformers]")
    config = load_config(path)
    written = copy.deepcopy(config["components"])
    nlp = load_model_from_config(config, auto_fill=False, validate=True)
    filled = load_model_from_config(config, auto_fill=True)
    assert nlp.config.to_str() == filled.config.to_str()
    assert nlp.pipe_names
    # spaCy fills the settings of a component whenever it makes one.
    assert dict(filled.config["components"]) == dict(written)


@pytest.mark.parametrize("component", ["textcat_lstm", "textcat_multilabel_lstm", "tagger_bilstm"])
def test_what_add_pipe_gives_is_what_the_config_measures(component):
    config = load_config(REPOSITORY / "configs" / f"{component}.cfg")["components"][component]
    nlp = spacy.blank("en")
    nlp.add_pipe(component)
    added = nlp.config["components"][component]
    assert added == {**config, "factory": component}


@pytest.mark.parametrize("path", [*GPU, *TRANSFORMERS], ids=lambda path: path.stem)
def test_gpu_configs_use_pytorchs_memory(path):
    assert Config().from_disk(path)["system"]["gpu_allocator"] == "pytorch"


@pytest.mark.gpu
@pytest.mark.parametrize("path", GPU, ids=lambda path: path.stem)
def test_trains_on_the_gpu(path, tmp_path):
    from spacy.cli.train import train
    from spacy.tokens import DocBin

    from tests.conftest import make_examples, make_tagged_examples

    tagger = "tagger" in path.stem
    make = make_tagged_examples if tagger else make_examples
    docs = [eg.reference for eg in make(spacy.blank("en"))]
    DocBin(docs=docs * 3).to_disk(tmp_path / "corpus.spacy")
    corpus = str(tmp_path / "corpus.spacy")
    overrides = {"paths.train": corpus, "paths.dev": corpus, "training.max_steps": 5}
    train(path, tmp_path / "out", use_gpu=0, overrides=overrides)
    doc = spacy.load(tmp_path / "out" / "model-last")("a warm film")
    assert doc[0].pos_ if tagger else doc.cats


def test_project_names_files_that_exist():
    project = srsly.read_yaml(REPOSITORY / "project.yml")
    commands = {command["name"] for command in project["commands"]}
    assert {"corpus", "train", "evaluate", "package", "demo"} <= commands
    assert (REPOSITORY / f"configs/{project['vars']['config']}.cfg").exists()
    assert project["assets"][0]["dest"].endswith("aclImdb_v1.tar.gz")
    for workflow, steps in project["workflows"].items():
        assert set(steps) <= commands, workflow
    scripts = " ".join(line for c in project["commands"] for line in c["script"])
    for name in re.findall(r"configs/([\w/]+)\.cfg", scripts):
        assert (REPOSITORY / f"configs/{name}.cfg").exists()
