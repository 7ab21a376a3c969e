"""Scores of parts of texts that have been read as a whole."""

from typing import Any, List, Optional

import numpy
from spacy.tokens import Doc
from thinc.api import Model

from ..bridge.ragged import Rows, read_rows, read_tokens, reads_flat
from ..bridge.tokens import Tokens
from ..errors import Errors
from .explaining import check_embedded
from .textcat_rnn import apply_linear, models_beside
from .truncate import kept_rows


class ReadTexts:
    """Documents that a classifier has read, each once.

    name: Of the component, for errors. model: `spacy-rnn.TextCatRNN.v2`, initialized.
    RAISES: ValueError for a model without a recurrent net or with a model beside it that reads
        whole documents only, and for one that listens to a component which has not run.
    """

    def __init__(self, name: str, model: Model, docs: List[Doc]):
        if not model.has_ref("net"):
            raise ValueError(Errors.R332.format(name=name, layer=model.name))
        for layer in models_beside(model):
            if not reads_flat(layer):
                raise ValueError(Errors.R335.format(name=name, layer=layer.name))
        self.model, self.docs = model, docs
        tok2vec, cut, encode = (model.get_ref(part) for part in ("tok2vec", "truncate", "encode"))
        tokens = Tokens(docs)
        check_embedded(name, tok2vec, tokens)
        rows, _ = read_tokens(tok2vec, tokens, False)
        kept = kept_rows(cut, rows.lengths)
        # Where the state of each token is, -1 for those that the net does not read.
        self.places = numpy.arange(len(rows.data))
        if kept is not None:
            self.places[:] = -1
            self.places[kept] = numpy.arange(len(kept))
        self.states, _ = read_rows(encode, cut.predict(rows), False)

    def scores(self, lengths: numpy.ndarray, rows: numpy.ndarray) -> Any:
        """Scores of parts: of the net's states at their tokens, pooled as those of a text are,
        and of their own n-grams.

        lengths: Tokens of each part, of shape (parts,).
        rows: Which tokens of all documents they are, one part's after the other's.
        RETURNS: Of shape (parts, labels).
        """
        model, places = self.model, self.places[rows]
        owners = numpy.arange(len(lengths)).repeat(lengths)[places >= 0]
        read: Any = places[places >= 0]
        states: Any = self.states.data
        sizes = numpy.bincount(owners, minlength=len(lengths))
        found = Rows(states[model.ops.asarray1i(read)], sizes)
        vectors = model.get_ref("pool").predict(found)
        logits = apply_linear(model.get_ref("output_layer"), vectors)
        for layer in models_beside(model):
            logits = logits + layer.predict(Tokens(self.docs, lengths, rows))
        return model.layers[-1].predict(logits)


def reader_of_documents(model: Model) -> Optional[Model]:
    """The layer of a model that reads whole documents, so that a part of one cannot be scored as
    if it were all. None if there is none: then the model takes any `Tokens`."""
    if not model.has_ref("net"):
        return model
    tok2vec = model.get_ref("tok2vec")
    # What spaCy's Tok2Vec embeds tokens with looks at each of them alone.
    tokens_alone = tok2vec.has_ref("embed") and tok2vec.has_ref("encode")
    layers = [*([] if tokens_alone else [tok2vec]), *models_beside(model)]
    return next((layer for layer in layers if not reads_flat(layer)), None)
