"""The site as it was built: `make docs` gives it by `--site`."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from docs.extension import messages, reference

# What elements show or run by themselves, other than links that a reader follows.
LOADED = {"img": "src", "script": "src", "link": "href", "source": "srcset", "iframe": "src"}
GENERATED = "reference/generated"


class Page(HTMLParser):
    """Anchors of a page, the links that readers follow, and what it loads by itself."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(path.read_text(encoding="utf8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors.add(values.get("id"))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in LOADED and values.get(LOADED[tag]) and values.get("rel") != "canonical":
            self.loaded.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def is_elsewhere(link):
    return re.match(r"\w+:|//", link) is not None


def test_links_lead_somewhere(site, pages):
    missing = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            if is_elsewhere(link):
                continue
            file, _, anchor = unquote(link.partition("?")[0]).partition("#")
            target = (path.parent / file).resolve() if file else path
            # An empty anchor is the page's top; that of the search page is made by its script.
            known = not anchor or target.suffix != ".html" or anchor in pages[target].anchors
            if not target.exists() or not known:
                missing.append((path.relative_to(site).as_posix(), link))
    assert not missing
    assert len(pages) > 60


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert not [link for link in page.loaded if is_elsewhere(link)], path
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(\W?(https?:)?//|@import", path.read_text("utf8")), path


def test_each_message_name_and_command_has_its_place(site, pages):
    anchors = pages[site / GENERATED / "messages.html"].anchors
    for message in messages.all_messages():
        assert message.code.lower() in anchors, message.code
    for name in reference.page_names().values():
        assert site / GENERATED / f"{name}.html" in pages, name


def test_arguments_are_shown(site):
    text = (site / GENERATED / "spacy-rnn.VocabEmbed.v1.html").read_text(encoding="utf8")
    assert "<strong>word_dropout</strong>" in text and "Share of tokens that training reads" in text
    assert "RETURNS" not in text


def test_search_finds_words(site):
    text = (site / "searchindex.js").read_text(encoding="utf8")
    index = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", text.strip(), re.S)[1])

    def found(term):
        places = [index[kind].get(term, []) for kind in ("terms", "titleterms")]
        numbers = [place if isinstance(place, list) else [place] for place in places]
        return {index["docnames"][number] for number in sum(numbers, [])}

    assert "guides/imbalanced" in found("rare")
    assert "usage" in found("abstain")
    assert f"{GENERATED}/messages" in found("r104")
    assert f"{GENERATED}/spacy-rnn.VocabEmbed.v1" in found("word_dropout")
    assert {"guides/web-service", "usage"} <= found("stream")


def test_light_and_dark(site):
    text = (site / "index.html").read_text(encoding="utf8")
    assert "theme-toggle" in text and 'name="viewport"' in text
