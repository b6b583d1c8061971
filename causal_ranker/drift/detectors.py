"""Tests of one variable whose chance is known: Kolmogorov-Smirnov and chi-squared.

A p-value says whether two samples differ by more than chance; on a large window everything does,
so the effect size decides whether it matters.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats.distances import chi_squared, kolmogorov_smirnov

__all__ = ["ChiSquared", "KolmogorovSmirnov"]

_DRAWS: Final = 999


class KolmogorovSmirnov(DetectorConfig):
    """Kolmogorov-Smirnov test of numbers; its effect size is the statistic, in [0, 1].

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest distance that matters; .08 is that of a normal variable shifted by 0.2 standard
        deviations.
    """

    _reference: Array | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> KolmogorovSmirnov:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Numbers, none missing; whole ones beyond 2^53 are read as doubles.

        Returns
        -------
        KolmogorovSmirnov
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no row, a value is missing, or is no number.
        """
        self._reference = np.sort(float_vector(reference, name="reference", finite=False))
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the distribution functions; the p-value is the asymptotic one.

        Parameters
        ----------
        window : array_like, shape (m,)
            Numbers, none missing.

        Returns
        -------
        Decision
            The decision.

        Raises
        ------
        EmptyError, NotFittedError, RowError, SchemaError
            As `fit`, or before it.
        """
        from scipy.special import kolmogi, kolmogorov

        reference = fitted(self._reference, detector=self)
        values = float_vector(window, name="window", finite=False)
        distance = kolmogorov_smirnov(reference, values)
        root = np.sqrt(reference.size * values.size / (reference.size + values.size))
        return decide(
            self,
            distance,
            threshold=float(kolmogi(self.level)) / root,
            p_value=float(kolmogorov(root * distance)),
            effect_size=distance,
        )


class ChiSquared(DetectorConfig):
    """Chi-squared test of categories; its effect size is Cramér's V, in [0, 1].

    A category that the reference does not have is a cell of its own.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest V that matters.
    small_cells : {"pool", "permute"}
        What to do about rare categories, of which the chi-squared law knows nothing: put those
        with fewer than five expected rows together; or keep all, and compare with 999 exchanges of
        rows between reference and window, given the counts of both.
    seed : int
        Decides the exchanges.
    """

    small_cells: Literal["pool", "permute"] = "pool"
    seed: Annotated[int, Field(ge=0)] = 0
    _reference: NDArray[Any] | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> ChiSquared:
        """Keep the reference's categories.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Text, booleans or whole numbers, all of one kind and none missing.

        Returns
        -------
        ChiSquared
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If there is no row, a value is missing, or they are of several kinds.
        """
        self._reference = _labels(reference, name="reference")
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Compare the shares of categories.

        Parameters
        ----------
        window : array_like, shape (m,)
            Categories of the reference's kind.

        Returns
        -------
        Decision
            The decision; with a single category left there is nothing to tell apart: statistic
            0 and p-value 1.

        Raises
        ------
        EmptyError, NotFittedError, RowError, SchemaError
            As `fit`, or before it, or if the kind is another.
        """
        from scipy.special import chdtrc, chdtri

        reference = fitted(self._reference, detector=self)
        values = _labels(window, name="window")
        if values.dtype.kind != reference.dtype.kind:
            raise SchemaError(
                expected=f"categories of the reference's kind ({reference.dtype})",
                came=str(values.dtype),
                do="See which of the two logs changed its type.",
            )
        _, codes = np.unique(np.concatenate([reference, values]), return_inverse=True)
        cells = int(codes.max()) + 1
        counts = np.vstack(
            [
                np.bincount(part, minlength=cells)
                for part in (codes[: reference.size], codes[reference.size :])
            ]
        )
        least = 5.0 if self.small_cells == "pool" else 0.0
        statistic, freedom = chi_squared(*counts, least_expected=least)
        if freedom == 0:
            return Decision(0.0, 0.0, 1.0, 0.0, False)
        if self.small_cells == "pool":
            threshold = float(chdtri(freedom, self.level))
            p_value = float(chdtrc(freedom, statistic))
        else:
            chance = self._exchanged(counts)
            threshold = float(np.quantile(chance, 1 - self.level, method="higher"))
            # rounding must not tell equal tables apart
            p_value = (1 + int(np.sum(chance >= statistic * (1 - 1e-12)))) / (1 + chance.size)
        effect = float(np.sqrt(statistic / codes.size))
        return decide(self, statistic, threshold=threshold, p_value=p_value, effect_size=effect)

    def _exchanged(self, counts: NDArray[np.int64]) -> Array:
        rows, columns = counts.sum(axis=1), counts.sum(axis=0)
        rng = stage_rng(self.seed, "drift-chi-squared")
        drawn = rng.multivariate_hypergeometric(columns, rows[1], size=_DRAWS, method="marginals")
        expected = columns * rows[1] / rows.sum()
        # both rows of the table deviate by the same, so one row says it all
        away = np.sum((drawn - expected) ** 2 / expected, axis=1)
        found: Array = away * rows.sum() / rows[0]
        return found


def _labels(values: ArrayLike, *, name: str) -> NDArray[Any]:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "OUSTbiu":
        raise SchemaError(
            expected=f"one column of text, booleans or whole numbers in '{name}'",
            came=f"{labels.dtype} of shape {labels.shape}",
            do="Compare numbers with another detector.",
        )
    if labels.size == 0:
        raise EmptyError(
            expected=f"at least one row in '{name}'",
            came="none",
            do="Check the filters that ran before.",
        )
    if labels.dtype.kind != "O":
        return labels.astype(np.str_) if labels.dtype.kind == "T" else labels
    gone = sum(each is None or each != each for each in labels)  # NaN differs from itself
    if gone:
        raise RowError(
            expected=f"a category in every row of '{name}'",
            came=f"{gone} of {labels.size} missing",
            do="Give missing values a name, or drop them.",
        )
    kinds = sorted({type(each).__name__ for each in labels})
    if len(kinds) > 1:
        raise SchemaError(
            expected=f"categories of one type in '{name}'",
            came=", ".join(kinds),
            do="Convert all to text.",
        )
    return np.array(labels.tolist())
