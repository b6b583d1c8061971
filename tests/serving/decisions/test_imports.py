"""What a service has to load to write decisions down: next to nothing."""

from __future__ import annotations

from pathlib import Path

from tests.fresh import loaded_by

CODE = """
import sys
from causal_ranker.serving.decisions.log import DecisionLog
with DecisionLog(sys.argv[1]) as log:
    log.flush(10)
"""


def test_writing_needs_no_table_engine(tmp_path: Path) -> None:
    heavy = {"pyarrow", "duckdb", "ibis", "pandas", "numpy", "scipy", "sqlite3", "rich"}
    assert heavy.isdisjoint(loaded_by(CODE, tmp_path))
