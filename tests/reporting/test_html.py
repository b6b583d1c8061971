from __future__ import annotations

import html.parser
import re

import pytest

from causal_ranker.errors import DataError
from causal_ranker.reporting.blocks import Document, Figure, Section, Text
from causal_ranker.reporting.html import to_html
from tests.reporting.sample import HOSTILE, document

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    return to_html(document())


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_text_is_escaped_and_complete(page: str, outline: Outline) -> None:
    assert "<script" not in page
    assert "script" not in {tag for tag, _ in outline.tags}
    assert outline.text.count(HOSTILE) == 5  # <title>, <h1>, paragraph, heading, cell


def test_the_verdict_comes_before_every_section(page: str) -> None:
    assert page.index("The blend causes more plays.") < page.index("<section")


def test_the_page_loads_nothing(outline: Outline) -> None:
    for tag, attributes in outline.tags:
        assert tag not in {"link", "img", "iframe"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    policy = next(a for t, a in outline.tags if t == "meta" and "http-equiv" in a)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_it_follows_dark_mode_and_prints_and_fits_a_phone(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert 'name="viewport" content="width=device-width' in page


def test_tables_scroll_in_their_own_frame(outline: Outline) -> None:
    tags = [tag for tag, _ in outline.tags]
    tables = [at for at, tag in enumerate(tags) if tag == "table"]
    assert len(tables) == 2  # one of the section, one of the meta data
    for at in tables:
        assert outline.tags[at - 1][1]["class"] == "wide"


def test_the_figure_is_inline_and_named(page: str, outline: Outline) -> None:
    tags = [tag for tag, _ in outline.tags]
    _, drawing = outline.tags[tags.index("figure") + 1]
    assert drawing == {"role": "img", "aria-label": 'says "up"'}
    assert "<?xml" not in page
    assert len(re.findall("<svg", page)) == 1


@pytest.mark.parametrize(
    "svg",
    [
        "no drawing",
        "<svg><script>1</script></svg>",
        '<svg onload="x()"></svg>',
        "<svg><image href='https://example.org'/></svg>",
    ],
)
def test_a_figure_that_does_more_than_draw_is_refused(svg: str) -> None:
    bad = Document("t", "v", [Section("s", [Figure(svg, "c", "a")])])
    with pytest.raises(DataError, match="neither loads nor runs"):
        to_html(bad)


def test_a_document_without_meta_has_no_footer() -> None:
    page = to_html(Document("t", "v", [Section("s", [Text("x")])]))
    assert "<footer" not in page
