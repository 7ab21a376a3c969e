"""Model cards, and all of pushing them to the Hugging Face Hub but the Hub itself: the requests
that it would get are answered here."""

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import requests
import spacy
import srsly
import yaml

from pipelines import push

HERE = push.HERE
NAMES = sorted(path.stem for path in HERE.glob("*.yml"))
SECTIONS = ("Intended use", "Limits and biases", "Training", "Scores", "Speed")
hub = pytest.importorskip("huggingface_hub", reason="pip install -r requirements-hub.txt --no-deps")
pytest.importorskip("spacy_huggingface_hub")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_that_of_the_wheel_and_complete(name):
    meta, text = push.read_wheel(push.wheel_of(name), name)
    described = srsly.read_yaml(HERE / f"{name}.yml")
    assert (HERE / f"{name}.md").read_text("utf8") == text
    assert meta["version"] == described["version"] and meta["license"] == described["license"]
    assert described["notes"] in meta["notes"] and meta["notes"] in text
    headings = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    for score, value in meta["performance"].items():
        assert f"| `{score.upper()}` | {100 * value:.2f} |" in text
    assert "make pipelines SEED=0" in text and "words a second" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_front_of_the_card_has_what_the_hub_reads(name):
    card = push.make_card(name)
    _, front, text = card.content.split("---\n", 2)
    found = yaml.safe_load(front)
    meta, expected = push.read_wheel(push.wheel_of(name), name)
    task = "text-classification" if "sentiment" in name else "token-classification"
    assert found["language"] == "en" and found["library_name"] == "spacy"
    assert found["license"] in {"mit", "cc-by-sa-4.0"}
    assert found["pipeline_tag"] == task and found["tags"] == ["spacy", "spacy-rnn", task]
    (index,) = found["model-index"]
    assert index["name"] == name
    values = [metric["value"] for part in index["results"] for metric in part["metrics"]]
    assert sorted(values) == sorted(meta["performance"].values())
    assert {part["dataset"]["split"] for part in index["results"]} == {"dev"}
    assert text.strip() == expected.strip()


class Hub(requests.adapters.BaseAdapter):
    """Answers as the Hugging Face Hub does, and keeps what was sent."""

    def __init__(self):
        super().__init__()
        self.status, self.asked, self.commits, self.tokens = 200, [], [], set()

    def send(self, request, **options):
        path = request.path_url.split("?")[0]
        self.asked.append(f"{request.method} {path}")
        self.tokens.add(request.headers.get("authorization"))
        response = requests.Response()
        response.status_code, response.request, response.url = self.status, request, request.url
        answer = self.answer(path, request.body) if self.status == 200 else {"error": "refused"}
        response.raw = io.BytesIO(json.dumps(answer).encode("utf8"))
        return response

    def answer(self, path, body):
        page = "https://huggingface.co/some-org/en_sentiment_lstm"
        if path == "/api/repos/create":
            return {"url": page}
        if path == "/api/whoami-v2":
            return {"name": "some-org"}
        if path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            return {
                "files": [
                    {**file, "uploadMode": "regular", "shouldIgnore": False} for file in files
                ]
            }
        if path.endswith("/commit/main"):
            lines = [json.loads(line) for line in body.splitlines()]
            values = [line["value"] for line in lines if line["key"] == "file"]
            self.commits.append({v["path"]: base64.b64decode(v["content"]) for v in values})
            return {"commitUrl": f"{page}/commit/abc", "commitOid": "abc"}
        assert path == "/api/validate-yaml", path
        return {}

    def close(self):
        pass


@pytest.fixture
def fake(monkeypatch):
    """The Hub, to which a token is known."""
    fake = Hub()

    def session():
        session = requests.Session()
        session.mount("https://", fake)
        session.mount("http://", fake)
        return session

    hub.configure_http_backend(session)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield fake
    hub.configure_http_backend()


@pytest.mark.parametrize("org", ["some-org", None])
def test_wheel_files_and_card_are_pushed(fake, org, tmp_path):
    url = push.push("en_sentiment_lstm", org)
    assert url == "https://huggingface.co/some-org/en_sentiment_lstm"
    assert fake.tokens == {"Bearer hf_secret"} or fake.tokens == {"Bearer hf_secret", None}
    first, second = fake.commits
    # By spacy-huggingface-hub: the pipeline's files, and the wheel without a version in its name.
    wheel = push.wheel_of("en_sentiment_lstm")
    assert first["en_sentiment_lstm-any-py3-none-any.whl"] == wheel.read_bytes()
    for path, data in first.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    assert spacy.load(tmp_path)("A warm, funny film.").cats["POSITIVE"] > 0.9
    # Then the card, with what it needs.
    card = push.make_card("en_sentiment_lstm").content
    assert second == {"README.md": card.encode("utf8")}
    assert "pipeline_tag: text-classification" in card


def test_without_a_token_nothing_is_sent(fake, monkeypatch, capsys):
    monkeypatch.setattr(hub, "get_token", lambda: None)
    with pytest.raises(SystemExit, match="set HF_TOKEN, or log in by `hf auth login`"):
        push.main("en_sentiment_lstm", None)
    assert fake.asked == []


def test_spacys_own_command_asks_for_a_token(tmp_path):
    wheel = push.wheel_of("en_pos_bilstm")
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        environment.pop(name, None)
    found = subprocess.run(
        [sys.executable, "-m", "spacy", "huggingface-hub", "push", str(wheel)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert found.returncode != 0 and "hf auth login" in " ".join(found.stderr.split())


def test_a_refusal_of_the_hub_is_told(fake):
    fake.status = 403
    with pytest.raises(SystemExit, match="403"):
        push.main("en_sentiment_lstm", "some-org")
    assert fake.commits == []


def test_a_pipeline_that_is_not_there():
    with pytest.raises(ValueError, match="There are en_pos_bilstm, en_sentiment_lstm"):
        push.push("xx_other")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy_huggingface_hub", None)
    with pytest.raises(ImportError, match="requirements-hub.txt"):
        push.push("en_pos_bilstm")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="requirements-hub.txt"):
        push.make_card("en_pos_bilstm")


def test_renewed_wheels_have_what_was_learned():
    """Names in a wheel are those of its version, and its files those of the list in it."""
    for name in NAMES:
        wheel = push.wheel_of(name)
        with zipfile.ZipFile(wheel) as files:
            assert files.testzip() is None
            meta = json.loads(files.read(f"{name}/meta.json"))
            assert f"{name}/{name}-{meta['version']}/meta.json" in files.namelist()
        assert Path(wheel).name == f"{name}-{meta['version']}-py3-none-any.whl"
