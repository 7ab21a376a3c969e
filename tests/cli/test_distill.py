"""`spacy-rnn distill`: teachers, raw texts, and what is learned from them."""

import json
import lzma
import re

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from thinc.api import Config, fix_random_seed

from spacy_rnn.cli._scores_file import load_scores
from spacy_rnn.cli._teach_cats import CatsTeachers
from spacy_rnn.cli._teach_tags import TagScores, TagTeachers, best_tags
from spacy_rnn.cli._teachers import Subject, load_pipeline_as_teacher
from spacy_rnn.configs import config_path
from tests.cli.test_commands import read, run
from tests.conftest import (
    SENTENCES,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
    train,
)

GOOD = ["warm", "funny", "wonderful", "brilliant", "moving"]
BAD = ["dull", "empty", "terrible", "wooden", "boring"]
NOUNS = ["film", "story", "cast", "plot", "scene", "score"]
# Some texts each for training, and for dev; the others are raw.
TEXTS = [f"a {word} {noun}" for noun in NOUNS for word in GOOD + BAD]
TRAIN, DEV, RAW = TEXTS[:20], TEXTS[20:40], TEXTS[20:]
SPACYS = {
    "@architectures": "spacy.Tagger.v2",
    "tok2vec": {
        **{"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 16},
        **{"depth": 1, "embed_size": 200, "window_size": 1, "maxout_pieces": 2},
        "subword_features": False,
    },
}


def sentiment(text):
    good = any(word in text for word in GOOD)
    return {"POSITIVE": float(good), "NEGATIVE": float(not good)}


def topics(text):
    return {"GOOD": sentiment(text)["POSITIVE"], "FILM": float("film" in text)}


def make_classifier(path, factory="textcat_lstm", cats=sentiment, seed=0, texts=TRAIN):
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    model = small_model(exclusive_classes=factory == "textcat_lstm")
    nlp.add_pipe(factory, config={"model": model})
    train(nlp, make_examples(nlp, texts, cats), steps=15)
    nlp.to_disk(path)
    return nlp


def make_tagger(path, factory="tagger_bilstm", **config):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=config)
    train(nlp, make_tagged_examples(nlp), steps=60)
    nlp.to_disk(path)
    return nlp


def write_docs(path, examples):
    DocBin(docs=[eg.reference for eg in examples]).to_disk(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two classifiers, two taggers, one of spaCy's, a classifier of topics, and corpora."""
    folder = tmp_path_factory.mktemp("made")
    make_classifier(folder / "first")
    make_classifier(folder / "second", seed=1)
    make_classifier(folder / "topics", "textcat_multilabel_lstm", topics)
    make_tagger(folder / "tagger", model=small_tagger())
    fix_random_seed(1)
    make_tagger(folder / "tagger2", model=small_tagger())
    make_tagger(folder / "spacys", "tagger", model=SPACYS)
    make_tagger(folder / "xpos", model=small_tagger(), attr="TAG")
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(folder / "sentencizer")
    write_docs(folder / "train.spacy", make_examples(nlp, TRAIN, sentiment))
    write_docs(folder / "dev.spacy", make_examples(nlp, DEV, sentiment))
    write_docs(folder / "dev_topics.spacy", make_examples(nlp, DEV, topics))
    write_docs(folder / "tags.spacy", make_tagged_examples(nlp))
    config = config_path("textcat_lstm").read_text()
    (folder / "good.cfg").write_text(config)
    spacys = spacy.blank("en")
    spacys.add_pipe("textcat")
    spacys.config.to_disk(folder / "spacys.cfg")
    (folder / "paths.cfg").write_text(config.replace("${paths.dev}", '"dev.spacy"'))
    (folder / "raw.txt").write_text("\n".join(RAW) + "\n")
    return folder


def distill(made, *arguments, texts="raw.txt", dev="dev.spacy", output=None):
    teachers = [made / name if (made / name).is_dir() else name for name in arguments[:1]]
    options = ["--texts", made / texts, "--dev", made / dev, "--output", output]
    return run("distill", *teachers, *arguments[1:], *options)


def load_teachers(names):
    return [load_pipeline_as_teacher(name) for name in names]


def cats_of(path):
    return {doc.text: doc.cats for doc in read(path)}


def test_two_teachers_and_a_student(made, tmp_path):
    output = tmp_path / "out"
    result = distill(
        made,
        "first",
        made / "second",
        *("--gold", made / "train.spacy", "--gold-weight", 2),
        *("--student", config_path("textcat_lstm")),
        *("--training.max_steps", 60, "--training.eval_frequency=30"),
        *("--components.textcat_lstm.model.encode.width", 8),
        output=output,
    )
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    (together,) = [line for line in lines if line[:1] == ["together"]]
    assert together[1] == "100.0%"
    assert "20 texts to" in result.output and "each 2 times" in result.output
    assert "Left out: 20 in dev" in result.output
    soft = cats_of(output / "texts.spacy")
    assert list(soft) == TEXTS[40:]
    for text, cats in soft.items():
        assert sum(cats.values()) == pytest.approx(1.0) and 0.0 < cats["POSITIVE"] < 1.0
        assert (cats["POSITIVE"] > 0.5) == bool(sentiment(text)["POSITIVE"])
    gold = read(output / "gold.spacy")
    assert [doc.text for doc in gold] == TRAIN * 2 and gold[0].cats == sentiment(TRAIN[0])
    student = spacy.load(output / "model-best")
    assert student.get_pipe("textcat_lstm").model.get_ref("encode").get_dim("nO") == 8
    right = [
        (student(text).cats["POSITIVE"] > 0.5) == sentiment(text)["POSITIVE"] for text in TEXTS
    ]
    assert sum(right) > 50
    assert student.config["paths"]["train"] == str(output)


def test_the_values_are_those_of_the_formula(made, tmp_path):
    teachers = load_teachers([str(made / "first"), str(made / "second")])
    together = CatsTeachers(teachers)
    reports = together.fit(read(made / "dev.spacy"))
    assert [report.name for report in reports[:2]] == [t.name for t in teachers]
    assert sum(report.weight for report in reports[:2]) == pytest.approx(1.0)
    assert reports[2].log_loss < min(report.log_loss for report in reports[:2])
    (doc,) = together.annotate(["a warm scene"])
    probs = [t.nlp("a warm scene").cats for t in teachers]
    powers = [weight / together.blend.temperature for weight in together.blend.weights]
    product = {
        label: numpy.prod([p[label] ** power for p, power in zip(probs, powers)])
        for label in together.labels
    }
    total = sum(product.values())
    assert doc.cats == pytest.approx({k: v / total for k, v in product.items()}, rel=1e-4)


def test_labels_that_do_not_exclude_each_other(made, tmp_path):
    output = tmp_path / "out"
    result = distill(made, "topics", dev="dev_topics.spacy", output=output)
    assert result.exit_code == 0 and "spacy train CONFIG" in result.output, result.output
    cats = cats_of(output / "texts.spacy")
    assert all(set(found) == {"GOOD", "FILM"} for found in cats.values())
    assert cats["a warm score"]["GOOD"] > 0.5 > cats["a dull score"]["GOOD"]
    (teacher,) = load_teachers([str(made / "topics")])
    found = teacher.nlp("a warm score").cats["GOOD"]
    together = CatsTeachers([teacher])
    together.fit(read(made / "dev_topics.spacy"))
    odds = (found / (1 - found)) ** (1 / together.blend.temperature)
    assert cats["a warm score"]["GOOD"] == pytest.approx(odds / (1 + odds), rel=1e-4)


def test_a_label_that_is_not_known_of_a_dev_text_does_not_count(made):
    (teacher,) = load_teachers([str(made / "topics")])
    nlp = spacy.blank("en")
    dev = [eg.reference for eg in make_examples(nlp, DEV, topics)]
    dev[0].cats = {"GOOD": topics(DEV[0])["GOOD"]}
    right = [
        (teacher.nlp(doc.text).cats[label] > 0.5) == (value == 1.0)
        for doc in dev
        for label, value in doc.cats.items()
    ]
    report = CatsTeachers([teacher]).fit(dev)[0]
    assert len(right) == 39 and report.accuracy == pytest.approx(sum(right) / 39)


def test_a_classifier_of_spacy_teaches_too(made, tmp_path):
    """Labels in another order, and another tokenizer."""
    nlp = spacy.blank("xx")
    model = {"exclusive_classes": True, "ngram_size": 1, "no_output_layer": False}
    nlp.add_pipe("textcat", config={"model": {"@architectures": "spacy.TextCatBOW.v3", **model}})
    train(nlp, make_examples(nlp, TRAIN, lambda text: dict(reversed(sentiment(text).items()))))
    nlp.to_disk(tmp_path / "bow")
    result = distill(made, "first", tmp_path / "bow", output=tmp_path / "out")
    assert result.exit_code == 0, result.output
    for text, cats in cats_of(tmp_path / "out" / "texts.spacy").items():
        assert (cats["POSITIVE"] > 0.5) == bool(sentiment(text)["POSITIVE"])


def test_scores_of_a_file_teach_as_their_pipeline_does(made, tmp_path):
    """Also beside a pipeline, and as the first teacher."""
    scores = tmp_path / "scores.jsonl"
    texts = [f"--text={text}" for text in TEXTS[20:]]
    assert run("predict", made / "first", *texts, "--output", scores).exit_code == 0
    found = []
    for number, teacher in enumerate((made / "first", scores)):
        output = tmp_path / str(number)
        assert distill(made, teacher, made / "second", output=output).exit_code == 0
        found.append(cats_of(output / "texts.spacy"))
    assert list(found[0]) == list(found[1]) == TEXTS[40:]
    for text, cats in found[0].items():
        assert found[1][text] == pytest.approx(cats, abs=1e-3)


def test_scores_of_labels_that_do_not_exclude_each_other(made, tmp_path):
    scores = tmp_path / "scores.jsonl.xz"
    with lzma.open(scores, "wt") as file:
        for text in TEXTS[20:]:
            cats = {
                "FILM": 0.2 + 0.7 * topics(text)["FILM"],
                "GOOD": 0.1 + topics(text)["GOOD"] / 2,
            }
            file.write(json.dumps({"text": text, "cats": cats}) + "\n")
    output = tmp_path / "out"
    result = distill(made, made / "topics", scores, dev="dev_topics.spacy", output=output)
    assert result.exit_code == 0, result.output
    cats = cats_of(output / "texts.spacy")
    assert cats["a warm score"]["GOOD"] > 0.5 > cats["a dull score"]["GOOD"]


@pytest.mark.parametrize("scale, exclusive", [(1.0, True), (0.9, False)])
def test_scores_rounded_to_two_decimals(tmp_path, scale, exclusive):
    """Eight labels that exclude each other: rounding leaves 1.04 of the sum."""
    cats = {f"L{i}": round(scale * (0.125 if i < 8 else 0.0), 2) for i in range(10)}
    assert abs(sum(cats.values()) - 1.0) > 0.01
    assert is_exclusive(tmp_path, cats) == exclusive


def test_many_scores_that_do_not_exclude_each_other(tmp_path):
    """Whatever they sum up to by chance, unless they do so as rounding can explain."""
    exact = {f"L{i}": 0.006123 for i in range(200)}
    assert not is_exclusive(tmp_path, exact)
    assert not is_exclusive(tmp_path, {f"L{i}": 0.01 for i in range(120)})
    assert is_exclusive(tmp_path, {f"L{i}": 0.01 for i in range(95)})


def is_exclusive(folder, cats):
    srsly.write_jsonl(folder / "scores.jsonl", [{"text": "a", "cats": cats}])
    return load_scores(str(folder / "scores.jsonl"), "text").writers.threshold is None


def test_missing_scores_are_found_before_a_pipeline_annotates(made, tmp_path, monkeypatch):
    """A large teacher beside the file may take hours."""
    scores = tmp_path / "scores.jsonl"
    rows = [{"text": text, "cats": sentiment(text)} for text in TEXTS[:-1]]
    srsly.write_jsonl(scores, rows)
    monkeypatch.setattr(CatsTeachers, "annotate", lambda *args: pytest.fail("annotated"))
    result = distill(made, "first", scores, output=tmp_path / "out")
    assert result.exit_code == 1 and f"no scores of the text {TEXTS[-1]}" in result.output


@pytest.mark.parametrize(
    "lines, message",
    [
        ([], "R405"),
        (['{"text": "a"}'], "has no column 'cats'|line 1.*'cats'"),
        (['{"text": 1, "cats": {"A": 1}}'], "R638.*line 1: 'text' is not a string"),
        (['{"text": "a", "cats": {}}'], "R638.*line 1: 'cats' is not an object"),
        (['{"text": "a", "cats": {"A": 1.5}}'], "R638.*scores from 0 to 1"),
        (['{"text": "a", "cats": {"A": true}}'], "R638.*scores from 0 to 1"),
        (['{"text": "a", "cats": {"A": NaN}}'], "R638.*scores from 0 to 1|line 1"),
        (['{"text": "a", "cats": {"A": 1%s}}' % ("0" * 400)], "R638.*scores from 0 to 1|line 1"),
        (
            ['{"text": "a", "cats": {"A": 0.5}}', '{"text": "a", "cats": {"A": 0.6}}'],
            "R638.*line 2: the text has other scores in a line before",
        ),
        (
            ['{"text": "a", "cats": {"A": 1, "B": 0}}', '{"text": "b", "cats": {"A": 1}}'],
            "R638.*line 2: the labels are A, but A, B in lines before",
        ),
        (['{"text": "a", "cats": {"POSITIVE": 1, "NEGATIVE": 0}}', "{"], "line 2"),
        (
            ['{"text": "a", "cats": {"POSITIVE": 1, "NEGATIVE": 0}}'],
            "R639.*no scores of the text a",
        ),
    ],
)
def test_a_file_of_scores_that_cannot_teach(made, tmp_path, lines, message):
    scores = tmp_path / "scores.jsonl"
    scores.write_text("".join(line + "\n" for line in lines))
    result = distill(made, made / "first", scores, output=tmp_path / "out")
    assert result.exit_code == 1 and re.search(message, result.output), result.output
    assert not (tmp_path / "out").exists()


def test_all_formats_of_raw_texts(made, tmp_path):
    (tmp_path / "a.csv").write_text("id;body\n1;a new scene\n2;a new plot\n3;A new  plot\n")
    rows = [{"text": "a warm scene"}, {"text": "A  WARM scene"}, {"text": ""}, {"text": "one more"}]
    with lzma.open(tmp_path / "b.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    output = tmp_path / "out"
    result = distill(
        made, "first", "--texts", made / "dev.spacy", texts=tmp_path / "b.jsonl.xz", output=output
    )
    assert result.exit_code == 0, result.output
    assert list(cats_of(output / "texts.spacy")) == ["a warm scene", "one more"]
    (bad,) = srsly.read_jsonl(tmp_path / "out.bad.jsonl")
    assert bad["line"] == 3 and bad["reason"] == "no text"
    assert "Left out: 20 in dev, 1 there twice" in result.output
    output = tmp_path / "csv"
    result = distill(
        made,
        "first",
        *("--text-column", "body", "--delimiter", ";"),
        texts=tmp_path / "a.csv",
        output=output,
    )
    assert list(cats_of(output / "texts.spacy")) == ["a new scene", "a new plot"]
    assert "Left out: 1 there twice" in result.output
    assert not (tmp_path / "csv.bad.jsonl").exists()


# Tags


def tags_of(path, attr="pos_"):
    return [[getattr(token, attr) for token in doc] for doc in read(path)]


def test_taggers_and_a_student(made, tmp_path):
    raw = tmp_path / "raw.txt"
    raw.write_text("the old cat sees Anna .\nAnna feeds  the dogs\nthe old dog sees a cat\n")
    output = tmp_path / "out"
    config = Config().from_disk(config_path("tagger_bilstm"), interpolate=False)
    config["components"]["tagger_bilstm"]["model"] = small_tagger()
    config.to_disk(tmp_path / "small.cfg")
    result = distill(
        made,
        "tagger",
        made / "tagger2",
        *("--gold", made / "tags.spacy", "--student", tmp_path / "small.cfg"),
        *("--training.max_steps", 120, "--training.eval_frequency", 120),
        *("--training.optimizer.learn_rate.initial_rate", 0.05),
        texts=raw,
        dev="tags.spacy",
        output=output,
    )
    assert result.exit_code == 0, result.output
    assert [line.split()[1] for line in result.output.splitlines() if "together" in line] == [
        "100.0%"
    ]
    first, second = tags_of(output / "texts.spacy")
    assert first[:5] == ["DET", "ADJ", "NOUN", "VERB", "PROPN"]
    assert second == ["PROPN", "VERB", "SPACE", "DET", "NOUN"]
    assert len(read(output / "gold.spacy")) == len(SENTENCES)
    student = spacy.load(output / "model-best")
    assert [t.pos_ for t in student("the old dog sees a cat")][:3] == ["DET", "ADJ", "NOUN"]


def test_tags_are_those_of_the_mean_probability(made):
    teachers = load_teachers([str(made / "tagger"), str(made / "tagger2")])
    text = "cats feed the old film"
    (doc,) = TagTeachers(teachers, Subject.pos).annotate([text])
    pipes = [teacher.nlp.get_pipe("tagger_bilstm") for teacher in teachers]
    assert pipes[0].labels == pipes[1].labels
    mean = sum(pipe.predict_proba([t.nlp.make_doc(text)])[0] for pipe, t in zip(pipes, teachers))
    assert [t.pos_ for t in doc] == [pipes[0].labels[i] for i in mean.argmax(axis=1)]


def test_a_vote_beside_probabilities():
    soft = TagScores(["A", "B"], numpy.array([[0.9, 0.1], [0.2, 0.8], [0.0, 0.0]]))
    hard = TagScores(["B", "C"], numpy.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    assert best_tags([soft, hard]) == ["B", "C", ""]
    other = TagScores(["A"], numpy.array([[1.0], [0.0], [0.0]]))
    assert best_tags([hard, other]) == ["B", "C", ""] and best_tags([other, hard])[0] == "A"
    assert best_tags([soft, hard, other]) == ["A", "C", ""]
    assert best_tags([TagScores([], numpy.zeros((2, 0)))]) == ["", ""]


def test_taggers_of_spacy_have_a_vote(made, tmp_path):
    """Another component's tags, which come without probabilities; `tag_` in place of `pos_`."""
    raw = tmp_path / "raw.txt"
    raw.write_text("Anna sees the old\n")
    result = distill(
        made,
        "xpos",
        made / "spacys",
        texts=raw,
        dev="tags.spacy",
        output=tmp_path / "out",
    )
    assert result.exit_code == 0, result.output
    assert tags_of(tmp_path / "out" / "texts.spacy", "tag_") == [["NNP", "VBZ", "DT", "NNS"]]


def test_gold_tags_of_dev_are_not_seen(made, tmp_path):
    """A tagger that keeps the tags that are there would be right throughout."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(), "overwrite": False})
    nlp.initialize(lambda: make_tagged_examples(nlp))
    nlp.to_disk(tmp_path / "keeps")
    teachers = TagTeachers(load_teachers([str(tmp_path / "keeps")]), Subject.pos)
    teachers.sources = [None]
    assert teachers.fit(read(made / "tags.spacy"))[0].accuracy < 0.9


# Bad input


@pytest.mark.parametrize(
    "arguments,files,message",
    [
        (["nothing"], {}, "E050.*nothing"),
        (["sentencizer"], {}, "R605.*sentencizer"),
        (["first", "{made}/tagger"], {}, "R634.*first: cats; .*tagger: pos"),
        (["first", "--learn", "pos"], {}, "R634.*do not all write pos"),
        (["first", "{made}/topics"], {}, "R627.*NEGATIVE, POSITIVE .exclusive.*FILM, GOOD .not"),
        (["first"], {"dev": "tags.spacy"}, "R624.*4 texts of .*tags.spacy.*with cats"),
        (["tagger"], {"dev": "dev.spacy"}, "R624.*20 texts of .*dev.spacy.*with pos"),
        (["first", "--gold", "{made}/tags.spacy"], {}, "R624.*tags.spacy.*with cats"),
        (["first"], {"dev": "dev_topics.spacy"}, "R628.*'(GOOD|FILM)'.*POSITIVE"),
        (["first"], {"dev": "raw.txt"}, "R625.*raw.txt"),
        (["first"], {"dev": "none.spacy"}, "R401.*none.spacy"),
        (["first"], {"texts": "none.txt"}, "R401.*none.txt"),
        (["first"], {"texts": "dev.spacy"}, "R630.*20 read"),
        (["first", "--gold-weight", "2"], {}, "R629.*--gold-weight.*--gold"),
        (["first", "--training.max_steps", "2"], {}, "R629.*--training.max_steps.*--student"),
        (["--training.max_steps", "2", "first"], {}, "R631.*--training.max_steps"),
        (["first", "--max_steps", "2"], {}, "No such option.*--max_steps"),
        (["first", "--student", "none.cfg"], {}, "R401.*none.cfg"),
        (["first", "--student", "{made}/raw.txt"], {}, "Config.*section"),
        (["first", "--student", "{made}/paths.cfg"], {}, "R632.*paths.cfg.*{paths.dev}"),
        (["first", "--student", "{made}/good.cfg", "--nothing.a", "1"], {}, "nothing"),
        (["first", "--student", "{made}/good.cfg", "--training.max_steps", "a"], {}, "max_steps"),
        (["tagger", "--student", "{made}/good.cfg"], {"dev": "tags.spacy"}, "R641.*good.cfg.*pos"),
        (
            ["topics", "--student", "{made}/good.cfg"],
            {"dev": "dev_topics.spacy"},
            "R641.*cats that do not exclude each other.*It trains: textcat_lstm",
        ),
        (["first", "--student", "{made}/spacys.cfg"], {}, "R641.*It trains: textcat[.]"),
        (
            ["first", "--student", "{made}/good.cfg"]
            + ["--training.frozen_components", '["textcat_lstm"]'],
            {},
            "R641.*It trains: none",
        ),
    ],
)
def test_one_line_says_what_is_wrong(made, tmp_path, arguments, files, message):
    output = tmp_path / "out"
    arguments = [argument.format(made=made) for argument in arguments]
    result = distill(made, *arguments, output=output, **files)
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("✘")]
    assert len(lines) == 1 and re.search(message, lines[0]), result.output
    assert "Traceback" not in result.output and not output.exists()


def test_a_folder_that_is_not_empty_is_left_alone(made, tmp_path):
    (tmp_path / "mine").write_text("mine")
    result = distill(made, "first", output=tmp_path)
    assert result.exit_code == 1 and "R633" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_classifiers_in_one_pipeline(made, tmp_path):
    nlp = spacy.load(made / "first")
    nlp.add_pipe("textcat_multilabel_lstm", source=spacy.load(made / "topics"))
    nlp.to_disk(tmp_path / "both")
    result = distill(made, str(tmp_path / "both"), output=tmp_path / "out")
    assert result.exit_code == 1 and "R626" in result.output


def test_tag_sets_without_a_common_tag(made, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger(), "attr": "TAG"})
    sentences = [(words, pos, tags.replace(".", "-").lower()) for words, pos, tags in SENTENCES]
    nlp.initialize(lambda: make_tagged_examples(nlp, sentences))
    nlp.to_disk(tmp_path / "other")
    result = distill(made, "xpos", tmp_path / "other", dev="tags.spacy", output=tmp_path / "out")
    assert result.exit_code == 1 and "R627" in result.output
