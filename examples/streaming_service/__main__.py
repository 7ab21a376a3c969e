"""Start the service.

python -m examples.streaming_service en_sentiment_lstm --port 8000
"""

import spacy
import typer
import uvicorn

from .limits import Limits
from .service import make_app


def main(
    model: str = typer.Argument(..., help="Folder or package of a pipeline"),
    host: str = typer.Option("127.0.0.1", help="Address to listen at"),
    port: int = typer.Option(8000, help="Port to listen at"),
    streams: int = typer.Option(Limits.streams, help="Connections at the same time, at most"),
    text: int = typer.Option(Limits.text, help="Characters of a text, at most"),
    idle: float = typer.Option(Limits.idle, help="Seconds that a client may be silent"),
) -> None:
    """Score texts while they arrive at the websocket /stream."""
    limits = Limits(streams=streams, text=text, idle=idle)
    uvicorn.run(
        make_app(spacy.load(model), limits),
        host=host,
        port=port,
        # Larger messages are refused before they are kept.
        ws_max_size=limits.message,
        # Windows of compression would take more memory than all else of a connection.
        ws_per_message_deflate=False,
        # On SIGTERM: no more connections, and those that are open are told to come again (1012).
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    typer.run(main)
