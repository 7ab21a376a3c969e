"""The service that streams scores over a websocket: values, limits, and a flood."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import spacy
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import connect

from examples.streaming_service.limits import Limits
from examples.streaming_service.service import BAD_TEXT, TOO_BIG, TOO_SLOW, make_app
from tests.conftest import GOOD, make_examples, small_model, train

ROOT = Path(__file__).parents[2]
TEXT = f"{GOOD[0]} , {GOOD[2]}"
# Seconds until the processes of a test have done what they have to.
TIMEOUT = 120


@pytest.fixture(scope="module")
def nlp():
    """A classifier that reads in one direction."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=False)})
    train(nlp, make_examples(nlp), steps=30)
    return nlp


@pytest.fixture
def client(nlp):
    with TestClient(make_app(nlp)) as client:
        yield client


def limited(nlp, **limits):
    return TestClient(make_app(nlp, Limits(**limits)))


def send(connection, piece):
    connection.send_text(piece)
    return connection.receive_json()


def refused(connection):
    """RETURNS: Code and reason of a connection that the service closes."""
    with pytest.raises(WebSocketDisconnect) as found:
        connection.receive_json()
    return found.value.code, found.value.reason


def test_scores_of_pieces_are_those_of_the_text(client, nlp):
    with client.websocket_connect("/stream") as connection:
        for at in range(0, len(TEXT), 7):
            piece = TEXT[at : at + 7]
            answer = send(connection, piece)
            assert answer["length"] == at + len(piece) and not answer["final"]
            # Those of the complete words; the last one is held back.
            complete, _, _ = TEXT[: at + len(piece)].rstrip().rpartition(" ")
            assert answer["cats"] == pytest.approx(nlp(complete).cats, abs=1e-5)
        answer = send(connection, "")
        assert answer["final"] and answer["cats"] == pytest.approx(nlp(TEXT).cats, abs=1e-5)


def test_the_next_text_begins_anew(client, nlp):
    with client.websocket_connect("/stream") as connection:
        for text in (TEXT, "a dull and empty film", ""):
            if text:
                send(connection, text)
            answer = send(connection, "")
            assert answer["length"] == len(text)
            assert answer["cats"] == pytest.approx(nlp(text).cats, abs=1e-5)


def test_bytes_are_utf8_cut_anywhere(client, nlp):
    text = "a wärm and fünny film"
    data = text.encode("utf8")
    with client.websocket_connect("/stream") as connection:
        for at in range(len(data)):
            connection.send_bytes(data[at : at + 1])
            connection.receive_json()
        answer = send(connection, "")
    assert answer["cats"] == pytest.approx(nlp(text).cats, abs=1e-5)


def test_texts_side_by_side_do_not_mix(client, nlp):
    texts = [*GOOD, "a dull and empty film", "wooden acting"]
    with ExitStack() as stack:
        opened = [stack.enter_context(client.websocket_connect("/stream")) for _ in texts]
        for at in range(max(map(len, texts))):
            sending = [(c, t[at]) for c, t in zip(opened, texts) if at < len(t)]
            for connection, character in sending:
                connection.send_text(character)
            for connection, _ in sending:
                connection.receive_json()
        for connection, text in zip(opened, texts):
            assert send(connection, "")["cats"] == pytest.approx(nlp(text).cats, abs=1e-5)


def test_a_piece_that_is_no_text_ends_only_its_own_connection(client, nlp):
    with client.websocket_connect("/stream") as good, client.websocket_connect("/stream") as bad:
        bad.send_bytes(b"\xff\xff")
        good.send_text(TEXT)
        assert refused(bad) == (BAD_TEXT, "A piece was no text.")
        good.receive_json()
        assert send(good, "")["cats"] == pytest.approx(nlp(TEXT).cats, abs=1e-5)


@pytest.mark.parametrize(
    "limits, pieces, reason",
    [
        ({"message": 10}, ["a b c d e f"], "A message has 10 bytes at most."),
        ({"text": 10}, ["a b c ", "d e f"], "A text has 10 characters at most."),
        ({"word": 10}, ["abcdef", "ghijkl"], "A word has 10 characters at most."),
    ],
    ids=["message", "text", "word"],
)
def test_what_is_too_long_is_refused(nlp, limits, pieces, reason):
    with limited(nlp, **limits) as client, client.websocket_connect("/stream") as connection:
        for piece in pieces[:-1]:
            send(connection, piece)
        connection.send_text(pieces[-1])
        assert refused(connection) == (TOO_BIG, reason)
        assert client.get("/health").json()["streams"] in (0, 1)


def test_a_silent_client_is_sent_away(nlp):
    with limited(nlp, idle=0.2) as client, client.websocket_connect("/stream") as connection:
        assert refused(connection) == (TOO_SLOW, "No message came for 0.2 seconds.")


def test_no_more_streams_than_allowed(nlp):
    with limited(nlp, streams=1) as client:
        with client.websocket_connect("/stream") as connection:
            send(connection, "a ")
            with pytest.raises(WebSocketDenialResponse) as found:
                with client.websocket_connect("/stream"):
                    pass
            assert found.value.status_code == 503
            assert client.get("/health").json() == {
                "status": "ok",
                "streams": 1,
                "most_streams": 1,
                "waiting": 0,
            }
        # The place is free again.
        deadline = time.monotonic() + TIMEOUT
        while client.get("/health").json()["streams"] and time.monotonic() < deadline:
            time.sleep(0.01)
        with client.websocket_connect("/stream") as connection:
            assert send(connection, "a ")["length"] == 2


def test_a_pipeline_that_cannot_be_streamed_is_refused(nlp):
    other = spacy.blank("en")
    other.add_pipe("textcat_lstm", config={"model": small_model(encode__bidirectional=True)})
    train(other, make_examples(other), steps=1)
    with pytest.raises(ValueError, match="direction"):
        make_app(other)


@pytest.fixture
def server(nlp, tmp_path):
    """The service in a process of its own, and its port."""
    nlp.to_disk(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "examples.streaming_service", str(tmp_path / "model")]
    limits = ["--port", str(port), "--streams", "100", "--text", "60000", "--idle", "60"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*command, *limits], cwd=ROOT, env=environment, stderr=log)
    try:
        wait_for(process, port)
        yield process, port
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


def wait_for(process, port):
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("The service did not start.")


async def flood(port, begin, connections, messages):
    """Texts of words that nobody has seen, from many connections at once, each ahead of its
    answers by many messages. RETURNS: How many answers came, and connections that were refused."""

    async def one(number):
        address = f"ws://127.0.0.1:{port}/stream"
        try:
            async with connect(address, compression=None, open_timeout=TIMEOUT) as socket:
                word = f"w{begin}x{number}x"
                for i in range(messages):
                    await socket.send(" ".join(f"{word}{i}y{j}" for j in range(60)) + " ")
                answers = 0
                while answers < messages:
                    json.loads(await socket.recv())
                    answers += 1
                return answers
        except Exception as error:
            return type(error).__name__

    return await asyncio.wait_for(asyncio.gather(*map(one, range(connections))), TIMEOUT)


def test_memory_is_bounded_in_a_flood(server):
    """120 connections where 100 may be open, each of which sends up to 20 messages at once, of
    words of which each is a new one."""
    process, port = server
    rss = psutil.Process(process.pid).memory_info
    asyncio.run(flood(port, 0, 100, 10))
    before = rss().rss
    for begin in range(1, 4):
        found = asyncio.run(flood(port, begin, 120, 20))
        assert found.count(20) >= 100
        assert set(found) <= {20, "InvalidStatus"}
    # 432,000 new words; without a limit and memory zones their strings alone take more.
    assert (rss().rss - before) / 2**20 < 40
    # Asked to stop, it ends by itself.
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) in (0, -signal.SIGTERM)


def test_a_client_is_told_when_the_service_stops(server):
    process, port = server

    async def stop():
        async with connect(f"ws://127.0.0.1:{port}/stream", compression=None) as socket:
            await socket.send("a warm film ")
            assert json.loads(await socket.recv())["length"] == 12
            process.send_signal(signal.SIGTERM)
            await socket.wait_closed()
            return socket.close_code

    assert asyncio.run(asyncio.wait_for(stop(), TIMEOUT)) == 1012
    assert process.wait(TIMEOUT) in (0, -signal.SIGTERM)


def test_clients_that_leave_before_their_answers_leave_nothing_behind(server):
    _, port = server

    async def leave():
        address = f"ws://127.0.0.1:{port}/stream"
        opened = [await connect(address, compression=None) for _ in range(20)]
        for one in opened:
            for _ in range(5):
                await one.send("a warm film " * 100)
            one.transport.abort()

    asyncio.run(asyncio.wait_for(leave(), TIMEOUT))
    deadline = time.monotonic() + TIMEOUT
    while (busy := health(port))["streams"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert busy["streams"] == busy["waiting"] == 0


def health(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT) as answer:
        return json.load(answer)


def test_the_client_prints_scores(server):
    _, port = server
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "examples.streaming_service.client",
            f"ws://127.0.0.1:{port}/stream",
        ],
        input="a warm film\nwith a story\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=TIMEOUT,
    )
    lines = found.stdout.splitlines()
    assert [line[:1] for line in lines] == [" ", " ", "*"], found.stderr
    assert all("POSITIVE 0." in line or "POSITIVE 1." in line for line in lines)
