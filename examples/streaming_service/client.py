"""Send the lines of standard input as one text, and print its scores as they come.

echo "A warm, funny film." | python -m examples.streaming_service.client ws://127.0.0.1:8000/stream
"""

import json
import sys

from websockets.sync.client import connect


def main(address: str) -> None:
    with connect(address, compression=None) as socket:
        for line in sys.stdin:
            socket.send(line)
            show(json.loads(socket.recv()))
        socket.send("")
        show(json.loads(socket.recv()))


def show(answer: dict) -> None:
    """Print the scores so far; those of the whole text begin with a star."""
    mark = "*" if answer["final"] else " "
    print(mark, " ".join(f"{label} {score:.2f}" for label, score in answer["cats"].items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
