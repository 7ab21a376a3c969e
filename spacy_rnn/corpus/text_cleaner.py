"""The cleaning of texts that recurrent net tutorials do; off unless configured."""

import re
from typing import Any, Callable, List

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry

from ..errors import Errors
from .records import Cleaner


@registry.misc("spacy-rnn.text_cleaner.v1")
def create_text_cleaner_v1(
    numbers: bool = False,
    punctuation: bool = False,
    stop_words: bool = False,
    lemmas: bool = False,
) -> Cleaner:
    """Make a cleaner for the `clean` setting of this package's readers. What is
    cleaned from the training texts must be cleaned from texts to score as well.

    numbers: Drop tokens that look like numbers.
    punctuation: Drop punctuation.
    stop_words: Drop the stop words of the pipeline's language.
    lemmas: Replace words by their lemma, from the tables of `spacy-lookups-data`.
    RETURNS: A function from a pipeline to a function from text to text.
    """

    def make_cleaner(nlp: Language) -> Callable[[str], str]:
        lemmatize = make_lemmatizer(nlp) if lemmas else None

        def clean(text: str) -> str:
            doc = nlp.make_doc(text)
            words = lemmatize(doc) if lemmatize else [token.text for token in doc]
            kept = [
                word
                for word, token in zip(words, doc)
                if not (numbers and token.like_num)
                and not (punctuation and token.is_punct)
                and not (stop_words and token.is_stop)
            ]
            return re.sub(r"\s+", " ", " ".join(kept)).strip()

        return clean

    return make_cleaner


def make_lemmatizer(nlp: Language) -> Callable[[Doc], List[str]]:
    """Look lemmas up in the tables for the pipeline's language.

    RAISES: ValueError if the tables are not installed.
    """
    lemmatizer: Any = nlp.create_pipe("lemmatizer", config={"mode": "lookup"})
    try:
        lemmatizer.initialize(lambda: [], nlp=nlp)
    except ValueError as error:
        raise ValueError(Errors.R407.format(lang=nlp.lang)) from error
    return lambda doc: [lemmatizer.lemmatize(token)[0] for token in doc]
