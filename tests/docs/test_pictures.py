"""Each of the twelve traps has a page with one picture, which is computed and shows the trap."""

from __future__ import annotations

import re

import pytest

from docs.pictures import NAMES, Picture, load
from docs.pictures.figure import figure_html
from tests.cli.calling import ROOT

PAGES = ROOT / "docs" / "pages" / "concepts"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Picture]:
    return {name: load(name).draw(seed=0) for name in NAMES}


def test_there_are_twelve_and_each_has_its_page_in_the_order_of_the_list() -> None:
    assert len(NAMES) == 12
    assert {path.stem for path in (PAGES / "traps").glob("*.md")} == set(NAMES)
    listed = re.findall(r"^(\d+)\. .*?\(traps/(\w+)\.md\)", (PAGES / "traps.md").read_text(), re.M)
    assert listed == [(str(place), name) for place, name in enumerate(NAMES, start=1)]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_number_of_its_trap_one_picture_and_no_figure_that_was_typed(
    name: str,
) -> None:
    page = (PAGES / "traps" / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# {NAMES.index(name) + 1}. ")
    assert page.count("<!-- picture -->") == 1
    assert "![" not in page
    assert not re.search(r"\d\.\d", page)


@pytest.mark.parametrize("name", NAMES)
def test_the_trap_is_farther_from_the_truth_than_what_is_done_here(
    name: str, drawn: dict[str, Picture]
) -> None:
    for picture in (drawn[name], load(name).draw(seed=1)):
        naive, right = (abs(value - picture.truth) for value in (picture.naive, picture.right))
        assert naive > 2 * right
        assert naive > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_of_the_caption_are_those_of_the_draw(
    name: str, drawn: dict[str, Picture]
) -> None:
    for value in (drawn[name].naive, drawn[name].right):
        assert f"{value:.2f}" in drawn[name].caption
    other = load(name).draw(seed=1)
    assert f"{other.naive:.2f}" in other.caption
    assert other.naive != drawn[name].naive


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_one_drawing_with_words_for_who_cannot_see_it(
    name: str, drawn: dict[str, Picture]
) -> None:
    markup = figure_html(drawn[name])
    assert markup.count("<svg") == markup.count("</svg>") == 1
    assert re.search(r'role="img" aria-label="[^"]{40,}"', markup)
    assert "\n\n" not in markup
    assert len(markup) < 40_000


def test_equal_seeds_draw_equal_pictures(drawn: dict[str, Picture]) -> None:
    assert load("unfinished").draw(seed=0) == drawn["unfinished"]
