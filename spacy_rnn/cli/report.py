"""`spacy-rnn report`: where a trained component is right and wrong, as one page."""

from pathlib import Path
from typing import List, Optional

import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus, Example
from tqdm.auto import tqdm
from wasabi import msg

from ..annotation.pipelines import check_model
from ..corpus.files import require_path
from ..errors import Errors
from ..visual.figures import require_matplotlib
from ..whole_file import appears_whole
from ._app import app, errors_as_messages
from ._report_findings import find_findings, find_subject
from ._report_page import make_page

ENDINGS = (".html", ".htm")


@app.command("report", short_help="Where a component is right and wrong, as one page.")
def report(
    model: str = typer.Argument(
        ..., metavar="MODEL", help="A trained pipeline: its folder, or its package's name."
    ),
    data: Path = typer.Argument(
        ..., metavar="DATA", help="Annotated texts: a .spacy file, or a folder of some."
    ),
    output: Path = typer.Option(
        Path("report.html"), "--output", "-o", help="File to write, which ends in .html."
    ),
    component: Optional[str] = typer.Option(
        None, help="The component to report on, where several write categories or tags."
    ),
    limit: int = typer.Option(0, min=0, help="Number of texts, 0 for all."),
    mistakes: int = typer.Option(20, min=0, help="Number of mistakes to show."),
) -> None:
    """Compare what a trained classifier or tagger finds in texts with what is true of them, and
    write one page that needs nothing beside it: scores of each label, confusions, how far
    probabilities can be trusted, the most confident mistakes, and whether length matters.

    The words of mistakes are coloured by what they say for the label that was found.
    """
    with errors_as_messages():
        check_output(output, data)
        require_matplotlib("spacy-rnn report")
        check_model(model)
        nlp = spacy.load(model)
        subject = find_subject(nlp, component)
        examples = read_examples(nlp, data, limit)
        run(nlp, examples)
        findings = find_findings(subject, examples)
        if not findings.lengths:
            what = "categories" if subject.attr == "cats" else f"token.{subject.attr}_"
            raise ValueError(Errors.R653.format(path=data, what=what, name=subject.name))
        meta = nlp.meta
        facts = [f"{meta['lang']}_{meta['name']} {meta['version']}", str(data)]
        facts.append(f"{len(findings.lengths):,} annotated texts")
        with appears_whole(output) as part:
            scores = subject.pipe.score(examples)
            page = make_page(findings, facts=facts, scores=scores, mistakes=mistakes)
            part.write_bytes(page.encode("utf8"))
    msg.good(f"{len(findings.lengths)} texts to {output}")


def check_output(output: Path, data: Path) -> None:
    """RAISES: ValueError for an output that is no name of a page, or is the input."""
    if output.suffix.lower() not in ENDINGS:
        raise ValueError(Errors.R406.format(path=output, endings=".html"))
    if output.is_dir():
        raise ValueError(Errors.R604.format(path=output))
    if output.resolve() == data.resolve():
        raise ValueError(Errors.R609.format(path=output))


def read_examples(nlp: Language, path: Path, limit: int) -> List[Example]:
    """Texts as `spacy evaluate` reads them.

    limit: How many, 0 for all.
    RAISES: FileNotFoundError; ValueError if a file cannot be read, or there is no text.
    """
    require_path(path, "Check the path.")
    try:
        examples = list(Corpus(path, limit=limit)(nlp))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(Errors.R625.format(path=path, problem=problem)) from error
    if not examples:
        raise ValueError(Errors.R405.format(path=path))
    return examples


def run(nlp: Language, examples: List[Example]) -> None:
    """Let a pipeline read texts, with a progress bar."""
    docs = nlp.pipe([eg.predicted for eg in examples])
    shown = tqdm(docs, total=len(examples), unit=" texts", disable=None, leave=False)
    for eg, doc in zip(examples, shown):
        eg.predicted = doc
