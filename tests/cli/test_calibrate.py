"""`spacy-rnn calibrate`."""

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn.cli import app
from spacy_rnn.layers.temperature import get_temperature
from spacy_rnn.training.calibrate import calibrate_pipeline
from tests.conftest import TEXTS, make_examples, small_model, small_tagger, train
from tests.training.test_calibrate import half_wrong


def run(*args):
    return CliRunner().invoke(app, ["calibrate", *map(str, args)])


@pytest.fixture
def pipeline(tmp_path):
    """A trained classifier beside a .spacy file that it is often wrong about."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model()})
    train(nlp, make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    docs = [eg.reference for eg in make_examples(nlp, cats=half_wrong)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    return nlp


def test_what_is_written_is_calibrated(pipeline, tmp_path):
    paths = tmp_path / "model", tmp_path / "dev.spacy"
    result = run(*paths, "-o", tmp_path / "new" / "calibrated")
    assert result.exit_code == 0, result.output
    found = calibrate_pipeline(pipeline, make_examples(pipeline, cats=half_wrong))["textcat_lstm"]
    assert f"{found.temperature:.3f}" in result.output and found.temperature > 1.1
    assert f"{found.ece_before:.2%} → {found.ece:.2%}" in result.output
    nlp = spacy.load(tmp_path / "new" / "calibrated")
    for text in TEXTS:
        assert nlp(text).cats == pytest.approx(pipeline(text).cats, abs=1e-5)
    assert get_temperature(spacy.load(paths[0]).get_pipe("textcat_lstm").model) == 1.0


def test_errors(pipeline, tmp_path):
    model, dev, new = tmp_path / "model", tmp_path / "dev.spacy", tmp_path / "new"
    tagger = spacy.blank("en")
    tagger.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    tagger.to_disk(tmp_path / "tagger")
    DocBin(docs=[pipeline.make_doc("a film")]).to_disk(tmp_path / "bare.spacy")
    (tmp_path / "runs" / "model-best").mkdir(parents=True)
    for args, code in (
        ((model, dev, "-o", model), "R617"),
        ((model, tmp_path / "none.spacy", "-o", new), "R401"),
        ((tmp_path / "runs", dev, "-o", new), "R621"),
        ((tmp_path / "tagger", dev, "-o", new), "R510"),
        ((model, dev, "-o", new, "--component", "other"), "R510"),
        ((model, tmp_path / "bare.spacy", "-o", new), "R326"),
    ):
        result = run(*args)
        assert result.exit_code == 1 and code in result.output, (args, result.output)
        assert not new.exists()
    assert run(model, dev).exit_code == 2
