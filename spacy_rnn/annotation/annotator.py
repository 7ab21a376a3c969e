"""A pipeline that annotates texts, batch by batch, wherever they come from."""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, TypeVar

import numpy
from spacy.tokens import Doc
from thinc.api import require_gpu

from ..corpus.rows import Row
from ..errors import Errors
from .columns import Column, find_unknown_label, result_columns
from .faults import find_text_problem
from .pipelines import load_pipeline
from .results import beside, find_writers, to_result

Item = TypeVar("Item")

# Tokens in a batch, as many as components of this package read at a time.
BATCH_TOKENS = 32_000
# A text that shows whether a pipeline works, and what it writes.
PROBE = "This is a test."
PROBLEM = "problem"


class Annotation(NamedTuple):
    """What was found in a text: `result`, as in `results.Prediction`, and how many tokens it has;
    or a `problem`, and no result."""

    result: Optional[Dict[str, Any]]
    tokens: int = 0
    problem: Optional[str] = None


class _Text(NamedTuple):
    text: str
    doc: Optional[Doc]
    problem: Optional[str] = None


class Annotator:
    """Loads a pipeline once, and annotates batch after batch.

    For Ray Data, as `dataset.map_batches(Annotator, fn_constructor_kwargs={"model": "my_model"},
    compute=ray.data.ActorPoolStrategy(size=2), batch_format="pandas", batch_size=1000)`, and for
    whatever else holds texts in tables.

    model: A trained pipeline: its folder, or its package's name.
    text_column: The column with the texts.
    threshold: From which score on a label counts, where labels do not exclude each other; None
        for the component's own.
    batch_tokens: Tokens that are read at a time; no fewer than those of one text.
    gpu: Whether to compute on the GPU.
    RAISES: ValueError and OSError as `spacy.load`; ValueError if no component writes categories
        or tags, or if one has no weights.
    """

    def __init__(
        self,
        model: str,
        *,
        text_column: str = "text",
        threshold: Optional[float] = None,
        batch_tokens: int = BATCH_TOKENS,
        gpu: bool = False,
    ) -> None:
        self.text_column = text_column
        self.batch_tokens = batch_tokens
        self.gpu = gpu
        self._use_gpu()
        self.nlp = load_pipeline(model)
        self.writers = find_writers(self.nlp, threshold)
        try:
            self.probe = to_result(next(self.nlp.pipe([PROBE])), self.writers)
        except KeyError as error:
            # thinc's error of layers without weights.
            raise ValueError(str(error.args[0])) from error

    def _use_gpu(self) -> None:
        # What device is in use is known of each thread by itself.
        if self.gpu:
            require_gpu()

    def annotate(self, items: Iterable[Tuple[str, Item]]) -> Iterator[Tuple[str, Item, Annotation]]:
        """Annotate texts, in their order. What was known of the words of a batch is forgotten
        after it, so that memory does not grow with the number of texts.

        items: Each text with anything that comes back with it. A text that is too long for the
            pipeline, or at which it fails, is a problem, after which the rest goes on.
        """
        left = iter(items)
        while True:
            with self.nlp.memory_zone():
                batch = self._next_batch(left)
                found = self._read([part for part, _ in batch])
            if not batch:
                return
            for (part, item), annotation in zip(batch, found):
                yield part.text, item, annotation

    def _next_batch(self, left: Iterator[Tuple[str, Item]]) -> List[Tuple[_Text, Item]]:
        batch: List[Tuple[_Text, Item]] = []
        tokens = 0
        while tokens < self.batch_tokens:
            found = next(left, None)
            if found is None:
                break
            text, item = found
            try:
                part = _Text(text, self.nlp.make_doc(text))
            except Exception as error:
                part = _Text(text, None, _say(error))
            tokens += 0 if part.doc is None else len(part.doc)
            batch.append((part, item))
        return batch

    def _read(self, texts: List[_Text]) -> List[Annotation]:
        """Annotate texts at once; if one of them makes the pipeline fail, each by itself."""
        self._use_gpu()
        docs = [part.doc for part in texts if part.doc is not None]
        try:
            done = iter(list(self.nlp.pipe(docs, batch_size=max(len(docs), 1))))
            results = [None if part.doc is None else self._found(next(done)) for part in texts]
        except Exception:
            results = [None if part.doc is None else self._read_one(part.text) for part in texts]
        return [
            Annotation(None, 0, part.problem) if result is None else result
            for part, result in zip(texts, results)
        ]

    def _found(self, doc: Doc) -> Annotation:
        return Annotation(to_result(doc, self.writers), len(doc))

    def _read_one(self, text: str) -> Annotation:
        try:
            return self._found(self.nlp(text))
        except Exception as error:
            return Annotation(None, 0, _say(error))

    def __call__(self, batch: Any) -> Any:
        """Add columns to a batch: those of annotations, as `spacy-rnn annotate` writes them, and
        `problem`, which says why a text has none. What the batch calls by one of these names
        stays: then `predicted_label` is added, and so on.

        batch: A pandas DataFrame, a pyarrow Table, or a dict of arrays.
        RETURNS: The same kind, with as many rows.
        RAISES: ValueError without the text column, TypeError for another kind of batch.
        """
        names = _names_of(batch)
        if self.text_column not in names:
            found = ", ".join(map(str, names))
            raise ValueError(
                Errors.R853.format(path="The batch", column=self.text_column, found=found)
            )
        rows = self.annotate_texts(_values_of(batch, self.text_column))
        columns = {column.name: column for column in self.columns()}
        return _add_columns(batch, rows, beside(columns, names))

    def columns(self) -> List[Column]:
        """The columns that a call adds, with their types in Arrow."""
        import pyarrow as pa

        return [*result_columns(self.writers), Column(PROBLEM, pa.string())]

    def annotate_texts(self, texts: Iterable[Any]) -> List[Dict[str, Any]]:
        """What was found in each text, by the names of columns; or why nothing was.

        texts: Strings. What is none, or blank, is a problem.
        """
        rows: List[Dict[str, Any]] = []
        good: List[Tuple[str, int]] = []
        for place, text in enumerate(texts):
            row = Row("", place, {self.text_column: text}, "")
            problem = find_text_problem(row, self.text_column, self.nlp.max_length)
            rows.append({PROBLEM: problem})
            if problem is None:
                good.append((text, place))
        for _, place, annotation in self.annotate(good):
            result, problem = annotation.result or {}, annotation.problem
            problem = problem or find_unknown_label(result, self.writers)
            rows[place] = {**({} if problem else result), PROBLEM: problem}
        return rows


def _say(error: Exception) -> str:
    """What is wrong with a text at which the pipeline has failed."""
    return f"the pipeline failed at this text: {type(error).__name__}: {error}"


def _names_of(batch: Any) -> List[str]:
    """The names of a batch's columns."""
    if isinstance(batch, dict):
        return list(batch)
    if hasattr(batch, "append_column"):
        return list(batch.column_names)
    if hasattr(batch, "assign"):
        return list(batch.columns)
    raise TypeError(Errors.R861.format(found=type(batch)))


def _values_of(batch: Any, column: str) -> List[Any]:
    values = batch[column]
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def _add_columns(batch: Any, rows: List[Dict[str, Any]], columns: Dict[str, Column]) -> Any:
    """A batch with more columns. columns: By the names under which they are added."""
    lists = {name: [row.get(of.name) for row in rows] for name, of in columns.items()}
    if hasattr(batch, "append_column"):
        import pyarrow as pa

        for name, values in lists.items():
            batch = batch.append_column(name, pa.array(values, type=columns[name].type))
        return batch
    if isinstance(batch, dict):
        return {**batch, **{name: _to_array(values) for name, values in lists.items()}}
    return batch.assign(**lists)


def _to_array(values: List[Any]) -> Any:
    found = numpy.empty(len(values), dtype=object)
    found[:] = values
    return found
