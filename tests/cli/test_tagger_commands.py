"""Commands for treebanks and tags, and spaCy's own commands on `tagger_bilstm`."""

import gzip

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from thinc.api import Config

from tests.cli.test_commands import REPOSITORY, read, run, run_spacy
from tests.conftest import GOOD, SENTENCES, TEXTS, cats_of, make_tagged_examples, small_tagger
from tests.corpus.test_conllu_reader import SAMPLE
from tests.corpus.test_porttinari_reader import needs_package
from tests.corpus.test_treebank_reader import assets  # noqa: F401


def test_convert_conllu(tmp_path):
    path = tmp_path / "sample.conllu.gz"
    path.write_bytes(gzip.compress("\n".join(SAMPLE).encode("utf8")))
    result = run("convert-conllu", path, tmp_path / "out" / "sample.spacy", "--n-sents", "0")
    assert result.exit_code == 0 and "2 texts" in result.output
    first, second = read(tmp_path / "out" / "sample.spacy")
    assert [t.pos_ for t in first] == ["AUX", "PART", "PUNCT", "VERB", "PUNCT"]
    assert [t.tag_ for t in first][:3] == ["VB", "RB", "."]
    assert str(first[0].morph) == "Mood=Imp|VerbForm=Fin" and first[1].lemma_ == "not"
    assert [t.head.i for t in first] == [0, 0, 0, 3, 3] and len(list(first.sents)) == 2
    run("convert-conllu", path, tmp_path / "merged.spacy", "--merge-subtokens", "--limit", "1")
    (doc,) = read(tmp_path / "merged.spacy")
    assert [t.text for t in doc] == ["don't", "!"]


def test_convert_conllu_fails_with_a_message_and_writes_nothing(tmp_path):
    path, output = tmp_path / "bad.conllu", tmp_path / "bad.spacy"
    path.write_text("\n".join([*SAMPLE, "", "1 no tabs"]))
    result = run("convert-conllu", path, output)
    assert result.exit_code == 1 and "R403" in result.output and not output.exists()


def test_convert_conllu_from_a_truncated_file(tmp_path):
    path, output = tmp_path / "bad.conllu.gz", tmp_path / "bad.spacy"
    path.write_bytes(gzip.compress("\n".join(SAMPLE).encode("utf8"))[:-20])
    result = run("convert-conllu", path, output)
    assert result.exit_code == 1 and "R403" in result.output and "damaged" in result.output
    assert not output.exists()


def test_convert_treebank(assets, tmp_path):  # noqa: F811
    for name in ("treebank", "universal_tagset"):
        (assets / name).rename(assets / f"{name}.zip")
    result = run("convert-treebank", assets, tmp_path / "out")
    assert result.exit_code == 0, result.output
    sizes = [len(read(tmp_path / "out" / f"{part}.spacy")) for part in ("train", "dev", "test")]
    assert sizes == [32, 4, 4]
    assert run("convert-treebank", tmp_path / "nothing", tmp_path / "out").exit_code == 1


@needs_package
def test_convert_porttinari(tmp_path):
    result = run("convert-porttinari", tmp_path, "--limit", "5")
    assert result.exit_code == 0, result.output
    assert all(len(read(tmp_path / f"{part}.spacy")) == 5 for part in ("train", "dev", "test"))


def make_project(folder, pipeline="tagger_bilstm", **settings):
    """A corpus and a config with a small model."""
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in make_tagged_examples(nlp)]
    DocBin(docs=docs * 25).to_disk(folder / "corpus.spacy")
    path = REPOSITORY / "configs" / "tagger_bilstm.cfg"
    config = Config().from_disk(path, interpolate=False)
    config["components"]["tagger_bilstm"]["model"] = small_tagger()
    config["components"]["tagger_bilstm"].update(settings)
    corpus = str(folder / "corpus.spacy")
    config["paths"].update(train=corpus, dev=corpus)
    config["training"].update(max_steps=60, eval_frequency=20)
    config["training"]["optimizer"]["learn_rate"] = 0.02
    config.to_disk(folder / "config.cfg")
    return folder


@pytest.fixture
def model(tmp_path):
    project = make_project(tmp_path)
    run_spacy("train", project / "config.cfg", "--output", project / "out")
    return project / "out" / "model-best"


def test_spacys_commands_on_a_trained_tagger(model, tmp_path):
    corpus = tmp_path / "corpus.spacy"
    run_spacy("evaluate", model, corpus, "--gold-preproc", "--output", tmp_path / "scores.json")
    found = srsly.read_json(tmp_path / "scores.json")
    assert found["pos_acc"] == spacy.load(model).meta["performance"]["pos_acc"] > 0.9
    assert found["pos_acc_unseen"] is None and found["pos_per_type"]["VERB"]["f"] > 0.9
    run_spacy("apply", model, corpus, tmp_path / "applied.spacy")
    assert all(token.pos_ for doc in read(tmp_path / "applied.spacy") for token in doc)
    sourced = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    sourced["components"]["tagger_bilstm"] = {"source": str(model)}
    sourced.to_disk(tmp_path / "sourced.cfg")
    run_spacy("assemble", tmp_path / "sourced.cfg", tmp_path / "assembled")
    text = SENTENCES[0][0]
    assert [t.pos_ for t in spacy.load(tmp_path / "assembled")(text)] == SENTENCES[0][1].split()
    run_spacy("package", model, tmp_path, "--name", "small", "--build", "none", "--force")
    assert list(tmp_path.glob("en_small-*/meta.json"))


def test_spacys_commands_on_a_config(tmp_path):
    config = make_project(tmp_path) / "config.cfg"
    run_spacy("debug", "config", config)
    run_spacy("debug", "data", config, "--verbose")
    run_spacy("init", "fill-config", config, tmp_path / "filled.cfg")
    run_spacy("init", "labels", config, tmp_path / "labels")
    labels = srsly.read_json(tmp_path / "labels" / "tagger_bilstm.json")
    assert labels == ["ADJ", "CCONJ", "DET", "NOUN", "PROPN", "PUNCT", "VERB"]
    run("init-vocab", config, tmp_path / "vocab.json")
    assert "dog" in srsly.read_json(tmp_path / "vocab.json")


def test_tags_of_any_set_with_the_default_score_weights(tmp_path):
    """A config that spaCy fills in chooses the best model by `tag_acc` as well."""
    project = make_project(tmp_path, attr="TAG")
    config = Config().from_disk(project / "config.cfg", interpolate=False)
    config["training"].pop("score_weights")
    config.to_disk(project / "bare.cfg")
    run_spacy("init", "fill-config", project / "bare.cfg", project / "config.cfg")
    run_spacy("train", project / "config.cfg", "--output", project / "out")
    performance = spacy.load(project / "out" / "model-best").meta["performance"]
    assert performance["tag_acc"] > 0.9


def test_treebank_reader_in_a_config(tmp_path):
    project = make_project(tmp_path)
    (tmp_path / "sample.conllu").write_text("\n".join(SAMPLE))
    config = Config().from_disk(project / "config.cfg", interpolate=False)
    reader = {"@readers": "spacy-rnn.conllu_reader.v1", "path": str(tmp_path / "sample.conllu")}
    config["corpora"] = {"train": reader, "dev": reader}
    config["components"]["tagger_bilstm"]["model"]["tok2vec"]["embed"]["chars"]["min_count"] = 1
    config["training"]["max_steps"] = 2
    config.to_disk(project / "config.cfg")
    run_spacy("train", project / "config.cfg", "--output", project / "out")
    assert "AUX" in spacy.load(project / "out" / "model-last").get_pipe("tagger_bilstm").labels


def test_joint_config_trains_both_components(tmp_path):
    """Some documents have cats, the others tags: each component learns from its own."""
    nlp = spacy.blank("en")
    reviews = []
    for text in TEXTS:
        doc = nlp.make_doc(text)
        doc.cats = cats_of(text)
        reviews.append(doc)
    tagged = [eg.reference for eg in make_tagged_examples(nlp)]
    (tmp_path / "corpus").mkdir()
    DocBin(docs=reviews * 5, store_user_data=True).to_disk(tmp_path / "corpus" / "reviews.spacy")
    DocBin(docs=tagged * 5).to_disk(tmp_path / "corpus" / "treebank.spacy")
    config = Config().from_disk(REPOSITORY / "configs" / "joint.cfg", interpolate=False)
    config["paths"].update(train=str(tmp_path / "corpus"), dev=str(tmp_path / "corpus"))
    config["training"].update(max_steps=80, eval_frequency=40, dropout=0.1)
    config["training"]["optimizer"]["learn_rate"] = 0.01
    tok2vec = config["components"]["tok2vec"]["model"]
    tok2vec["embed"]["words"]["width"] = tok2vec["embed"]["chars"]["width"] = 8
    tok2vec["encode"]["width"] = 16
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("train", tmp_path / "config.cfg", "--output", tmp_path / "out")
    loaded = spacy.load(tmp_path / "out" / "model-best")
    assert loaded.pipe_names == ["tok2vec", "textcat_lstm", "tagger_bilstm"]
    scores = loaded.meta["performance"]
    assert scores["pos_acc"] > 0.9 and scores["cats_micro_f"] > 0.9
    doc = loaded(GOOD[0])
    assert doc.cats["POSITIVE"] > 0.5 and all(token.pos_ for token in doc)
