"""What stands between browsers and the page: it keeps requests small, and the page at home."""

from typing import Any, Awaitable, Callable, Dict, List, Tuple

from ..errors import Errors

# https://asgi.readthedocs.io
Message = Dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Dict[str, Any], Receive, Send], Awaitable[None]]

# What a browser may load, and send to: this server only. Gradio makes functions of templates.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS: List[Tuple[bytes, bytes]] = [
    (b"content-security-policy", POLICY.encode("ascii")),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
# What a request has beside its text, and bytes of a character at most: as JSON escapes it.
BESIDE, PER_CHARACTER = 65_536, 12
# The page takes no files.
UPLOAD = "/upload"
# Texts at once, of all browsers: each browser sends one for each score and picture at a time.
MOST_REQUESTS = 100


class Guard:
    """An ASGI application around another one.

    app: The other one. max_length: How many characters a text may have.
    """

    def __init__(self, app: App, max_length: int):
        self.app = app
        self.most = BESIDE + PER_CHARACTER * max_length
        self.requests = 0

    async def __call__(self, scope: Dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].rstrip("/").endswith(UPLOAD):
            await _answer(send, 404, "This page takes no files.")
            return
        if scope["method"] == "GET":
            await self.app(scope, receive, _with_headers(send))
            return
        if self.requests == MOST_REQUESTS:
            await _answer(send, 503, "Too many texts at once: try again.")
            return
        self.requests += 1
        try:
            await self._answer_body(scope, receive, send)
        finally:
            self.requests -= 1

    async def _answer_body(self, scope: Dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _read_body(scope, receive, self.most)
        if body is None:
            await _answer(send, 413, Errors.R827.format(most=f"{self.most:,}"))
            return
        await self.app(scope, _given(body, receive), _with_headers(send))


async def _read_body(scope: Dict[str, Any], receive: Receive, most: int) -> Any:
    """The body of a request. None if it is too long, of which not all is read, or never came."""
    lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    if any(not value.isdigit() or int(value) > most for value in lengths):
        return None
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            # The browser has gone.
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            return None
    return body


def _given(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, and then what else comes: that the browser has gone."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_body


def _with_headers(send: Send) -> Send:
    async def send_message(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        await send(message)

    return send_message


async def _answer(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode("utf8")})
