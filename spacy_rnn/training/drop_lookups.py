"""Leave tables that only initialization needs out of the trained pipeline."""

from typing import Callable, List

from spacy.language import Language
from spacy.util import registry


@registry.callbacks("spacy-rnn.drop_lookups.v1")
def create_drop_lookups_v1(tables: List[str]) -> Callable[[Language], Language]:
    """Make a callback for `[initialize.after_init]`, which takes tables of `[initialize.lookups]`
    out of the pipeline's vocabulary. What layers have learned of them stays.

    tables: Their names. One that is not there is left at that.
    RETURNS: A function that takes and returns the pipeline.
    """

    def drop_lookups(nlp: Language) -> Language:
        for name in tables:
            if nlp.vocab.lookups.has_table(name):
                nlp.vocab.lookups.remove_table(name)
        return nlp

    return drop_lookups
