"""Functions, and trainings, in several processes that are one group of torch's."""

import contextlib
import io
import os
import time
import traceback
from datetime import timedelta

import spacy
import torch
from torch import distributed

from spacy_rnn.cli.train import run
from tests.conftest import small_model, small_tagger
from tests.training import trainings
from tests.training.trainings import PROCESSES, at_call, write_config, write_texts

ADAM = "spacy-rnn.AllReduceAdam.v1"
# Seconds in which processes end, on a machine that is busy with other things.
PATIENCE = 300


def _work(function, arguments, rank, count, folder):
    # Layers get other numbers than in the other processes.
    for _ in range(rank * 3):
        trainings.Model("other", lambda *args: args)
    torch.set_num_threads(1)
    printed, status = io.StringIO(), 1
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            if count > 1:
                distributed.init_process_group(
                    "gloo",
                    init_method=f"file://{folder}/group",
                    rank=rank,
                    world_size=count,
                    timeout=timedelta(seconds=PATIENCE),
                )
            function(*arguments)
            status = 0
        except BaseException:
            printed.write(traceback.format_exc())
    (folder / f"{rank}.txt").write_text(printed.getvalue(), "utf8")
    os._exit(status)


def together(function, *arguments, folder, count=2):
    """Call a function in several processes. folder: For what they print.

    RETURNS: The exit codes, and what was printed, by rank.
    """
    folder.mkdir(parents=True)
    processes = [
        PROCESSES.Process(target=_work, args=(function, arguments, rank, count, folder))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    end = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(end - time.monotonic(), 0.1))
        process.kill()
        process.join()
    texts = [folder / f"{rank}.txt" for rank in range(count)]
    printed = [text.read_text("utf8") if text.exists() else "" for text in texts]
    return [process.exitcode for process in processes], printed


def train_together(config, output, *, count=2, fault=None, **overrides):
    """Train, or go on, in several processes.

    fault: The rank where something happens, the name of a function, the number of a call of it,
        and what to do there.
    RETURNS: As `together`.
    """
    overrides = {name.replace("__", "."): value for name, value in overrides.items()}
    folder = output.with_name(f"{output.name}_{time.monotonic_ns()}")
    return together(_train, config, output, overrides, fault, folder=folder, count=count)


def _train(config, output, overrides, fault):
    rank, *call = fault or (-1,)
    if rank in (-2, int(distributed.is_initialized() and distributed.get_rank())):
        at_call(*call)
    if run(config, output, True, -1, overrides):
        raise SystemExit(1)


def write_training(folder, name, **training):
    """Write texts and the config of a training without dropout, and without chance in reading."""
    folder.mkdir(exist_ok=True)
    write_texts(folder)
    nlp = spacy.blank("en")
    PIPELINES[name](nlp, folder)
    keep_dropout = training.pop("keep_dropout", False)
    settings = {"max_steps": 49, "eval_frequency": 7, **training}
    write_config(folder, nlp, **settings)
    config = spacy.util.load_config(folder / "config.cfg", interpolate=False)
    config["training"]["optimizer"]["@optimizers"] = ADAM
    if not keep_dropout:
        _without_dropout(config)
    config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


def _without_dropout(section):
    for name, value in section.items():
        if isinstance(value, dict):
            _without_dropout(value)
        elif name.endswith("dropout") and value:
            section[name] = 0.0


def _textcat(nlp, folder):
    sparse = small_model(tok2vec__sparse=True)
    sparse["linear_model"] = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 64}
    nlp.add_pipe("textcat_lstm", config={"model": sparse})
    several = small_model()
    nlp.add_pipe("textcat_multilabel_lstm", config={"model": several})


def _tagger(nlp, folder):
    model = small_tagger(tok2vec__embed__words__sparse=True)
    nlp.add_pipe("tagger_bilstm", config={"model": model})


def _joint(nlp, folder):
    """spaCy's components, and those of this package, over one tok2vec."""
    nlp.config["initialize"]["before_init"] = {
        "@callbacks": "spacy-rnn.init_vocab.v1",
        "corpus": "${corpora.train}",
    }
    nlp.add_pipe("tok2vec", config={"model": small_tagger()["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 12}
    nlp.add_pipe("tagger", config={"model": small_tagger(tok2vec=listener)})
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener, encode=None)})
    nlp.add_pipe("textcat_multilabel")


def _semi_supervised(nlp, folder):
    texts = {"@readers": "spacy.JsonlCorpus.v1", "path": str(folder / "raw.jsonl")}
    settings = {"@misc": "spacy-rnn.semi_supervised.v1", "entropy": 1.0, "texts": texts}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(), "semi_supervised": settings})


PIPELINES = {
    "textcat": _textcat,
    "semi_supervised": _semi_supervised,
    "tagger": _tagger,
    "joint": _joint,
}
