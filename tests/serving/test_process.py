"""What a serving process carries: nothing that only training needs."""

from __future__ import annotations

from pathlib import Path

from tests.fresh import said_by

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
    said = said_by(CODE, published)
    assert said["fallback"] is None
    assert said["before"] == []
    assert [name for name in TRAINING_ONLY if name in said["after"]] == []
    ours = {name.split(".")[1] for name in said["after"] if name.startswith("causal_ranker.")}
    assert ours == {
        "_extras",
        "addresses",
        "columns",
        "config",
        "errors",
        "reranking",
        "serving",
        "stats",
    }
