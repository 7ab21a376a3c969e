"""Names of the types that layers pass to each other."""

from typing import List

from spacy.tokens import Doc
from thinc.types import Floats2d

Docs = List[Doc]
# One row per token, one array per document.
TokenRows = List[Floats2d]
