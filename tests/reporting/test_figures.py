from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable

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
    return figures.bars(
        ["price in $ of $5", "b & c"],
        [0.1, -0.2],
        xlabel="difference",
        low=[0.0, -0.3],
        high=[0.2, -0.1],
        marks=(-0.1, 0.1),
    )


def histogram() -> str:
    return figures.histogram(
        [0, 0.5, 1], {"T = 1": [3, 4], "T = 0": [5, 6]}, xlabel="p", ylabel="rows", marks=(0.02,)
    )


def calibration() -> str:
    return figures.calibration_points(
        [0.0, 0.1], [0.01, 0.09], low=[-0.1, 0.0], high=[0.1, 0.2], xlabel="a", ylabel="b"
    )


DRAWINGS = [curves, bars, histogram, calibration]


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
