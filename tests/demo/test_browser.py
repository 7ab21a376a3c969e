"""The demo as people have it: the command, with the shipped pipelines, in a real browser."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import spacy

webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra `browser`")
pytest.importorskip("gradio", reason="needs the extra `demo`")
from selenium.common.exceptions import (  # noqa: E402
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="needs Chromium and its driver: apt-get install chromium chromium-driver",
    ),
]

REVIEW = "A warm, funny film. The second half drags, and the ending is a dull mess."
HOSTILE = "<img src=x onerror=\"document.title='x'\"> ${7*7} {{value}} <script>1</script> & film"
MOST = 2000
WAIT = 30
# Where a processor computes bfloat16, a text that is read at once is read in it, and one that is
# read word by word is not.
same_scores = partial(pytest.approx, abs=0.005)


@pytest.fixture(scope="module")
def pipelines(shipped):
    return [
        spacy.load(next((shipped / name).glob(f"{name}-*")))
        for name in ("en_sentiment_lstm", "en_pos_bilstm")
    ]


@pytest.fixture(scope="module")
def outside():
    """A proxy that all of the process is told to use. RETURNS: Its port, and who has come."""
    visitors = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def receive():
            while True:
                try:
                    visitor, _ = server.accept()
                except OSError:
                    return
                visitors.append(visitor.recv(200))
                visitor.close()

        threading.Thread(target=receive, daemon=True).start()
        yield server.getsockname()[1], visitors
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def address(shipped, outside, tmp_path_factory):
    """Where the demo is: of no MODEL, with the environment that would make Gradio talkative."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    proxy = f"http://127.0.0.1:{outside[0]}"
    path = os.pathsep.join(map(str, (shipped, REPOSITORY)))
    talkative = ("GRADIO_SHARE", "GRADIO_ANALYTICS_ENABLED", "GRADIO_MCP_SERVER")
    environment = {
        **os.environ,
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(talkative, "True"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }
    folder = tmp_path_factory.mktemp("where")
    command = [sys.executable, "-m", "spacy_rnn", "demo", "--port", port, "--max-length", MOST]
    with subprocess.Popen(
        list(map(str, command)),
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        said = []
        for line in server.stdout:
            said.append(line)
            if "The page is at" in line:
                break
        assert said and f"http://127.0.0.1:{port}/" in said[-1], "".join(said)
        yield f"http://127.0.0.1:{port}/"
        server.terminate()
        assert "Traceback" not in server.stdout.read()
    assert not list(folder.iterdir()), "the demo has left something behind"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Demo:
    """The page in a browser."""

    def __init__(self, browser, address):
        self.browser, self.address = browser, address

    def open(self, *, width=1200, height=900, theme="light"):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        # The page that is left says that it has lost its server.
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(self.address)
        self.until(lambda: self.all("#demo-text textarea"))
        return self

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        """The texts of elements, read at once: the page may change in between."""
        code = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
        return self.browser.execute_script(code, selector)

    def until(self, condition):
        wait = WebDriverWait(self.browser, WAIT, 0.1, [StaleElementReferenceException])
        return wait.until(lambda _: condition())

    def type(self, text):
        self.all("#demo-text textarea")[0].send_keys(text)

    def paste(self, text):
        """Replace the text at once."""
        box = self.all("#demo-text textarea")[0]
        self.browser.execute_script("arguments[0].focus(); arguments[0].select()", box)
        self.browser.execute_cdp_cmd("Input.insertText", {"text": text})

    def scores(self):
        labels, scores = self.texts(".demo-scores th"), self.texts(".demo-scores td:last-child")
        return dict(zip(labels, map(float, scores)))

    def expect(self, cats):
        """Wait for the scores of a text."""
        wanted = same_scores(cats)
        try:
            self.until(lambda: self.scores() == wanted)
        except TimeoutException:
            assert self.scores() == wanted
            raise

    def explains(self, style, cats):
        """Whether a picture explains a label with its score."""
        words = [text.split() for text in self.texts(f".rnn-{style} .rnn-label")]
        return {label: float(score) for label, score in words} == cats

    def drawn(self, style):
        """The text of a picture."""
        return (self.texts(f".rnn-{style} .rnn-text") or [""])[0]


@pytest.fixture
def demo(browser, address):
    browser.get_log("performance")
    browser.get_log("browser")
    demo = Demo(browser, address)
    yield demo
    requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {
        message["params"]["request"]["url"]
        for message in requests
        if message["method"] == "Network.requestWillBeSent"
    }
    assert any(url.startswith(address) for url in urls)
    assert {url for url in urls if not url.startswith((address, "data:", "blob:"))} == set()
    wrong = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not wrong


def test_a_review_that_is_typed(demo, pipelines, pytestconfig):
    """Scores, coloured words, the running line and tags are those of the pipelines."""
    sentiment, pos = pipelines
    demo.open()
    assert demo.browser.title == "spacy-rnn demo"
    demo.type("A warmth")
    demo.expect(sentiment("A warmth").cats)
    demo.type("\b\b")
    demo.expect(sentiment("A warm").cats)
    demo.type(REVIEW[len("A warm") :])
    demo.expect(sentiment(REVIEW).cats)
    demo.until(lambda: demo.drawn("words") == demo.drawn("running") == REVIEW)
    code = (
        "return [...document.querySelectorAll('.rnn-words .rnn-text span')].filter("
        "e => getComputedStyle(e).backgroundColor != 'rgba(0, 0, 0, 0)').map(e => e.textContent)"
    )
    coloured = demo.browser.execute_script(code)
    assert {"funny", "dull", "mess"} <= set(coloured)
    assert len(demo.all(".rnn-running path.rnn-line")) == len(sentiment.make_doc(REVIEW))
    demo.until(lambda: len(demo.texts(".rnn-tag")) == len(pos.make_doc(REVIEW)))
    tags = [text.split()[0] for text in demo.texts(".rnn-tag")]
    assert tags == [token.pos_ for token in pos(REVIEW)]
    save(demo, "demo", pytestconfig)


def test_the_label_to_explain(demo, pipelines):
    demo.open().paste(REVIEW)
    scores = pipelines[0](REVIEW).cats
    for label, score in scores.items():
        choose(demo, label)
        wanted = same_scores({label: score})
        for style in ("words", "running"):
            demo.until(partial(demo.explains, style, wanted))


def choose(demo, label):
    """Choose a label from the list."""
    demo.all("input[role=combobox]")[0].click()

    def found():
        # The list fades in: an option has no text before it can be seen.
        options = demo.all("[role=option]")
        return [option for option in options if option.text.split()[-1:] == [label]]

    (option,) = demo.until(found)
    option.click()


def test_texts_are_shown_as_they_are(demo, pipelines):
    demo.open().type(HOSTILE)
    demo.expect(pipelines[0](HOSTILE).cats)
    demo.until(lambda: demo.drawn("words") == demo.drawn("running") == HOSTILE)
    assert demo.browser.title == "spacy-rnn demo"
    assert not demo.all(".demo-picture img") and not demo.all(".demo-picture script")


def test_a_text_that_is_too_long_says_so_until_it_is_short(demo, pipelines):
    demo.open().paste("film " * MOST * 9)
    sentence = r"^\[R826\] The text is too long for this page, which takes up to 2,000 characters\."
    demo.until(lambda: len(demo.texts(".demo-note")) == 2)
    assert all(re.match(sentence, text) for text in demo.texts(".demo-note"))
    assert demo.scores() == {}
    demo.paste("😀" * MOST)
    demo.until(lambda: demo.scores() and not demo.texts(".demo-note"))
    demo.paste(REVIEW)
    demo.expect(pipelines[0](REVIEW).cats)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_both_themes_on_a_phone_and_on_a_desk(demo, pipelines, theme, width, pytestconfig):
    demo.open(width=width, theme=theme).paste(REVIEW)
    demo.expect(pipelines[0](REVIEW).cats)
    demo.until(lambda: demo.drawn("words") == REVIEW and demo.texts(".rnn-tag"))
    color, ground = demo.browser.execute_script(
        "const color = (e, name) => getComputedStyle(e)[name].match(/[0-9.]+/g).map(Number);"
        "return [color(document.querySelector('.rnn-text'), 'color'),"
        "color(document.body, 'backgroundColor')]"
    )
    light, dark = (ground, color) if theme == "light" else (color, ground)
    assert min(light[:3]) > 200 and max(dark[:3]) < 60
    wide, screen = demo.browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert wide <= screen == width
    save(demo, f"{theme}-{width}", pytestconfig)


def test_the_server_has_asked_nothing_elsewhere(address, outside):
    """Run last: neither what it has imported nor what it has shown."""
    assert outside[1] == []


def save(demo, name, config):
    """Save what the browser shows, if a folder is given for that."""
    folder = config.getoption("--screenshots")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert demo.browser.save_screenshot(str(Path(folder) / f"{name}.png"))
