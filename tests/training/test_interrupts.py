"""The first signal is noted, the second one does what it always does."""

import os
import signal
import threading

import pytest

from spacy_rnn.training.interrupts import SIGNALS, Interrupts


@pytest.fixture(autouse=True)
def handlers_stay():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_noted(number, capfd):
    with Interrupts() as interrupts:
        assert interrupts.number == 0
        os.kill(os.getpid(), number)
        assert interrupts.number == number
    assert "Once more ends at once" in capfd.readouterr().err


def test_is_noted_in_silence(capfd):
    with Interrupts(silent=True) as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.number == signal.SIGTERM
    assert capfd.readouterr().err == ""


def test_the_second_interrupts():
    # Python has no handler of its own where it was started in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _interrupt_twice()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt_twice():
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.number == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_handle_no_signals():
    found = []

    def run():
        with Interrupts() as interrupts:
            found.append(interrupts.number)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [0]
