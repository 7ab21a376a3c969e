"""Tests of the engine run with the layout that it chooses, with lanes, and with packed rows, as
on every device but the CPU."""

import pytest

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
