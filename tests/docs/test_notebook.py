import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.notebook import printed, run, with_outputs

MARKDOWN = """# Title

```python
import sys
import time

print("one")
print("a warning", file=sys.stderr)
time.sleep(0.5)
print("two")
```

```
what it printed once
```

Text.

```ini
[section]
name = 1
```

```python
silent = 1
```

```
spacy train
```

## Below
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    markdown = MARKDOWN.replace("```\nspacy", "Run:\n\n```\nspacy")
    return run(markdown, tmp_path_factory.mktemp("folder"))


def test_runs_code_and_keeps_text(notebook):
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells[0] == ("markdown", "# Title")
    assert cells[1][0] == "code" and cells[1][1].startswith("import sys\n")
    assert cells[2] == ("markdown", "Text.\n\n```ini\n[section]\nname = 1\n```")
    assert cells[3] == ("code", "silent = 1")
    assert cells[4] == ("markdown", "Run:\n\n```\nspacy train\n```\n\n## Below")
    assert printed(notebook) == ["one\ntwo\n", ""]
    nbformat.validate(notebook)


def test_the_machine_does_not_show(notebook):
    assert set(notebook.metadata) == {"kernelspec"}
    assert all(not cell.metadata for cell in notebook.cells)
    # In one piece, however long it took.
    assert len(notebook.cells[1].outputs) == 1
    assert [cell.id for cell in notebook.cells] == [f"cell-{i}" for i in range(5)]


def test_outputs_replace_those_that_are_there():
    written = with_outputs(MARKDOWN, ["new\n", ""])
    assert "```\n\n```\nnew\n```\n\nText." in written and "printed once" not in written
    # A block without a language directly below code is what it prints.
    assert "silent = 1\n```\n\n## Below" in written


lines = st.lists(st.text("ab \\g<0>1", min_size=1).filter(str.strip), max_size=3)
outputs = st.lists(lines.map(lambda found: "".join(f"{line}\n" for line in found)), min_size=2)


@given(outputs, outputs)
def test_only_the_last_outputs_are_left(first, second):
    again = with_outputs(with_outputs(MARKDOWN, first), second)
    assert again == with_outputs(MARKDOWN, second)


@pytest.mark.parametrize(
    "output",
    [
        nbformat.v4.new_output("execute_result", data={"text/plain": "2"}),
        nbformat.v4.new_output("display_data", data={"image/png": ""}),
        nbformat.v4.new_output("stream", name="stdout", text="```\n"),
    ],
    ids=lambda output: output.output_type,
)
def test_what_cannot_be_shown(output):
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[output])
    with pytest.raises(ValueError, match=r"1 \+ 1"):
        printed(nbformat.v4.new_notebook(cells=[cell]))
