"""How many lists were asked for, and how many could not be the policy's, by reason."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from typing import Literal

__all__ = ["Counts", "FallbackReason"]

FallbackReason = Literal[
    "unknown_user",  # the snapshot does not know the user
    "feature_store_error",  # the store of features elsewhere did not answer
    "base_model_error",  # the base model raised, or scored something not finite
    "model_error",  # the uplift model or the policy raised
    "model_not_finite",  # the uplift model said NaN or infinity
    "model_wrong_length",  # the uplift model scored another number of items
    "interval_error",  # the model of the widths said another number of them, or one that cannot be
    "deadline",  # the model did not answer in time
    "circuit_open",  # the model failed so often that it is not asked for a while
    "overload",  # too many requests wait for a model
]


class Counts:
    """Thread-safe counts of one loaded bundle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._unknown_items = 0
        self._missing_features = 0
        self._fallbacks: Counter[FallbackReason] = Counter()
        self._relaxed: Counter[str] = Counter()

    def add(
        self,
        *,
        unknown_items: int,
        fallback: FallbackReason | None,
        relaxed: Collection[str] = (),
        missing_features: int = 0,
    ) -> None:
        """Count one list, or one unknown user for whom there was nothing to fall back to.

        Parameters
        ----------
        unknown_items : int
            Candidates that the snapshot does not know.
        fallback : str or None
            Why the list is not the policy's, or ``None`` where it is.
        relaxed : collection of str
            Rules of the policy that the list does not keep.
        missing_features : int
            Values that the uplift model read as missing.
        """
        with self._lock:
            self._requests += 1
            self._unknown_items += unknown_items
            self._missing_features += missing_features
            if fallback is not None:
                self._fallbacks[fallback] += 1
            self._relaxed.update(relaxed)

    @property
    def requests(self) -> int:
        """Lists asked for so far; requests that cannot be do not count."""
        return self._requests

    @property
    def unknown_items(self) -> int:
        """Candidates so far that the snapshot does not know."""
        return self._unknown_items

    @property
    def missing_features(self) -> int:
        """Values so far that the uplift model read as missing."""
        return self._missing_features

    @property
    def fallbacks(self) -> dict[str, int]:
        """Lists so far that were not the policy's, by reason."""
        with self._lock:
            return {str(reason): self._fallbacks[reason] for reason in sorted(self._fallbacks)}

    @property
    def relaxed(self) -> dict[str, int]:
        """Lists so far that do not keep a rule of their policy, by rule."""
        with self._lock:
            return {rule: self._relaxed[rule] for rule in sorted(self._relaxed)}
