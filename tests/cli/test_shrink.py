"""`spacy-rnn shrink`."""

import re

import numpy
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn.bridge.half_precision import halve
from spacy_rnn.bridge.shim import shims_of
from spacy_rnn.cli import app
from spacy_rnn.cli.shrink import check_scores, scores_of
from spacy_rnn.pipeline.textcat_lstm import DEFAULTS
from tests.conftest import (
    TEXTS,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)

UNSEEN = ["a wonderful mess , really", "Anna sees the terrible dog", ""]


def run(*args):
    return CliRunner().invoke(app, ["shrink", *map(str, args)])


@pytest.fixture
def pipeline(tmp_path):
    """The default classifier and a small tagger, trained and saved, beside texts."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    nlp.add_pipe("textcat_lstm", config=DEFAULTS)
    train(nlp, [*make_examples(nlp), *make_tagged_examples(nlp)], steps=30)
    nlp.to_disk(tmp_path / "model")
    docs = [nlp.make_doc(text) for text in [*TEXTS, *UNSEEN]]
    DocBin(docs=docs).to_disk(tmp_path / "texts.spacy")
    return nlp


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_scores_stay_and_the_folder_is_half_as_large(pipeline, tmp_path):
    result = run(tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy")
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "small")
    for text in [*TEXTS, *UNSEEN]:
        before, after = pipeline(text), nlp(text)
        assert after.cats == pytest.approx(before.cats, abs=1e-3)
        assert [token.pos_ for token in after] == [token.pos_ for token in before]
    files = [f"{name}/model" for name in nlp.pipe_names]
    for file in files:
        before, after = (tmp_path / part / file for part in ("model", "small"))
        assert after.stat().st_size < 0.62 * before.stat().st_size
    assert size_of(tmp_path / "small") < size_of(tmp_path / "model")


def test_weights_are_rounded_and_float32_in_memory(pipeline, tmp_path):
    run(tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy")
    loaded = spacy.load(tmp_path / "small")
    for name in loaded.pipe_names:
        before, after = (nlp.get_pipe(name).model for nlp in (pipeline, loaded))
        for old, new in zip(before.walk(), after.walk()):
            for param in old.param_names:
                rounded = old.get_param(param).astype("float16").astype("float32")
                assert new.get_param(param).dtype == "float32"
                assert numpy.array_equal(new.get_param(param), rounded)
            for old_shim, new_shim in zip(old.shims, new.shims):
                pairs = zip(old_shim.module.parameters(), new_shim.module.parameters())
                assert all((a.half().float() == b).all() for a, b in pairs)


def test_a_shrunk_pipeline_trains_on_and_saves(pipeline, tmp_path):
    run(tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy")
    nlp = spacy.load(tmp_path / "small")
    examples = make_examples(nlp)
    optimizer = nlp.resume_training()
    losses = [nlp.update(examples, sgd=optimizer)["textcat_lstm"] for _ in range(10)]
    assert losses[-1] < losses[0]
    nlp.to_disk(tmp_path / "on")
    assert spacy.load(tmp_path / "on")(TEXTS[0]).cats == pytest.approx(nlp(TEXTS[0]).cats)


def test_no_word_of_the_training_texts_is_left_in_the_string_store(pipeline, tmp_path):
    run(tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy")
    strings = (tmp_path / "small" / "vocab" / "strings.json").read_text()
    assert "brilliant" in (tmp_path / "model" / "vocab" / "strings.json").read_text()
    assert "brilliant" not in strings


def test_strings_stay_beside_components_of_others(pipeline, tmp_path):
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PET", "pattern": "zebra"}])
    pipeline.to_disk(tmp_path / "ruled")
    result = run(tmp_path / "ruled", tmp_path / "small", tmp_path / "texts.spacy")
    assert result.exit_code == 0, result.output
    assert "brilliant" in (tmp_path / "small" / "vocab" / "strings.json").read_text()
    assert [ent.label_ for ent in spacy.load(tmp_path / "small")("a zebra").ents] == ["PET"]


def test_nothing_is_written_where_scores_move_too_far(pipeline, tmp_path):
    paths = tmp_path / "model", tmp_path / "new" / "small", tmp_path / "texts.spacy"
    result = run(*paths, "--tolerance", 0)
    assert result.exit_code == 1 and "R618" in result.output
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(pipeline, tmp_path):
    before = size_of(tmp_path / "model")
    result = run(tmp_path / "model", tmp_path / "model", tmp_path / "texts.spacy")
    assert result.exit_code == 1 and "R617" in result.output
    assert size_of(tmp_path / "model") == before


def test_a_pipeline_without_our_components_is_refused(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[nlp("a")]).to_disk(tmp_path / "texts.spacy")
    result = run(tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy")
    assert result.exit_code == 1 and "R619" in result.output and "sentencizer" in result.output


def test_halved_infinities_are_refused(pipeline):
    """A weight too large for half precision is not loaded as infinity."""
    pipe = pipeline.get_pipe("textcat_lstm")
    pipe.model.get_ref("output_layer").get_param("b")[0] = 1e6
    with pytest.warns(RuntimeWarning, match="overflow"):
        data = halve(pipe.model, pipe.model.to_bytes())
    with pytest.raises(ValueError, match="not numbers"):
        pipe._load_model(data)


def test_only_the_most_frequent_words_are_kept(pipeline, tmp_path):
    args = (tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy", "--max-words", 2)
    assert run(*args).exit_code == 0
    small = spacy.load(tmp_path / "small")
    kept = 0
    for name in small.pipe_names:
        before, after = (nlp.get_pipe(name).model for nlp in (pipeline, small))
        for old, new in zip(before.walk(), after.walk()):
            if old.name == "vocab_embed":
                words = old.attrs["words"].words
                assert len(words) > 2 and new.attrs["words"].words == words[:2]
                doc = pipeline.make_doc(" ".join(words[:3]))
                old_rows, new_rows = (model.predict([doc])[0] for model in (old, new))
                unknown = old.predict([pipeline.make_doc("qqqq")])[0]
                assert new_rows[:2] == pytest.approx(old_rows[:2], abs=1e-3)
                assert new_rows[2] == pytest.approx(unknown[0], abs=1e-3)
                kept += 1
    assert kept == 2


def test_a_number_of_words_below_zero_is_refused(pipeline, tmp_path):
    args = (tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy", "--max-words", -1)
    assert run(*args).exit_code != 0
    assert not (tmp_path / "small").exists()


@pytest.fixture
def shared(tmp_path):
    """A classifier that listens to a tok2vec of spaCy's with embeddings of this package."""
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy-rnn.VocabEmbed.v1", "width": 8, "min_count": 1}
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "width": 8, "bidirectional": False}
    model = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    nlp.add_pipe("tok2vec", config={"model": model})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=listener, encode=None)})
    examples = make_examples(nlp)
    for node in nlp.get_pipe("tok2vec").model.walk():
        if "set_vocab" in node.attrs:
            node.attrs["set_vocab"](node, sorted({t.text for eg in examples for t in eg.predicted}))
    train(nlp, examples, steps=30)
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(tmp_path / "texts.spacy")
    return nlp


def test_a_shared_tok2vec_is_halved_and_compared_too(shared, tmp_path):
    paths = tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy"
    result = run(*paths)
    assert result.exit_code == 0, result.output
    sizes = [(folder / "tok2vec" / "model").stat().st_size for folder in paths[:2]]
    assert sizes[1] < 0.8 * sizes[0]
    small = spacy.load(tmp_path / "small")
    for text in TEXTS:
        assert small(text).cats == pytest.approx(shared(text).cats, abs=1e-3)
    docs = [shared.make_doc(text) for text in TEXTS]
    before = scores_of(shared, docs)
    assert before["textcat_lstm"] == pytest.approx(
        numpy.asarray([list(shared(text).cats.values()) for text in TEXTS]), abs=1e-6
    )
    for shim in shims_of(small.get_pipe("tok2vec").model):
        for param in shim.module.parameters():
            param.data.zero_()
    with pytest.raises(ValueError, match="R618"):
        check_scores(before, scores_of(small, docs), 1e-3)


def test_words_of_a_shared_tok2vec_are_dropped(shared, tmp_path):
    paths = tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy"
    assert run(*paths, "--max-words", 3).exit_code == 0
    (words,) = (
        node.attrs["words"]
        for node in spacy.load(tmp_path / "small").get_pipe("tok2vec").model.walk()
        if "words" in node.attrs
    )
    assert len(words.words) == 3


def test_max_words_without_a_vocabulary_is_refused(tmp_path):
    nlp = spacy.blank("en")
    static = {"@architectures": "spacy-rnn.StaticVectors.v1", "width": 4}
    nlp.vocab.set_vector("film", numpy.ones(4, dtype="float32"))
    nlp.add_pipe("textcat_lstm", config={"model": small_model(tok2vec=static)})
    train(nlp, make_examples(nlp), steps=1)
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[nlp("a")]).to_disk(tmp_path / "texts.spacy")
    paths = tmp_path / "model", tmp_path / "small", tmp_path / "texts.spacy"
    result = run(*paths, "--max-words", 3)
    assert result.exit_code == 1 and "R640" in result.output
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize(
    "model, texts, message",
    [(".", "texts.spacy", "R621.*model-best"), ("model-best", "none.spacy", "R401.*none.spacy")],
)
def test_paths_that_are_wrong(tmp_path, model, texts, message):
    spacy.blank("en").to_disk(tmp_path / "model-best")
    DocBin().to_disk(tmp_path / "texts.spacy")
    result = run(tmp_path / model, tmp_path / "small", tmp_path / texts)
    assert result.exit_code == 1 and re.search(message, result.output), result.output
