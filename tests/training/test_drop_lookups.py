import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_rnn.configs import config_path
from spacy_rnn.training.drop_lookups import create_drop_lookups_v1
from tests.cli.test_commands import run_spacy
from tests.conftest import make_tagged_examples


def test_takes_tables_out():
    nlp = spacy.blank("en")
    nlp.vocab.lookups.add_table("one", {1: 2})
    nlp.vocab.lookups.add_table("two", {3: 4})
    assert create_drop_lookups_v1(["one", "three"])(nlp) is nlp
    assert nlp.vocab.lookups.tables == ["two"]


@pytest.fixture
def lookups(monkeypatch):
    """Clusters, without the package that has them."""
    name = "spacy-rnn.test_lookups.v1"

    @spacy.registry.misc(name)
    def load(lang, tables):
        found = spacy.lookups.Lookups()
        found.add_table("lexeme_cluster", {"dog": 0b101, "cat": 0b1101, "sees": 0b110})
        return found

    return name


def test_a_pipeline_trained_with_clusters_is_saved_without_their_table(lookups, tmp_path):
    docs = [eg.reference for eg in make_tagged_examples(spacy.blank("en"))]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    config = Config().from_disk(config_path("tagger_bilstm_clusters"), interpolate=False)
    config["initialize"]["lookups"]["@misc"] = lookups
    with_vectors = spacy.blank("en")
    with_vectors.vocab.set_vector("cat", numpy.asarray([1.0, 2.0], dtype="float32"))
    with_vectors.to_disk(tmp_path / "vectors")
    corpus = str(tmp_path / "corpus.spacy")
    config["paths"].update(train=corpus, dev=corpus, vectors=str(tmp_path / "vectors"))
    config["training"]["max_steps"] = 2
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("train", tmp_path / "config.cfg", "--output", tmp_path / "out")
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert not nlp.vocab.lookups.has_table("lexeme_cluster")
    model = nlp.get_pipe("tagger_bilstm").model
    (clusters,) = [node for node in model.walk() if node.name == "cluster_embed"]
    assert len(clusters.attrs["clusters"]) == 3
    cat, dog, other = clusters.predict([nlp.make_doc("cat dog bird")])[0]
    assert (cat != dog).any() and (cat != other).all()
    assert all(token.pos_ for token in nlp("the old cat sees"))
