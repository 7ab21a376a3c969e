"""What tests of annotation share: a small pipeline in a folder, and files of many texts."""

import json

import pytest
import spacy
from thinc.api import fix_random_seed

from tests.conftest import (
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory):
    """A folder with pipelines: cat, tag, both."""
    folder = tmp_path_factory.mktemp("pipelines")
    fix_random_seed(0)
    cat, tag, both = (spacy.blank("en") for _ in range(3))
    cat.add_pipe("textcat_lstm", config={"model": small_model()})
    train(cat, make_examples(cat))
    for nlp in (tag, both):
        nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
        train(nlp, make_tagged_examples(nlp))
    both.add_pipe("textcat_lstm", source=cat)
    for name, nlp in (("cat", cat), ("tag", tag), ("both", both)):
        nlp.to_disk(folder / name)
    return folder


def text_of(number):
    return f"{TEXTS[number % len(TEXTS)]} , number {number}"


def write_jsonl(path, count, first=0):
    """A file of texts with their numbers, "id"."""
    rows = ({"id": number, "text": text_of(number)} for number in range(first, first + count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def rows_of(folder):
    """The rows of all parts of JSON lines, in their order."""
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text("utf8").splitlines()]


def bad_rows(folder):
    parts = sorted(folder.glob("_bad/part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text("utf8").splitlines()]
