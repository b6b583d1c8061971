"""``causal-ranker serve`` with a model that does not do its work: ``FAULT serve --model ...``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from causal_ranker.cli import main
from causal_ranker.serving import serve
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.model import TextModel

__all__ = ["FAULTS"]

_Array = NDArray[np.float64]


def _raise(_: _Array) -> _Array:
    raise ValueError("planted")


def _hang(X: _Array) -> _Array:
    time.sleep(3600)
    return X[:, 0]


#: What a model does instead of scoring its rows.
FAULTS: Final[dict[str, Callable[[_Array], _Array]]] = {
    "raises": _raise,
    "hangs": _hang,
    "nan": lambda X: np.full(len(X), np.nan),
    "length": lambda X: np.zeros(len(X) - 1),
}


class _Faulty:
    """A model with a fault."""

    def __init__(self, fault: str) -> None:
        self.predict = FAULTS[fault]


def _load_faulty(path: str | Path) -> Bundle:
    bundle = load_bundle(path)
    model = cast(TextModel, _Faulty(sys.argv[1]))
    return replace(bundle, uplift=replace(bundle.uplift, model=model))


if __name__ == "__main__":
    module: Any = serve
    module.load_bundle = _load_faulty
    main(sys.argv[2:])
