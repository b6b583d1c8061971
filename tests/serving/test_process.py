"""What a serving process carries: nothing that only training needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# lightgbm itself imports scikit-learn, pandas and pyarrow where they are installed.
TRAINING_ONLY = ["causalml", "duckdb", "econml", "ibis", "matplotlib", "numba", "shap", "torch"]

CODE = """
import json, sys
from causal_ranker.serving.app import create_app
before = [name for name in ("lightgbm", "pandas", "sklearn", "starlette") if name in sys.modules]
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.service import Service
bundle = load_bundle(sys.argv[1])
create_app(Service(bundle))
import uvicorn
fallback = rerank(bundle, 100).fallback
print(json.dumps({"before": before, "after": sorted(sys.modules), "fallback": fallback}))
"""


def test_a_serving_process_imports_no_training_library(published: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(published)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["fallback"] is None
    assert said["before"] == []
    assert [name for name in TRAINING_ONLY if name in said["after"]] == []
    ours = {name.split(".")[1] for name in said["after"] if name.startswith("causal_ranker.")}
    assert ours == {"_extras", "columns", "config", "errors", "reranking", "serving", "stats"}
