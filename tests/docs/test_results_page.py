"""The page of benchmarks is made of what was kept, and says of the rest how to make it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import _kept, names
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.blocks import Table
from docs.results_page import (
    all_kept,
    one_result_markdown,
    results_markdown,
    table_markdown,
)
from tests.cli.calling import ROOT

PAGE = ROOT / "docs" / "pages" / "benchmarks.md"


def test_each_kept_table_is_on_the_page_in_full() -> None:
    kept = all_kept(_kept.RESULTS)
    page = results_markdown(kept)
    for each in kept:
        title = ", ".join(filter(None, (each.origin.benchmark, each.origin.part)))
        section = page.split(f"## `{title}`")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) == 2 + len(each.table.rows)
        for said in (each.origin.commit, each.origin.command, each.origin.machine.split(",")[0]):
            assert said in section
    assert PAGE.read_text("utf-8").count("<!-- results -->") == 1


def test_what_was_not_kept_has_its_command() -> None:
    page = results_markdown([])
    assert [name for name in names() if f"`python -m benchmarks {name} --keep`" not in page] == []
    kept = [each for each in all_kept(_kept.RESULTS) if each.origin.part is None]
    left = results_markdown(kept).split("## Not kept yet")[-1]
    assert not [each for each in kept if f"benchmarks {each.origin.benchmark} " in left]


def test_a_changed_result_changes_the_page() -> None:
    kept = all_kept(_kept.RESULTS)[0]
    other = dataclasses.replace(kept, table=Table(("a|b",), [(0.123,)], "<b> of *two*"))
    page = results_markdown([other])
    assert "| a\\|b |" in page
    assert "| 0.123 |" in page
    assert "&lt;b&gt; of \\*two\\*" in page


def test_figures_are_set_flush_right_and_breaks_stay_in_their_row() -> None:
    text = table_markdown(Table(("what", "share"), [("x\ny", 0.5), ("z", None)]))
    assert text.splitlines() == [
        "| what | share |",
        "| --- | ---: |",
        "| x<br>y | 0.500 |",
        "| z | n/a |",
    ]


def test_a_result_of_no_benchmark_is_refused(tmp_path: Path) -> None:
    (path,) = list(_kept.RESULTS.glob("import_time.json"))
    told = json.loads(path.read_text("utf-8"))
    told["origin"]["benchmark"] = "gone"
    (tmp_path / "gone.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises(ConfigError, match="gone"):
        all_kept(tmp_path)


def test_the_sizing_page_shows_its_own_result_or_how_to_make_it() -> None:
    page = (ROOT / "docs" / "pages" / "sizing.md").read_text("utf-8")
    assert page.count("<!-- results: sizing -->") == 1
    assert "`python -m benchmarks sizing --keep`" in one_result_markdown([], name="sizing")
    some = all_kept(_kept.RESULTS)[0]
    origin = dataclasses.replace(some.origin, benchmark="sizing")
    table = Table(("stage", "rows a day"), [("labels", 5)], "")
    ours = dataclasses.replace(some, origin=origin, table=table)
    text = one_result_markdown([some, ours], name="sizing")
    assert [line for line in text.splitlines() if line.startswith("| labels")] == ["| labels | 5 |"]
    assert text.count("## `") == 1
