from __future__ import annotations

import html.parser
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.background import assumptions_section, stages_section
from causal_ranker.evaluation.report import build_report, refused_report
from causal_ranker.evaluation.verdict import refusal, verdict
from causal_ranker.reporting.blocks import Section, Text
from causal_ranker.reporting.html import to_html
from tests.evaluation.sample import NAMES, make_evaluation

EVALUATION = make_evaluation()
REPORT = build_report(
    EVALUATION,
    title="Weeks 35 to 52",
    policy="blend",
    outcome="purchases",
    background=[stages_section([("candidates", 120)])],
    meta={"seed": 7},
)


def test_the_verdict_comes_first_and_the_background_last() -> None:
    assert REPORT.document.verdict == verdict(EVALUATION, policy="blend", outcome="purchases")
    titles = [section.title for section in REPORT.document.sections]
    assert titles[:2] == ["How well the scores find uplift", "Policies"]
    assert titles.index("Effects by predicted uplift") == 2
    assert REPORT.document.sections[-1].title == "Rows by stage"
    assert REPORT.document.meta == {"seed": 7}


def test_the_page_is_whole(tmp_path: Path) -> None:
    path = REPORT.to_html(tmp_path / "report.html")
    page = path.read_text("utf-8")
    assert page.index("Re-ranking by blend") < page.index("Policies") < page.index("Rows by stage")
    assert page.count("<svg") == 6
    assert not [part for part in ("http://", "https://", "url(") if _loads(page, part)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def _loads(page: str, part: str) -> bool:
    """Namespaces and clip paths are names, not addresses that are fetched."""
    left = page.replace("http://www.w3.org/", "").replace("url(#", "")
    return part in left


def test_a_new_report_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    REPORT.to_html(str(path))
    assert "Weeks 35 to 52" in path.read_text("utf-8")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"write the report r\.html to; got No such file") as info:
        REPORT.to_html(tmp_path / "missing" / "r.html")
    assert "Create the folder" in info.value.do
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="Not a directory"):
        REPORT.to_html(file / "r.html")


def test_a_failed_write_leaves_the_old_report_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(ConfigError, match="Permission denied"):
        REPORT.to_html(path)
    assert path.read_text("utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_json_holds_the_page_and_every_number() -> None:
    whole = json.loads(REPORT.to_json())
    assert set(whole) == {"title", "verdict", "sections", "meta", "figures"}
    found = whole["figures"]
    assert set(found) == {
        "comparison",
        "average_effect",
        "group_effects",
        "groups",
        "curves",
        "curve_difference",
        "overlap",
        "overlap_bounds",
        "propensities",
        "share_left_out",
        "balance",
        "scope",
        "draws",
        "estimand",
        "accuracy",
        "totals",
        "joint",
        "refutation",
    }
    blend = found["comparison"]["results"][2]
    result = EVALUATION.comparison.result("blend")
    assert blend["policy"] == "blend"
    assert set(found["groups"]) == {"predicted", "observed", "count", "squared_error"}
    gap = found["group_effects"]["difference"]
    first, *_, last = found["group_effects"]["observed"]
    assert gap["point"] == last["point"] - first["point"]
    assert blend["difference"]["low"] == result.difference.low
    assert len(found["curves"]["uplift"]["toc"]["low_everywhere"]) == 100
    # the covariate that is never known has no difference, and JSON no NaN
    assert found["balance"]["after"][NAMES.index("empty")] is None


def test_the_frame_holds_the_policies_per_slot() -> None:
    frame = REPORT.to_frame()
    assert frame.index.tolist() == ["base", "uplift", "blend"]
    for result in EVALUATION.comparison.results:
        row = frame.loc[result.policy]
        assert row["play_rate"] == result.play_rate.point
        assert (row["uplift"], row["uplift_low"]) == (result.uplift.point, result.uplift.low)
        assert row["overlap"] == result.overlap
        assert row["difference"] == result.difference.point
        assert row["difference_high"] == result.difference.high


def test_printing() -> None:
    page = io.StringIO()
    REPORT.print(Console(file=page, width=120))
    text = page.getvalue()
    assert text.index("Re-ranking by blend") < text.index("uplift@3") < text.index("Rows by stage")


def test_a_remark_stands_after_the_verdict() -> None:
    plain = REPORT
    remarked = plain.with_remark("Read twice.")
    assert remarked.document.verdict == f"{plain.document.verdict} Read twice."
    assert "Read twice." not in plain.document.verdict


def test_a_section_gives_way_to_one_of_its_title() -> None:
    other = Section("Rows by stage", [Text("counted anew")])
    found = REPORT.with_sections([other, Section("New", [Text("x")])]).document.sections
    titles = [section.title for section in found]
    assert titles[-2:] == ["Rows by stage", "New"]
    assert titles.count("Rows by stage") == 1
    assert found[-2] == other
    assert len(found) == len(REPORT.document.sections) + 1


def test_a_notebook_shows_the_whole_page_in_a_frame_of_its_own() -> None:
    frames: list[dict[str, str | None]] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag == "iframe"  # nothing of the page stands in the notebook itself
            frames.append(dict(attrs))

    Reader().feed(REPORT._repr_html_())
    (frame,) = frames
    page = frame["srcdoc"]
    assert page is not None
    assert page.replace('<base href="about:srcdoc">', "") == to_html(REPORT.document)
    assert frame["title"] == "Weeks 35 to 52"
    assert frame["sandbox"] == ""


def test_a_refusal_is_a_page_without_figures() -> None:
    error = OverlapError(expected="two arms", came="one", do="Explore.")
    again = Section("How to reproduce this", [Text("x")])
    found = refused_report(error, background=[again])
    assert found.verdict == refusal(error)
    assert found.sections == [again]
    assert "so no figure is given" in to_html(found)


def test_what_the_verdict_points_to_is_there() -> None:
    def assumptions(**words: Any) -> Any:
        made = build_report(EVALUATION, title="t", policy="blend", **words)
        (section,) = (
            each for each in made.document.sections if each.title == "What has to be true for this"
        )
        return made.document.verdict, section

    said, section = assumptions(observational=True)
    assert f"'{section.title}'" in said
    assert section.blocks[0].text.startswith("1. The logs are observational")
    assert "logged propensities" in assumptions()[1].blocks[0].text
    own = assumptions_section(["Nobody drew lots."])
    assert assumptions(background=[own])[1] == own
