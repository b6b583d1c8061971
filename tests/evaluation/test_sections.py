from __future__ import annotations

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.evaluation.arms import balance_section, overlap_section
from causal_ranker.evaluation.balance import Balance
from causal_ranker.evaluation.groups import effects_section
from causal_ranker.evaluation.sections import (
    curves_section,
    evaluation_sections,
    policies_section,
)
from causal_ranker.reporting.blocks import Figure, Section, Table, Text
from causal_ranker.stats.intervals import Interval
from tests.evaluation.sample import make_evaluation

EVALUATION = make_evaluation()
SECTIONS = evaluation_sections(EVALUATION, outcome="purchases")
ESTIMATE = re.compile(r"^([+-][\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)$")


def only(section: Section, kind: type[Any]) -> Any:
    (found,) = (block for block in section.blocks if isinstance(block, kind))
    return found


def read(cell: object) -> tuple[float, ...]:
    """The three numbers of a cell like '+1.23 (0.50 to 1.96)'."""
    found = ESTIMATE.match(str(cell))
    assert found, cell
    return tuple(map(float, found.groups()))


def close(cell: object, interval: Interval) -> None:
    """The cell holds the interval per hundred, to what it rounds to."""
    exact = [100 * end for end in (interval.point, interval.low, interval.high)]
    assert read(cell) == pytest.approx(exact, abs=rounding(cell))


def rounding(cell: object) -> float:
    """Half a unit of the last digit of the cell's first number."""
    _, _, decimals = str(cell).split(" ")[0].partition(".")
    return 0.5001 * 10.0 ** -len(decimals)


def test_the_order_of_the_sections() -> None:
    assert [section.title for section in SECTIONS] == [
        "Policies",
        "Effects by predicted uplift",
        "How well the scores find uplift",
        "Overlap of the exposed and the unexposed",
        "Balance of the covariates",
    ]
    without = evaluation_sections(replace(EVALUATION, balance=None))
    assert [section.title for section in without] == [section.title for section in SECTIONS[:4]]


def test_policies_in_their_order_with_their_numbers() -> None:
    table = only(SECTIONS[0], Table)
    assert [row[0] for row in table.rows] == ["base", "uplift", "blend"]
    assert list(table.columns) == [
        "policy",
        "purchase rate@3",
        "uplift@3 (95 % interval)",
        "overlap with base",
        "difference to base in uplift@3 (95 % interval)",
    ]
    for row, result in zip(table.rows, EVALUATION.comparison.results, strict=True):
        assert float(row[1]) == pytest.approx(100 * result.play_rate.point, abs=rounding(row[1]))
        close(row[2], result.uplift)
        assert row[3] == f"{100 * result.overlap:.0f} %"
        if result.policy == "base":
            assert row[4] == "reference"
        else:
            close(row[4], result.difference)
    assert "purchases per 100 slots" in table.note
    assert "by user and by unit of assignment" in table.note
    assert 0 < EVALUATION.comparison.empty_slots < 1
    assert f"{100 * EVALUATION.comparison.empty_slots:.3g} % of the slots empty" in table.note
    full = replace(EVALUATION, comparison=replace(EVALUATION.comparison, empty_slots=0.0))
    assert "empty" not in only(policies_section(full), Table).note


def test_one_way_clustering_is_said() -> None:
    alone = replace(EVALUATION, scope=replace(EVALUATION.scope, units=None))
    assert "clustered by user." in only(policies_section(alone), Table).note


def test_areas_under_the_curves() -> None:
    table = only(SECTIONS[2], Table)
    assert [row[0] for row in table.rows] == [
        "predicted uplift",
        "base score",
        "predicted uplift minus base score",
    ]
    lines = [*EVALUATION.curves.values(), EVALUATION.curve_difference]
    for row, bands in zip(table.rows, lines, strict=True):
        close(row[1], bands.autoc_interval)
        close(row[2], bands.qini_interval)


def test_the_three_curves_stand_there() -> None:
    figures = [block for block in SECTIONS[2].blocks if isinstance(block, Figure)]
    assert [figure.alt.split(" of ")[0] for figure in figures] == [
        "Targeting curves",
        "Qini curves",
        "Uplift curves",
    ]
    for figure, unit in zip(figures, ("exposures", "candidates", "candidates"), strict=True):
        assert f"purchases per 100 {unit}" in figure.svg
        assert "best share of the candidates (%)" in figure.svg
    assert len({figure.svg for figure in figures}) == 3
    curves = {name: replace(bands, uplift=bands.qini) for name, bands in EVALUATION.curves.items()}
    as_qini = curves_section(replace(EVALUATION, curves=curves), outcome="purchases").blocks
    assert as_qini[2].svg == as_qini[1].svg != figures[2].svg  # type: ignore[union-attr]


def test_a_report_loads_matplotlib_only_to_draw() -> None:
    code = (
        "import sys; from causal_ranker.evaluation import report; "
        "assert 'matplotlib' not in sys.modules; from causal_ranker.reporting import figures; "
        "figures.bars(['a'], [1.0], xlabel='b'); assert 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_drawn_before_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []

    def render(paint: object, *, size: tuple[float, float]) -> str:
        drawn.append(paint)
        return f"<svg>{len(drawn)}</svg>"

    monkeypatch.setattr("causal_ranker.reporting.figures._render", render)
    sections = pickle.loads(pickle.dumps(evaluation_sections(EVALUATION)))
    figures = [b for section in sections for b in section.blocks if isinstance(b, Figure)]
    assert drawn == []
    assert [figure.svg for figure in figures] == [figure.svg for figure in figures]
    assert len(drawn) == len(figures) == 6


def test_the_table_of_group_effects() -> None:
    table, groups = only(SECTIONS[1], Table), EVALUATION.group_effects
    assert [row[0] for row in table.rows] == [1, 2, 3, 4, 5]
    assert [row[1] for row in table.rows] == groups.count.tolist()
    for place, row in enumerate(table.rows):
        low, high = map(float, str(row[2]).split(" to "))
        assert low == pytest.approx(100 * groups.lowest[place], abs=rounding(row[2]))
        assert high == pytest.approx(100 * groups.highest[place], abs=rounding(row[2]))
        assert row[3] == pytest.approx(100 * groups.predicted[place])
        close(row[4], groups.observed[place])
        wide = groups.everywhere[place]
        low, high = map(float, str(row[5]).split(" to "))
        assert [low, high] == pytest.approx([100 * wide.low, 100 * wide.high], abs=rounding(row[5]))


def test_whether_the_extreme_groups_differ_is_said_either_way() -> None:
    def said(gap: Interval | None) -> str:
        groups = replace(EVALUATION.group_effects, difference=gap)
        return str(only(effects_section(replace(EVALUATION, group_effects=groups)), Text).text)

    assert "is +2.0 (0.5 to 3.5), so the predictions tell" in said(
        Interval(0.02, 0.005, 0.035, 0.0075)
    )
    assert "do not show" in said(Interval(0.02, -0.01, 0.05, 0.015))
    assert "do not show" in said(Interval(0.02, *[float("nan")] * 3))
    assert "the wrong way" in said(Interval(-0.02, -0.03, -0.01, 0.005))
    assert "no groups to tell apart" in said(None)


def test_a_group_without_an_interval_is_drawn_without_one() -> None:
    nothing = Interval(0.5, float("nan"), float("nan"), float("nan"))
    fine, few = EVALUATION.groups, EVALUATION.group_effects
    fine = replace(fine, observed=(nothing, *fine.observed[1:]))
    few = replace(
        few,
        observed=(nothing, *few.observed[1:]),
        everywhere=(nothing, *few.everywhere[1:]),
    )
    section = effects_section(replace(EVALUATION, groups=fine, group_effects=few))
    row = only(section, Table).rows[0]
    assert row[4].endswith("(n/a)")
    assert row[5] == "n/a"
    assert "nan" not in only(section, Figure).svg


def test_overlap_says_what_was_left_out() -> None:
    shares = replace(EVALUATION.overlap, share_below=0.25, share_above=0.0)
    section = overlap_section(replace(EVALUATION, share_left_out=0.123, overlap=shares))
    text = only(section, Text).text
    assert "other figure: 12.3 % of the candidates" in text
    assert "below 0.02 for 25 % of all candidates and above 0.98 for 0 %" in text
    arms, groups = (block.rows for block in section.blocks if isinstance(block, Table))
    assert [row[0] for row in arms] == ["exposed", "not exposed"]
    exposed, _ = arms
    assert exposed[1] == round(EVALUATION.overlap.treated_counts.sum())
    assert exposed[2] == round(EVALUATION.overlap.ess_treated)
    expected = EVALUATION.propensities
    assert [row[0] / 100 for row in groups] == pytest.approx(expected.predicted.tolist())
    assert [row[1] / 100 for row in groups] == pytest.approx(expected.observed.tolist())
    assert [row[2] for row in groups] == expected.count.tolist()


def test_balance_shows_the_15_worst_after_weighting() -> None:
    after = np.linspace(-0.3, 0.2, 20)
    after[3] = np.nan
    after[4] = np.inf
    balance = Balance(tuple(f"x{j}" for j in range(20)), np.full(20, 0.5), after)
    section = balance_section(balance)
    rows = only(section, Table).rows
    assert [row[0] for row in rows[:4]] == ["x4", "x0", "x1", "x2"]
    sizes = [abs(row[2]) for row in rows]
    assert len(rows) == 15
    assert sizes == sorted(sizes, reverse=True)
    over = int((np.abs(after) > 0.1).sum())
    assert "Of 20 covariates, 20 differ" in only(section, Text).text
    assert f"and {over} after" in only(section, Text).text


def test_every_drawing_names_its_units() -> None:
    drawings = [block for s in SECTIONS for block in s.blocks if isinstance(block, Figure)]
    assert len(drawings) == 6
    for drawing in drawings:
        # two axes, each with a unit: a percentage, purchases per something, or a probability;
        # balance has names of covariates on one
        units = re.findall(
            r">[^<]*(?:\(%\)|per 100|propensity|standard deviations)[^<]*</text>", drawing.svg
        )
        assert len(units) == 2 - (drawing.alt.startswith("Standardised")), units
        assert drawing.caption
        assert drawing.alt


def test_bands_that_leave_no_room_are_cut_off_and_that_is_said() -> None:
    def caption(toc: Any) -> str:
        curves = {
            name: replace(bands, toc=replace(bands.toc, **toc))
            for name, bands in EVALUATION.curves.items()
        }
        section = curves_section(replace(EVALUATION, curves=curves))
        figures = [block for block in section.blocks if isinstance(block, Figure)]
        assert "Drawn from" not in figures[1].caption
        return str(figures[0].caption)

    even = np.full(100, 0.1)
    assert "Drawn from" not in caption({"low_everywhere": -even, "high_everywhere": even})
    wide = even.copy()
    wide[:3] = 0.21
    said = caption({"low_everywhere": -even, "high_everywhere": wide})
    assert said.endswith("Drawn from the best 4 % on: before, bands leave no room for the curves.")
    wide[:3] = 0.19  # not far wider
    assert "Drawn from" not in caption({"low_everywhere": -wide, "high_everywhere": even})


def test_covariates_that_are_never_known_are_not_drawn() -> None:
    nothing = np.full(2, np.nan)
    section = balance_section(Balance(names=("a", "b"), before=nothing, after=nothing))
    assert not [block for block in section.blocks if isinstance(block, Figure)]


def test_another_estimand_is_in_the_note_of_every_table_of_effects() -> None:
    said = "The uplift model learned effects as an average over every second row."
    told = evaluation_sections(replace(EVALUATION, estimand="average over every second row"))
    for section, plain in zip(told[:4], SECTIONS[:4], strict=True):
        words = [block.note for block in section.blocks if isinstance(block, Table)]
        words += [block.text for block in section.blocks if isinstance(block, Text)]
        assert sum(said in each for each in words) == 1, section.title
        assert "learned effects" not in str(plain.blocks)
