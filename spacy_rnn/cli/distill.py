"""`spacy-rnn distill`: learn from raw texts what trained pipelines, or files of scores, say of
them."""

from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import typer
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from tqdm.auto import tqdm
from wasabi import msg
from wasabi import table as format_table

from ..corpus.duplicates import key_of
from ..corpus.files import require_path
from ..corpus.rows import Fault, Layout, Row
from ..errors import Errors
from ..training.blend import Blend
from ..whole_file import write_whole
from ._app import app, errors_as_messages, import_code, use_gpu
from ._bad_rows import BadRows, say
from ._scores_file import load_scores
from ._student import Student, find_student, split_arguments
from ._teach_cats import CatsTeachers
from ._teach_tags import TagTeachers
from ._teachers import (
    Report,
    Subject,
    Teacher,
    find_subject,
    load_pipeline_as_teacher,
    read_docs,
    require_annotated,
)
from .predict import STDIN, read_inputs, remove_old, usable_rows

# Characters of a teacher's path in a table.
WIDEST = 200

Teachers = Union[CatsTeachers, TagTeachers]


@app.command(
    "distill",
    short_help="Learn from raw texts what trained pipelines say of them.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def distill(
    arguments: List[str] = typer.Argument(
        ...,
        metavar="TEACHER",
        help="Trained pipelines with a classifier or tagger: folders, or names of packages. Or "
        "scores that any classifier has given, of all TEXTS and of DEV: a .jsonl file as "
        "`spacy-rnn predict` writes. After them come settings of the student's config, as in "
        "`spacy train`: --training.max_steps 500",
    ),
    texts: List[str] = typer.Option(
        ...,
        help="File of raw texts: .txt with a text a line, .jsonl, .csv, .tsv, each also with .gz "
        "or .xz; .parquet; or .spacy, of which only the texts are read. - is standard input. Can "
        "be given several times.",
    ),
    dev: Path = typer.Option(
        ..., help="A .spacy file of annotated texts, which no teacher was trained on."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The folder to write; a new one."),
    gold: Optional[Path] = typer.Option(
        None, help="A .spacy file of annotated training texts, for the student to learn from, too."
    ),
    gold_weight: int = typer.Option(
        1, min=1, help="How often each text of --gold counts, where one of --texts counts once."
    ),
    student: Optional[Path] = typer.Option(
        None, help="A training config, to train on all of this. Its [paths] are set."
    ),
    learn: Optional[Subject] = typer.Option(
        None,
        help="What to learn. If not given, the first of these that all teachers write and DEV has.",
    ),
    text_column: str = typer.Option("text", help="Name of the key or column with the text."),
    delimiter: Optional[str] = typer.Option(
        None,
        help="What stands between cells of a table, such as ';' or tab. "
        "If not given, a comma in CSV and a tab in TSV.",
    ),
    encoding: str = typer.Option("utf-8", help="Encoding of the texts, such as cp1252."),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="Number of the GPU, -1 for the CPU."),
    code: Optional[Path] = typer.Option(None, "--code", "-c", help="Python file to import."),
) -> None:
    """Let trained pipelines annotate raw texts, and train another one on these: a small one that
    comes near to a large one or to several, or one that is better than its teacher, as it has seen
    more texts.

    OUTPUT/texts.spacy has the texts. Of classifiers, each text has the probability of each label:
    the mean of the teachers' log-probabilities, at weights and a temperature that give the lowest
    log-loss on DEV. Of taggers, each word has the tag with the highest mean probability; a tagger
    that gives no probabilities has one vote. Texts are not split: one is one document.

    Texts that are in DEV or --gold, and those that occur twice, are left out. With --gold, there is
    OUTPUT/gold.spacy, too. With --student, a pipeline is trained on both, into OUTPUT/model-best
    and OUTPUT/model-last.

    For another round, give OUTPUT/model-best as teacher, and another OUTPUT.
    """
    with errors_as_messages():
        import_code(code)
        check_output(output, gold, gold_weight)
        names, settings = split_arguments(arguments)
        path = output / "texts.spacy"
        pupil = find_student(student, settings, output if gold else path, dev)
        rows = read_texts(texts, text_column, Layout(None, delimiter, encoding))
        use_gpu(gpu_id)
        teachers = [load_teacher(name, text_column) for name in names]
        together, held_out = prepare_teachers(teachers, dev, gold, learn, pupil)
        bad_path = Path(f"{output}.bad.jsonl")
        with BadRows(bad_path) as bad:
            max_length = min(teacher.nlp.max_length for teacher in teachers)
            usable = (text for text, _ in usable_rows(rows, bad, text_column, max_length))
            fresh = FreshTexts(held_out)
            raw = list(fresh.of(usable))
        if not raw:
            raise ValueError(Errors.R630.format(count=fresh.read + bad.count))
        for teacher in teachers:
            teacher.require_scores(raw)
        docs = annotate(together, raw)
        write_corpus(docs, path, fresh)
        if gold is not None:
            write_gold(held_out.gold, gold_weight, output / "gold.spacy")
        remove_old(None, bad_path, bad)
        if bad.count:
            say(f"{bad.count} row(s) could not be used: they are in {bad_path}")
        if pupil is not None:
            pupil.train(output, gpu_id)
        else:
            where = output if gold else path
            print(f"Next: python -m spacy train CONFIG --paths.train {where} --paths.dev {dev}")


class HeldOut(NamedTuple):
    """Annotated documents, which are not raw texts."""

    dev: List[Doc]
    gold: List[Doc]


def check_output(output: Path, gold: Optional[Path], gold_weight: int) -> None:
    """RAISES: ValueError for a folder that is not empty, and a weight of nothing."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(Errors.R633.format(path=output))
    if gold_weight != 1 and gold is None:
        raise ValueError(Errors.R629.format(option="--gold-weight", needs="--gold"))


def read_texts(sources: Sequence[str], column: str, layout: Layout) -> Iterator[Union[Row, Fault]]:
    """The rows of all files. Paths and settings are checked at once, for all of them."""
    for name in sources:
        if name != STDIN:
            require_path(Path(name), "Check the path.")
    return read_inputs([], sources, column, layout)


def load_teacher(name: str, text_column: str) -> Teacher:
    """A pipeline, or a file of scores.

    RAISES: OSError or ValueError for what is none, or cannot teach.
    """
    if Path(name).is_file():
        return load_scores(name, text_column)
    return load_pipeline_as_teacher(name)


def prepare_teachers(
    pipelines: Sequence[Teacher],
    dev: Path,
    gold: Optional[Path],
    learn: Optional[Subject],
    pupil: Optional[Student],
) -> Tuple[Teachers, HeldOut]:
    """Load what is annotated, fit the teachers on dev, and print how good they are there.

    RAISES: OSError or ValueError for teachers that do not teach the same, for a student that does
        not learn it, and for files that cannot be read, or are not annotated with it.
    """
    vocab = pipelines[0].nlp.vocab
    dev_docs = read_docs(dev, vocab)
    subject = find_subject(pipelines, dev_docs, dev, learn)
    gold_docs: List[Doc] = []
    if gold is not None:
        gold_docs = read_docs(gold, vocab)
        require_annotated(gold_docs, gold, [subject])
    cats = subject == Subject.cats
    teachers: Teachers = CatsTeachers(pipelines) if cats else TagTeachers(pipelines, subject)
    if pupil is not None:
        pupil.require(subject, getattr(teachers, "exclusive", False))
    print_reports(teachers.fit(dev_docs), getattr(teachers, "blend", None))
    return teachers, HeldOut(dev_docs, gold_docs)


class FreshTexts:
    """Leaves out texts that are not to be learned from: those that differ from one of dev or gold
    by no more than case or white space, and those that were there before. Counts them."""

    def __init__(self, held_out: HeldOut) -> None:
        self.read = 0
        self.left_out: Counter = Counter()
        self._reasons = {key_of(doc.text): "in gold" for doc in held_out.gold}
        self._reasons.update({key_of(doc.text): "in dev" for doc in held_out.dev})

    def of(self, texts: Iterable[str]) -> Iterator[str]:
        """The texts that are left."""
        for text in texts:
            self.read += 1
            key = key_of(text)
            reason = self._reasons.setdefault(key, "")
            if reason:
                self.left_out[reason] += 1
            else:
                self._reasons[key] = "there twice"
                yield text


def annotate(teachers: Teachers, texts: Sequence[str]) -> DocBin:
    """The texts, annotated by the teachers, with a progress bar."""
    docs, batch_size = DocBin(attrs=teachers.attrs), teachers.teachers[0].nlp.batch_size
    bar = tqdm(total=len(texts), desc="texts.spacy", unit=" texts", disable=None, leave=False)
    with bar:
        for batch in minibatch(texts, batch_size):
            for doc in teachers.annotate(batch):
                docs.add(doc)
            bar.update(len(batch))
    return docs


def write_corpus(docs: DocBin, path: Path, fresh: FreshTexts) -> None:
    """Write annotated texts, and print how many, and which were left out."""
    write_whole(path, docs.to_bytes())
    msg.good(f"{len(docs)} texts to {path}")
    if fresh.left_out:
        found = ", ".join(f"{count} {reason}" for reason, count in fresh.left_out.items())
        msg.info(f"Left out: {found}")


def write_gold(docs: Sequence[Doc], times: int, path: Path) -> None:
    """Write gold texts beside the others, each so many times."""
    packed = DocBin(docs=[doc for _ in range(times) for doc in docs])
    write_whole(path, packed.to_bytes())
    msg.good(f"{len(docs)} texts to {path}" + (f", each {times} times" if times > 1 else ""))


def print_reports(reports: Sequence[Report], blend: Optional[Blend]) -> None:
    """Print how good the teachers are on dev, and what was fitted there."""
    header = ["Teacher, on dev", "Accuracy", "Log-loss", "Weight"]
    rows = [
        [report.name, f"{report.accuracy:.1%}", _number(report.log_loss), _number(report.weight)]
        for report in reports
    ]
    # Of tags, there are no more than the first two columns.
    count = 2 if blend is None else 4
    aligns: Any = ["l", "r", "r", "r"][:count]
    rows = [row[:count] for row in rows]
    table = format_table(rows, header=header[:count], divider=True, aligns=aligns, max_col=WIDEST)
    print(table)
    if blend is not None:
        print(f"Temperature: {blend.temperature:.3f}\n")


def _number(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.3f}"
