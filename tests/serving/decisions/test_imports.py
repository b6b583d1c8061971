"""What a service has to load to write decisions down: next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = """
import json, sys
from causal_ranker.serving.decisions.log import DecisionLog
with DecisionLog(sys.argv[1]) as log:
    log.flush(10)
print(json.dumps(sorted(sys.modules)))
"""


def test_writing_needs_no_table_engine(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = json.loads(done.stdout)
    heavy = {"pyarrow", "duckdb", "ibis", "pandas", "numpy", "scipy", "sqlite3", "rich"}
    assert heavy.isdisjoint(loaded)
