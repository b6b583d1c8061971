"""A server that is told to open one bundle after another, and says what came of each.

``python -m benchmarks._corrupt_child probe|serve`` reads a folder a line, and answers with a line
of JSON: ``{"came": "accepted" | "refused" | "failed", "said": ..., "golden": ...}``. Before the
first, once it can be asked, it says ``{"came": "ready"}``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.probe import probe

__all__ = ["main"]

#: Rows drawn as in training, and rows far from it.
_ROWS: Final = 2000


def main(way: str) -> None:
    """Answer until there are no more lines.

    Parameters
    ----------
    way : str
        "probe": what the product does in a child process; "serve": what a server does.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import lightgbm  # noqa: F401 - as long as that takes, no bundle hangs

    print(json.dumps({"came": "ready"}), file=answers, flush=True)
    for line in sys.stdin:
        folder = Path(line.strip())
        told: dict[str, Any]
        try:
            told = {"came": "accepted", "golden": True}
            if way == "probe":
                probe(folder)
            else:
                told["golden"] = _serve(load_bundle(folder), folder.parent / "golden.npz")
        except BundleError as error:
            told = {"came": "refused", "said": str(error)}
        except Exception as error:
            told = {"came": "failed", "said": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), file=answers, flush=True)


def _serve(bundle: Bundle, known: Path) -> bool:
    """Score many rows, and say whether the golden ones are as they were before the damage."""
    right = True
    rng = np.random.default_rng(1)
    with np.load(known) as golden:
        for name, scorer in (("uplift", bundle.uplift), ("base", bundle.base)):
            assert scorer is not None
            X, expected = golden[f"{name}_features"], golden[f"{name}_expected"]
            scorer.model.predict(_rows(rng, X.shape[1]))
            right &= bool(np.allclose(scorer.model.predict(X), expected, rtol=1e-9, atol=1e-12))
    return right


def _rows(rng: np.random.Generator, width: int) -> NDArray[np.float64]:
    X: NDArray[np.float64] = rng.normal(size=(_ROWS, width)) * rng.choice(
        [1.0, 1.0, 1e3, 1e12], (_ROWS, 1)
    )
    X[:, 1] = rng.integers(-1, 40, _ROWS)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


if __name__ == "__main__":
    main(sys.argv[1])
