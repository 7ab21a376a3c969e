"""The server of the demo."""

from typing import Any, Sequence

from ..errors import Errors
from .guard import Guard
from .models import DemoModel
from .page import CSS, FONTS, import_gradio, make_page

# Texts that are read at once, of all browsers, and browsers whose texts are kept.
MOST_THREADS, MOST_SESSIONS = 4, 1000


def start(models: Sequence[DemoModel], *, host: str, port: int, max_length: int) -> Any:
    """Start to show pipelines to browsers.

    Nothing is sent or loaded elsewhere: no link is shared, Gradio reports nothing, and keeps no
    history. In this process, Gradio sets the environment variable HF_HUB_DISABLE_TELEMETRY.

    models: The pipelines, side by side. host, port: Where. max_length: How many characters a text
    may have.
    RETURNS: Gradio's `Blocks`, whose `block_thread` waits until it is interrupted.
    RAISES: ImportError without Gradio; ValueError for a port that cannot be used.
    """
    gr = import_gradio()
    from starlette.middleware import Middleware

    blocks = make_page(gr, models, max_length)
    theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=["monospace"])
    try:
        blocks.launch(
            server_name=host,
            server_port=port,
            app_kwargs={"middleware": [Middleware(Guard, max_length=max_length)]},
            max_threads=MOST_THREADS,
            state_session_capacity=MOST_SESSIONS,
            theme=theme,
            css=CSS,
            footer_links=[],
            show_error=True,
            # Settings below would otherwise come from environment variables, or be guessed.
            share=False,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            num_workers=0,
            inline=False,
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise ValueError(Errors.R825.format(port=port, host=host)) from error
    return blocks
