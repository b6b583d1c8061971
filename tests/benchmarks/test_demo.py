"""The demo's benchmark: what it reads, what it measures, and what it does when the demo fails."""

from __future__ import annotations

import sys

import pytest

from benchmarks import Benchmark, demo, demo_full

# Stands in for the demo: holds 150 MiB for a moment and leaves the same file.
CHILD = """
import json, sys, time
from pathlib import Path

held = bytearray(150 << 20)
held[::4096] = b"x" * len(held[::4096])
out = Path(sys.argv[1])
out.mkdir()
figures = {
    "rows": {"report candidates": int(sys.argv[2]), "full": int(sys.argv[3])},
    "play_rate_at_10": {"base": 0.09, "uplift": 0.08},
    "play_rate_diff_vs_base": {"uplift": [-0.01, -0.02, 0.0]},
    "uplift_at_10": {"base": 0.046, "uplift": 0.051},
    "diff_vs_base": 0.005,
    "diff_low": 0.001,
    "diff_high": 0.009,
    "more": 1,
}
(out / "figures.json").write_text(json.dumps(figures), "utf-8")
print("much that nobody reads")
time.sleep(0.5)
"""


@pytest.mark.parametrize(("quick", "permille"), [(True, 100), (False, 1000)])
@pytest.mark.parametrize("benchmark", [demo, demo_full])
def test_time_and_memory_are_those_of_the_child(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    benchmark: Benchmark,
    quick: bool,
    permille: int,
) -> None:
    monkeypatch.setattr(demo, "_CHILD", CHILD)
    result = benchmark.run(quick=quick)
    figures = dict(result.figures)
    assert figures.pop("seconds") > 0
    peak, without_files = (figures.pop(f"peak_{name}_mb") for name in ("rss", "without_files"))
    assert 150 < peak < 1000
    if sys.platform == "linux":
        assert 150 < without_files <= peak
    assert figures == {
        "rows": {"report candidates": permille, "full": int(benchmark is demo_full)},
        "play_rate_at_10": {"base": 0.09, "uplift": 0.08},
        "play_rate_diff_vs_base": {"uplift": [-0.01, -0.02, 0.0]},
        "uplift_at_10": {"base": 0.046, "uplift": 0.051},
        "diff_vs_base": 0.005,
        "diff_low": 0.001,
        "diff_high": 0.009,
    }
    assert ("uplift@10, uplift", 0.051) in result.rows
    assert ("rows: report candidates", permille) in result.rows
    assert capfd.readouterr().out == ""


def test_a_failed_demo_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_CHILD", "import sys; print('the reason'); sys.exit(3)")
    with pytest.raises(RuntimeError, match=r"exit code 3:\nthe reason"):
        demo.run(quick=True)
