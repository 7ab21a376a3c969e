"""The cost of learning from more than labels."""

import pytest

from benchmarks import semi_supervised


def test_the_table_has_all_settings_by_labels_alone(capsys, monkeypatch):
    taken = {}
    monkeypatch.setattr(semi_supervised, "FIRST", 20)
    monkeypatch.setattr(semi_supervised, "BATCH_SIZE", 2)
    make = semi_supervised.trainer

    def trainer(settings, texts, raw):
        step = make(settings, texts, raw)
        name = str(sorted(settings))
        taken[name] = 0

        def counted():
            taken[name] += 1
            return step()

        return counted

    monkeypatch.setattr(semi_supervised, "trainer", trainer)
    semi_supervised.main(["--steps", "2"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()][2:]
    assert [row[0] for row in rows] == list(semi_supervised.SETTINGS)
    assert rows[0][2] == "1.0" and all(float(row[2]) > 0 for row in rows)
    assert list(taken.values()) == [3] * len(semi_supervised.SETTINGS)


@pytest.mark.parametrize("name", semi_supervised.SETTINGS)
def test_blocks_are_what_their_names_say(name, tmp_path):
    found = semi_supervised.block(semi_supervised.SETTINGS[name], tmp_path / "raw.jsonl")
    if name == semi_supervised.NONE:
        assert found is None
        return
    assert bool(found.get("adversarial")) == (name in ("`adversarial`", "all three"))
    assert bool(found.get("entropy")) == (name in ("and `entropy`", "all three"))
    assert (found["texts"] is None) == ("null" in name or name == "`adversarial`")
