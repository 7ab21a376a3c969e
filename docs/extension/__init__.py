"""What the documentation site needs beside Sphinx and its extensions: pages that are made of the
package itself, and pages of the repository that are shown where they are."""

from pathlib import Path
from typing import Any, Dict, List

from . import docstrings, reference, repository_pages

GENERATED = "reference/generated"


def setup(app: Any) -> Dict[str, Any]:
    """Sphinx calls this. app: The `sphinx.application.Sphinx` that builds the site."""
    app.connect("builder-inited", make_reference)
    app.connect("source-read", repository_pages.include)
    app.connect("autodoc-process-docstring", with_fields)
    app.connect("autodoc-process-signature", docstrings.of_signature)
    return {"parallel_read_safe": True}


def make_reference(app: Any) -> None:
    """Write the generated pages before Sphinx looks for its sources."""
    reference.write_pages(Path(app.srcdir) / GENERATED)


def with_fields(app: Any, what: str, name: str, thing: Any, options: Any, lines: List[str]) -> None:
    """Sphinx calls this with each docstring that autodoc shows. lines: Replaced in place."""
    names = docstrings.arguments_of(thing)
    lines[:] = docstrings.to_fields("\n".join(lines).strip(), names, reference.page_of)
