"""Names of the types that layers pass to each other."""

from typing import List, Union

from spacy.tokens import Doc
from thinc.types import Floats2d

from .bridge.ragged import Rows
from .bridge.tokens import Tokens

Docs = List[Doc]
# One row per token, one array per document: the form of spaCy's own layers.
TokenRows = List[Floats2d]
# What an embedding takes, and what it gives and a layer behind it takes. The first form is
# answered in the first form, the second in the second.
TokensIn = Union[Docs, Tokens]
RowsOut = Union[TokenRows, Rows]
