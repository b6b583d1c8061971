"""The page at ``/`` in a browser: opening it, using it, and reading what stands on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.reporting.browser import Page, find_browser
from tests.serving.running import Running

PROGRAM = find_browser()
SIZES = {"phone": (360, 780), "desk": (1280, 900)}
MINUS, DASH, TIMES = "\u2212", "\u2013", "\u00d7"

in_browser = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium: install the package chromium to look at pages"
)


def address(running: Running) -> str:
    return "http://{}:{}/".format(*running.address)


@contextmanager
def opened(browser: Page, app: Any) -> Iterator[Running]:
    """Serve the page and open it; when the test is over nothing may have gone wrong on it."""
    with Running(app) as running:
        browser.wrong.clear()
        browser.asked.clear()
        width, height = SIZES["desk"]
        browser.open(address(running), width=width, height=height, scheme="light")
        yield running
        browser.tell("Page.navigate", url="about:blank")
        assert [line for line in browser.wrong if "Failed to load resource" not in line] == []


def pick(browser: Page, user: str) -> None:
    browser.wait_for("document.getElementById('user-note').textContent")
    browser.ask(f"document.getElementById('user').value = {json.dumps(user)}")
    browser.ask("document.getElementById('ask').requestSubmit()")


def said(browser: Page, words: str) -> str:
    """Wait until the page says it, and return all that it says."""
    state = "document.getElementById('state').textContent"
    return str(browser.wait_for(f"{state}.includes({json.dumps(words)}) && {state}"))


def column(browser: Page, where: str) -> list[str]:
    return list(browser.ask(f"[...document.querySelectorAll({where!r})].map(e => e.textContent)"))


def figures(browser: Page, where: str) -> list[float]:
    return [float(text.replace(MINUS, "-")) for text in column(browser, where)]
