"""The page of all errors and warnings: the message of each code, what it is about, what to do, and
where it comes from. Made of `spacy_rnn/errors.py` and of the code that uses it."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

from spacy_rnn import errors

from .docstrings import Link, apart, to_rst

PACKAGE = Path(errors.__file__).parent
# What a message begins with that says what to do, where that is not a sentence of its own.
TURNS = re.compile(r"(?:, but |[:;] |\. )(?=(?:must|use|give|add|leave|wanted|found|set|is)\b)")
SENTENCE = re.compile(r"(?<=[\w'`)}\]\"]\.) (?=[A-Z`'{])")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Of messages that say what is wrong, and no more, since there is little room beside a place, or
# since the program that calls has to be mended.
REMEDIES = {
    "W003": "Add texts of which the label is true, or leave the label out.",
    "R003": "Give one length for each sequence, in the order of the rows.",
    "R004": "Give the state that the net returned for the same sequences, or none.",
    "R336": "Give what it takes: `doc` itself, `doc[2:5]` or `doc.sents`.",
    "R403": "Mend this line of the file, or leave it out.",
    "R405": "Give a file with texts. Where a limit or a filter is set, it may have left none.",
    "R409": "Add the tag to the mapping in universal_tagset.zip.",
    "R418": "Get more texts, or write one .spacy file and split it by hand.",
    "R501": "Give `corpus = ${corpora.train}`, or a `path` of `spacy-rnn init-vocab`.",
    "R502": "Take the callback out of the config, or name a component that has such a layer.",
    "R503": "Write the file anew with `spacy-rnn init-vocab`.",
    "R601": "Give, for example, `--label 1=POSITIVE --label 0=NEGATIVE`.",
    "R609": "Give three different paths.",
    "R614": "Leave one of the two out.",
    "R628": "Give DEV with labels that the teachers know, or teachers that know these.",
    "R638": "Write this line anew, or leave it out.",
    "R639": "Score the texts that are missing, with `spacy-rnn predict` for example.",
    "R653": "Give texts with this annotation, or choose another component by `--component`.",
    "R702": "Stream with spaCy's own tokenizer, or score whole texts.",
    "R704": "Open a new stream. One that was closed has its scores still.",
    "R705": "Give what `to_bytes` of a stream of the same model and tokenizer has returned, whole.",
    "R801": "Give `pipe=nlp.get_pipe(...)`, or data and `manual=True`.",
    "R803": "Give a document, a list of them, or with `manual=True` dictionaries.",
    "R804": "Give what `explain` and its like return, or data with the same keys.",
    "R823": "Leave some of them out.",
    "R851": "Check the path and, for a URL, what fsspec needs for it.",
    "R857": "Install and lay out on all machines what this one has.",
    "R858": "Start a cluster by `ray start --head`, or leave --address out.",
    "R861": 'Set `batch_format` of `map_batches` to "pandas", "pyarrow" or "numpy".',
    "R872": "Mend what rank 0 says, and start again with --resume.",
    "R892": "Change this setting of the space.",
    "R893": "Name a setting that the config has, with all sections it lies in.",
    "R897": "Train by the config itself, with `spacy-rnn train`, until that works.",
    "R900": "Look at the learning rates of the space: training has diverged.",
}


class Message(NamedTuple):
    """A message, and what is made of it. sample: Lines of a config that end it, or ""."""

    code: str
    part: str
    text: str
    sample: str


def all_messages() -> List[Message]:
    """All warnings and errors, in the order of the file. `part` is the comment above them."""
    source = Path(errors.__file__).read_text(encoding="utf8").splitlines()
    found = []
    for table in (errors.Warnings, errors.Errors):
        for code, text in vars(table).items():
            if re.fullmatch(r"[WR]\d+", code):
                text = text.removeprefix(f"[{code}] ").replace("{{", "{").replace("}}", "}")
                text, _, sample = text.partition("\n\n")
                found.append(Message(code, part_of(code, source), text, sample))
    return found


def part_of(code: str, source: List[str]) -> str:
    """The comment that heads the part of the file in which a code stands."""
    at = next(i for i, line in enumerate(source) if line.startswith(f"    {code} = "))
    for line in reversed(source[:at]):
        if line.startswith("    # "):
            return line.removeprefix("    # ").capitalize()
        if line.startswith("class "):
            break
    return "Warnings"


def cause_and_remedy(message: Message) -> Tuple[str, str]:
    """What a message says is wrong, and what it says to do about that.

    RETURNS: Both as the message has them. The second is "" if it says nothing.
    """
    if message.code in REMEDIES:
        return message.text, REMEDIES[message.code]
    cause, *rest = SENTENCE.split(message.text, maxsplit=1)
    if not rest:
        cause, *rest = TURNS.split(message.text, maxsplit=1)
    remedy = rest[0].strip() if rest else ""
    if remedy.startswith(("must", "wanted", "found", "is ")):
        return message.text, f"What it names {remedy}" if remedy.startswith("must") else ""
    return cause, remedy[:1].upper() + remedy[1:]


def origins() -> Dict[str, Set[str]]:
    """The modules that use each code, by the syntax tree of the package."""
    found = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Attribute) and re.fullmatch(r"[WR]\d+", node.attr):
                found[node.attr].add(module.removesuffix(".__init__"))
    return found


def page(link: Link) -> str:
    """The page, as reStructuredText. link: As of `to_rst`."""
    return "\n\n".join(_parts(link)) + "\n"


def _parts(link: Link) -> Iterator[str]:
    yield "Errors and warnings\n==================="
    yield (
        "Each message of this package begins with its code. Words in italics stand for what is "
        "found."
    )
    raised = origins()
    part = ""
    for message in all_messages():
        if message.part != part:
            part = message.part
            yield f"{part}\n{'-' * len(part)}"
        yield f".. _{message.code}:"
        yield f"{message.code}\n{'~' * len(message.code)}"
        cause, remedy = cause_and_remedy(message)
        yield shown(cause, link)
        if remedy:
            yield f"**What to do:** {shown(remedy, link)}"
        if message.sample:
            lines = "\n".join(f"   {line}" for line in message.sample.splitlines())
            yield f".. code-block:: ini\n\n{lines}"
        modules = ", ".join(f"``{module}``" for module in sorted(raised[message.code]))
        yield f"From {modules}."


def shown(text: str, link: Link) -> str:
    """A message, with what it leaves open in italics."""
    parts = re.split(r"(`[^`]*`)", text)
    for i, part in enumerate(parts):
        part = to_rst(part, link)
        parts[i] = part if i % 2 else PLACEHOLDER.sub(r"\ *\1*\ ", part)
    return apart("".join(parts))
