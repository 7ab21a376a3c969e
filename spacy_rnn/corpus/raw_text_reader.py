"""`spacy-rnn.raw_text_reader.v1`: texts without annotation, to pretrain on."""

import random
from pathlib import Path
from typing import Callable, Iterator, Optional

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import require_path
from .records import require_not_negative
from .rows import Layout, find_problem, read_rows, require_rows
from .spacy_files import read_docs

ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.xz", ".spacy")
HINT = "Give JSON lines with a `text` each, as `spacy-rnn convert-imdb --split unsup` writes."


@registry.readers("spacy-rnn.raw_text_reader.v1")
def create_raw_text_reader_v1(
    path: Path,
    and_path: Optional[Path] = None,
    shuffle: bool = True,
    seed: int = 0,
    limit: int = 0,
) -> Callable[[Language], Iterator[Example]]:
    """Read the texts of a file or two, also of an annotated corpus, for `spacy pretrain`.

    Unlike `spacy.JsonlCorpus.v1`, it gives documents as the tokenizer makes them. That one makes
    them anew of their words, which loses norms: "n't" is then no "not".

    path: A file of JSON lines with a `text` each, .jsonl, .jsonl.gz or .jsonl.xz; a .spacy file; or
        a folder of such files.
    and_path: Another one, null for none.
    shuffle: Read the texts in another order each time, so in each epoch.
    seed: Of the orders.
    limit: Number of texts to read, 0 for all.
    RETURNS: A function from a pipeline to examples without annotation.
    RAISES: ValueError for a number below 0 or a file of another format.
    """
    require_not_negative(limit=limit)
    paths = [path] if and_path is None else [path, and_path]
    for each in paths:
        if not Path(each).is_dir() and not str(each).lower().endswith(ENDINGS):
            raise ValueError(Errors.R406.format(path=each, endings=", ".join(ENDINGS)))
    rng = random.Random(seed)

    def read(nlp: Language) -> Iterator[Example]:
        texts = [text for each in paths for text in read_texts(nlp, Path(each))]
        if shuffle:
            rng.shuffle(texts)
        for text in texts[: limit or None]:
            doc = nlp.make_doc(text)
            yield Example(doc, doc)

    return read


def read_texts(nlp: Language, path: Path) -> Iterator[str]:
    """The texts of a file, or of those in a folder.

    RAISES: See `read_json_lines` and `read_docs`.
    """
    require_path(path, HINT)
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.name.endswith(ENDINGS)]
        yield from (text for file in files for text in read_texts(nlp, file))
    elif path.suffix == ".spacy":
        yield from (doc.text for doc in read_docs(path, nlp.vocab))
    else:
        yield from read_json_lines(path, nlp.max_length)


def read_json_lines(path: Path, max_length: Optional[int] = None) -> Iterator[str]:
    """The `text` of each line of a file of JSON lines, plain, .gz or .xz.

    max_length: Characters that a text may have, None for any number.
    RAISES: FileNotFoundError if there is none; ValueError that names the line at fault.
    """
    require_path(path, HINT)
    for row in require_rows(read_rows(path, ["text"], Layout("jsonl"))):
        problem = find_problem(row, "text", max_length)
        if problem is not None:
            raise row.fault(problem).to_error()
        yield row.cells["text"]
