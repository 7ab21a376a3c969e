"""Trained pipelines, or files of scores, that say what is true of texts, for another pipeline to
learn from."""

from enum import Enum
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.vocab import Vocab

from ..annotation.pipelines import load_pipeline
from ..annotation.results import Writers, find_writers
from ..corpus import spacy_files
from ..corpus.files import require_path, shorten
from ..errors import Errors

# The score of each label.
Cats = Dict[str, float]


class Subject(str, Enum):
    """What is taught: `Doc.cats`, `Token.pos_` or `Token.tag_`."""

    cats = "cats"
    pos = "pos"
    tag = "tag"


class Teacher(NamedTuple):
    """A trained pipeline, under the name it was given by, and who writes what in it.

    scores: What a classifier has said of texts, where that is known from a file. The pipeline then
        makes tokens only.
    """

    name: str
    nlp: Language
    writers: Writers
    scores: Optional[Mapping[str, Cats]] = None

    def classify(self, texts: Sequence[str]) -> List[Doc]:
        """Documents with categories.

        RAISES: ValueError for a text that the file of scores does not have.
        """
        self.require_scores(texts)
        docs = list(self.nlp.pipe(texts))
        if self.scores is not None:
            for doc, text in zip(docs, texts):
                doc.cats = dict(self.scores[text])
        return docs

    def require_scores(self, texts: Sequence[str]) -> None:
        """RAISES: ValueError if this is a file of scores, and does not have those of a text."""
        if self.scores is None:
            return
        for text in texts:
            if text not in self.scores:
                raise ValueError(Errors.R639.format(path=self.name, text=shorten(text)))

    def subjects(self) -> List[Subject]:
        """What it writes."""
        tags = {attr for attrs in self.writers.tags.values() for attr in attrs}
        factories = {self.nlp.get_pipe_meta(name).factory for name in self.nlp.pipe_names}
        if tags and "attribute_ruler" in factories:
            # spaCy's pipelines make POS of TAG by its rules.
            tags.add("pos")
        cats = ["cats"] if self.writers.cats else []
        return [subject for subject in Subject if subject.value in {*cats, *tags}]

    def labels_of(self, attr: str) -> List[str]:
        """The tags that it writes into an attribute, if its component has them as labels."""
        names = [name for name, attrs in self.writers.tags.items() if attrs == [attr]]
        return list(getattr(self.nlp.get_pipe(names[-1]), "labels", ())) if names else []


class Report(NamedTuple):
    """How good one teacher, or all together, are on the dev texts. None: not measured."""

    name: str
    accuracy: float
    log_loss: Optional[float] = None
    weight: Optional[float] = None


def load_pipeline_as_teacher(name: str) -> Teacher:
    """RAISES: OSError if there is no pipeline; ValueError if it writes nothing to learn from."""
    nlp = load_pipeline(name)
    return Teacher(name, nlp, find_writers(nlp))


def find_subject(
    teachers: Sequence[Teacher], dev: Sequence[Doc], path: Path, wanted: Optional[Subject]
) -> Subject:
    """What is to be taught: the first that all teachers write and that is annotated in the dev
    texts.

    path: Of the dev texts. wanted: The subject, if it was given.
    RAISES: ValueError if there is none.
    """
    written = [teacher.subjects() for teacher in teachers]
    common = [subject for subject in Subject if all(subject in found for found in written)]
    if wanted is not None:
        common = [subject for subject in common if subject == wanted]
    if not common:
        found = "; ".join(
            f"{teacher.name}: {', '.join(subject.value for subject in subjects)}"
            for teacher, subjects in zip(teachers, written)
        )
        subject = "the same" if wanted is None else wanted.value
        raise ValueError(Errors.R634.format(subject=subject, found=found))
    return require_annotated(dev, path, common)


def require_annotated(docs: Sequence[Doc], path: Path, subjects: Sequence[Subject]) -> Subject:
    """RETURNS: The first subject that some document is annotated with.

    RAISES: ValueError that names the path, if there is none.
    """
    for subject in subjects:
        if _is_annotated(docs, subject):
            return subject
    names = " or ".join(subject.value for subject in subjects)
    raise ValueError(Errors.R624.format(count=len(docs), path=path, subjects=names))


def _is_annotated(docs: Sequence[Doc], subject: Subject) -> bool:
    if subject == Subject.cats:
        return any(any(doc.cats.values()) for doc in docs)
    return any(doc.has_annotation(subject.value.upper()) for doc in docs)


def read_docs(path: Path, vocab: Vocab) -> List[Doc]:
    """The documents of a .spacy file, or of all in a folder.

    RAISES: FileNotFoundError; ValueError if a file cannot be read, or there is no document.
    """
    require_path(path, "Check the path.")
    docs: List[Doc] = []
    for file in walk_corpus(path, FILE_TYPE) if path.is_dir() else [path]:
        docs.extend(spacy_files.read_docs(file, vocab))
    if not docs:
        raise ValueError(Errors.R405.format(path=path))
    return docs
