"""Taggers beside spaCy's."""

import spacy

from benchmarks import tagger_speed


def test_the_table_compares_each_pipeline_with_spacys_tagger(tmp_path, capsys):
    spacy.blank("en").to_disk(tmp_path)
    tagger_speed.main([str(tmp_path), "--texts", "2", "--rounds", "1"])
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert int(lines[0][0].removesuffix(" words").replace(",", "")) > 100
    blank, peer = lines[4:]
    assert blank[0] == str(tmp_path) and peer[0] == tagger_speed.SPACY
    assert float(blank[2].removesuffix("x")) > 0
    assert peer[2] == "1.00x"


def test_each_reading_gives_all_words():
    run = tagger_speed.reader(tagger_speed.spacy_tagger(), [["a", "b"], ["c"]], 2)
    assert [run(), run()] == [3, 3]
