from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from causal_ranker.reporting import figures
from causal_ranker.reporting.figures import Curve

SVG = "{http://www.w3.org/2000/svg}"


def curves() -> str:
    x = np.linspace(0, 1, 20)
    found = [Curve(f"policy {k}", k * x, k * x - 1, k * x + 1) for k in range(5)]
    return figures.line_with_band(x, found, xlabel="share < 1", ylabel="plays")


def bars() -> str:
    return figures.bars(["price in $ of $5", "b & c"], [0.1, -0.2], xlabel="difference")


def histogram() -> str:
    return figures.histogram(
        [0, 0.5, 1], {"T = 1": [3, 4], "T = 0": [5, 6]}, xlabel="p", ylabel="rows", marks=(0.02,)
    )


def calibration() -> str:
    return figures.calibration_points(
        [0.0, 0.1], [0.01, 0.09], low=[-0.1, 0.0], high=[0.1, 0.2], xlabel="a", ylabel="b"
    )


def points() -> str:
    return figures.points(
        ["age", "price"],
        {"before": [0.3, float("nan")], "after": [0.01, -0.02]},
        xlabel="difference",
        marks=(-0.1, 0.1),
    )


def trade_offs() -> str:
    found = {"fast": ([0.5, 0.4], [0.0, 0.1]), "base": ([0.5], [0.0])}
    return figures.trade_offs(found, xlabel="utility", ylabel="fairness")


DRAWINGS = [curves, bars, histogram, calibration, points, trade_offs]
PAGE = (Path(figures.__file__).parent / "templates" / "report.css").read_text("utf-8")


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_drawing_is_one_svg_element_in_the_pages_own_ink(draw: Callable[[], str]) -> None:
    svg = draw()
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert "viewBox" in root.attrib
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg
    assert root.find(f".//{SVG}metadata") is None


@pytest.mark.parametrize("draw", DRAWINGS)
def test_equal_data_give_equal_text(draw: Callable[[], str]) -> None:
    assert draw() == draw()


def test_a_drawing_keeps_itself_and_stands_in_a_notebook(tmp_path: Path) -> None:
    drawn = figures.bars(["b & c"], [0.1], xlabel="difference")
    kept = drawn.save(tmp_path / "bars.svg")
    assert kept is drawn
    assert (tmp_path / "bars.svg").read_text("utf-8") == drawn == drawn._repr_html_()


def words(svg: str) -> set[str]:
    return {"".join(node.itertext()).strip() for node in ET.fromstring(svg).iter(f"{SVG}text")}


def test_labels_are_text_and_taken_literally() -> None:
    assert {"share < 1", "plays", "policy 0", "policy 4"} <= words(curves())
    assert {"price in $ of $5", "b & c", "difference"} <= words(bars())
    assert {"T = 1", "T = 0"} <= words(histogram())


def test_the_callers_settings_and_pyplot_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    for draw in DRAWINGS:
        draw()
    assert dict(mpl.rcParams) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


def test_one_bar_and_many_have_room() -> None:
    def height(count: int) -> float:
        svg = figures.bars(["x"] * count, np.zeros(count), xlabel="d")
        return float(ET.fromstring(svg).attrib["viewBox"].split()[3])

    assert height(1) == height(3) < height(20)


def test_a_line_without_a_band_draws_none() -> None:
    plain = figures.line_with_band([0, 1], [Curve("a", [0, 1])], xlabel="x", ylabel="y")
    banded = figures.line_with_band(
        [0, 1], [Curve("a", [0, 1], [0, 0], [1, 2])], xlabel="x", ylabel="y"
    )
    assert "FillBetween" not in plain
    assert "FillBetween" in banded


def luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("tone", figures._TONES)
def test_every_line_stands_out_on_both_papers(tone: str) -> None:
    """WCAG 2.2, 1.4.11: 3 to 1 for what has to be told apart."""
    papers = re.findall(r"--paper: (#[0-9a-f]{6})", PAGE)
    assert len(papers) == 2
    for paper in papers:
        low, high = sorted((luminance(tone), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) >= 3


def test_no_two_lines_differ_in_colour_alone() -> None:
    assert len(set(figures._TONES)) == len(set(figures._STYLES)) == len(set(figures._MARKERS)) == 6
    strokes = re.findall(r"stroke-dasharray: ([\d., ]+)", curves())
    assert len(set(strokes)) >= 4  # the fifth is drawn whole


def test_a_point_that_is_not_known_is_not_drawn() -> None:
    assert {"age", "price", "before", "after"} <= words(points())
    assert points().count("<use ") < figures.points(
        ["age", "price"], {"before": [0.3, 0.1], "after": [0, 0]}, xlabel="x", marks=(-0.1, 0.1)
    ).count("<use ")


def test_long_names_get_lines_of_their_own() -> None:
    long = "a name of a policy that goes on and on, and further still"
    svg = figures.line_with_band([0, 1], [Curve(long, [0, 1])], xlabel="x", ylabel="y")
    assert long not in words(svg)
    assert all(len(word) <= 42 for word in words(svg))


def test_a_style_that_another_package_set_changes_nothing() -> None:
    plain = figures.line_with_band([0, 1], [Curve("a", [0, 1])], xlabel="x", ylabel="y")
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "axes.labelsize": 40}):
        assert figures.line_with_band([0, 1], [Curve("a", [0, 1])], xlabel="x", ylabel="y") == plain
        assert mpl.rcParams["font.size"] == 30
