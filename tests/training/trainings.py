"""Small trainings in processes of their own, which are killed, interrupted or run out of disk."""

import errno
import functools
import importlib
import io
import json
import multiprocessing
import os
import random
import resource
import signal
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.util import registry
from thinc.api import Model

from spacy_rnn.cli.train import run
from tests.conftest import small_model, small_tagger

GOOD = ["warm", "funny", "great", "lovely", "bright"]
BAD = ["dull", "poor", "bad", "empty", "grey"]
OTHER = ["film", "the", "a", "story", "of", "and", "acting", "scene", "man", "dog"]
STEPS, EVERY = 10, 4
# One process imports everything, all others are its forks.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "spacy_rnn.pipeline.textcat_lstm"])


@registry.loggers("test_train.logger")
def create_logger():
    """Writes what training says, but not how long it took, into log.jsonl of the output folder."""

    def setup(nlp, stdout, stderr):
        rows = []

        def log(info):
            if info is None:
                return
            scores = {k: v for k, v in info["other_scores"].items() if k != "speed"}
            kept = ("epoch", "step", "score", "losses", "words", "checkpoints")
            rows.append({**{k: info[k] for k in kept}, **scores})
            text = "\n".join(json.dumps(row, default=float) for row in rows)
            (Path(info["output_path"]).parent / "log.jsonl").write_text(text, "utf8")

        return log, lambda: None

    return setup


def write_texts(folder, seed=0, *, count=32, shuffled=False):
    """Texts that are good or bad by a word, with tags. shuffled: Whether labels are of others."""
    drawn = random.Random(seed)
    vocab, docs = spacy.blank("en").vocab, []
    for i in range(count):
        words = drawn.choices(OTHER, k=drawn.randint(2, 8))
        words += drawn.choices(GOOD if i % 2 else BAD, k=2)
        pos = ["NOUN" if word in OTHER else "ADJ" for word in words]
        if shuffled:
            drawn.shuffle(pos)
        doc = Doc(vocab, words=words, pos=pos, tags=pos)
        label = drawn.random() < 0.5 if shuffled else i % 2
        doc.cats = {"POSITIVE": float(label), "NEGATIVE": float(not label)}
        docs.append(doc)
    DocBin(docs=docs[:-8], store_user_data=True).to_disk(folder / "train.spacy")
    DocBin(docs=docs[-8:], store_user_data=True).to_disk(folder / "dev.spacy")
    srsly.write_jsonl(folder / "raw.jsonl", [{"text": f"{doc.text} here"} for doc in docs[:9]])


def write_config(folder, nlp, **training):
    """The config of a training of a few steps."""
    config = nlp.config.copy()
    config["corpora"] = {
        name: {
            "@readers": "spacy.Corpus.v1",
            "path": str(folder / f"{name}.spacy"),
            "gold_preproc": True,
        }
        for name in ("train", "dev")
    }
    sizes = {"@schedules": "compounding.v1", "start": 2, "stop": 6, "compound": 1.1}
    config["training"].update(
        max_steps=STEPS,
        eval_frequency=EVERY,
        patience=0,
        dropout=0.3,
        seed=0,
        batcher={"@batchers": "spacy.batch_by_sequence.v1", "size": sizes},
        logger={"@loggers": "test_train.logger"},
    )
    rate = {"@schedules": "warmup_linear.v1", "warmup_steps": 4, "total_steps": 50}
    config["training"]["optimizer"]["learn_rate"] = {**rate, "initial_rate": 0.01}
    config["training"]["optimizer"]["use_averages"] = training.pop("use_averages", True)
    config["training"].update(training)
    config.to_disk(folder / "config.cfg")


def textcat(folder, **training):
    """All that a classifier learns with."""
    nlp = spacy.blank("en")
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 64}
    fitted = {"@architectures": "spacy-rnn.NBSVM.v1", "ngram_size": 2, "min_count": 1}
    semi_supervised = {
        "@misc": "spacy-rnn.semi_supervised.v1",
        "virtual_adversarial": 1.0,
        "batch_size": 2,
        "texts": {"@readers": "spacy.JsonlCorpus.v1", "path": str(folder / "raw.jsonl")},
    }
    model = small_model(linear_model=linear, fitted_model=fitted, tok2vec__word_dropout=0.2)
    settings = {"model": model, "semi_supervised": semi_supervised}
    nlp.add_pipe("textcat_lstm", config=settings)
    write_config(folder, nlp, **{"accumulate_gradient": 2, **training})


def tagger(folder):
    """A stream of texts, without averages, and a layer of thinc's own around torch."""
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "tagger_bilstm", config={"model": small_tagger(tok2vec__embed__words__sparse=True)}
    )
    torch_net = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 8, "depth": 1}
    torch_net["dropout"] = 0.2
    model = small_tagger(tok2vec__encode=torch_net, tok2vec__embed__chars__width=4)
    model["tok2vec"]["embed"]["words"]["width"] = 4
    nlp.add_pipe("tagger_bilstm", "other_tagger", config={"model": model, "attr": "TAG"})
    write_config(folder, nlp, max_epochs=-1, use_averages=False)


def joint(folder, **training):
    """A classifier and a tagger over one tok2vec."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": small_tagger()["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 12}
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(tok2vec=listener)})
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener, encode=None)})
    nlp.config["initialize"]["before_init"] = {
        "@callbacks": "spacy-rnn.init_vocab.v1",
        "corpus": "${corpora.train}",
    }
    calibrate = {"@callbacks": "spacy-rnn.calibrate.v1", "corpus": "${corpora.dev}"}
    training = {"annotating_components": ["tagger_bilstm"], **training}
    write_config(folder, nlp, before_to_disk=calibrate, **training)


def frozen(folder):
    """The same, from a pipeline, whose tok2vec and tagger stay as they are."""
    joint(folder, max_steps=2)
    run(folder / "config.cfg", folder / "first", False, -1, {})
    joint(folder, frozen_components=["tok2vec", "tagger_bilstm"], annotating_components=["tok2vec"])
    config = spacy.util.load_config(folder / "config.cfg", interpolate=False)
    for name in config["nlp"]["pipeline"]:
        config["components"][name] = {"source": str(folder / "first" / "model-last")}
    config["initialize"]["before_init"] = None
    config.to_disk(folder / "config.cfg")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def fail():
    raise ZeroDivisionError


def no_space():
    raise OSError(errno.ENOSPC, "No space left on device")


def at_call(name, number, action):
    """Do something at some call of a function. name: Its module, class if any, and name."""
    module, *parents, last = name.split(".")
    owner = functools.reduce(getattr, parents, importlib.import_module(module))
    function, calls = getattr(owner, last), iter(range(10**9))

    @functools.wraps(function)
    def call(*args, **kwargs):
        if next(calls) == number:
            action()
        return function(*args, **kwargs)

    setattr(owner, last, call)


def _train(config, output, overrides, fault, largest_file):
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        # Layers get other numbers than in the process before.
        for _ in range(random.SystemRandom().randrange(9)):
            Model("other", lambda *args: args)
        if fault is not None:
            at_call(*fault)
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, most[1]))
        try:
            status = run(config, output, True, -1, overrides)
        except Exception as error:
            status = 1
            printed.write(f"{type(error).__name__}: {error}")
    resource.setrlimit(resource.RLIMIT_FSIZE, most)
    output.with_name(f"{output.name}.txt").write_text(printed.getvalue(), "utf8")
    os._exit(status)


def train(config, output, fault=None, *, largest_file=0, **overrides):
    """Train, or go on, in a process of its own.

    fault: The name of a function, the number of a call of it, and what to do there.
    largest_file: Bytes that a file may have, 0 for any number.
    RETURNS: The exit code, negative for a signal that killed the process; and what was printed.
    """
    overrides = {name.replace("__", "."): value for name, value in overrides.items()}
    arguments = (config, output, overrides, fault, largest_file)
    process = PROCESSES.Process(target=_train, args=arguments)
    process.start()
    process.join()
    printed = output.with_name(f"{output.name}.txt")
    text = printed.read_text("utf8") if printed.exists() else ""
    printed.unlink(missing_ok=True)
    return process.exitcode, text


def contents(folder):
    """The bytes of all files of a folder, by their paths."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def results(output):
    """All that a training leaves, but for the checkpoint, which has times in it."""
    return {name: data for name, data in contents(output).items() if name != "checkpoint"}
