"""`render` and `serve`."""

import re
import sys
import threading
import urllib.error
import urllib.request
from types import ModuleType, SimpleNamespace

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.visual import display, render, serve
from spacy_rnn.visual.display import STYLES, make_app
from spacy_rnn.visual.markup import words_of
from tests.conftest import make_tagged_examples, small_tagger
from tests.visual.conftest import Page

ATTACK = "</span><script>alert(1)</script><img src=x onerror=alert(2)> \"' onmouseover='x' &lt;b"


def explained(text="A great film .", label="POSITIVE", weights=None, **more):
    """Data of "words", as `explain` gives them: each word between blanks is a token."""
    tokens = [{"start": m.start(), "end": m.end()} for m in re.finditer(r"\S+", text)]
    weights = weights or [float(i + 1) for i in range(len(tokens))]
    tokens = [{**token, "weight": weight} for token, weight in zip(tokens, weights)]
    return {"text": text, "label": label, "score": 0.75, "tokens": tokens, **more}


def data_of(style, text="A great film .", label="POSITIVE", **more):
    """Data of any style, with scores from 0 to 1 that grow."""
    data = {**explained(text, label), **more}
    count = len(data["tokens"])
    for i, token in enumerate(data["tokens"]):
        score = (i + 1) / count
        token.update(score=score, tag=label, prob=score, probs={label: score})
    data["sentences"] = data["tokens"]
    return data


class FakeClassifier:
    """Says of texts that they are the more positive, the more tokens they have."""

    name, labels = "fake", ("POSITIVE", "NEGATIVE")

    def explain(self, doc, label=None, **settings):
        self.asked = {"label": label, **settings}
        weights = [float(i) for i in range(len(doc))]
        tokens = [
            {"text": t.text, "start": t.idx, "end": t.idx + len(t), "weight": w}
            for t, w in zip(doc, weights)
        ]
        return {"text": doc.text, "label": label or "POSITIVE", "score": 0.5, "tokens": tokens}

    def cats(self, count):
        return {"POSITIVE": count / 10, "NEGATIVE": 1 - count / 10}

    def running_cats(self, doc):
        return [self.cats(i + 1) for i in range(len(doc))]

    def score_spans(self, spans):
        return [self.cats(len(span)) for span in spans]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("page", [True, False])
@pytest.mark.parametrize("minify", [True, False])
def test_all_text_is_escaped(style, page, minify, read):
    data = data_of(style, ATTACK, ATTACK, title=ATTACK, settings={"lang": ATTACK})
    found = read(render(data, style, manual=True, page=page, minify=minify))
    assert ATTACK in found.text() or style in ("sentences", "tags")
    assert sum(ATTACK in attrs.get("title", "") for _, attrs in found.elements) or style == "words"
    ((_, title),) = found.of_class("rnn-title")
    assert title == ATTACK
    assert [attrs["lang"] for attrs, _ in found.of_class("rnn-text")] == [ATTACK]


# All that a text may hold, also what HTML does not allow.
@given(st.text(max_size=30), st.text(max_size=5))
@pytest.mark.parametrize("style", STYLES)
def test_any_text_and_label(style, text, label):
    data = data_of(style, text, label)
    Page(render(data, style, manual=True, page=True)).text()


@given(st.text(st.sampled_from("ab. \n\t"), max_size=30))
@pytest.mark.parametrize("style", ["words", "running"])
@pytest.mark.parametrize("minify", [True, False])
def test_blanks_and_line_ends_stay(style, minify, text):
    found = Page(render(data_of(style, text), style, manual=True, minify=minify)).text()
    assert found.strip("\n ") == (text.strip("\n ") or "(no text)" * (not text))
    assert text in found or not text


def test_minified_is_one_line_where_texts_are():
    data = data_of("words", "a b", label="X")
    plain, small = (render(data, manual=True, page=True, minify=m) for m in (False, True))
    assert "\n" in plain and "\n" not in small and len(small) < len(plain)
    assert Page(plain).text() == Page(small).text() == "a b"


@pytest.mark.parametrize("style", STYLES)
def test_control_characters_and_half_characters(style, read):
    html = render(data_of(style, "a\x00b \ud800c \x1b[0m"), style, manual=True, page=True)
    assert "a\ufffdb" in html and "\ufffdc" in html and not re.search("[\x00\x1b\ud800]", html)
    html.encode("utf8")


@pytest.mark.parametrize("style", STYLES)
def test_directions(style, read):
    arabic = spacy.blank("ar")
    settings = {"lang": "ar", "direction": arabic.vocab.writing_system["direction"]}
    html = render(data_of(style, "42 great", settings=settings), style, manual=True, page=True)
    ((attrs, _),) = read(html).of_class("rnn-text")
    assert attrs["dir"] == "rtl" and attrs["lang"] == "ar"
    assert '<html lang="ar" dir="rtl">' in html
    # Of data that do not say, the first letter does.
    for text, direction in (("42 كان great", "rtl"), ("42 great كان", "ltr"), ("1 .", "ltr")):
        ((attrs, _),) = read(render(data_of(style, text), style, manual=True)).of_class("rnn-text")
        assert attrs["dir"] == direction and "lang" not in attrs


def test_a_documents_language_and_title_are_known(read):
    doc = spacy.blank("he")("שלום great")
    doc.user_data["title"] = "<Title>"
    found = read(render(doc, pipe=FakeClassifier()))
    ((attrs, _),) = found.of_class("rnn-text")
    assert (attrs["dir"], attrs["lang"]) == ("rtl", "he")
    assert found.of_class("rnn-title")[0][1] == "<Title>"


def test_colours_grow_with_weights(read):
    weights = [4.0, 1.0, -2.0, 0.1, 0.0, -3.0]
    found = read(render(explained("a b c d e f", weights=weights), manual=True))
    words = [attrs for tag, attrs in found.elements if tag == "span" and "title" in attrs]
    styles = [attrs.get("style", "") for attrs in words]
    assert [attrs["title"] for attrs in words] == [
        "+4.00",
        "+1.00",
        "−2.00",
        "+0.10",
        "0.00",
        "−3.00",
    ]
    assert "rgba(0,114,178,0.6)" in styles[0] and "rgba(0,114,178,0.15)" in styles[1]
    assert "rgba(213,94,0,0.3)" in styles[2] and "rgba(213,94,0,0.45)" in styles[5]
    assert styles[3] == styles[4] == ""
    # A sign that needs no colour.
    assert ["solid" in style for style in styles] == [True, True, False, False, False, False]
    assert ["dashed" in style for style in styles] == [False, False, True, False, False, True]


def test_one_scale_for_several_pictures(read):
    html = render(explained("a b", weights=[1.0, 2.0]), manual=True, options={"max_weight": 4.0})
    assert "rgba(0,114,178,0.15)" in html and "rgba(0,114,178,0.3)" in html


def test_words_say_where_weights_come_from(read):
    data = explained("a", weights=[0.75], margin=1.0, baseline=0.25)
    data["tokens"][0].update(net=0.5, linear_model=0.25)
    found = read(render(data, manual=True))
    assert ("span", {"title": "+0.75 (net +0.50, linear_model +0.25)"}) in [
        (tag, {"title": attrs.get("title")}) for tag, attrs in found.elements
    ]
    assert "margin +1.00: +0.25 without words, +0.75 by words" in found.of_class("rnn-head")[0][1]
    assert "POSITIVE 0.750" in found.of_class("rnn-head")[0][1]
    # As it is of attention weights.
    assert "without words" not in render({**data, "margin": None}, manual=True)


def lines_of(found):
    """The parts of the line: x and y of both ends."""
    parts = [attrs["d"] for attrs, _ in found.of_class("rnn-line")]
    return [tuple(map(int, re.findall(r"\d+", part))) for part in parts]


def test_the_line_goes_on_from_word_to_word(read):
    doc = spacy.blank("en")("One two, three")
    found = read(render(doc, "running", pipe=FakeClassifier()))
    # NEGATIVE, the label with the highest score at the end, falls from 0.9 to 0.6.
    assert lines_of(found) == [(0, a, 100, b) for a, b in ((10, 10), (10, 20), (20, 30), (30, 40))]
    assert [attrs["title"] for attrs, _ in found.of_class("rnn-word")][-1] == "NEGATIVE 0.600"
    assert found.text() == doc.text


def test_the_line_runs_from_right_to_left_where_the_text_does(read):
    data = {"text": "אב ג", "label": "X", "settings": {"direction": "rtl"}}
    tokens = [{"start": 0, "end": 2, "score": 0.0}, {"start": 3, "end": 4, "score": 1.0}]
    found = read(render({**data, "tokens": tokens}, "running", manual=True))
    assert lines_of(found) == [(100, 100, 0, 100), (100, 100, 0, 0)]


def parts(text, *ends):
    """Words of a text whose tokens end there, and begin where the last one has ended."""
    starts = [0, *ends[:-1]]
    items = [{"start": start, "end": end} for start, end in zip(starts, ends)]
    return [[part for part, _ in group] for group in words_of(text, items)]


def test_no_line_break_before_punctuation():
    assert parts("a film, dull", 1, 2, 6, 7, 8, 12) == [["a "], ["film", ", "], ["dull"]]
    assert parts("don't", 2, 5) == [["do", "n't"]]
    # Scripts without blanks break between words.
    assert parts("面白い映画。", 3, 5, 6) == [["面白い"], ["映画", "。"]]
    # What is too long to stand together does not.
    assert len(parts("x" * 90, 30, 60, 90)) == 3


def test_line_ends_stand_outside_of_words():
    assert parts("a\n\nb", 1, 3, 4) == [["a"], ["\n\n"], ["b"]]


def test_sentences(read):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp("One two three four five six seven.\nNo.")
    found = read(render(doc, "sentences", pipe=FakeClassifier(), label="POSITIVE"))
    marked = found.of_class("rnn-sentence")
    # Of 8 tokens, and of 3 with the line end: 0.8 is 60 % of the way from 0.5 to 1.
    assert "rgba(0,114,178,0.36)" in marked[0][0]["style"]
    assert "rgba(213,94,0" in marked[1][0]["style"]
    assert [attrs["title"] for attrs, _ in marked][0] == "POSITIVE 0.800"
    chips = [text.strip() for _, text in found.of_class("rnn-chip")]
    assert chips[0] == "▲0.80" and chips[1].startswith("▼")
    assert "above 0.50" in found.of_class("rnn-head")[0][1]


@pytest.mark.parametrize(
    "score,neutral,heat", [(0.5, 0.5, 0), (1, 0.5, 1), (0, 0.2, -1), (0.6, 0.2, 0.5), (1, 1, 0)]
)
def test_heat(score, neutral, heat):
    assert display.sentences.heat_of(score, neutral) == pytest.approx(heat)


def test_equal_shares_are_neutral():
    neutral = display.sentences._neutral
    assert neutral([{"a": 0.2, "b": 0.3, "c": 0.5, "d": 0.0}]) == 0.25
    assert neutral([{"a": 0.9, "b": 0.9}]) == 0.5
    assert neutral([]) == 0.5


def test_sentences_that_are_not_known():
    with pytest.raises(ValueError, match="R806.*sentencizer"):
        render(spacy.blank("en")("One. Two."), "sentences", pipe=FakeClassifier())


def test_tags_of_a_tagger(read):
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    doc = nlp.make_doc("Anna sees\n a cat")
    found = read(render(doc, "tags", pipe=tagger))
    tags = [text.split()[0] for _, text in found.of_class("rnn-tag")]
    assert tags == [token.pos_ for token in nlp(doc.text) if not token.is_space]
    probs = tagger.predict_proba([doc])[0].max(axis=1)
    widths = [attrs["style"] for tag, attrs in found.elements if tag == "i"]
    assert widths[0] == f"width:{round(100 * float(probs[0]))}%"


def test_doubtful_tags(read):
    found = read(render(data_of("tags", "a b c d", "N"), "tags", manual=True))
    assert [text for _, text in found.of_class("rnn-tag")] == ["N 0.25", "N 0.50", "N 0.75", "N"]
    assert len(found.of_class("rnn-doubt")) == 1


@pytest.mark.parametrize("style", ["words", "running", "sentences", "tags"])
def test_no_text(style, read, trained):
    empty = {"text": "", "label": "X", "score": 0.5, "tokens": [], "sentences": []}
    assert read(render(empty, style, manual=True)).text() == "(no text)"
    assert read(render([], style, manual=True, page=True)).of_class("rnn-text") == []
    if style == "tags":
        return
    found = read(render(trained.make_doc(""), style, pipe=FakeClassifier()))
    assert found.text() == "(no text)"


def test_blank_text(read):
    assert read(render(explained("  \n "), manual=True)).text() == "  \n "


def test_running_scores_of_a_classifier(trained, read):
    doc = trained("what a wonderful mess")
    textcat = trained.get_pipe("textcat_lstm")
    found = read(render(doc, "running", pipe=textcat, label="POSITIVE"))
    score = textcat.running_cats(doc)[1]["POSITIVE"]
    assert found.of_class("rnn-word")[1][0]["title"] == f"POSITIVE {score:.3f}"
    assert f"POSITIVE {doc.cats['POSITIVE']:.3f}" in found.of_class("rnn-head")[0][1]


def test_spans_are_texts_of_their_own(read):
    doc = spacy.blank("en")("One two three")
    found = read(render(doc[1:], pipe=FakeClassifier()))
    assert found.text() == "two three"


def test_what_explain_is_told():
    pipe = FakeClassifier()
    render(spacy.blank("en")("One"), pipe=pipe, label="NEGATIVE", options={"steps": 4})
    assert pipe.asked == {"label": "NEGATIVE", "steps": 4}


def test_long_texts(read):
    text = "word and more. " * 1700
    for style in STYLES:
        data = data_of(style, text)
        html = render(data, style, manual=True, minify=True)
        assert len(html) < 300 * len(data["tokens"])
        read(html)


@pytest.mark.parametrize(
    "arguments,message",
    [
        ({"style": "dep"}, "R001.*style: 'dep'.*words.*running.*sentences.*tags"),
        ({"options": {"colour": 1}}, "R805.*'words' has no option 'colour'.*max_weight"),
        ({"style": "tags", "options": {"steps": 1}}, "R805.*'tags' has no option 'steps'.*none"),
        ({"options": {"max_weight": 0}}, "R002.*max_weight is 0"),
        ({"pipe": None}, "R801.*'words' needs `pipe`.*textcat_lstm.*manual=True"),
        ({"pipe": object()}, "R802.*no method `explain`.*textcat_lstm"),
        ({"style": "tags"}, "R802.*'fake'.*`predict_proba`.*tagger_bilstm"),
        ({"style": "tags", "label": "N"}, "R808.*`label` is of no use with style 'tags'"),
        ({"style": "running", "label": "X"}, "R807.*'fake' has no label 'X'.*POSITIVE"),
        ({"style": "sentences", "label": "X"}, "R807.*'fake' has no label 'X'.*POSITIVE"),
        ({"docs": explained()}, "R803.*Found dict.*manual=True"),
        ({"docs": ["a text"]}, "R803.*Found str"),
        ({"manual": True}, "R808.*`pipe` is of no use with manual"),
        ({"manual": True, "pipe": None}, "R803.*Found Doc.*dictionary"),
    ],
)
def test_wrong_arguments(arguments, message):
    given = {"docs": spacy.blank("en")("One two."), "pipe": FakeClassifier(), **arguments}
    with pytest.raises(ValueError, match=message):
        render(**given)


@pytest.mark.parametrize(
    "style,change,message",
    [
        ("words", {"tokens": None}, "Item 1.*'words'.*'tokens' must be a list, found None"),
        ("words", {"score": 1.5}, "'score' must be a number from 0 to 1, found 1.5"),
        ("words", {"label": 3}, "'label' must be a string, found 3"),
        ("words", {"text": b"x"}, "'text' must be a string"),
        ("words", {"settings": "ar"}, "'settings' must be a dictionary"),
        ("words", {"tokens": [3]}, r"tokens\[0\]: a dictionary is wanted, found int"),
        ("sentences", {"neutral": 2}, "'neutral' must be a number from 0 to 1"),
    ],
)
def test_wrong_data(style, change, message):
    with pytest.raises(ValueError, match=f"R804.*{message}"):
        render([data_of(style), {**data_of(style), **change}], style, manual=True)


@pytest.mark.parametrize("style", STYLES)
def test_data_that_miss_keys(style):
    parts_key = "sentences" if style == "sentences" else "tokens"
    value = {"words": "weight", "running": "score", "sentences": "score", "tags": "tag"}[style]
    for key in ("text", parts_key):
        data = data_of(style)
        del data[key]
        with pytest.raises(ValueError, match=f"R804.*{style}.*'{key}' is missing; there are: "):
            render(data, style, manual=True)
    for key in ("start", "end", value):
        data = data_of(style)
        del data[parts_key][1][key]
        message = rf"R804.*{parts_key}\[1\]: the key '{key}' is missing"
        with pytest.raises(ValueError, match=message):
            render(data, style, manual=True)
    with pytest.raises(ValueError, match="R804.*a dictionary is wanted, found str"):
        render(["text"], style, manual=True)


@pytest.mark.parametrize(
    "part,message",
    [
        ({"start": 3, "end": 2}, "start = 3 and end = 2 do not lie between 1 and 3"),
        ({"start": 0, "end": 2}, "start = 0 and end = 2 do not lie"),
        ({"start": 2, "end": 9}, "start = 2 and end = 9 do not lie"),
        ({"start": 1.5, "end": 2}, "'start' must be a whole number, found 1.5"),
        ({"start": 2, "end": 3, "weight": float("nan")}, "'weight' must be a number, found nan"),
        ({"start": 2, "end": 3, "weight": True}, "'weight' must be a number, found True"),
    ],
)
def test_parts_that_do_not_fit_the_text(part, message):
    tokens = [{"start": 0, "end": 1, "weight": 1.0}, {"weight": 1.0, **part}]
    with pytest.raises(ValueError, match=rf"R804.*tokens\[1\]: {message}"):
        render({**explained("a b"), "tokens": tokens}, manual=True)


def test_probabilities_may_be_rounded():
    assert "X</bdi> 1.000" in render({**explained("a", "X"), "score": 1.0 + 1e-7}, manual=True)


def test_data_are_not_changed():
    data = data_of("running")
    before = repr(data)
    render(data, "running", manual=True)
    assert repr(data) == before


def test_in_a_notebook(monkeypatch):
    shown = []
    module = ModuleType("IPython.display")
    module.HTML, module.display = (lambda html: html), shown.append
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert render(explained(), manual=True, jupyter=True) is None
    assert "tex2jax_ignore" in shown[0] and "great" in shown[0]
    monkeypatch.setattr(display, "is_in_jupyter", lambda: True)
    assert render(explained(), manual=True) is None and len(shown) == 2
    assert "great" in render(explained(), manual=True, jupyter=False)


def answer(path, html="<p>täxt</p>"):
    found = {}

    def start_response(status, headers):
        found.update(status=status, headers=dict(headers))

    body = b"".join(make_app(html)({"PATH_INFO": path}, start_response))
    return found["status"], found["headers"], body


def test_what_is_served():
    status, headers, body = answer("/")
    assert status == "200 OK" and body == "<p>täxt</p>".encode()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert answer("/favicon.ico")[0] == "404 Not Found"


def test_serve(monkeypatch, capsys):
    """Until it is interrupted, on this machine only."""
    found = {}

    def serve_one(server):
        url = f"http://127.0.0.1:{server.server_port}"
        found["host"] = server.server_address[0]

        def ask():
            found["page"] = urllib.request.urlopen(url).read().decode()

        thread = threading.Thread(target=ask)
        thread.start()
        server.handle_request()
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(display.simple_server.WSGIServer, "serve_forever", serve_one)
    serve(explained(), manual=True, port=0)
    assert found["host"] == "127.0.0.1" and "great" in found["page"]
    assert found["page"].startswith("<!DOCTYPE html>")
    assert "Using the 'words' visualizer" in capsys.readouterr().out
