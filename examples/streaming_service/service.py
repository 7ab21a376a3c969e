"""The service: a websocket at which texts arrive in pieces and scores go back."""

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import Any, AsyncIterator, Dict, Optional, Union

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from spacy.language import Language

from .limits import Limits
from .scorer import Scorer

# Why a connection was closed: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
BAD_TEXT, TOO_BIG, FAILED = 1007, 1009, 1011
# From the numbers that are left to applications.
TOO_SLOW = 4408


class Refused(Exception):
    """A connection that is closed by the service. code, reason: What the client is told."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code, self.reason = code, reason


def make_app(nlp: Language, limits: Limits = Limits()) -> FastAPI:
    """The application, for any ASGI server.

    nlp: A pipeline with a `textcat_lstm` that reads in one direction. All connections share it.
    limits: How much clients may take.
    RAISES: ValueError for a pipeline that cannot be streamed.
    """
    scorer = Scorer(nlp, limits.step)
    # Counted before anything is awaited, so that two connections cannot take the last place.
    open_streams = 0

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        steps = asyncio.create_task(scorer.run())
        yield
        steps.cancel()
        with suppress(asyncio.CancelledError):
            await steps
        scorer.close()

    app = FastAPI(title="Scores of texts while they arrive", lifespan=lifespan)

    @app.get("/health")
    async def health() -> Dict[str, Any]:
        """Whether it runs, and how busy it is."""
        return {
            "status": "ok",
            "streams": open_streams,
            "most_streams": limits.streams,
            "waiting": scorer.waiting,
        }

    @app.websocket("/stream")
    async def stream(websocket: WebSocket) -> None:
        nonlocal open_streams
        if open_streams >= limits.streams:
            refusal = JSONResponse({"detail": "Too many streams: try again later."}, 503)
            await websocket.send_denial_response(refusal)
            return
        open_streams += 1
        try:
            await websocket.accept()
            await Connection(websocket, scorer, limits).serve()
        finally:
            open_streams -= 1

    return app


class Connection:
    """A client, and the text that it is sending.

    One message is read, scored and answered before the next one is taken from the socket: a client
    that sends faster than the net reads, or does not read its answers, has to wait, and nothing
    piles up.
    """

    def __init__(self, websocket: WebSocket, scorer: Scorer, limits: Limits):
        self.websocket = websocket
        self.scorer = scorer
        self.limits = limits
        self.begin()

    def begin(self) -> None:
        """Begin a text."""
        self.stream = self.scorer.open()
        self.length = 0

    async def serve(self) -> None:
        """Answer messages until the client goes, or is refused."""
        try:
            while (piece := await self.receive()) is not None:
                await self.answer(piece)
        except WebSocketDisconnect:
            # Gone before its answer.
            return
        except Refused as refused:
            await self.say_goodbye(refused.code, refused.reason)
        except Exception:
            await self.say_goodbye(FAILED, "The service has failed.")
            raise

    async def receive(self) -> Optional[Union[str, bytes]]:
        """The next message, None if the client has gone. RAISES: Refused."""
        message = await self.in_time(self.websocket.receive(), "No message came")
        if message["type"] == "websocket.disconnect":
            return None
        piece = message.get("text")
        piece = message["bytes"] if piece is None else piece
        if len(piece) > self.limits.message:
            raise Refused(TOO_BIG, f"A message has {self.limits.message} bytes at most.")
        return piece

    async def answer(self, piece: Union[str, bytes]) -> None:
        """Score a piece. An empty one ends the text, and the next one begins another.

        RAISES: Refused.
        """
        self.length += len(piece)
        if self.length > self.limits.text:
            raise Refused(TOO_BIG, f"A text has {self.limits.text} characters at most.")
        try:
            cats = await self.scorer.push(self.stream, piece or None)
        except ValueError:
            raise Refused(BAD_TEXT, "A piece was no text.") from None
        if len(self.stream.buffer.held()) > self.limits.word:
            raise Refused(TOO_BIG, f"A word has {self.limits.word} characters at most.")
        said = {"cats": cats, "length": self.length, "final": not piece}
        await self.in_time(self.websocket.send_json(said), "No answer was taken")
        if not piece:
            self.begin()

    async def in_time(self, waiting: Any, what: str) -> Any:
        """RAISES: Refused if it takes too long."""
        try:
            return await asyncio.wait_for(waiting, self.limits.idle)
        except asyncio.TimeoutError:
            reason = f"{what} for {self.limits.idle:g} seconds."
            raise Refused(TOO_SLOW, reason) from None

    async def say_goodbye(self, code: int, reason: str) -> None:
        """Close the connection, unless the client has gone or takes nothing."""
        with suppress(RuntimeError, OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self.websocket.close(code, reason), self.limits.idle)
