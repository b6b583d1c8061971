"""A classifier of reference against window: whether trees tell them apart, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.rows import Units, float_rows, some_rows
from causal_ranker.errors import SchemaError
from causal_ranker.seeds import stage_rng, stage_seed

if TYPE_CHECKING:
    import lightgbm

__all__ = ["DomainClassifier", "TellingFeature"]

_LEAST_ROWS: Final = 10


@dataclass(frozen=True)
class TellingFeature:
    """A feature by which trees tell the window from the reference.

    Parameters
    ----------
    name : str
        The feature.
    lost : float
        Area under the ROC curve, on rows not trained on, that is lost where the feature's values
        are shuffled.
    """

    name: str
    lost: float


class DomainClassifier(DetectorConfig):
    """Area under the ROC curve of trees that tell the window from the reference.

    Rows are cut into blocks; trees fitted on the first k judge the next (Lopez-Paz and Oquab, 2017,
    with several classifiers in a row: four, of five blocks). Given the earlier blocks, a block's
    rank sum has the Mann-Whitney distribution if nothing drifted, so they add up with a known
    variance. Folds that take turns as training and test rows would not: their areas move together,
    and alarms come too often. Missing values are values like others.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest area beyond one half that matters.
    boost : BoostConfig
        The trees.
    most_rows : int
        Rows of the reference, and of a window, that are looked at; of more, so many are drawn.
    seed : int
        Decides the draws, the blocks and the trees.
    blocks : int
        Of two blocks one half judges what the other has learned; more take longer, and see more.
    """

    boost: BoostConfig = BoostConfig(rounds=30, leaves=8, min_rows_leaf=20)
    most_rows: Annotated[int, Field(ge=100)] = 20_000
    seed: Annotated[int, Field(ge=0)] = 0
    blocks: Annotated[int, Field(ge=2, le=5)] = 5
    _reference: Any = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike) -> Self:
        """Keep the reference, or a sample of it.

        Parameters
        ----------
        reference : array_like, shape (n, n_features)
            Finite numbers or NaN, ten rows at least.

        Returns
        -------
        DomainClassifier
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the reference is not such a table.
        """
        rows = float_rows(reference, name="reference", least=_LEAST_ROWS, missing=True)
        rng = stage_rng(self.seed, "drift-domain")
        self._reference = some_rows(rows, most=self.most_rows, rng=rng)
        return self

    def predict(self, window: ArrayLike) -> Decision:
        """Train on blocks of both, and judge the blocks that follow.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            Finite numbers or NaN, of the reference's features; ten rows at least.

        Returns
        -------
        Decision
            The decision; the statistic is the area under the curve, the effect size what it has
            beyond one half.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window is not such a table.
        """
        from scipy.stats import norm

        sums = np.zeros(3)
        for model, rows, is_window in self._blocks(window):
            sums += _rank_sum(predict_trees(model, rows), is_window)
        wins, pairs, variance = sums
        area, error = wins / pairs, np.sqrt(variance) / pairs
        return decide(
            self,
            float(area),
            threshold=float(0.5 + norm.isf(self.level) * error),
            # Without a single split all rows tie, and nothing tells them apart.
            p_value=float(norm.sf((area - 0.5) / error)) if error > 0 else 1.0,
            effect_size=float(area - 0.5),
        )

    def telling(self, window: ArrayLike, *, names: Sequence[str]) -> list[TellingFeature]:
        """Name the features that tell a window from the reference, the most telling first.

        Parameters
        ----------
        window : array_like, shape (m, n_features)
            As in `predict`.
        names : sequence of str
            The features' names.

        Returns
        -------
        list of TellingFeature
            All features; without drift what they lose lies around 0.

        Raises
        ------
        NotFittedError
            Before `fit`.
        EmptyError, RowError, SchemaError
            If the window is not such a table, or there are not as many names as features.
        """
        reference = fitted(self._reference, detector=self)
        if len(names) != reference.shape[1]:
            raise SchemaError(
                expected=f"{reference.shape[1]} names, one per feature",
                came=f"{len(names)}",
                do="Name the features in the order of the columns.",
            )
        rng = stage_rng(self.seed, "drift-shuffled")
        lost, pairs = np.zeros(len(names)), 0.0
        for model, rows, is_window in self._blocks(window):
            whole, block_pairs, _ = _rank_sum(predict_trees(model, rows), is_window)
            pairs += block_pairs
            for place in np.flatnonzero(model.feature_importance("split")):
                shuffled = rows.copy()
                shuffled[:, place] = rng.permutation(rows[:, place])
                lost[place] += whole - _rank_sum(predict_trees(model, shuffled), is_window)[0]
        order = np.argsort(-lost, kind="stable")
        return [TellingFeature(names[place], float(lost[place] / pairs)) for place in order]

    def _blocks(
        self, window: ArrayLike
    ) -> Iterator[tuple[lightgbm.Booster, NDArray[np.float32], NDArray[np.bool_]]]:
        reference = fitted(self._reference, detector=self)
        now = float_rows(
            window, name="window", least=_LEAST_ROWS, features=reference.shape[1], missing=True
        )
        rng = stage_rng(self.seed, "drift-domain-window")
        now = some_rows(now, most=self.most_rows, rng=rng)
        both = np.concatenate([reference, now])
        # Trees take numbers of 32 bits, which keep no small difference of huge numbers.
        rows = Units.of(both).apply(both).astype(np.float32)
        is_window = np.arange(len(rows)) >= len(reference)
        block = np.concatenate(
            [rng.permutation(np.arange(size) % self.blocks) for size in (len(reference), len(now))]
        )
        for test in range(1, self.blocks):
            earlier, here = block < test, block == test
            # Both sides weigh the same, however long the window.
            share = is_window[earlier].mean()
            weight = np.where(is_window[earlier], 0.5 / share, 0.5 / (1 - share))
            model = fit_trees(
                rows[earlier],
                is_window[earlier].astype(np.float64),
                weight=weight,
                objective="binary",
                config=self.boost,
                names=[f"x{place}" for place in range(rows.shape[1])],
                categorical=(),
                seed=stage_seed(self.seed, f"drift-domain-{test}"),
            )
            yield model, rows[here], is_window[here]


def _rank_sum(scores: NDArray[np.float64], is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pairs that the window's row wins (ties by half), all pairs, and the variance by chance."""
    from scipy.stats import rankdata

    here, rows = float(is_window.sum()), float(is_window.size)
    wins = rankdata(scores)[is_window].sum() - here * (here + 1) / 2
    pairs = here * (rows - here)
    _, ties = np.unique(scores, return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (rows * (rows - 1))
    return np.array([wins, pairs, pairs / 12 * (rows + 1 - tied)])
