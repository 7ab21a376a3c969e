"""`render` and `serve`, in the manner of spaCy's displaCy."""

import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Union
from wsgiref import simple_server

from spacy.tokens import Doc, Span
from spacy.util import find_available_port, is_in_jupyter

from ..errors import Errors
from . import running, sentences, tags, templates, words
from .checks import number
from .markup import direction_of, escape, lang_of
from .style import Data, Style

STYLES: Dict[str, Style] = {
    "words": words.STYLE,
    "running": running.STYLE,
    "sentences": sentences.STYLE,
    "tags": tags.STYLE,
}
Shown = Union[Doc, Span, Data]

HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
]


def render(
    docs: Union[Shown, Iterable[Shown]],
    style: str = "words",
    *,
    pipe: Any = None,
    label: Optional[str] = None,
    page: bool = False,
    minify: bool = False,
    jupyter: Optional[bool] = None,
    options: Optional[Dict[str, Any]] = None,
    manual: bool = False,
) -> Optional[str]:
    """Draw what a component finds in documents, as HTML: without scripts, and with nothing from
    elsewhere. All text is escaped.

    docs: Documents or spans of them, each as a text of its own; with `manual`, dictionaries.
    style: "words" colours each word by how much it speaks for a label, or against it; "running"
        draws the score of a label after each token as a line over the text; "sentences" colours
        each sentence by its score; "tags" sets below each word its tag, and how probable it is.
    pipe: The component that computes what is shown: a classifier, for "tags" a tagger.
    label: The label to show. If not given, of each text the one with the highest score.
    page: Give a whole page, with a light and a dark mode.
    minify: Leave line ends and indentation between elements out. Texts stay as they are.
    jupyter: Display it in a notebook. If not given, if this is one.
    options: For "words": `method` and `steps` for `explain`; `max_weight`, the weight that has
        the strongest colour, for several pictures to be compared: otherwise that of the
        heaviest word of each. Titles come from `doc.user_data["title"]`, as in displaCy.
    manual: Draw dictionaries. All have "text", and may have "title" and "settings", a dictionary
        with "lang" and "direction" ("ltr" or "rtl"). "words": what `explain` returns. "running":
        "label", and "tokens" with "start", "end" and "score". "sentences": "label", "sentences"
        with "start", "end" and "score", and "neutral", the score without colour, 0.5 if it is
        left out. "tags": "tokens" with "start", "end", "tag", "prob", and "probs", of other
        tags, if they are known. "start" and "end" count characters of the text.
    RETURNS: HTML. None in a notebook, where it is displayed.
    RAISES: ValueError for an unknown style, option or label, a component that does not give what
        is shown, and data that are not of the style.
    """
    chosen, options = _find_style(style), options or {}
    _check_unused(f"style '{style}'", {} if chosen.takes_label else {"label": label})
    _check_options(style, chosen, options)
    items: List[Any] = [docs] if isinstance(docs, (Doc, Span, dict)) else list(docs)
    if manual:
        _check_unused("manual=True", {"pipe": pipe, "label": label})
        for place, item in enumerate(items):
            _check_manual(item)
            chosen.check(style, place, item)
    else:
        items = _to_data(items, style, pipe, label, options)
    pictures = [draw(item, style, options, minify=minify) for item in items]
    html = _assemble(pictures, items, page=page, minify=minify)
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display

        # Dollar signs of texts are no formulas.
        display(HTML(f'<span class="tex2jax_ignore">{html}</span>'))
        return None
    return html


def draw(
    data: Data, style: str, options: Optional[Dict[str, Any]] = None, *, minify: bool = True
) -> str:
    """Draw one text, to be put into a page that has `templates.STYLE`.

    data: As a component gives them, or as `render` takes them with `manual`. They are not checked.
    RETURNS: HTML.
    """
    above, content = STYLES[style].draw(data, options or {})
    lang = lang_of(data)
    return _fit(templates.FIGURE, minify).format(
        style=style,
        head=above,
        lang=f' lang="{escape(lang)}"' if lang else "",
        dir=direction_of(data),
        content=content if data["text"] else templates.EMPTY,
    )


def serve(
    docs: Union[Shown, Iterable[Shown]],
    style: str = "words",
    *,
    pipe: Any = None,
    label: Optional[str] = None,
    page: bool = True,
    minify: bool = False,
    options: Optional[Dict[str, Any]] = None,
    manual: bool = False,
    port: int = 5000,
    host: str = "127.0.0.1",
    auto_select_port: bool = False,
) -> None:
    """Draw documents and show them to a browser, until it is interrupted.

    port, host: Where. Only this machine can see it, unless another host is given: "0.0.0.0" shows
        the texts to anyone who can reach the machine.
    auto_select_port: Take the next port that is free.
    For the other arguments, see `render`.
    RAISES: ValueError as `render`, and if the port is taken.
    """
    html = render(
        docs,
        style,
        pipe=pipe,
        label=label,
        page=page,
        minify=minify,
        jupyter=False,
        options=options,
        manual=manual,
    )
    port = find_available_port(port, host, auto_select_port)
    server = simple_server.make_server(host, port, make_app(html or ""))
    print(f"\nUsing the '{style}' visualizer\nServing on http://{host}:{server.server_port} ...\n")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(f"Shutting down server on port {server.server_port}.")
    finally:
        server.server_close()


def make_app(html: str) -> Callable[[Dict[str, Any], Callable], List[bytes]]:
    """A WSGI application that answers with one page."""

    def app(environ: Dict[str, Any], start_response: Callable) -> List[bytes]:
        if environ.get("PATH_INFO", "/") not in ("", "/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There is one page only: /"]
        start_response("200 OK", HEADERS)
        return [html.encode("utf8")]

    return app


def _find_style(style: str) -> Style:
    if style not in STYLES:
        raise ValueError(Errors.R001.format(name="style", value=style, allowed=tuple(STYLES)))
    return STYLES[style]


def _check_options(name: str, style: Style, options: Dict[str, Any]) -> None:
    for option in options:
        if option not in style.options:
            allowed = ", ".join(style.options) or "none"
            raise ValueError(Errors.R805.format(style=name, option=option, allowed=allowed))
    weight = options.get("max_weight", 1.0)
    if number(weight) is not None or weight <= 0:
        raise ValueError(
            Errors.R002.format(name="max_weight", value=weight, expected="a number above 0")
        )


def _check_unused(where: str, given: Dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(Errors.R808.format(name=name, where=where))


def _check_manual(item: Any) -> None:
    if isinstance(item, (Doc, Span)):
        raise ValueError(Errors.R803.format(found=type(item).__name__, wanted="a dictionary"))


def _to_data(
    items: List[Any], name: str, pipe: Any, label: Optional[str], options: Dict[str, Any]
) -> List[Data]:
    """What a component gives for documents."""
    style = STYLES[name]
    for item in items:
        if not isinstance(item, (Doc, Span)):
            wanted = "a Doc or Span, or manual=True for data"
            raise ValueError(Errors.R803.format(found=type(item).__name__, wanted=wanted))
    if pipe is None:
        raise ValueError(Errors.R801.format(style=name, needed=style.givers))
    if not hasattr(pipe, style.method):
        facts = {"style": name, "method": style.method, "needed": style.givers}
        raise ValueError(Errors.R802.format(name=getattr(pipe, "name", pipe), **facts))
    docs = [item.as_doc() if isinstance(item, Span) else item for item in items]
    return style.from_docs(docs, pipe, label, options)


def _assemble(pictures: List[str], items: List[Data], *, page: bool, minify: bool) -> str:
    if not page:
        style = templates.STYLE_TAG.format(style=_fit(templates.STYLE, minify))
        return "".join([style, *pictures]).strip()
    first: Data = items[0] if items else {"text": ""}
    return (
        _fit(templates.PAGE, minify)
        .strip()
        .format(
            lang=escape(lang_of(first)) or "en",
            dir=direction_of(first),
            title="spacy-rnn",
            style=_fit(templates.PAGE_STYLE + templates.STYLE, minify),
            content="".join(pictures),
        )
    )


def _fit(template: str, minify: bool) -> str:
    """A template, without line ends and indentation if that is wanted. Texts are put in later, so
    that theirs stay."""
    return re.sub(r"\n\s*", "", template) if minify else template
