"""A real report in a real browser: on a phone and a desk, in light and dark, and on paper.

Screenshots lie in pytest's own folder, or in that of ``CAUSAL_RANKER_SCREENSHOTS``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.evaluation.background import assumptions_section
from causal_ranker.reporting import figures
from causal_ranker.reporting.blocks import Code, Document, Figure, Section, Table, Text
from causal_ranker.reporting.html import to_html
from tests.ranker.shared import told_report
from tests.reporting.browser import Page, browsing, find_browser

PROGRAM = find_browser()
MEASURE = (Path(__file__).parent / "measure.js").read_text("utf-8")
SIZES = {"phone": (390, 844), "desk": (1280, 900)}
SCHEMES = ("light", "dark")
A4 = 690  # pixels between the margins

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium: install the package chromium to look at pages"
)


def hard() -> Document:
    """What a report may hold at worst: long words, many columns, many lines, long names."""
    long, word = "a sentence that goes on " * 12, "part-00000-c000.snappy.parquet/" * 6
    names = [f"a policy with a long name, number {at}" for at in range(6)]
    curves = [figures.Curve(name, [0.1 * at, 1.0]) for at, name in enumerate(names)]
    unit = "purchases per 100 exposures"
    drawings = [
        figures.line_with_band([0, 1], curves, xlabel="share of the candidates (%)", ylabel=unit),
        figures.bars([name[:24] for name in names], range(6), xlabel=unit),
    ]
    table = Table(
        [f"figure {at} (95 % interval)" for at in range(9)],
        [[word, *["-1.234 (-10.5 to 123.4)"] * 8], ["short", *["+0.001 (n/a)"] * 8]],
        long,
    )
    blocks = [Text(long), Text(word), table, *(Figure(svg, long, "a") for svg in drawings)]
    code = Code("causal-ranker evaluate --impressions " + word * 3)
    parts = [Section(f"{place} {long[:60]}", blocks) for place in range(3)]
    return Document(long, f"{long}. {long}", [*parts, Section("Again", [code])], {"path": word})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = os.environ.get("CAUSAL_RANKER_SCREENSHOTS")
    if not asked:
        return tmp_path_factory.mktemp("screenshots")
    Path(asked).mkdir(parents=True, exist_ok=True)
    return Path(asked)


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, Path]:
    report = told_report().with_sections([assumptions_section(["Nobody drew lots. " * 20])])
    real = report.to_html(folder / "report.html")
    worst = folder / "hard.html"
    worst.write_text(to_html(hard()), encoding="utf-8")
    return {"report": real, "hard": worst}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert PROGRAM is not None
    with browsing(PROGRAM, tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["report", "hard"])
def test_nothing_overlaps_and_nothing_is_cut_off(
    browser: Page, pages: dict[str, Path], folder: Path, name: str, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    browser.open(pages[name], width=width, height=height, scheme=scheme)
    browser.picture(folder / f"{name}-{size}-{scheme}.png")
    found = browser.ask(MEASURE)
    assert found["wrong"] == []
    # it has looked at something
    assert found["boxes"] > 100
    assert found["drawings"] == pages[name].read_text("utf-8").count("<svg") > 3
    dark = browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_prints_in_ink_on_paper(
    browser: Page, pages: dict[str, Path], folder: Path, scheme: str
) -> None:
    browser.open(pages["report"], width=A4, height=1000, scheme=scheme)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.tell("Emulation.setEmulatedMedia", media="print", features=features)
    assert browser.ask(MEASURE)["wrong"] == []
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.tell("Emulation.setEmulatedMedia", media="", features=features)
    browser.pdf(folder / f"report-{scheme}.pdf")
    printed = (folder / f"report-{scheme}.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") <= 20


def test_the_page_asks_for_nothing_but_itself(browser: Page, pages: dict[str, Path]) -> None:
    browser.asked.clear()
    for path in pages.values():
        browser.open(path, width=1280, height=900, scheme="light")
    assert set(browser.asked) == {path.resolve().as_uri() for path in pages.values()}


BREAKS = {
    ".wide { overflow: visible }": "reaches from",
    "main { min-width: 500px }": "the page is",
    "h2 { margin-bottom: -1.5rem }": "lies over",
    "tbody th { position: absolute }": "lies over",
    "figure svg text { font-size: 20px !important }": "lies over",
    "figure svg { transform-origin: 0 0 } figure svg text { translate: 9px 0 }": "is cut off",
    "figure svg text { font-size: 6px !important }": "too small",
    ".note { color: #8a949e !important }": "contrast",
    "figure svg text { fill: #777 !important }": "contrast",
}


@pytest.mark.parametrize("css", BREAKS)
def test_a_broken_style_is_seen(browser: Page, pages: dict[str, Path], css: str) -> None:
    """The measurement itself is measured: each of these must be told as what it is."""
    browser.open(pages["report"], width=390, height=844, scheme="light")
    browser.tell("Page.setBypassCSP", enabled=True)
    browser.ask(
        f"document.head.append(Object.assign(document.createElement('style'), "
        f"{{textContent: {css!r}}}))"
    )
    found: list[Any] = browser.ask(MEASURE)["wrong"]
    assert any(BREAKS[css] in line for line in found), found[:5]


def test_a_name_given_twice_and_a_link_to_nowhere_are_seen(
    browser: Page, pages: dict[str, Path]
) -> None:
    browser.open(pages["report"], width=1280, height=900, scheme="light")
    browser.ask("document.querySelector('main').id = document.querySelector('section').id")
    browser.ask("document.querySelector('nav a').href = '#nowhere'")
    first, second = sorted(browser.ask(MEASURE)["wrong"])
    assert first.startswith("leads nowhere (#nowhere)")
    assert second.startswith("two elements are called '1-")


def test_a_page_without_contents_is_one_column(browser: Page, folder: Path) -> None:
    short = folder / "short.html"
    document = hard()
    short.write_text(to_html(replace(document, sections=document.sections[:1])), "utf-8")
    browser.open(short, width=1280, height=900, scheme="light")
    assert browser.ask(MEASURE)["wrong"] == []
    assert browser.ask("document.querySelector('nav')") is None


def test_links_work_in_the_frame_that_a_notebook_shows(
    browser: Page, pages: dict[str, Path], folder: Path
) -> None:
    """A frame's links lead into the page around it, unless they are told otherwise."""
    notebook = folder / "notebook.html"
    frame = told_report()._repr_html_()
    notebook.write_text(f"<!doctype html><meta charset='utf-8'>{frame}", "utf-8")
    browser.open(notebook, width=1000, height=760, scheme="light")
    with browser.inside_frame(holding="section:last-of-type pre"):
        browser.ask("document.documentElement.style.scrollBehavior = 'auto'")
        browser.ask("document.querySelector('nav li:last-child a').click()")
        assert browser.ask("document.querySelector('h1').textContent") == "Causal Ranker report"
        assert browser.ask("location.hash").endswith("-how-to-reproduce-this")
        assert browser.ask("scrollY") > 1000
    browser.picture(folder / "notebook.png")
