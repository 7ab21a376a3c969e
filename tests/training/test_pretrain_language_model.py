"""`spacy pretrain` with the language model as its objective, from config to classifier."""

import json
import re
from itertools import product

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.pretrain import pretrain
from spacy.util import load_config
from thinc.api import Adam, Config

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.configs import config_path
from spacy_rnn.vocabulary.learning import learners_in
from tests.conftest import SENTENCES, TEXTS, cats_of, change, make_examples, make_tagged_examples

SMALL = {
    "components.textcat_lstm.model.tok2vec.width": 8,
    "components.textcat_lstm.model.encode.width": 12,
    "pretraining.optimizer.learn_rate.warmup_steps": 1,
    "pretraining.optimizer.learn_rate.initial_rate": 0.02,
    "pretraining.dropout": 0.0,
    "pretraining.batcher.size": 40,
}
RAW = [
    f"{article} {adjective} film , {end} ."
    for article, adjective, end in product(
        ("a", "what a", "such a"),
        ("warm", "funny", "dull", "wonderful", "terrible"),
        ("great story", "poor acting", "brilliant mess"),
    )
] + [words for words, _, _ in SENTENCES]


@pytest.fixture
def corpus(tmp_path):
    """Options for a config that reads a small corpus."""
    nlp = spacy.blank("en")
    (tmp_path / "raw.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in RAW))
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "train.spacy")
    path = str(tmp_path / "train.spacy")
    return {"paths.raw_text": str(tmp_path / "raw.jsonl"), "paths.train": path, "paths.dev": path}


def config_of(name, corpus, **settings):
    """A config of the package, made small. settings: Values by section and name, as `a__b`."""
    config = load_config(config_path(name), overrides={**SMALL, **corpus})
    return change(config, settings)


def run_pretrain(config, folder, **options):
    """RETURNS: The weights of the last epoch, and the mean loss of a batch in each epoch."""
    folder.mkdir(exist_ok=True)
    (folder / "log.jsonl").unlink(missing_ok=True)
    pretrain(config.copy().interpolate(), folder, **options)
    epochs = [line for line in srsly.read_jsonl(folder / "log.jsonl") if line["epoch_loss"]]
    return folder / "model-last.bin", [line["epoch_loss"] for line in epochs]


@pytest.fixture
def pretrained(corpus, tmp_path):
    """The weights, and the losses, of four epochs."""
    config = config_of("pretrain_lstm", corpus, pretraining__max_epochs=4)
    return run_pretrain(config, tmp_path / "pretrained")


def learned(model):
    """Words and weights of an encoder."""
    embed, encode = (model.get_ref(part) for part in ("embed", "encode"))
    tensors = [*shim_of(embed).module.state_dict().values()]
    tensors += [*shim_of(encode).module.state_dict().values()]
    return embed.attrs["words"].words, [tensor.numpy() for tensor in tensors]


def encoder_of_file(path, corpus):
    """What pretraining wrote, in the model that it was written from."""
    nlp = spacy.util.load_model_from_config(config_of("pretrain_lstm", corpus), auto_fill=True)
    encoder = nlp.get_pipe("textcat_lstm").model.get_ref("encoder")
    with nlp.select_pipes(enable=[]):
        nlp.initialize()
    encoder.initialize(X=[nlp.make_doc("a film")])
    return learned(encoder.from_bytes(path.read_bytes()))


def assert_same(found, expected):
    assert found[0] == expected[0]
    assert all(numpy.array_equal(a, b) for a, b in zip(found[1], expected[1]))


def train_config(corpus, path, **overrides):
    settings = {"initialize__init_tok2vec": str(path), **overrides}
    return config_of("textcat_lstm_pretrained", corpus, **settings)


def test_the_configs_go_together():
    pre, train = (
        Config().from_disk(config_path(n)) for n in ("pretrain_lstm", "textcat_lstm_pretrained")
    )
    assert pre["pretraining"] == train["pretraining"]
    assert pre["corpora"] == train["corpora"]
    models = [config["components"]["textcat_lstm"]["model"] for config in (pre, train)]
    for part, same in (
        ("tok2vec", "width attr max_size"),
        ("encode", "width cell num_layers bias bidirectional"),
    ):
        for name in ["@architectures", *same.split()]:
            assert models[0][part][name] == models[1][part][name]


def test_a_classifier_starts_from_pretrained_weights(pretrained, corpus):
    path, losses = pretrained
    assert losses[-1] < losses[0] / 1.3
    expected = encoder_of_file(path, corpus)
    nlp = init_nlp(train_config(corpus, path))
    textcat = nlp.get_pipe("textcat_lstm")
    assert_same(learned(textcat.model.get_ref("encoder")), expected)
    assert textcat.labels == ("NEGATIVE", "POSITIVE") or set(textcat.labels) == {
        "NEGATIVE",
        "POSITIVE",
    }


def test_settings_are_those_of_training(pretrained, corpus):
    model = init_nlp(train_config(corpus, pretrained[0])).get_pipe("textcat_lstm").model
    embed, encode = model.get_ref("tok2vec"), model.get_ref("encode")
    assert embed.attrs["settings"]["word_dropout"] == shim_of(embed).module.word_dropout == 0.25
    assert encode.attrs["config"]["precision"] == shim_of(encode).module.precision == "bfloat16"
    assert shim_of(encode).max_grad_norm == 0.0


def test_training_goes_on_from_there_with_new_labels(pretrained, corpus, tmp_path):
    nlp = init_nlp(train_config(corpus, pretrained[0]))
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    textcat = nlp.get_pipe("textcat_lstm")
    textcat.add_label("MIXED")
    for _ in range(60):
        losses = nlp.update(make_examples(nlp), sgd=optimizer)
    assert losses["textcat_lstm"] < 0.3
    nlp.to_disk(tmp_path / "model")
    for pipeline in (nlp, spacy.load(tmp_path / "model")):
        for text in TEXTS:
            cats = pipeline(text).cats
            assert max(cats, key=cats.get) == max(cats_of(text), key=cats_of(text).get)


def test_words_of_training_give_way_unless_they_were_given(pretrained, corpus, tmp_path):
    path, _ = pretrained
    words = learners_in(init_nlp(train_config(corpus, path)).get_pipe("textcat_lstm").model)
    assert any(
        "wonderful" in layer.attrs["words"].words for layer in words if "words" in layer.attrs
    )
    (tmp_path / "words.json").write_text('["a", "film"]')
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "words.json")}
    config = train_config(corpus, path)
    config["initialize"]["components"]["textcat_lstm"] = {"vocab": reader}
    with pytest.raises(ValueError, match="R110.* words, this model was given 2 words, and 2 are"):
        init_nlp(config)


def test_words_of_a_file_for_both(corpus, tmp_path):
    words = ["a", "film", "story", "funny", "mess"]
    srsly.write_json(tmp_path / "words.json", words)
    path = str(tmp_path / "words.json")
    config = config_of("pretrain_lstm", {**corpus, "paths.words": path}, pretraining__max_epochs=1)
    weights, _ = run_pretrain(config, tmp_path / "pretrained")
    config = train_config(corpus, weights)
    reader = {"@readers": "spacy.read_labels.v1", "path": path}
    config["initialize"]["components"]["textcat_lstm"] = {"vocab": reader}
    model = init_nlp(config).get_pipe("textcat_lstm").model
    assert model.get_ref("tok2vec").attrs["words"].words == words


def test_resuming_begins_where_it_was(pretrained, corpus, tmp_path):
    _, losses = pretrained
    config = config_of("pretrain_lstm", corpus, pretraining__max_epochs=6)
    path = tmp_path / "pretrained" / "model3.bin"
    _, resumed = run_pretrain(config, tmp_path / "resumed", resume_path=path)
    # Epochs 4 and 5; projections and biases are new.
    assert len(resumed) == 2 and resumed[0] < losses[0] / 1.15
    assert not (tmp_path / "resumed" / "model3.bin").exists()
    (tmp_path / "raw.jsonl").write_text('{"text": "other words altogether"}\n' * 9)
    with pytest.raises(ValueError, match="R110"):
        run_pretrain(config, tmp_path / "resumed", resume_path=path)


def test_prints_perplexities(corpus, tmp_path, capsys):
    settings = {"pretraining__objective__report_every": 50, "pretraining__max_epochs": 3}
    run_pretrain(config_of("pretrain_lstm", corpus, **settings), tmp_path / "out")
    lines = [line for line in capsys.readouterr().out.splitlines() if "Epoch" in line]
    found = [float(re.search(r"all words ([\d.]+)", line)[1]) for line in lines]
    assert found[-1] < found[0] and "left" in lines[-1] and "left" not in lines[0]


def over_tok2vec(config, name):
    """Replace the classifier by a tagger, or a shared tok2vec, with its embedding and net."""
    model = config["components"]["textcat_lstm"]["model"]
    embed, encode = model["tok2vec"], {**model["encode"], "bidirectional": True}
    if name == "tagger_bilstm":
        chars = {"@architectures": "spacy-rnn.CharRNNEmbed.v1", "width": 8}
        embed = {"@architectures": "spacy-rnn.WordCharEmbed.v1", "words": embed, "chars": chars}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    pipe = {"factory": name, "model": tagger if name == "tagger_bilstm" else tok2vec}
    config["nlp"]["pipeline"], config["components"] = [name], {name: pipe}
    config["pretraining"]["component"] = config["initialize"]["before_init"]["component"] = name
    return config


@pytest.mark.parametrize("name, layer", [("tagger_bilstm", "tok2vec"), ("tok2vec", "")])
def test_a_tagger_and_a_shared_tok2vec(name, layer, corpus, tmp_path):
    settings = {"pretraining__max_epochs": 1, "pretraining__layer": layer}
    config = over_tok2vec(config_of("pretrain_lstm", corpus, **settings), name)
    path, _ = run_pretrain(config, tmp_path / name)
    config["initialize"].update(init_tok2vec=str(path), before_init=None)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    if name == "tok2vec":
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 12}
        nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
        learn = {"@callbacks": "spacy-rnn.init_vocab.v1", "path": None, "component": None}
        nlp.config["initialize"]["before_init"] = {**learn, "corpus": config["corpora"]["pretrain"]}
    examples = make_tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    model = nlp.get_pipe(name).model
    model = model.get_ref(layer) if layer else model
    saved, shims = srsly.msgpack_loads(path.read_bytes()), []
    for node, parts in zip(model.walk(), saved["shims"]):
        shims += list(zip(node.shims, parts))
    assert len(shims) == (3 if name == "tagger_bilstm" else 2)
    for shim, data in shims:
        assert srsly.msgpack_loads(shim.to_bytes())["state"] == srsly.msgpack_loads(data)["state"]
    optimizer, losses = Adam(0.02), []
    for _ in range(60):
        losses.append(sum(nlp.update(examples, sgd=optimizer).values()))
    assert losses[-1] < losses[0] / 2


def test_what_cannot_be_pretrained_is_named(corpus, tmp_path):
    config = config_of("pretrain_lstm", corpus, pretraining__layer="tok2vec")
    with pytest.raises(ValueError, match='R506.*layer = "encoder"'):
        run_pretrain(config, tmp_path / "out")
    config = config_of("pretrain_lstm", corpus, pretraining__objective__samples=0)
    with pytest.raises(ValueError, match="R002.*samples is 0"):
        run_pretrain(config, tmp_path / "out")
