"""Trained pipelines beside a transformer: what is counted as read."""

import pytest
import spacy
import torch

from benchmarks import transformer


class Bert:
    """Notes the shapes that it is called with."""

    config = type("Config", (), {"vocab_size": 10})

    def __init__(self):
        self.masks = []

    def __call__(self, input_ids, attention_mask):
        assert input_ids.shape == attention_mask.shape
        self.masks.append(attention_mask)


def test_words_beyond_the_longest_are_not_counted():
    bert = Bert()
    run = transformer.transformer_run(bert, [3, 600, 512, 1], torch.float32)
    assert run() == 3 + 512 + 512 + 1
    assert [mask.sum(dim=1).tolist() for mask in bert.masks] == [[1, 3, 512, 512]]


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_the_table_compares_each_pipeline(tmp_path, monkeypatch, capsys, has_bfloat16):
    nlp = spacy.blank("en")
    nlp.to_disk(tmp_path / "blank")
    monkeypatch.setattr(transformer, "random_bert", Bert)
    monkeypatch.setattr(transformer, "has_bfloat16", lambda device: has_bfloat16)
    transformer.main([str(tmp_path / "blank"), "--texts", "4", "--rounds", "1"])
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    peers = [transformer.FLOAT32] + [transformer.BFLOAT16] * has_bfloat16
    assert [cells[0] for cells in lines[2:]] == [str(tmp_path / "blank"), *peers]
    # The table has a column for each of them, in which it is as fast as itself.
    assert all(len(cells) == 2 + len(peers) for cells in lines[2:])
    assert [lines[3 + k][2 + k] for k in range(len(peers))] == ["1.0x"] * len(peers)
