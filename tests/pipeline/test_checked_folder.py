"""Folders of pipelines that are damaged."""

import pytest
import spacy

from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger

COMPONENTS = {
    "textcat_lstm": (small_model, make_examples),
    "tagger_bilstm": (small_tagger, make_tagged_examples),
}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", ["model", "cfg"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "nonsense"])
def test_the_damaged_file_is_named(component, name, damage, tmp_path):
    model, examples = COMPONENTS[component]
    nlp = spacy.blank("en")
    nlp.add_pipe(component, config={"model": model()})
    nlp.initialize(lambda: examples(nlp))
    nlp.to_disk(tmp_path)
    path = tmp_path / component / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"\x00nonsense")
    problem = "missing" if damage == "missing" else "corrupt"
    with pytest.raises(ValueError, match=f"R308.*{component}/{name} is {problem}"):
        spacy.load(tmp_path)
