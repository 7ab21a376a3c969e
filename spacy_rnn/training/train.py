"""spaCy's training, which saves so that nothing is lost, and goes on after an interruption.

The loop is spaCy's: `spacy.training.loop.train_while_improving`. Also of that module are
`create_train_batches`, `create_evaluation_callback`, `create_before_to_disk_callback` and
`update_meta`: all that its `train` is made of, but the writing of folders.
"""

import shutil
import sys
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import Config, fix_random_seed
from wasabi import Printer

from ..errors import Errors
from ..whole_file import folder_appears_whole, mend
from .batches import Batches
from .checkpoint import NAME, Checkpoint, versions
from .interrupts import Interrupts
from .learning_state import LearningState
from .random_state import gpu_state, random_state, set_gpu_state, set_random_state
from .ranks import Ranks
from .replay import Replay
from .shares import Shares

# What is kept of each evaluation: what spaCy's loop says, and does not count again itself.
KEPT = ("step", "score", "other_scores", "losses", "seconds")
OnEvaluation = Callable[[Dict[str, Any]], None]


def find_checkpoint(output: Path, resume: bool) -> Optional[Checkpoint]:
    """The checkpoint in the folder of a training, which is cleaned up after a process that was
    killed.

    resume: Whether the training is to go on. If there is no checkpoint, it begins.
    RAISES: ValueError if there is a checkpoint, and training is to begin anew; and as
        `Checkpoint.read`.
    """
    for name in (DIR_MODEL_BEST, DIR_MODEL_LAST, NAME):
        mend(output / name)
    path = output / NAME
    if not path.exists():
        return None
    if not resume:
        raise ValueError(Errors.R710.format(path=path))
    return Checkpoint.read(path)


def train(
    config: Config,
    output: Path,
    *,
    use_gpu: int = -1,
    checkpoint: Optional[Checkpoint] = None,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
    on_evaluation: Optional[OnEvaluation] = None,
) -> int:
    """Initialize and train a pipeline as `spacy train` does, into model-best and model-last of a
    folder. Both are there as a whole at any time. Beside them, the file "checkpoint" is written
    after each evaluation, and when training ends.

    In each of several processes of a group (`ranks.Ranks`), all draw the same batches, learn from
    their shares, and take the same steps. The first one evaluates, logs and saves.

    config: The training config, not interpolated. output: The folder.
    use_gpu: Number of the GPU, which was required before, -1 for the CPU.
    checkpoint: What to go on from; None to begin.
    on_evaluation: Called with what spaCy says of each step that was evaluated, also of those that
        were done before. What it raises ends training there.
    RETURNS: 0, or the number of the signal that has interrupted the training.
    RAISES: ValueError if the checkpoint does not fit to the data, and for weights that no
        checkpoint can have; with several processes, if they have other texts or weights, or the
        config fits one process only; and what spaCy raises.
    """
    nlp = init_nlp(config, use_gpu=use_gpu)
    facts = {"config": config.to_str(), "gpu": use_gpu, "versions": versions()}
    training = Training(nlp, output, facts, checkpoint)
    with Interrupts(silent=not training.ranks.is_first) as interrupts:
        return training.run(interrupts, stdout, stderr, on_evaluation)


class Training:
    """One training.

    nlp: The initialized pipeline. output: The folder. facts: Of the checkpoints to write.
    checkpoint: What to go on from; None to begin.
    """

    def __init__(
        self, nlp: Language, output: Path, facts: Dict[str, Any], checkpoint: Optional[Checkpoint]
    ):
        self.nlp, self.output, self.facts = nlp, output, facts
        self.ranks = Ranks()
        self.past = checkpoint or Checkpoint({"step": -1, "seconds": 0}, {})
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        self.settings: Dict[str, Any] = registry.resolve(
            config["training"], schema=ConfigSchemaTraining
        )
        self.frozen: List[str] = self.settings["frozen_components"]
        self.optimizer: Any = self.settings["optimizer"]
        self.learner: Any = nlp
        if self.ranks.count > 1:
            self.learner = Shares(nlp, self.frozen, self.ranks, self.optimizer)
            self.learner.check_start()
        self.learning = LearningState(nlp, self.frozen, self.optimizer)
        if checkpoint is not None:
            self.learning.check(checkpoint.arrays)
        corpora = [self.settings["train_corpus"], self.settings["dev_corpus"]]
        train_corpus, dev_corpus = resolve_dot_names(config, corpora)
        self.batches = self._make_batches(train_corpus)
        self.evaluations: List[Dict[str, Any]] = self.past.facts.get("evaluations", [])
        self.replay = self._make_replay(dev_corpus)
        self.before_to_disk = create_before_to_disk_callback(self.settings["before_to_disk"])

    def _make_batches(self, corpus: Any) -> Batches:
        batcher, epochs = self.settings["batcher"], self.settings["max_epochs"]
        drawn = create_train_batches(self.nlp, corpus, batcher, epochs)
        return Batches(drawn, self.past.facts.get("start"))

    def _make_replay(self, corpus: Any) -> Replay:
        evaluate = create_evaluation_callback(self.nlp, corpus, self.settings["score_weights"])
        return Replay(
            self.nlp,
            self.learner,
            lambda: self.ranks.from_first(evaluate),
            self.settings["before_update"],
            last=self.past.facts["step"],
            evaluations=list(self.evaluations),
            losses=self.past.facts.get("losses"),
        )

    def run(
        self,
        interrupts: Interrupts,
        stdout: IO,
        stderr: IO,
        on_evaluation: Optional[OnEvaluation] = None,
    ) -> int:
        """Train until the end, or until there is an interrupt: then a checkpoint and model-last
        are written. After an error both are those of the last evaluation.

        RETURNS: The number of the signal that has interrupted it, in any process, or 0."""
        log_step, close_log = self._open_log(stdout, stderr)
        number = 0
        try:
            info: Dict[str, Any] = {}
            for info, is_best in self._steps():
                log_step(None if is_best is None else info)
                if is_best is not None and on_evaluation is not None:
                    on_evaluation(info)
                if is_best is not None and not self.replay.done_before:
                    # After the log, so that what is not in it is done again.
                    self._write_checkpoint(info)
                number = self.ranks.largest(interrupts.number)
                if number:
                    break
        finally:
            close_log()
        if self.replay.step < self.replay.last:
            if not number:
                steps = {"end": self.replay.step, "last": self.replay.last}
                raise ValueError(Errors.R716.format(**steps))
            return number
        # Before anything else is done to the weights.
        self._write_checkpoint(info)
        self._save(False)
        return number

    def _open_log(self, stdout: IO, stderr: IO) -> Tuple[Callable, Callable]:
        """The functions of the logger, which do nothing but in the first process."""
        if not self.ranks.is_first:
            return (lambda info: None), (lambda: None)
        stdout.write(self._introduction())
        with self.nlp.select_pipes(disable=self.frozen):
            return self.settings["logger"](self.nlp, stdout, stderr)

    def _introduction(self) -> str:
        frozen, annotating = self.frozen, self.settings["annotating_components"]
        lines = [f"Pipeline: {self.nlp.pipe_names}"]
        lines += [f"Frozen components: {frozen}"] if frozen else []
        lines += [f"Set annotations on update for: {annotating}"] if annotating else []
        lines.append(f"Initial learn rate: {self.optimizer.learn_rate}")
        lines += [f"Processes: {self.ranks.count}"] if self.ranks.count > 1 else []
        lines += [f"Going on after step {self.replay.last}"] if self.replay.last >= 0 else []
        before = len(self.past.facts.get("random", [None]))
        if self.replay.last >= 0 and before != self.ranks.count:
            lines.append(f"Until then it had {before} processes: dropout goes on by other chance")
        msg = Printer(no_print=True)
        return "".join(f"{msg.info(line)}\n" for line in lines)

    def _steps(self) -> Iterator[Tuple[Dict[str, Any], Optional[bool]]]:
        """Take all steps. YIELDS: What spaCy says of each, after pipelines were saved where it was
        evaluated; and whether it is the best one, None where it was not evaluated."""
        settings = self.settings
        if self.ranks.count > 1:
            self._draw_apart()
        steps = train_while_improving(
            self.replay,  # type: ignore[arg-type]
            self.optimizer,
            self.batches,
            self.replay.evaluate,
            dropout=settings["dropout"],
            accumulate_gradient=settings["accumulate_gradient"],
            patience=settings["patience"],
            max_steps=settings["max_steps"],
            eval_frequency=settings["eval_frequency"],
            exclude=self.frozen,
            annotating_components=settings["annotating_components"],
            before_update=self.replay.before_update,
        )
        past = self.past.facts
        for _, info, is_best in steps:
            if self.replay.done_before:
                info["seconds"] = 0
            info["seconds"] += past["seconds"]
            if past["step"] >= 0:
                # For loggers, which are told of all steps.
                info["resumed_after"] = past["step"]
            if is_best is not None:
                self._note_evaluation(info, is_best)
            if self.replay.step == past["step"]:
                self._go_on()
            yield info, is_best

    def _draw_apart(self) -> None:
        """Draw the same batches in all processes, and all else, such as dropout, by chance of their
        own. The first one draws as if there were no others."""
        start = self.batches.start
        self.batches.start = self.ranks.from_first(lambda: start or random_state())
        if not self.ranks.is_first:
            # Where the seed is not set, weights differ, and training does not begin.
            fix_random_seed((self.settings["seed"] or 0) + self.ranks.number)

    def _note_evaluation(self, info: Dict[str, Any], is_best: bool) -> None:
        info["output_path"] = str(self.output / DIR_MODEL_LAST)
        with self.nlp.select_pipes(disable=self.frozen):
            update_meta(self.settings, self.nlp, info)
        if self.replay.done_before:
            info["seconds"] = self.evaluations[len(info["checkpoints"]) - 1]["seconds"]
        else:
            self._compare_batches()
            self.evaluations.append({name: info[name] for name in KEPT})
            self._save(is_best)

    def _compare_batches(self) -> None:
        """RAISES: ValueError if another process has drawn other batches."""
        found = self.ranks.gather(self.batches.checksum)
        for rank, checksum in enumerate(found):
            if checksum != found[0]:
                raise ValueError(Errors.R875.format(rank=rank))

    def _save(self, is_best: bool) -> None:
        """Write model-last and, if it is the best so far, model-best."""
        if not self.ranks.is_first:
            return
        last, best = self.output / DIR_MODEL_LAST, self.output / DIR_MODEL_BEST
        with self.nlp.use_params(self.optimizer.averages), folder_appears_whole(last) as part:
            self.before_to_disk(self.nlp).to_disk(part)
        if is_best:
            with folder_appears_whole(best) as part:
                shutil.copytree(last, part)

    def _write_checkpoint(self, info: Dict[str, Any]) -> None:
        # What is drawn by chance is all that is not the same in all processes.
        chances = self.ranks.gather((random_state(), gpu_state()))
        if not self.ranks.is_first:
            return
        arrays, learned = self.learning.get()
        facts = {
            **self.facts,
            **learned,
            **{name: info[name] for name in ("step", "losses", "seconds")},
            "evaluations": self.evaluations,
            "start": self.batches.start,
            "checksum": self.batches.checksum,
            "random": [on_cpu for on_cpu, _ in chances],
            "gpu_random": [on_gpu for _, on_gpu in chances],
        }
        Checkpoint(facts, arrays).write(self.output / NAME)

    def _go_on(self) -> None:
        """The last of the steps that were done before was replayed: take over what they made."""
        facts, arrays = self.past
        if self.batches.checksum != facts["checksum"]:
            raise ValueError(Errors.R714)
        self.learning.set(arrays, facts)
        rank = self.ranks.number
        if rank < len(facts["random"]):
            set_random_state(facts["random"][rank])
            set_gpu_state(facts["gpu_random"][rank], facts["step"] + rank)
        # They are as large as the model, four times.
        arrays.clear()
