"""Pages of the repository on the site. They are written for readers of the repository, and stay
where they are: here their links are turned to the pages of the site."""

import os
import re
from pathlib import Path
from typing import Any, List

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Which page of the site shows a file that is not in `docs`.
PAGES = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
INCLUDE = re.compile(r"^```\{include\} (\S+)\n((?::[\w-]+:.*\n)*)```$", re.M)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^()\s]+)\)")
IMAGE = re.compile(r"(!\[[^\]]*\])\(([^()\s]+)\)")
PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(.*?)">\s*'
    r'<img alt="(.*?)" src="(.*?)">\s*</picture>'
)
FENCE = re.compile(r"^(```.*?^```\n)", re.M | re.S)
BOTH = """```{{image}} {light}
:alt: {alt}
:class: only-light
```

```{{image}} {dark}
:alt: {alt}
:class: only-dark
```"""


def include(app: Any, docname: str, source: List[str]) -> None:
    """Sphinx calls this with each page that it reads. source: Its text, replaced in place."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        source[0] = to_site(source[0], page)


def to_site(text: str, page: Path) -> str:
    """The text of a page, with the files that it includes, and links that hold on the site.

    page: Its file in `docs`.
    """
    here = with_links(text, page, page)
    return INCLUDE.sub(lambda found: included(found[1], found[2], page), here)


def included(path: str, options: str, page: Path) -> str:
    """A file, or a part of it.

    options: As of MyST's `include`: `:start-after:` and `:end-before:`.
    RAISES: ValueError if it has no such text.
    """
    file = (page.parent / path).resolve()
    text = file.read_text(encoding="utf8")
    for name, mark in re.findall(r":([\w-]+): *(.*)\n", options):
        if mark not in text:
            raise ValueError(f"{file} has no {mark!r}, at which {page} cuts it.")
        before, after = text.split(mark, 1)
        text = after if name == "start-after" else before
    return with_links(text, file, page)


def with_links(text: str, file: Path, page: Path) -> str:
    """Text of a file whose links lead from a page of the site. Code is left as it is."""

    def link(found: "re.Match[str]") -> str:
        target = on_site(found[2], file, page)
        return f"[{found[1]}]({target})" if target else found[1]

    def image(found: "re.Match[str]") -> str:
        return f"{found[1]}({moved(found[2], file, page)})"

    def picture(found: "re.Match[str]") -> str:
        dark, alt, light = found.groups()
        return BOTH.format(dark=moved(dark, file, page), light=moved(light, file, page), alt=alt)

    parts = FENCE.split(text)
    for i in range(0, len(parts), 2):
        part = PICTURE.sub(picture, IMAGE.sub(image, parts[i]))
        parts[i] = LINK.sub(link, part)
    return "".join(parts)


def on_site(link: str, file: Path, page: Path) -> str:
    """Where a link of a file leads on the site; "" if what it leads to is not on it."""
    path, mark, anchor = link.partition("#")
    if not path or "://" in path or link.startswith("mailto:"):
        return link
    target = (file.parent / path).resolve()
    name = os.path.relpath(target, ROOT)
    if name in PAGES:
        target = DOCS / PAGES[name]
    if target.suffix != ".md" or DOCS not in target.parents:
        return ""
    return os.path.relpath(target, page.parent) + mark + anchor


def moved(link: str, file: Path, page: Path) -> str:
    """A relative path from a file, as it is from a page."""
    return link if "://" in link else os.path.relpath((file.parent / link).resolve(), page.parent)
