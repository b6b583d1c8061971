"""What a real report says of its units, and of what it was made of."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import Logs, read_logs
from causal_ranker.chain.origin import Origin
from causal_ranker.evaluation.report import Report
from causal_ranker.logs.sources import connect
from causal_ranker.ranker import CausalRanker
from causal_ranker.recommenders.frame import FrameRecommender
from causal_ranker.reporting import figures
from causal_ranker.reporting.blocks import Code, Document, Figure, Section, Table
from causal_ranker.reporting.cells import flush_right
from causal_ranker.worlds.logs import WorldLogs
from tests.ranker.season import K, config
from tests.ranker.shared import small, told_ranker, told_report

NOW = datetime(2025, 2, 1, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
UNIT = re.compile(
    r"%|\bper (100|slot|request|user)|standard deviations?|\bpropensity|\blog-loss|\bunit\b"
    r"|\b(rows|candidates|requests|users|bytes|files|draws|trees)\b",
    re.IGNORECASE,
)


def logs_of(world: WorldLogs) -> Logs:
    return read_logs(
        connect(),
        impressions=world.impressions,
        plays=world.plays,
        candidates=world.candidates,
    )


def axes(svg: str) -> list[tuple[str, list[str]]]:
    """The name of each axis and the words at its ticks."""
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if group.get("id", "").startswith("matplotlib.axis"):
            own = [g for g in group if g.get("id", "").startswith("text_")]
            ticks = [g for g in group if "tick_" in g.get("id", "")]
            name = " ".join("".join(g.itertext()).strip() for g in own)
            found.append((name, ["".join(g.itertext()).strip() for g in ticks]))
    return found


def without_units(document: Document) -> list[str]:
    """Every axis and every column of figures of which nobody knows the unit."""
    wrong = []
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                for name, ticks in axes(block.svg):
                    names_rows = not any(re.match(r"\N{MINUS SIGN}?\d", tick) for tick in ticks)
                    if not names_rows and not UNIT.search(name):
                        wrong.append(f"{section.title}: axis {name!r}")
            if isinstance(block, Table):
                right = flush_right(block)
                wrong += [
                    f"{section.title}: column {name!r}"
                    for name, figures_in_it in zip(block.columns, right, strict=True)
                    if figures_in_it and not UNIT.search(f"{name} {block.note}")
                ]
    return wrong


def titles(report: Report) -> list[str]:
    return [section.title for section in report.document.sections]


def blocks(report: Report, title: str, kind: type[Any]) -> list[Any]:
    (section,) = (each for each in report.document.sections if each.title == title)
    return [block for block in section.blocks if isinstance(block, kind)]


def test_every_figure_and_every_table_has_units() -> None:
    document = told_report().document
    assert without_units(document) == []
    drawings = [b for s in document.sections for b in s.blocks if isinstance(b, Figure)]
    assert len(drawings) >= 5
    for drawing in drawings:
        assert len(axes(drawing.svg)) == 2
        assert drawing.alt
        assert drawing.caption


def test_what_has_no_units_is_found() -> None:
    bare = figures.line_with_band([0, 1], [], xlabel="", ylabel="plays per 100 slots")
    lying = figures.bars(["a", "b"], [1, 2], xlabel="length")
    table = Table(["policy", "value"], [["base", 1.5]])
    parts = [Figure(bare, "c", "a"), Figure(lying, "c", "a"), table]
    assert without_units(Document("t", "v", [Section("s", parts)])) == [
        "s: axis ''",
        "s: axis 'length'",
        "s: column 'value'",
    ]


def test_the_parts_stand_in_the_order_of_a_readers_questions() -> None:
    found = titles(told_report())
    wanted = [
        "How well the scores find uplift",
        "Policies",
        "Effects by predicted uplift",
        "Overlap of the exposed and the unexposed",
        "Balance of the covariates",
        "Label counts",
        "Data and settings",
        "How to reproduce this",
    ]
    assert [title for title in found if title in wanted] == wanted
    assert found[0] == wanted[0]
    assert found[-1] == wanted[-1]


def test_the_tables_are_counted_as_they_came() -> None:
    past, later = small()
    (facts, _) = blocks(told_report(), "Data and settings", Table)
    rows = {(row[0], row[1]): row[2:] for row in facts.rows}
    names = ("impressions", "plays", "candidates")
    assert rows.keys() == {
        *(("fit", name) for name in (*names, "users", "items")),
        *(("report", name) for name in names),
    }
    for part, logs in (("fit", past), ("report", later)):
        for name in names:
            table = getattr(logs, name)
            clock = table["played_at" if name == "plays" else "t0"]
            said = [f"{end:%Y-%m-%d %H:%M}" for end in (clock.min(), clock.max())]
            assert rows[part, name] == [len(table), *said]
    assert rows["fit", "items"] == [len(past.items), "", ""]


def test_what_differs_from_the_defaults_is_told_and_nothing_else() -> None:
    _, changed = blocks(told_report(), "Data and settings", Table)
    said = dict(changed.rows)
    assert (said["k"], said["seed"], said["learner"]) == (str(K), "1", "dr")
    assert said["features.item_numbers"] == "buzz, minutes"
    assert "thin" not in said
    assert "policy" not in said
    assert "progress" not in said


def test_the_lines_make_the_same_ranker_and_name_the_same_moments() -> None:
    (code,) = blocks(told_report(), "How to reproduce this", Code)
    making, fitting = code.text.split("\nranker.fit(")
    room: dict[str, Any] = {}
    exec(making, room)
    same, made = told_ranker().get_params(), room["ranker"].get_params()
    assert made == same
    assert made["config"] == config()
    calls: list[dict[str, Any]] = []

    class Deaf:
        def fit(self, **words: Any) -> None:
            calls.append(words)

        def evaluate(self, **words: Any) -> None:
            calls.append(words)

    names = ("impressions", "plays", "candidates", "users", "items")
    exec("ranker.fit(" + fitting, {n: n for n in names} | {"ranker": Deaf(), "datetime": datetime})
    past, later = small()
    assert calls == [
        {name: name for name in names} | {"log_end": past.log_end},
        {name: name for name in names[:3]}
        | {"log_end": later.log_end, "title": "Causal Ranker report", "outcome": "plays"},
    ]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "ranker = CausalRanker(\n)"),
        ({"base": "boosted", "progress": True}, "ranker = CausalRanker(\n    base='boosted',\n)"),
        ({"config": ChainConfig()}, "ranker = CausalRanker(\n    config=ChainConfig(\n    ),\n)"),
    ],
)
def test_defaults_are_left_out_of_the_lines(settings: dict[str, Any], line: str) -> None:
    found = Origin.of_fit(CausalRanker(**settings), logs_of(small()[0]), log_end=NOW)
    assert line in found.lines


def test_another_recommender_is_called_by_a_name() -> None:
    """Only its owner can make it again."""
    ranker = CausalRanker(base=FrameRecommender(small()[0].candidates))
    found = Origin.of_fit(ranker, logs_of(small()[0]), log_end=NOW)
    assert "ranker = CausalRanker(\n    base=base,\n)" in found.lines


def test_paths_are_written_as_they_were_given(tmp_path: Path) -> None:
    past, names = small()[0], ("impressions", "plays", "candidates")
    paths: dict[str, Any] = {name: tmp_path / f"{name}.parquet" for name in names}
    for name, path in paths.items():
        getattr(past, name).to_parquet(path)
    paths["plays"] = str(paths["plays"])
    logs = read_logs(connect(), **paths)
    *_, call = Origin.of_fit(CausalRanker(), logs, log_end=NOW).lines
    assert [line.strip() for line in call.splitlines()] == [
        "ranker.fit(",
        *(f"{name}={str(path)!r}," for name, path in paths.items()),
        "log_end=datetime.fromisoformat('2025-02-01T00:00:00+00:00'),",
        ")",
    ]
