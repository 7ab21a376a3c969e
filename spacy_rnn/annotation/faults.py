"""Rows that cannot be annotated: what is wrong with them, and how they are kept."""

import base64
from typing import Any, Dict, Optional

from ..corpus.rows import Fault, Row, find_problem


def find_text_problem(row: Row, column: str, max_length: int) -> Optional[str]:
    """Why the text of a row cannot be annotated, or None.

    column: The text's. max_length: Characters that the pipeline takes.
    """
    text = row.cells[column]
    problem = "no text" if text is None else find_problem(row, column, max_length)
    return "no text" if problem is None and not text.strip() else problem


def fault_to_json(fault: Fault) -> Dict[str, Any]:
    """A row with its place and the reason, as it is kept in a file of JSON lines."""
    row = {"file": fault.path, "line": fault.line, "reason": fault.problem, "raw": fault.raw}
    if fault.raw_bytes is not None:
        row["raw_base64"] = base64.b64encode(fault.raw_bytes).decode("ascii")
    return row
