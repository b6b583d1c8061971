from __future__ import annotations

import html.parser
import re

import pytest

from causal_ranker.errors import DataError
from causal_ranker.reporting.blocks import Block, Code, Document, Figure, Section, Table, Text
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


def of(*blocks: Block, verdict: str = "v") -> str:
    return to_html(Document("t", verdict, [Section("s", list(blocks))]))


def test_the_first_sentence_is_the_headline() -> None:
    page = of(verdict="Blend causes -1.2 per 100 (95 % 0.5 to 1.9, n = 3). The rest. And more.")
    assert (
        '<p class="headline">Blend causes \N{MINUS SIGN}1.2 per 100 (95 % 0.5 to 1.9, n = 3).</p>'
        in page
    )
    assert '<p class="grounds">The rest. And more.</p>' in page
    assert 'grounds">' not in of(verdict="One sentence only.")


def test_every_heading_of_a_table_says_what_it_heads(page: str, outline: Outline) -> None:
    heads = [attributes for tag, attributes in outline.tags if tag == "th"]
    assert [head["scope"] for head in heads] == ["col"] * 4 + ["row"] * 2 + ["row"] * 2
    assert next(attributes for tag, attributes in outline.tags if tag == "html")["lang"] == "en"


def test_every_frame_that_scrolls_can_be_reached_and_has_a_name_of_its_own(
    outline: Outline,
) -> None:
    frames = [a for tag, a in outline.tags if a.get("role") == "region"]
    assert len(frames) == 3  # two tables, and the command
    assert all(frame["tabindex"] == "0" for frame in frames)
    assert len({frame["aria-label"] for frame in frames}) == 3


def test_negative_figures_have_a_minus_and_words_keep_their_hyphens() -> None:
    page = of(Table(["a-b", "c"], [["x-1", "-1.5 (-2 to -1)"], ["-y", -2]]))
    assert "\N{MINUS SIGN}1.5 (\N{MINUS SIGN}2 to \N{MINUS SIGN}1)" in page
    assert "\N{MINUS SIGN}2</td>" in page
    assert all(word in page for word in ("a-b", "x-1", "-y"))


def test_signs_are_one_in_cells_notes_and_words_and_no_id_or_date_changes() -> None:
    said = "-0.33 (-0.66 to -.01) purchases"
    kept = "2026-01-05, -log2, item-7, 12:00 -05:00, --top, a/-1, T-30"
    minus = "\N{MINUS SIGN}"
    page = of(
        Text(said),
        Text(kept),
        Table(["a", "b"], [["-7", said], ["x", kept]], said),
        Figure("<svg></svg>", said, "a"),
        Code("run -5"),
    )
    assert page.count(said.replace("-", minus)) == 4
    assert said not in page
    assert page.count(kept) == 2
    assert 'scope="row">-7<' in page  # the first column names the row
    assert "run -5" in page


def test_long_names_break_at_their_joints_and_stay_text() -> None:
    page = of(Table(["a", "b"], [["dr.min_rows<b>", "x_y"]]))
    assert "dr.<wbr>min_<wbr>rows&lt;b&gt;</th>" in page
    assert "<td>x_y</td>" in page


def test_drawings_share_no_names() -> None:
    drawing = document().sections[0].blocks[2]
    assert isinstance(drawing, Figure)
    page = of(drawing, drawing)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 10
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page)
    assert {first or second for first, second in used} <= set(ids)
    assert used
