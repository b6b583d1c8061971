from __future__ import annotations

from datetime import UTC, datetime

import pytest

from causal_ranker import __version__
from causal_ranker.evaluation.origin import (
    TableFacts,
    data_section,
    package_versions,
    reproduce_section,
)
from causal_ranker.reporting.blocks import Code, Table, Text

FACTS = [
    TableFacts("fit", "plays", 12, datetime(2025, 1, 6, 2, 7, tzinfo=UTC), None),
    TableFacts("fit", "items", 3, None, None),
]


def test_tables_and_settings_are_told() -> None:
    settings = {"k": 5, "windows_days": [3, 14], "trials": [{"leaves": 4}, {"leaves": 8}]}
    tables, changed = data_section(FACTS, settings=settings).blocks
    assert isinstance(tables, Table)
    assert tables.rows == [
        ["fit", "plays", 12, "2025-01-06 02:07", ""],
        ["fit", "items", 3, "", ""],
    ]
    assert isinstance(changed, Table)
    assert changed.rows == [
        ["k", "5"],
        ["windows_days", "3, 14"],
        ["trials", "{leaves 4}, {leaves 8}"],
    ]


def test_defaults_are_told_as_such() -> None:
    _, said = data_section(FACTS, settings={}).blocks
    assert said == Text("Every setting is the default of this version.")


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        (None, "Seed 7."),
        (1, "Seed 7. The report window has been read once."),
        (2, "Seed 7. The report window has been read 2 times."),
    ],
)
def test_how_to_reproduce(reads: int | None, words: str) -> None:
    section = reproduce_section(
        commands=["make demo", "open report.html"], seed=7, versions={"numpy": "2.4"}, reads=reads
    )
    code, text, table = section.blocks
    assert code == Code("make demo\nopen report.html")
    assert text == Text(words)
    assert isinstance(table, Table)
    assert table.rows == [["numpy", "2.4"]]


def test_the_files_that_were_read_are_told() -> None:
    file = {"path": "logs/*.parquet", "files": 2, "bytes": 1234, "newest": "2025-01-06T02:07:00"}
    section = reproduce_section(
        commands=["x"], seed=0, versions={"numpy": "2.4"}, files={"plays": file}
    )
    files = section.blocks[2]
    assert isinstance(files, Table)
    assert files.rows == [["plays", "logs/*.parquet", 2, 1234, "2025-01-06T02:07:00"]]


def test_versions_begin_with_our_own() -> None:
    assert next(iter(package_versions().items())) == ("causal-ranker", __version__)
