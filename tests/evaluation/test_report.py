from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.background import stages_section
from causal_ranker.evaluation.report import build_report
from causal_ranker.evaluation.verdict import verdict
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
    assert REPORT.document.sections[0].title == "Policies"
    assert REPORT.document.sections[-1].title == "Rows by stage"
    assert REPORT.document.meta == {"seed": 7}


def test_the_page_is_whole(tmp_path: Path) -> None:
    path = REPORT.to_html(tmp_path / "report.html")
    page = path.read_text("utf-8")
    assert page.index("Re-ranking by blend") < page.index("Policies") < page.index("Rows by stage")
    assert page.count("<svg") == 4
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
    }
    blend = found["comparison"]["results"][2]
    result = EVALUATION.comparison.result("blend")
    assert blend["policy"] == "blend"
    assert set(found["groups"]) == {"predicted", "observed", "count", "error"}
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
