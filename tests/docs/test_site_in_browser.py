"""The site in a real browser: on a phone, in light and dark, and its search."""

import re
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra `browser`")

from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

DRIVER = shutil.which("chromedriver")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (DRIVER and CHROMIUM), reason="needs chromium and chromium-driver"),
]
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
# What stands out to the right of the screen, other than what scrolls by itself.
TOO_WIDE = """
return Array.from(document.querySelectorAll("article *"))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .filter(e => !e.closest("pre, .table-wrapper"))
    .map(e => e.tagName + " " + e.textContent.slice(0, 60));
"""


@pytest.fixture(scope="module")
def browser(site):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    yield driver
    driver.quit()


def test_no_page_is_wider_than_a_phone(browser, site):
    for page in sorted(site.rglob("*.html")):
        browser.get(page.as_uri())
        assert browser.execute_script("return innerWidth") == PHONE["width"], page
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= PHONE["width"] and not browser.execute_script(TOO_WIDE), page
        assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"], page


@pytest.mark.parametrize("theme, dark", [("light", False), ("dark", True)])
def test_colors_follow_the_system(browser, site, theme, dark):
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get((site / "guides" / "imbalanced.html").as_uri())
    colors = [
        browser.execute_script(f"return getComputedStyle(document.querySelector('{part}')).{what}")
        for part, what in (("body", "backgroundColor"), ("article p", "color"))
    ]
    ground, text = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors)
    assert (ground < text) == dark and abs(ground - text) > 3 * 120


def test_pictures_are_those_of_the_mode(browser, site):
    browser.get((site / "usage.html").as_uri())
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    shown = [
        image.get_attribute("src")
        for image in browser.find_elements("css selector", "img.only-light, img.only-dark")
        if image.is_displayed()
    ]
    assert len(shown) >= 5 and all("dark" in source for source in shown)


def test_search(browser, site):
    browser.get((site / "search.html").as_uri() + "?q=abstain")
    # Results come one by one.
    WebDriverWait(browser, 60).until(
        lambda driver: (
            {"Usage", "textcat_lstm"}
            <= {result.text for result in driver.find_elements("css selector", "ul.search li a")}
        )
    )
