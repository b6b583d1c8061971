"""Detectors of other libraries with Alibi-Detect's interface, behind our protocol."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, fitted
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.stats._arrays import Array, reject_rows

__all__ = ["AlibiDetector"]

_SMALLEST: Final = float(np.finfo(np.float64).tiny)


class AlibiDetector(DetectorConfig):
    """A detector with Alibi-Detect's interface, through `fit` and `predict`.

    Alibi-Detect itself is no dependency: it needs NumPy 1. Its own detectors, in a process of
    their own, and those of others with the same interface plug in unchanged: they are made with
    the reference and ``p_val``, and ``predict(x)`` returns ``{"data": {"is_drift": ...,
    "p_val": ..., "distance": ..., "threshold": ...}}``. Those that read one instance at a time
    (the "online" ones) do not fit the protocol.

    Parameters
    ----------
    level : float
        Rate of false alarms, passed on as ``p_val``.
    least_effect : float
        Smallest ``distance`` that matters, in the detector's unit.
    make : callable
        Called as ``make(reference, p_val=level)``: the detector's class, or a
        `functools.partial` of it with its settings.
    """

    make: Callable[..., Any]
    _detector: Any = PrivateAttr(default=None)
    _shape: tuple[int, ...] = PrivateAttr(default=())

    def fit(self, reference: ArrayLike) -> Self:
        """Make the detector.

        Parameters
        ----------
        reference : array_like, shape (n, ...)
            Finite numbers, of the type that the detector takes; it gets a copy.

        Returns
        -------
        AlibiDetector
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the reference has no rows, or one that is not of finite numbers.
        """
        rows = _numbers(reference, name="reference")
        self._detector = self.make(rows.copy(), p_val=self.level)
        self._shape = rows.shape[1:]
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Ask the detector.

        Parameters
        ----------
        window : array_like, shape (m, ...)
            As the reference.

        Returns
        -------
        Decision
            The effect size is the largest ``distance``, or 1 less the p-value where there is
            none. Statistic and threshold are ``distance`` and ``distance_threshold`` if the
            answer has both; otherwise the smallest ``p_val`` and the ``threshold`` it is held
            against, as -log10, of which the first is the larger one where drift is called. The
            p-value is ``p_val``; of several features the smallest, times their number
            (Bonferroni). Whether it drifted is the detector's own word.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window has no rows, one that is not of finite numbers, or another shape than
            the reference; or if the answer is not of Alibi-Detect's form.
        """
        detector = fitted(self._detector, detector=self)
        rows = _numbers(window, name="window")
        if rows.shape[1:] != self._shape:
            raise SchemaError(
                expected=f"rows of shape {self._shape}, as in the reference",
                came=f"{rows.shape[1:]}",
                do="Pass the features that fit was given, in their order.",
            )
        return self._read(detector.predict(rows.copy()))

    def _read(self, answer: Any) -> Decision:
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or data.get("is_drift") is None:
            raise _no_answer(answer)
        p_values, distance = _floats(data, "p_val"), _floats(data, "distance")
        furthest = float(distance.max()) if distance.size else math.nan
        limit = _floats(data, "distance_threshold")
        if distance.size and limit.size:
            statistic, threshold = furthest, float(limit.min())
        elif p_values.size:
            held = _floats(data, "threshold")
            statistic = _magnitude(float(p_values.min()))
            threshold = _magnitude(float(held.min()) if held.size else self.level)
        else:
            raise _no_answer(answer)
        p_value = min(1.0, p_values.size * float(p_values.min())) if p_values.size else math.nan
        effect = furthest if distance.size else 1 - p_value
        return Decision(
            statistic=statistic,
            threshold=threshold,
            p_value=p_value,
            effect_size=effect,
            drifted=bool(np.any(data["is_drift"])) and effect >= self.least_effect,
        )


def _numbers(values: ArrayLike, *, name: str) -> NDArray[Any]:
    rows = np.asarray(values)
    if rows.ndim == 0 or rows.dtype.kind not in "biuf":
        raise SchemaError(
            expected=f"rows of numbers in '{name}'",
            came=f"an array of {rows.dtype} of shape {rows.shape}",
            do="Code categories as numbers.",
        )
    if rows.size == 0:
        raise EmptyError(
            expected=f"at least one row in '{name}'",
            came="none",
            do="Check the filters that ran before.",
        )
    reject_rows(
        ~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1),
        rows,
        name=name,
        expected=f"finite numbers in '{name}'",
        do="Fill or drop these rows.",
    )
    return rows


def _floats(data: dict[str, Any], name: str) -> Array:
    value = data.get(name)
    numbers = np.asarray([] if value is None else value, dtype=np.float64).ravel()
    if not np.isfinite(numbers).all():
        raise SchemaError(
            expected=f"finite numbers in '{name}' of the detector's answer",
            came=f"{value!r:.80}",
            do="Check the detector on this window.",
        )
    return numbers


def _magnitude(p_value: float) -> float:
    return -math.log10(max(p_value, _SMALLEST))


def _no_answer(answer: Any) -> SchemaError:
    return SchemaError(
        expected="{'data': {'is_drift': ..., 'p_val': ...}} from the detector",
        came=f"{answer!r:.80}",
        do="Wrap only detectors with Alibi-Detect's interface.",
    )
