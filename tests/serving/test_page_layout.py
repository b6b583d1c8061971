"""The page at ``/`` can be read at two widths, in light and dark, and used by keyboard alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.reporting.browser import Page
from tests.serving.page_app import SCRIPT, Stub, with_items
from tests.serving.page_use import SIZES, column, in_browser, opened, pick, said

MEASURE = (Path(__file__).parents[1] / "reporting" / "measure.js").read_text("utf-8")
SCHEMES = ("light", "dark")
LONG = "part-00000-c000.snappy.parquet/" * 4


@in_browser
def test_it_is_used_by_keyboard_alone(browser: Page, stub: Stub) -> None:
    focus = "document.activeElement"
    with opened(browser, stub.app()):
        browser.wait_for("document.querySelector('#user-note button')")

        def tab_to(what: str) -> None:
            for _ in range(40):
                if browser.ask(f"{focus}.matches({what!r})"):
                    outline = browser.ask(f"getComputedStyle({focus}).outlineStyle")
                    assert outline == "solid", what
                    return
                browser.press("Tab")
            raise AssertionError(f"Tab never leads to {what}")

        tab_to("#pause")
        browser.press("Space")
        assert browser.ask(f"{focus}.ariaPressed") == "true"
        tab_to("#user")
        browser.tell("Input.insertText", text="103")
        browser.press("Enter")
        said(browser, "User 103")
        tab_to("#causal button")
        browser.press("Enter")
        browser.wait_for("document.querySelector('#causal .influences')")
        assert browser.ask(f"{focus}.ariaExpanded") == "true"
        row = browser.ask(f"document.getElementById({focus}.getAttribute('aria-controls')).hidden")
        assert row is False
        browser.press("Space")
        assert browser.ask(f"{focus}.ariaExpanded") == "false"
        assert (
            browser.ask("document.querySelector('#causal .influences').checkVisibility()") is False
        )
        marked = column(browser, "tr.marked bdi")
        assert len(marked) == 2
        assert len(set(marked)) == 1  # the same item in both lists


def prepared(name: str, stub: Stub) -> str:
    """Let the stub bring the page into a state, and return words that will stand on it."""
    if name == "key":
        stub.key = "k"
        return "asks for an API key"
    if name == "hard":
        stub.users = [SCRIPT, LONG, 2**62]
        stub.version = {"shadow": LONG[:60], "fallbacks": {"model_error": 10**6, LONG[:60]: 3}}
        stub.lists = with_items(
            lambda at: {"item_id": (SCRIPT, LONG, 2**62 + at, f"item {at}")[min(at, 3)]},
            lambda at: {"base_score": -1.23456789e-7 * 10**at, "base_rank": 1000 - at},
        )
    return "12 candidates"


@in_browser
@pytest.mark.parametrize("name", ["lists", "hard", "key"])
def test_nothing_overlaps_nothing_is_cut_off_and_all_can_be_read(
    browser: Page, stub: Stub, pictures: Path, name: str
) -> None:
    words = prepared(name, stub)
    with opened(browser, stub.app()):
        if name != "key":
            pick(browser, "100")
        said(browser, words)
        if name == "lists":
            browser.ask("document.getElementById('own').open = true")
            browser.ask("document.querySelectorAll('#causal button.item')[1].click()")
            browser.wait_for("document.querySelector('.influences')")
        for size, scheme in itertools.product(SIZES, SCHEMES):
            width, height = SIZES[size]
            browser.look(width=width, height=height, scheme=scheme)
            browser.ask("new Promise(requestAnimationFrame)")
            browser.picture(pictures / f"page-{name}-{size}-{scheme}.png")
            found = browser.ask(MEASURE)
            assert found["wrong"] == [], (size, scheme)
            assert found["boxes"] > (10 if name == "key" else 100)
            paper = browser.ask("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
            lines = browser.ask("document.querySelectorAll('#lines path').length")
            assert (lines > 0) == (size == "desk" and name != "key")
