import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.engine.plan import FEW_KEYS
from spacy_rnn.vocabulary.key_index import KeyIndex

SMALL = st.integers(0, 40)
# The same lower bits: all in one bucket.
ALIKE = st.integers(0, 40).map(lambda n: n << 48)
ANY = st.integers(0, 2**64 - 1)


@given(st.lists(SMALL | ALIKE | ANY, unique=True), st.lists(SMALL | ALIKE | ANY))
def test_finds_what_is_there_and_nothing_else(keys, wanted):
    wanted = wanted + keys[::-1]
    places = {key: place for place, key in enumerate(keys)}
    # Few keys are found in another way than many.
    for asked in (wanted, wanted * (FEW_KEYS + 1)):
        found = KeyIndex(keys).find(numpy.asarray(asked, dtype="uint64"))
        assert found.tolist() == [places.get(key, -1) for key in asked]


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_finds_all_of_many(dtype):
    keys = numpy.random.default_rng(0).permutation(50_000).astype(dtype)
    assert (KeyIndex(keys).find(keys) == numpy.arange(len(keys))).all()
