"""A wheel is made anew with what its .yml file says now, and with all else as it was."""

import zipfile

import pytest
import spacy
import srsly
from thinc.api import Config

from pipelines import build, push, renew_card


@pytest.fixture
def renewed(monkeypatch, tmp_path):
    """Renew a card by another .yml file, without making a package.
    RETURNS: The meta.json and the card that the package would be made of."""
    found = {}

    def keep(pipeline, name):
        found.update(meta=srsly.read_json(pipeline / "meta.json"))
        found.update(card=(pipeline / "README.md").read_text("utf8"))

    def renew(name, **changes):
        described = {**srsly.read_yaml(push.HERE / f"{name}.yml"), **changes}
        srsly.write_yaml(tmp_path / f"{name}.yml", described)
        (tmp_path / push.wheel_of(name).name).symlink_to(push.wheel_of(name))
        monkeypatch.setattr(renew_card, "HERE", tmp_path)
        renew_card.main(name)
        return found

    monkeypatch.setattr(renew_card, "make_package", keep)
    return renew


@pytest.mark.parametrize("name", ["en_pos_bilstm", "en_sentiment_lstm"])
def test_without_a_change_all_stays(renewed, name):
    found = renewed(name)
    meta, card = push.read_wheel(push.wheel_of(name), name)
    assert found == {"meta": meta, "card": card}
    assert "None" not in card


def test_what_was_changed_is_new(renewed):
    found = renewed("en_pos_bilstm", version="9.0.0", notes="### New\n\nText.\n")
    before, _ = push.read_wheel(push.wheel_of("en_pos_bilstm"), "en_pos_bilstm")
    changed = {name for name in before if before[name] != found["meta"][name]}
    assert changed == {"version", "notes"} and set(found["meta"]) == set(before)
    assert found["meta"]["notes"].startswith("### New\n\nText.\n\n### Speed\n")
    assert "`9.0.0`" in found["card"] and "words a second" in found["card"]


def test_a_package_does_not_say_where_it_was_trained(tmp_path, monkeypatch):
    nlp = spacy.blank("en")
    nlp.config["paths"].update(train="/home/corpus", init_tok2vec="model-last.bin")
    nlp.config["corpora"]["train"]["path"] = "${paths.train}"
    nlp.to_disk(tmp_path)
    build.forget_paths(tmp_path / "config.cfg")
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    assert set(config["paths"]) == set(nlp.config["paths"])
    assert set(config["paths"].values()) == {None}
    assert config["corpora"]["train"]["path"] == "${paths.train}"
    spacy.load(tmp_path)


@pytest.mark.parametrize("name", ["en_pos_bilstm", "en_sentiment_lstm"])
def test_those_that_are_shipped_do_not_either(name):
    with zipfile.ZipFile(push.wheel_of(name)) as files:
        (path,) = [file for file in files.namelist() if file.endswith("config.cfg")]
        config = Config().from_str(files.read(path).decode())
    assert set(config["paths"].values()) == {None}
