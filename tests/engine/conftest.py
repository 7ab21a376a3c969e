"""Tests of the engine run with the layout that it chooses, with lanes, and with packed rows, as
on every device but the CPU."""

import pytest
import torch

from spacy_rnn.engine import ragged_rnn
from spacy_rnn.engine.ragged_rnn import RaggedRNN


# Not for each function: hypothesis does not start those anew for each example.
@pytest.fixture(params=["chosen", "lanes", "packed"], scope="module")
def layout(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RaggedRNN, "packed", request.param == "packed")
        if request.param == "lanes":
            patch.setattr(ragged_rnn, "reads_packed", lambda *args: False)
        yield request.param


def computes_lstm(dtype):
    """Whether torch's own LSTM runs in a type of numbers on this CPU: torch 2.4 has no kernel of
    bfloat16 for one without AVX-512, where this package computes in float32."""
    try:
        torch.nn.LSTM(4, 6).to(dtype)(torch.zeros(1, 1, 4, dtype=dtype))
    except RuntimeError:
        return False
    return True
