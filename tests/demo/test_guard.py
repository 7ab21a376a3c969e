"""Requests are bounded, files are refused, and pages are kept from loading from elsewhere."""

import asyncio

import pytest

from spacy_rnn.demo.guard import BESIDE, MOST_REQUESTS, PER_CHARACTER, POLICY, Guard

MOST = BESIDE + PER_CHARACTER * 10


async def echo(scope, receive, send):
    """Answers with the body, and with what comes after it."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    after = (await receive())["type"].encode()
    headers = [(b"x-after", after)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request(*chunks, path="/gradio_api/run/predict", headers=(), kind="http", gone=False):
    """RETURNS: Status, headers and body of the answer, and how many chunks were read."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": gone or i + 1 < len(chunks)}
        for i, chunk in enumerate(chunks)
    ]
    messages.append({"type": "http.disconnect"})
    sent, left = [], list(messages)

    async def receive():
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": "POST", "path": path, "headers": list(headers)}
    asyncio.run(Guard(echo, 10)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), body, len(messages) - len(left)


def test_a_request_goes_through_whole_and_its_end_is_seen():
    status, headers, body, _ = request(b"one ", b"two", headers=[(b"content-length", b"7")])
    assert (status, body, headers[b"x-after"]) == (200, b"one two", b"http.disconnect")


def test_every_answer_has_the_policy():
    for path in ("/", "/upload"):
        _, headers, _, _ = request(b"", path=path)
        assert headers[b"content-security-policy"].decode() == POLICY
        assert headers[b"referrer-policy"] == b"no-referrer"
        assert headers[b"x-content-type-options"] == b"nosniff"


def test_the_policy_names_no_other_place():
    assert "default-src 'self'" in POLICY
    assert not {"*", "http:", "https:", "ws:"} & set(POLICY.replace(";", "").split())


def test_the_longest_body():
    assert request(b"a" * MOST)[0] == 200
    status, _, body, _ = request(b"a" * MOST, b"a")
    assert status == 413 and b"R827" in body and f"{MOST:,} bytes".encode() in body


def test_a_body_that_says_it_is_too_long_is_not_read():
    for length in (str(MOST + 1), "9" * 50, "-1", "x"):
        found = request(b"a", headers=[(b"Content-Length", length.encode())])
        assert (found[0], found[3]) == (413, 0)


def test_no_more_is_read_of_a_long_body_than_is_wanted():
    *_, read = request(*[b"a" * (MOST // 2)] * 20)
    assert read == 3


def test_a_browser_that_has_gone():
    assert request(b"half", gone=True)[0] == 413


@pytest.mark.parametrize("path", ["/upload", "/gradio_api/upload", "/gradio_api/upload/"])
def test_files_are_refused(path):
    status, _, body, read = request(b"file", path=path)
    assert (status, body, read) == (404, b"This page takes no files.", 0)


def test_what_is_no_request_of_a_page_goes_through():
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    asyncio.run(Guard(app, 10)({"type": "lifespan"}, "receive", "send"))
    assert seen == [({"type": "lifespan"}, "receive", "send")]


def test_texts_at_once_are_bounded_and_pages_are_not():
    statuses = []

    async def ask(guard, method, end):
        async def receive():
            await end.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            statuses.append(message.get("status"))

        await guard({"type": "http", "method": method, "path": "/", "headers": []}, receive, send)

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def crowd():
        guard, end = Guard(page, 10), asyncio.Event()
        waiting = [asyncio.ensure_future(ask(guard, "POST", end)) for _ in range(MOST_REQUESTS)]
        await asyncio.sleep(0)
        await ask(guard, "POST", end)
        assert statuses == [503, None]
        await ask(guard, "GET", end)
        assert statuses[2:] == [200]
        end.set()
        await asyncio.gather(*waiting)
        await ask(guard, "POST", end)
        assert statuses[3:] == [200] * (MOST_REQUESTS + 1)

    asyncio.run(crowd())
