"""The page of the demo, laid out with Gradio."""

from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..errors import Errors
from .models import DemoModel
from .pictures import draw_pictures, draw_scores, heading, note, sentence_of
from .typed import Typed, check_text, score

TITLE = "spacy-rnn demo"
BEST = ("the one with the highest score", "")
FONTS = ["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
CSS = """
.demo-model { gap: 0.8em; }
.demo-name { font-size: 1.15em; font-weight: bold; margin: 0; overflow-wrap: anywhere; }
.demo-how { font-size: 0.85em; opacity: 0.85; margin: 0; }
.demo-scores { width: 100%; border-collapse: collapse; }
.demo-scores th { text-align: start; font-weight: normal; overflow-wrap: anywhere; }
.demo-scores th, .demo-scores td { padding: 0.1em 0.5em 0.1em 0; }
.demo-scores td:nth-child(2) { width: 60%; }
.demo-scores td:last-child { width: 3em; padding: 0; text-align: end;
    font-variant-numeric: tabular-nums; }
.demo-scores i { display: block; height: 0.6em; background: #0072b2; }
.demo-scores td:nth-child(2) span { display: block; background: rgba(128, 128, 128, 0.3); }
.demo-note { margin: 0; padding: 0.5em 0.8em; border-left: 4px solid #d55e00;
    overflow-wrap: anywhere; }
.demo-picture { margin-bottom: 1.5em; }
.demo-picture h3 { font-size: 0.95em; font-weight: bold; margin: 0 0 0.4em; }
.demo-picture figure { margin: 0; }
"""


def import_gradio() -> Any:
    """Gradio, which takes seconds to import.

    RAISES: ImportError that names the extra, if it is missing or too old.
    """
    try:
        import gradio
    except ImportError as error:
        raise ImportError(Errors.R821.format(problem=f" ({error})")) from error
    # Before 6.17 its pages load fonts and a script from elsewhere.
    if tuple(int(part) for part in gradio.__version__.split(".")[:2]) < (6, 17):
        problem = f" from 6.17 on, found {gradio.__version__}"
        raise ImportError(Errors.R821.format(problem=problem))
    return gradio


def make_page(gr: Any, models: Sequence[DemoModel], max_length: int) -> Any:
    """Lay out the page.

    gr: Gradio. models: The pipelines, side by side. max_length: How many characters a text may
    have.
    RETURNS: Gradio's `Blocks`.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        box = gr.Textbox(
            label="Text",
            placeholder="Type or paste a text",
            lines=4,
            max_lines=12,
            # Cut by the browser, so that requests stay small. It counts halves of characters; the
            # server must still see that a text is too long.
            max_length=2 * (max_length + 1),
            autofocus=True,
            elem_id="demo-text",
        )
        with gr.Row():
            for model in models:
                with gr.Column(min_width=320, elem_classes="demo-model"):
                    add_model(gr, box, model, max_length)
    return blocks


def add_model(gr: Any, box: Any, model: DemoModel, max_length: int) -> None:
    """Add the parts of the page that show a pipeline, and what happens with each change.

    Scores and pictures come by events of their own: scores do not wait for pictures. While one is
    computed, of all changes only the last one waits. The event is `change`, since `input` comes
    with keys that write a character only: not with Backspace, and not when a text is pasted.
    """
    gr.HTML(heading(model), apply_default_css=False)
    on_change: Dict[str, Any] = {
        "trigger_mode": "always_last",
        # Gradio's queue loses an event that comes just as it closes the stream of the last one.
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    if model.labels:
        scores = gr.HTML(apply_default_css=False)
        typed = gr.State()
        update = partial(update_scores, model, max_length)
        box.change(update, [box, typed], [scores, typed], **on_change)
    explained = any(style != "tags" for style, _ in model.pictures)
    choices: List[Any] = [BEST, *((label, label) for label in model.labels)]
    label = gr.Dropdown(choices, value="", label="Label to explain", visible=explained)
    pictures = gr.HTML(apply_default_css=False, elem_classes="demo-pictures")
    draw = partial(update_pictures, model, max_length)
    for part in (box, label):
        part.change(draw, [box, label], pictures, **on_change)


def update_scores(
    model: DemoModel, max_length: int, text: str, typed: Optional[Typed]
) -> Tuple[str, Optional[Typed]]:
    """RETURNS: The scores of a text, or what went wrong, as HTML; and what to keep of it."""
    try:
        text = check_text(text, max_length)
    except ValueError:
        # Said where the pictures are.
        return "", None
    if not text.strip():
        return "", None
    try:
        cats, typed = score(model, text, typed)
    except Exception as error:
        return note(sentence_of(error)), None
    return draw_scores(cats), typed


def update_pictures(model: DemoModel, max_length: int, text: str, label: Optional[str]) -> str:
    """RETURNS: The pictures of a text, or what went wrong, as HTML."""
    try:
        return draw_pictures(model, check_text(text, max_length), label or None)
    except Exception as error:
        return note(sentence_of(error))
