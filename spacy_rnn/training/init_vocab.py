"""Fill the vocabularies of embeddings wherever they sit in a pipeline."""

from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional

import srsly
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Model

from ..errors import Errors
from ..vocabulary.learning import learn_vocab, learners_in, set_vocab


@registry.callbacks("spacy-rnn.init_vocab.v1")
def create_init_vocab_v1(
    corpus: Optional[Callable[[Language], Iterable[Example]]] = None,
    path: Optional[Path] = None,
    component: Optional[str] = None,
) -> Callable[[Language], Language]:
    """Make a callback for `[initialize.before_init]`. Components of this package learn
    their vocabulary themselves; a shared `tok2vec` and `spacy pretrain` need this.

    corpus: Reader of the training corpus, to learn the words from, and what their
        vectors start from.
    path: A JSON list of words, most frequent first, as `spacy-rnn init-vocab` writes.
        Without a corpus beside it, the vectors start at random.
    component: Fill the embeddings of this component only; null for all.
    RETURNS: A function that takes and returns the pipeline.
    RAISES: ValueError if neither corpus nor path is given.
    """
    if corpus is None and path is None:
        raise ValueError(Errors.R501)

    def init_vocab(nlp: Language) -> Language:
        layers = find_embeddings(nlp, component)
        if path is not None:
            set_vocab(layers, read_words(Path(path)))
        if corpus is not None:
            learn_vocab(layers, (eg.predicted for eg in corpus(nlp)))
            for layer in layers:
                layer.attrs["learn"] = False
        return nlp

    return init_vocab


def find_embeddings(
    nlp: Language,
    component: Optional[str],
    only: Callable[[Model], bool] = lambda layer: True,
) -> List[Model]:
    """The embeddings of words and characters of a pipeline, or of one of its components.

    only: Leave out layers for which this is not true.
    RAISES: ValueError if there is none.
    """
    # Disabled components as well: `spacy pretrain` disables them all.
    names = nlp.component_names if component is None else [component]
    pipes: List[Any] = [nlp.get_pipe(name) for name in names]
    models = [pipe.model for pipe in pipes if isinstance(getattr(pipe, "model", None), Model)]
    layers = [layer for model in models for layer in learners_in(model) if only(layer)]
    if not layers:
        where = "" if component is None else f" in its component '{component}'"
        raise ValueError(Errors.R502.format(where=where))
    return layers


def read_words(path: Path) -> List[str]:
    """Read a JSON list of words.

    RAISES: ValueError if it holds anything else.
    """
    try:
        words = srsly.read_json(path)
    except ValueError as error:
        raise ValueError(Errors.R503.format(path=path, found=f"no JSON ({error})")) from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(Errors.R503.format(path=path, found=type(words).__name__))
    return words
