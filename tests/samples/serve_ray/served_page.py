"""The page in a headless Chromium, as a user works it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.chromium import open_browser
from tests.processes import HANG_S

_DROP = """
const [id, name, type, encoded] = arguments;
const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
const dataTransfer = new DataTransfer();
dataTransfer.items.add(new File([bytes], name, { type }));
const zone = document.getElementById(id);
for (const kind of ["dragenter", "dragover", "drop"]) {
  zone.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}
"""


class Page:
    """What a user does with the page, and sees on it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        browser.get(url)

    def choose(self, file: Path) -> None:
        """Choose a file in the dialog and wait for the result."""
        self.browser.find_element(By.ID, "file").send_keys(str(file))
        self._wait_for_result()

    def drop(self, file: Path, media_type: str) -> None:
        """Drop a file on the page and wait for the result."""
        encoded = base64.b64encode(file.read_bytes()).decode()
        self.browser.execute_script(_DROP, "drop", file.name, media_type, encoded)
        self._wait_for_result()

    def texts(self, selector: str) -> list[str]:
        """Texts of what is visible and matches the selector."""
        found = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return [element.text for element in found if element.is_displayed()]

    def wait_for_text(self, identity: str, text: str) -> None:
        """Until the element holds the text."""
        element = self.browser.find_element(By.ID, identity)
        WebDriverWait(self.browser, HANG_S).until(lambda _: text in element.text)

    def wait_until(self, script: str) -> None:
        """Until a script of JavaScript returns true."""
        WebDriverWait(self.browser, HANG_S).until(lambda it: it.execute_script(script))

    def complaints(self) -> list[str]:
        """What the browser's console says of the page itself, refused requests apart."""
        log = self.browser.get_log("browser")
        return [entry["message"] for entry in log if entry["source"] != "network"]

    def _wait_for_result(self) -> None:
        result = self.browser.find_element(By.ID, "result")
        WebDriverWait(self.browser, HANG_S).until(
            lambda _: result.get_attribute("aria-busy") == "false"
        )


@contextmanager
def open_page(url: str, profile: Path) -> Iterator[Page]:
    """The page in a browser with an empty profile folder, closed at the end."""
    with open_browser(profile) as browser:
        yield Page(browser, url)
