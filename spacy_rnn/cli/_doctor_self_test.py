"""Whether nets compute here what they should, and still do so in a forked process."""

import multiprocessing
from typing import Any, Callable, Iterator, List, NamedTuple

import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from thinc.api import get_torch_default_device

from ..engine.ragged_rnn import RaggedRNN
from ._doctor_findings import Finding, fail, good
from ._random_state import random_state_kept

# Kernels round differently; TF32 on a GPU most of all.
TOLERANCE = 1e-3
# Seconds for what takes a tenth of one, on a machine that has nothing else to do.
PATIENCE = 60.0
WIDTH = 32
LENGTHS = (70, 1, 0, 33, 12)
TEXTS = ("a warm and funny film", "a dull and empty film")


class Outputs(NamedTuple):
    """What the same net gives: of packed sequences on the device in use, and of dense segments
    on the CPU. Both of shape (tokens, width)."""

    packed: torch.Tensor
    dense: torch.Tensor


def run_both_ways(device: torch.device) -> Outputs:
    """Run a small net over rows of different lengths. device: Where it is packed."""
    with random_state_kept(), torch.no_grad():
        net = RaggedRNN(WIDTH, WIDTH, bidirectional=True).eval()
        data, lengths = torch.randn(sum(LENGTHS), WIDTH), torch.tensor(LENGTHS)
        net.packed = False
        dense = net(data, lengths)[0]
        net.packed = True
        packed = net.to(device)(data.to(device), lengths)[0]
    return Outputs(packed.cpu(), dense)


def check_kernels_agree(outputs: Outputs, device: torch.device) -> Iterator[Finding]:
    """Compare what two kernels give."""
    apart = float((outputs.packed - outputs.dense).abs().max())
    # Not a number compares as false.
    if apart <= TOLERANCE:
        yield good(f"A net reads the same packed on {device} and dense on the CPU ({apart:.0e})")
    else:
        yield fail(
            f"A net's output packed on {device} and dense on the CPU differs by {apart:.2g}: torch "
            f"{torch.__version__} computes wrongly here. Install another version of it."
        )


def small_pipeline() -> Language:
    """A classifier that has read a text, with all of torch's threads."""
    with random_state_kept():
        nlp = spacy.blank("en")
        nlp.add_pipe("textcat_lstm")
        cats = {"GOOD": 1.0, "BAD": 0.0}, {"GOOD": 0.0, "BAD": 1.0}
        docs = [nlp.make_doc(text) for text in TEXTS]
        examples = [Example.from_dict(doc, {"cats": cat}) for doc, cat in zip(docs, cats)]
        nlp.initialize(lambda: examples)
        list(nlp.pipe([" ".join(TEXTS * 100)] * 20))
    return nlp


def check_fork(work: Callable[[], Any], patience: float = PATIENCE) -> Iterator[Finding]:
    """Do some work in a forked process.

    work: What can hang there. patience: Seconds that it may take.
    """
    child = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    child.start()
    child.join(patience)
    if child.is_alive():
        child.kill()
        child.join()
        yield fail(
            f"A forked process that predicts has not answered in {patience:.0f} seconds: use "
            "n_process=1, or multiprocessing.set_start_method('spawn') at the start of a script."
        )
    elif child.exitcode:
        yield fail(
            f"A forked process that predicts ends with exit code {child.exitcode}: use "
            "n_process=1, or multiprocessing.set_start_method('spawn') at the start of a script."
        )
    else:
        yield good("A forked process predicts")


def check_nets(method: str) -> Iterator[Finding]:
    """All of the above. method: How Python starts processes."""
    device = get_torch_default_device()
    yield from check_kernels_agree(run_both_ways(device), device)
    if method == "fork" and device.type == "cpu":
        nlp = small_pipeline()
        texts: List[str] = list(TEXTS)
        yield from check_fork(lambda: list(nlp.pipe(texts)))
