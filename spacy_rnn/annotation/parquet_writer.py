"""Annotations as Parquet."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from .columns import Column, find_unknown_label, result_columns, to_type
from .results import Annotated, Prediction, Writers, beside

# Rows that are held as Python's objects, and those in a row group.
HELD, GROUP = 500, 10_000


class ParquetWriter:
    """The columns of the input, then those of annotations, of the same types in every file.

    path: The file to write. columns: Of the input, in their order. writers: Who writes what.
    """

    def __init__(self, path: Path, columns: Sequence[Column], writers: Writers) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.columns = columns
        self.writers = writers
        self.names = {column.name: None for column in columns}
        results = {column.name: column.type for column in result_columns(writers)}
        kept = [(column.name, column.type) for column in columns]
        self.schema = pa.schema([*kept, *beside(results, self.names).items()])
        self._file = parquet.ParquetWriter(path, self.schema)
        self._rows: List[Dict[str, Any]] = []
        self._batches: List[Any] = []

    def write(self, prediction: Union[Prediction, Annotated]) -> Optional[str]:
        """Write one prediction. RETURNS: What keeps it from being written, or None."""
        row: Dict[str, Any] = {}
        cells, result = prediction.row.cells, prediction.result
        for name in cells:
            if name not in self.names:
                return f"the first rows have no '{name}', and so the Parquet no column: write jsonl"
        for name, of in self.columns:
            row[name], problem = to_type(cells.get(name), of)
            if problem is not None:
                return f"column '{name}': {problem}"
        problem = find_unknown_label(result, self.writers)
        if problem is not None:
            return problem
        row.update(beside(result, self.names))
        self._rows.append(row)
        if len(self._rows) == HELD:
            self._hold()
        return None

    def _hold(self) -> None:
        """Hold rows in less memory, until they fill a row group."""
        import pyarrow as pa

        if not self._rows:
            return
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, schema=self.schema))
        self._rows = []
        if len(self._batches) * HELD >= GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa

        self._file.write_table(pa.Table.from_batches(self._batches, schema=self.schema))
        self._batches = []

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._hold()
        if self._batches:
            self._write_group()
        self._file.close()
