"""A page of some lines: a text field, its scores, and words coloured by how much they count.

    python -m examples.page.page en_sentiment_lstm

`spacy-rnn demo` is the page that has more, and guards a server that strangers can reach.
"""

import sys
from typing import Any, Dict, Tuple

import spacy
from spacy.language import Language

from spacy_rnn import visual

MOST_CHARACTERS = 5000


def explain(nlp: Language, text: str) -> Tuple[Dict[str, float], str]:
    """Score a text.

    nlp: A pipeline with a `textcat_lstm`. text: Whatever was typed.
    RETURNS: The score of each label, and a picture of the words as HTML; nothing for a blank text.
    """
    if not text.strip():
        return {}, ""
    doc = nlp(text[:MOST_CHARACTERS])
    return doc.cats, visual.render(doc, pipe=nlp.get_pipe("textcat_lstm"), jupyter=False) or ""


def make_page(nlp: Language) -> Any:
    """Lay out the page. RETURNS: Gradio's `Interface`, to `launch` or to put into another page."""
    import gradio

    return gradio.Interface(
        lambda text: explain(nlp, text),
        gradio.Textbox(label="Text", lines=4, max_length=MOST_CHARACTERS),
        [gradio.Label(label="Scores"), gradio.HTML(label="Words")],
        title="Why is it so?",
        api_name="explain",
        examples=["A warm, funny film.", "The music is great, but the story is dull."],
        cache_examples=False,
        flagging_mode="never",
        analytics_enabled=False,
    )


if __name__ == "__main__":
    make_page(spacy.load(sys.argv[1])).launch(share=False)
