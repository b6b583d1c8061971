"""From findings to a sentence, an exit code, gauges, a page; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.drift.gauges import to_gauges, write_gauges
from causal_ranker.drift.monitor import MonitorConfig, monitor
from causal_ranker.drift.sections import drift_document
from causal_ranker.drift.service import read_metrics, service_findings
from causal_ranker.drift.verdict import EXIT_CODES, Finding, judge, listed
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.reporting.html import to_html
from causal_ranker.serving.metrics import ServiceMetrics


def test_the_gravest_leads_and_the_others_are_told() -> None:
    found = judge(
        [Finding("a moved", "watch", "watch it"), Finding("b broke", "stop", "stop serving")],
        quiet="nothing moved",
    )
    assert found.sentence == "B broke: stop serving (also: a moved)."
    assert (found.advice, found.exit_code) == ("stop", 12)
    foremost = Finding("c came", "watch", "look at it", foremost=True)
    told = judge([*found.findings, foremost], quiet="nothing moved")
    assert told.sentence == "C came; b broke: stop serving (also: a moved)."
    assert told.advice == "stop"
    assert [each.what for each in told.findings] == ["c came", "b broke", "a moved"]
    alone = judge([foremost, found.findings[1]], quiet="nothing moved")
    assert alone.sentence == "C came: look at it (also: a moved)."
    quiet = judge([], quiet="nothing moved")
    assert (quiet.sentence, quiet.exit_code) == ("Nothing moved: nothing to do.", 0)
    assert listed(["a", "b", "c", "d"]) == "a, b, c and others"
    codes = list(EXIT_CODES.values())
    assert len(set(codes)) == 4
    assert not {1, 2} & set(codes)


def scrape(*, lists: int, fallbacks: int = 0, failed: int = 0, unknown: int = 0) -> str:
    """What a real service answers."""
    from prometheus_client import generate_latest

    metrics = ServiceMetrics()
    metrics.requests.labels("current").inc(lists - 10)
    metrics.requests.labels("canary").inc(10)
    metrics.fallbacks.labels("deadline").inc(fallbacks)
    metrics.decisions.labels("written").inc(lists - failed)
    metrics.decisions.labels("failed").inc(failed)
    metrics.unknown_users.inc(unknown)
    return generate_latest(metrics.registry).decode()


def test_the_counters_of_a_service() -> None:
    counts = read_metrics(scrape(lists=1000, fallbacks=7, failed=3))
    assert counts["requests"] == 1000
    assert counts["fallbacks"] == 7
    assert (counts["decisions_failed"], counts["decisions_written"]) == (3, 997)
    assert service_findings(counts) == []
    with pytest.raises(SchemaError, match="1 lines without it"):
        read_metrics("up 1")


@pytest.mark.parametrize(
    ("now", "advice", "words"),
    [
        ({"fallbacks": 100}, "watch", "10% of the lists fell back"),
        ({"fallbacks": 700}, "stop", "stop serving this model"),
        ({"failed": 20}, "stop", "stop exploring"),
        ({"unknown": 200}, "watch", "20% of the lists were for unknown users"),
    ],
)
def test_what_a_service_calls_for(now: dict[str, int], advice: str, words: str) -> None:
    found = judge(service_findings(read_metrics(scrape(lists=1000, **now))), quiet="")
    assert found.advice == advice
    assert words in found.sentence


def test_only_what_happened_in_the_window_counts() -> None:
    bad, later = (read_metrics(scrape(lists=n, fallbacks=900)) for n in (1000, 5000))
    assert service_findings(bad)[0].advice == "stop"
    assert service_findings(later, before=bad) == []
    # the service began anew in between: its counters are younger than the window
    again = read_metrics(scrape(lists=500, fallbacks=400))
    assert service_findings(again, before=bad)[0].advice == "stop"
    assert service_findings(read_metrics(scrape(lists=20, fallbacks=20))) == []


def tables(shift: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    day = np.repeat(np.datetime64("2025-01-06") + np.arange(29), 100)
    both = pd.DataFrame(rng.normal(size=(day.size, 3)), columns=["x", "y", "z"])
    both["day"] = day
    old = both["day"] < pd.Timestamp("2025-02-03")
    now = both[~old].copy()
    now["x"] += shift
    return both[old], now


def test_gauges_are_read_by_prometheus(tmp_path: Path) -> None:
    before, now = (t.rename(columns={"y": 'a "b"\\c\nd'}) for t in tables(2.0))
    report = monitor(ibis.memtable(before), ibis.memtable(now), config=MonitorConfig(day="day"))
    families = {f.name: f for f in text_string_to_metric_families(to_gauges(report))}
    assert {f.type for f in families.values()} == {"gauge"}
    assert families["causal_ranker_drift_advice"].samples[0].value == 2
    levels = {s.labels["column"]: s.value for s in families["causal_ranker_drift_level"].samples}
    assert levels == {"x": 2, 'a "b"\\c\nd': 0, "z": 0}
    effects = families["causal_ranker_drift_effect"].samples
    mean = next(s for s in effects if s.labels["column"] == "x" and s.labels["signal"] == "mean")
    assert mean.value == pytest.approx(2, abs=0.3)
    path = write_gauges(report, tmp_path / "drift.prom")
    assert path.read_text() == to_gauges(report)
    assert [each.name for each in tmp_path.iterdir()] == ["drift.prom"]
    with pytest.raises(ConfigError, match=r"\.prom"):
        write_gauges(report, tmp_path / "drift.txt")
    with pytest.raises(ConfigError, match="written to"):
        write_gauges(report, tmp_path / "no" / "drift.prom")


def test_a_page_shows_every_columns_course() -> None:
    before, now = tables(2.0)
    report = monitor(ibis.memtable(before), ibis.memtable(now), config=MonitorConfig(day="day"))
    page = to_html(drift_document(report))
    assert "1 of 3 columns drifted (x): retrain on recent logs." in page
    assert page.count("<svg") == 1
    for title in ("x: mean", "y: mean", "z: mean"):
        assert title in page


def test_the_command(tmp_path: Path) -> None:
    before, now = tables(0.0)
    moved = tables(2.0)[1]
    for name, table in (("before", before), ("quiet", now), ("moved", moved)):
        table.to_parquet(tmp_path / f"{name}.parquet")
    run = CliRunner().invoke
    asked = ["monitor", "--reference", str(tmp_path / "before.parquet"), "--day", "day"]
    quiet = run(app, [*asked, "--window", str(tmp_path / "quiet.parquet")])
    assert quiet.exit_code == 0, quiet.output
    assert "nothing to do" in quiet.output
    page, gauges = tmp_path / "drift.html", tmp_path / "drift.prom"
    asked += ["--window", str(tmp_path / "moved.parquet")]
    found = run(app, [*asked, "--json", "--html", str(page), "--gauges", str(gauges)])
    assert found.exit_code == 11, found.output
    answer = json.loads(found.output)
    assert list(answer)[:3] == ["verdict", "advice", "exit_code"]
    assert (answer["advice"], answer["exit_code"], answer["drifted"]) == ("retrain", 11, ["x"])
    assert [c["column"] for c in answer["columns"] if c["level"] != "quiet"] == ["x"]
    assert "<svg" in page.read_text()
    assert "causal_ranker_drift_advice 2.0" in gauges.read_text()
    metrics = tmp_path / "metrics.txt"
    metrics.write_text(scrape(lists=1000, failed=500))
    stop = run(app, [*asked, "--columns", "y, z", "--metrics", str(metrics)])
    assert stop.exit_code == 12
    assert "stop exploring until the log is whole" in stop.output
    settings = tmp_path / "monitor.toml"
    settings.write_text(
        'day = "day"\ntogether = false\n[levels]\nmean = 9.0\ndistribution = 1.0\nquantile = 1.0\n'
    )
    assert run(app, [*asked, "--config", str(settings)]).exit_code == 0
    missing = run(app, ["monitor", "--reference", "no.parquet", "--window", str(page)])
    assert missing.exit_code == 2
    assert missing.output.count("\n") == 1
