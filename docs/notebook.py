"""Run the code of a Markdown document, write what it prints into it, and make a notebook of it.

    python -m docs.notebook
    python -m docs.notebook examples/own_csv/own_csv.md

The Markdown file is the source. A block of ```` ```python ```` is a cell; a block without a
language directly below it is what it prints. Running it again on other code replaces what is
printed; in the notebook this is the cell's output.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import List

import jupytext
import nbformat
import typer
from nbclient import NotebookClient
from nbformat import NotebookNode

DOCUMENT = Path(__file__).parent / "from-torch-to-spacy.md"
# Code, and what it prints.
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(\n```\n(?P<output>.*?)^```\n)?", re.M | re.S)
TIMEOUT = 300  # seconds for one cell
# Bars would be widgets where a notebook has these. Nets as small as these need one thread.
ENVIRONMENT = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}


def run(markdown: str, folder: Path) -> NotebookNode:
    """Make a notebook of a document, and run its cells in a process of its own.

    markdown: The document. folder: Where the code runs.
    RETURNS: The notebook, with what it prints. Warnings and progress bars are left out, and all
        else that depends on when and where it ran.
    RAISES: nbclient.exceptions.CellExecutionError if a cell fails.
    """
    notebook = jupytext.reads(BLOCK.sub(r"```python\n\g<code>```\n", markdown), "md")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        # What is printed comes in as many pieces as it took time.
        coalesce_streams=True,
    )
    client.execute(env={**os.environ, **ENVIRONMENT})
    # It has the version of Python that ran it.
    del notebook.metadata["language_info"]
    for cell in code_cells(notebook):
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def code_cells(notebook: NotebookNode) -> List[NotebookNode]:
    """The cells of code, in their order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: NotebookNode) -> List[str]:
    """What each cell of code has printed.

    RAISES: ValueError if one has another output, such as a value or a picture, or prints a fence.
    """
    texts = []
    for cell in code_cells(notebook):
        if any(output.output_type != "stream" for output in cell.outputs):
            raise ValueError(f"Only what is printed can be shown below a block:\n{cell.source}")
        texts.append("".join(output.text for output in cell.outputs))
        if "```" in texts[-1]:
            raise ValueError(f"What is printed would end the block that shows it:\n{cell.source}")
    return texts


def with_outputs(markdown: str, outputs: List[str]) -> str:
    """The document with these outputs below its code, in place of those that it has."""
    left = iter(outputs)

    def block(match: re.Match) -> str:
        code, output = f"```python\n{match['code']}```\n", next(left)
        return f"{code}\n```\n{output.rstrip()}\n```\n" if output else code

    return BLOCK.sub(block, markdown)


def main(document: Path = typer.Argument(DOCUMENT, exists=True)) -> None:
    """Run a Markdown document, and write what it prints into it and into a notebook beside it."""
    markdown = document.read_text(encoding="utf8")
    # What the code writes is not left beside the document.
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(markdown, Path(folder))
    document.write_text(with_outputs(markdown, printed(notebook)), encoding="utf8")
    nbformat.write(notebook, document.with_suffix(".ipynb"))


if __name__ == "__main__":
    typer.run(main)
