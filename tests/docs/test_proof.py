"""The README's picture and table say what the demo printed."""

from __future__ import annotations

import pytest

from docs.proof import PICTURE, draw, printed_by_the_demo, table
from tests.cli.calling import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_picture_is_that_of_the_figures_and_the_readme_and_the_site_show_it() -> None:
    assert PICTURE.read_text("utf-8") == draw(printed_by_the_demo(README))
    assert f"]({PICTURE.relative_to(ROOT).as_posix()})" in README
    assert f"]({PICTURE.name})" in (PICTURE.parent / "index.md").read_text("utf-8")


def test_the_table_is_that_of_the_figures() -> None:
    assert f"\n{table(printed_by_the_demo(README))}\n" in README


def test_other_figures_are_another_picture_and_another_table() -> None:
    other = printed_by_the_demo(README.replace("9.39 ", "5.12 "))
    assert [each.rate for each in other if each.policy == "base"] == [5.12]
    assert draw(other) != draw(printed_by_the_demo(README))
    assert "| base | 5.12 |" in table(other)


def test_a_table_that_was_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="Put the demo's table"):
        printed_by_the_demo(README.replace("  blend ", "  other "))


def test_what_is_said_beside_it_is_so() -> None:
    listed = {each.policy: each for each in printed_by_the_demo(README)}
    assert max(listed.values(), key=lambda each: each.rate).policy == "base"
    for policy in ("uplift", "blend"):
        low = float(listed[policy].difference_words.split("(")[1].split(" to ")[0])
        assert low > 0
