"""What tests of `spacy-rnn doctor` share: small corpora, and configs that have one fault."""

from functools import lru_cache

import spacy
from thinc.api import Config

from spacy_rnn.cli._doctor_config import load_setup
from tests.conftest import make_examples, make_tagged_examples, small_model, small_tagger

GOOD = ["warm", "funny", "wonderful", "brilliant", "moving"]
BAD = ["dull", "empty", "terrible", "wooden", "boring"]
NOUNS = ["film", "story", "plot", "score"]
TEXTS = [f"a {word} {noun}" for noun in NOUNS for pair in zip(GOOD, BAD) for word in pair]


def sentiment(text):
    """The categories of a text: each has one of the words."""
    good = any(word in text for word in GOOD)
    return {"POSITIVE": float(good), "NEGATIVE": float(not good)}


def classified(nlp, texts=TEXTS, cats=sentiment):
    return make_examples(nlp, texts, cats)


def tagged(nlp, sentences):
    return make_tagged_examples(nlp, sentences)


def make_setup(folder, changes=None, factory="textcat_lstm"):
    """What a small config makes.

    folder: Where to write it. changes: Its settings, by their names; None as a factory for a
    pipeline without components.
    """
    return load_setup(write_config(folder, changes, factory), {})


@lru_cache(maxsize=None)
def small_config(factory):
    """The text of a config without faults."""
    # A language without exceptions is made faster.
    nlp = spacy.blank("xx")
    if factory in ("tagger_bilstm", "textcat_lstm", "textcat_multilabel_lstm"):
        small = small_tagger() if factory == "tagger_bilstm" else small_model()
        if factory == "textcat_multilabel_lstm":
            small["exclusive_classes"] = False
        nlp.add_pipe(factory, config={"model": small})
    elif factory:
        nlp.add_pipe(factory)
    return nlp.config.to_str()


def write_config(folder, changes=None, factory="textcat_lstm"):
    """Write a small config. RETURNS: Its path."""
    config = Config().from_str(small_config(factory), interpolate=False)
    for name, value in (changes or {}).items():
        *sections, key = name.split(".")
        part = config
        for section in sections:
            part = part.setdefault(section, {})
        part[key] = value
    path = folder / "config.cfg"
    config.to_disk(path)
    return path


def only(findings):
    """The level and the text of the one finding there is."""
    (finding,) = findings
    return finding.level, finding.text
