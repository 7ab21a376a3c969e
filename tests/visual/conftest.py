"""What tests of pictures share: a reader of HTML that finds what should not be there."""

from html.parser import HTMLParser

import pytest

VOID = {"meta", "br"}


class Page(HTMLParser):
    """What HTML says: texts of elements, and their attributes."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], {}
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.texts[len(self.elements) - 1] = ""
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, f"{tag} closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        for _, place in self.open:
            self.texts[place] += data

    def of_class(self, name):
        """Attributes and texts of elements of a class."""
        return [
            (attrs, self.texts.get(i, ""))
            for i, (_, attrs) in enumerate(self.elements)
            if name in attrs.get("class", "").split()
        ]

    def text(self):
        """The text of the only picture."""
        ((_, text),) = self.of_class("rnn-text")
        return text


@pytest.fixture
def read():
    """Reads HTML, in which there must be nothing that runs, or comes from elsewhere."""

    def read(html):
        page = Page(html)
        for tag, attrs in page.elements:
            assert tag not in {"script", "iframe", "object", "img", "link", "a", "form"}, tag
            assert not {"src", "href", "xlink:href", "srcdoc"} & set(attrs), attrs
            assert not any(name.startswith("on") for name in attrs), attrs
            assert "url(" not in attrs.get("style", "")
        return page

    return read
