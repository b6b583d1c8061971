"""Detectors of other libraries with Alibi-Detect's interface, behind our protocol."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.drift.protocol import Decision
from causal_ranker.errors import NotFittedError, SchemaError

__all__ = ["AlibiLike", "Wrapped"]


class AlibiLike(Protocol):
    """A detector that was given its reference when it was made."""

    def predict(self, x: Any) -> dict[str, Any]:
        """Return ``{"data": {"is_drift": ..., "p_val": ..., ...}}``.

        Parameters
        ----------
        x : array
            The window.

        Returns
        -------
        dict
            The prediction.
        """
        ...


class Wrapped:
    """A detector with Alibi-Detect's interface, through `fit` and `predict`.

    Parameters
    ----------
    make : callable
        From the reference to the detector, e.g. ``lambda x: KSDrift(x, p_val=0.05)``.
    """

    def __init__(self, make: Any) -> None:
        self.make = make

    def fit(self, reference: ArrayLike) -> Self:
        """Make the detector.

        Parameters
        ----------
        reference : array_like
            What the detector takes.

        Returns
        -------
        Wrapped
            Itself.
        """
        self._detector: AlibiLike = self.make(np.asarray(reference))
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Ask the detector.

        Parameters
        ----------
        window : array_like
            What the detector takes.

        Returns
        -------
        Decision
            Of several features' p-values the smallest; statistic, threshold and effect size are
            ``distance``, ``threshold`` and ``distance`` of the answer, NaN where it has none.

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError
            If the answer is not of Alibi-Detect's form.
        """
        if not hasattr(self, "_detector"):
            raise NotFittedError(
                expected="a fitted detector", came="one before fit", do="Call fit first."
            )
        answer = self._detector.predict(np.asarray(window))
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or "is_drift" not in data:
            raise SchemaError(
                expected="{'data': {'is_drift': ..., 'p_val': ...}} from the detector",
                came=repr(answer)[:80],
                do="Wrap only detectors with Alibi-Detect's interface.",
            )

        def number(name: str, pick: Any) -> float:
            value = data.get(name)
            return float("nan") if value is None else float(pick(np.asarray(value, dtype=float)))

        distance = number("distance", np.max)
        return Decision(
            statistic=distance,
            threshold=number("threshold", np.min),
            p_value=number("p_val", np.min),
            effect_size=distance,
            drifted=bool(np.any(data["is_drift"])),
        )
