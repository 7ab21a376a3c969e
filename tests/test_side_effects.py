"""What happens beside what was asked for: nothing goes over a network, and importing the package
starts and writes nothing. Python tells its audit hooks of each connection, process and file."""

import json
import os
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import spacy_rnn

REPOSITORY = Path(__file__).parents[1]
EXTRAS = {
    "cupy", "gradio", "IPython", "matplotlib", "pandas", "pyarrow", "sklearn", "starlette",
    "transformers",
}  # fmt: skip

# Runs before the code under test. What it has seen is printed, and counts even where the code under
# test has caught the error.
WATCH = """
import os, sys, threading

SEEN = []
NETWORK = (
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr",
    "socket.gethostbyname", "socket.sendmsg", "socket.sendto",
)
STARTS = (
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system",
    "subprocess.Popen",
)
WRITES = ("os.link", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.truncate")
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def hook(event, args):
    if event == "open" and (args[0] == os.devnull or not (args[2] or 0) & WRITE):
        return
    if event in FORBIDDEN:
        SEEN.append(f"{event} {args!r}"[:300])
        if event in NETWORK:
            raise OSError(f"no network: {event} {args!r}")

sys.addaudithook(hook)
"""
NETWORK_ONLY = WATCH + "FORBIDDEN = {*NETWORK}\n"
# Older versions of Python have no event for a thread; each runs the profiling function.
# What torch does when it is imported is its own: its CUDA build runs ldconfig.
NOTHING = f"""import torch
{WATCH}
FORBIDDEN = {{*NETWORK, *STARTS, *WRITES, "open"}}
threading.setprofile(lambda *event: SEEN.append("thread"))
"""
# The room of the search is imported where Optuna is, and only then.
WITHOUT = ("__main__",) if find_spec("optuna") else ("__main__", ".tuning")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(spacy_rnn.__path__, "spacy_rnn.")
    if not module.name.endswith(WITHOUT)
)
IMPORT = "from importlib import import_module\nfor name in NAMES: import_module(name)\n"
# The last line that is printed.
REPORT = "import json\nprint(json.dumps([SEEN, sorted(sys.modules)]))\n"

USE = """
import sys
import spacy
from typer.main import get_command
from spacy_rnn import visual
from spacy_rnn.cli import app

nlp, tagger = spacy.load("en_sentiment_lstm"), spacy.load("en_pos_bilstm")
textcat = nlp.get_pipe("textcat_lstm")
(doc,) = nlp.pipe(["A warm, funny film. The second half drags."])
assert doc.cats["POSITIVE"] > 0.5
assert all(token.pos_ for token in tagger("Dogs bark."))
assert textcat.explain(doc, "POSITIVE")["tokens"]
assert "funny" in visual.render(doc, pipe=textcat, page=True)
stream = textcat.stream(nlp)
stream.push("A warm, fun")
stream.push("ny film.")
stream.close()
assert stream.cats["POSITIVE"] > 0.5

def command(*arguments):
    try:
        get_command(app).main(list(arguments), prog_name="spacy-rnn")
    except SystemExit as end:
        assert not end.code, end.code

command("--help")
command("predict", "--help")
open("texts.csv", "w").write("text\\nA dull film.\\n")
command("predict", "en_sentiment_lstm", "texts.csv", "-o", "scored.csv")
assert "A dull film." in open("scored.csv").read()
"""


def run(code, folder, *paths):
    """Run code in a process of its own. RETURNS: What was seen there, and imported."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, *paths))),
        # Python's own files.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", code + REPORT]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    seen, modules = json.loads(found.stdout.splitlines()[-1])
    return seen, set(modules)


def test_importing_all_modules_does_nothing_else(tmp_path):
    seen, modules = run(f"{NOTHING}NAMES = {MODULES}\n{IMPORT}", tmp_path)
    assert not seen
    assert modules.issuperset(MODULES) and len(MODULES) > 100
    assert not modules & EXTRAS
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_shipped_uses_a_network(shipped, tmp_path):
    seen, modules = run(NETWORK_ONLY + USE, tmp_path, shipped)
    assert not seen
    assert "torch" in modules and not modules & EXTRAS


@pytest.mark.parametrize(
    "code, event",
    [
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo"),
        ("import socket\nsocket.socket().connect(('127.0.0.1', 9))", "socket.connect"),
        ("import urllib.request as u\nu.urlopen('http://127.0.0.1:9/')", "socket.getaddrinfo"),
        ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
        ("thread = threading.Thread(target=dir)\nthread.start()\nthread.join()", "thread"),
        ("open('left', 'w').close()", "open"),
        ("os.mkdir('left')", "os.mkdir"),
    ],
)
def test_what_is_done_is_seen(code, event, tmp_path):
    """Also where the code under test catches the error."""
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    seen, _ = run(f"{NOTHING}try:\n{lines}\nexcept OSError: pass\n", tmp_path)
    assert seen and seen[0].startswith(event)
