"""Rank by uplift: the plays that happen because an item was shown.

Names are loaded on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from causal_ranker.errors import CausalRankerError
    from causal_ranker.ranker import CausalRanker
    from causal_ranker.uplift.estimator import UpliftEstimator

__all__ = ["CausalRanker", "CausalRankerError", "UpliftEstimator", "__version__"]

__version__: Final = "0.1.0"

# public name -> the module that holds it
_LAZY: Final = {
    "CausalRanker": "causal_ranker.ranker",
    "CausalRankerError": "causal_ranker.errors",
    "UpliftEstimator": "causal_ranker.uplift.estimator",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
