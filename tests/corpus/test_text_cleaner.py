import pytest
import spacy

from spacy_rnn.corpus.text_cleaner import create_text_cleaner_v1

TEXT = "The 2 films were not good, I saw 300 worse!"


def clean(**settings):
    return create_text_cleaner_v1(**settings)(spacy.blank("en"))(TEXT)


@pytest.mark.parametrize(
    "settings,expected",
    [
        ({}, "The 2 films were not good , I saw 300 worse !"),
        ({"numbers": True}, "The films were not good , I saw worse !"),
        ({"punctuation": True}, "The 2 films were not good I saw 300 worse"),
        ({"stop_words": True}, "2 films good , saw 300 worse !"),
        (
            {"numbers": True, "punctuation": True, "stop_words": True},
            "films good saw worse",
        ),
    ],
)
def test_cleaning(settings, expected):
    assert clean(**settings) == expected


def test_lemmas():
    pytest.importorskip("spacy_lookups_data", reason="needs the extra `lemmas`")
    assert clean(lemmas=True, punctuation=True).startswith("the 2 film be not good")


def test_lemmas_without_tables(monkeypatch):
    monkeypatch.setattr("spacy.lookups.registry.lookups.get_all", lambda: {}, raising=False)
    monkeypatch.setattr("spacy.util.registry.has", lambda *args: False)
    with pytest.raises(ValueError, match="R407.*'en'.*spacy-lookups-data"):
        clean(lemmas=True)
