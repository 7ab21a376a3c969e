"""An object knows the process that has put it on a device."""

import copy
import multiprocessing
import os
import pickle
from multiprocessing import context
from multiprocessing.reduction import ForkingPickler

import pytest

from spacy_rnn.engine.home import HomeProcess


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)
def test_a_forked_process_is_another_one():
    home = HomeProcess()
    assert home.is_here()
    child = os.fork()
    if not child:
        os._exit(home.is_here())
    assert os.waitpid(child, 0)[1] == 0


def test_what_is_sent_to_a_spawned_process_keeps_its_home():
    home = HomeProcess(pid=-1)
    context.set_spawning_popen(object())
    try:
        sent = ForkingPickler.dumps(home)
    finally:
        context.set_spawning_popen(None)
    assert not pickle.loads(sent).is_here()  # noqa: S301


@pytest.mark.parametrize("again", [copy.deepcopy, lambda home: pickle.loads(pickle.dumps(home))])  # noqa: S301
def test_what_is_loaded_is_at_home(again):
    assert again(HomeProcess(pid=-1)).is_here()
