"""One LightGBM model in place of any learner: it serves, and it can be explained exactly.

A student learns what its teacher says, which has no noise, so it may be fitted closely. How far
it ranks as the teacher does is measured on rows of users whom the student never saw; where that
falls short of what was asked for, there is no student. Where there are later rows, which the
teacher never saw either, AUTOC by their scores is as honest as rank correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError, FidelityError
from causal_ranker.stats.agreement import spearman, top_overlap
from causal_ranker.stats.curves import autoc
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Predicts, Rows, UpliftModel
from causal_ranker.uplift.learner import Learner

if TYPE_CHECKING:
    import lightgbm

__all__ = ["DistillConfig", "Distilled", "Fidelity", "OutcomeModel", "distill"]

_Share = Annotated[float, Field(gt=0, lt=1)]


@runtime_checkable
class OutcomeModel(Protocol):
    """An effect estimator that knows what would happen in each arm."""

    def arms(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the outcome in each arm.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).

        Returns
        -------
        numpy.ndarray
            Shape (2, n_rows): E[Y | T = 0, X], which is organic, and E[Y | T = 1, X].
        """
        ...


class DistillConfig(FrozenConfig):
    """How a student is made, and how faithful it has to be.

    Parameters
    ----------
    trees : BoostConfig
        Trees of the student, or of both of them.
    arms : bool
        Make two students, of the outcome with and without exposure, whose difference is the
        uplift; asks for a teacher that knows both.
    held_out : float
        Share of the users on whose rows fidelity is measured.
    top : float
        Share of the rows that is the top.
    least_spearman : float
        Smallest rank correlation with the teacher.
    least_overlap : float
        Smallest share of the teacher's top rows that are the student's, too.
    least_autoc_kept : float, optional
        Smallest share of the teacher's AUTOC that the student keeps; asks for scores.
    """

    trees: BoostConfig = BoostConfig(
        rounds=300,
        leaves=31,
        min_rows_leaf=20,
        feature_share=1.0,
        # What a teacher says of a category is no chance find.
        category_l2=1.0,
        category_smoothing=1.0,
    )
    arms: bool = False
    held_out: _Share = 0.2
    top: _Share = 0.1
    least_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.9
    least_overlap: Annotated[float, Field(ge=0, le=1)] = 0.7
    least_autoc_kept: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True)
class Fidelity:
    """How far the student ranks as its teacher, on rows of users it never saw.

    Attributes
    ----------
    rows : int
        Rows it was measured on.
    spearman : float
        Weighted rank correlation.
    overlap : float
        Weighted share of the teacher's top rows among the student's.
    autoc_teacher, autoc_student : float
        Area under each one's targeting curve by the doubly robust scores, in plays per
        impression; NaN where no scores were given.
    """

    rows: int
    spearman: float
    overlap: float
    autoc_teacher: float
    autoc_student: float

    @property
    def autoc_kept(self) -> float:
        """Student's share of the teacher's AUTOC; NaN where the teacher has none to keep."""
        if not self.autoc_teacher > 0:
            return float("nan")
        return self.autoc_student / self.autoc_teacher

    def __str__(self) -> str:
        text = f"Spearman {self.spearman:.3f}, overlap of the top {self.overlap:.3f}"
        if not np.isnan(self.autoc_teacher):
            text += f", AUTOC {self.autoc_student:.4g} of the teacher's {self.autoc_teacher:.4g}"
        return f"{text} on {self.rows} rows held out"


class Distilled(Learner[DistillConfig]):
    """A learner whose answer is a student of another's.

    Parameters
    ----------
    teacher : UpliftModel
        The other learner; `fit` fits it first. For one that is fitted, see `distill`.
    config : DistillConfig
        Trees, and the fidelity asked for.
    seed : int
        Decides which users are held out, and the feature draws.

    Attributes
    ----------
    model_ : lightgbm.Booster
        The one student, in the form of a final stage: a bundle serves it. None where there are
        two.
    arms_ : tuple of lightgbm.Booster
        The two students, without and with exposure. None where there is one.
    fidelity_ : Fidelity
        How far it ranks as the teacher.
    """

    model_: lightgbm.Booster | None = None
    arms_: tuple[lightgbm.Booster, lightgbm.Booster] | None = None
    fidelity_: Fidelity | None = None

    def __init__(self, teacher: UpliftModel, *, config: DistillConfig, seed: int) -> None:
        super().__init__(config=config, seed=seed)
        self._teacher = teacher

    def fit(self, rows: Rows) -> Distilled:
        """Fit the teacher, and then the student.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.

        Returns
        -------
        Distilled
            Itself.

        Raises
        ------
        FidelityError
            If the student ranks too differently.
        """
        self._teacher.fit(rows)
        return self.learn(rows)

    def learn(
        self,
        rows: Rows,
        *,
        judge: Rows | None = None,
        scores: NDArray[np.float64] | None = None,
    ) -> Distilled:
        """Fit the student of a teacher that is fitted.

        Parameters
        ----------
        rows : Rows
            Any rows; T and Y are not read.
        judge : Rows, optional
            Rows to measure fidelity on, those of the users held out; of `rows` by default.
        scores : numpy.ndarray, optional
            Doubly robust scores of the rows that fidelity is measured on, one for each row of
            `judge` (or of `rows`), held out or not; NaN where there is none.

        Returns
        -------
        Distilled
            Itself.

        Raises
        ------
        ConfigError
            If the teacher does not know the arms that the settings ask for, or they state a
            share of AUTOC and there are no scores.
        EmptyError
            If all users are held out, or none is.
        FidelityError
            If the student ranks too differently.
        """
        if self._config.least_autoc_kept is not None and scores is None:
            raise ConfigError(
                expected="scores, of which least_autoc_kept asks for a share",
                came="none",
                do="Pass scores=..., or leave least_autoc_kept out.",
            )
        held_out = self._held_out(rows)
        judge = rows if judge is None else judge
        judged = np.flatnonzero(held_out if judge is rows else self._held_out(judge))
        if held_out.all() or not len(judged):
            raise EmptyError(
                expected="users to hold out and users to learn from",
                came=f"{int(held_out.sum())} of {len(rows)} rows held out, {len(judged)} to judge",
                do="Give rows of more users, or another share held_out.",
            )
        students = self._students(rows, np.flatnonzero(~held_out))
        self.model_ = students[0] if len(students) == 1 else None
        self.arms_ = (students[0], students[1]) if len(students) == 2 else None
        features = judge.features[judged]
        self.fidelity_ = _fidelity(
            self._teacher.predict(features).point,
            self._estimate(features),
            weight=judge.weight[judged],
            scores=None if scores is None else scores[judged],
            top=self._config.top,
        )
        try:
            self._check(self.fidelity_)
        except FidelityError:
            self.model_ = self.arms_ = None
            raise
        return self

    def _held_out(self, rows: Rows) -> NDArray[np.bool_]:
        return uniform_hash(rows.user, salt=f"distill-{self._seed}") < self._config.held_out

    def _students(self, rows: Rows, seen: NDArray[np.int64]) -> list[lightgbm.Booster]:
        """Return who learned what the teacher says: its uplift, or each of its arms."""
        if not self._config.arms:
            targets = self._teacher.predict(rows.features).point[np.newaxis]
        elif isinstance(self._teacher, OutcomeModel):
            targets = self._teacher.arms(rows.features)
        else:
            raise ConfigError(
                expected="a teacher that says what would happen in each arm, as arms=True asks",
                came=f"{type(self._teacher).__name__}, which says their difference alone",
                do="Leave arms out, or distil a learner with the method arms, e.g. the T-learner.",
            )
        return [
            rows.binned(self._config.trees).fit(
                target,
                rows=seen,
                weight=rows.weight,
                objective="regression",
                config=self._config.trees,
                seed=self._seed,
            )
            for target in targets
        ]

    def _estimate(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.arms_ is not None:
            control, treated = (predict_trees(model, features) for model in self.arms_)
            return treated - control
        return predict_trees(self._fitted(self.model_), features)

    def _check(self, found: Fidelity) -> None:
        wanted = self._config
        floors = [(found.spearman, wanted.least_spearman), (found.overlap, wanted.least_overlap)]
        stated = f"Spearman {wanted.least_spearman:g}, overlap {wanted.least_overlap:g}"
        if wanted.least_autoc_kept is not None:
            floors.append((found.autoc_kept, wanted.least_autoc_kept))
            stated += f", {wanted.least_autoc_kept:.0%} of the AUTOC"
        # NaN is below every floor: what cannot be shown is not claimed.
        if not all(value >= least for value, least in floors):
            raise FidelityError(
                expected=f"a student that ranks as its teacher, at least {stated}",
                came=str(found),
                do="Give it more trees or leaves (DistillConfig(trees=...)) or more rows, or state "
                "a lower fidelity.",
            )


def distill(
    teacher: Predicts,
    rows: Rows,
    *,
    config: DistillConfig,
    seed: int,
    judge: Rows | None = None,
    scores: NDArray[np.float64] | None = None,
) -> Distilled:
    """Put one LightGBM model in the place of a fitted learner, or two.

    Parameters
    ----------
    teacher : Predicts
        Any learner, fitted.
    rows : Rows
        Rows to learn its answers on; T and Y are not read.
    config : DistillConfig
        Trees, and the fidelity asked for.
    seed : int
        Decides which users are held out, and the feature draws.
    judge : Rows, optional
        Rows to measure fidelity on, those of the users held out; of `rows` by default.
    scores : numpy.ndarray, optional
        Doubly robust scores of all rows of `judge` (or of `rows`), for the AUTOC kept; NaN where a
        row has none, e.g. outside the overlap band. They are honest where the teacher did not see
        them.

    Returns
    -------
    Distilled
        The student, with its fidelity.

    Raises
    ------
    ConfigError, EmptyError, FidelityError
        As told in `Distilled.learn`.
    """
    # It is fitted already: predicting is all that `learn` asks of it.
    fitted = cast(UpliftModel, teacher)
    return Distilled(fitted, config=config, seed=seed).learn(rows, judge=judge, scores=scores)


def _fidelity(
    teacher: NDArray[np.float64],
    student: NDArray[np.float64],
    *,
    weight: NDArray[np.float64],
    scores: NDArray[np.float64] | None,
    top: float,
) -> Fidelity:
    areas = [float("nan"), float("nan")]
    if scores is not None:
        known = ~np.isnan(scores)
        areas = [
            autoc(said[known], scores[known], weights=weight[known]) for said in (teacher, student)
        ]
    return Fidelity(
        rows=len(teacher),
        spearman=spearman(teacher, student, weights=weight),
        overlap=top_overlap(teacher, student, top=top, weights=weight),
        autoc_teacher=areas[0],
        autoc_student=areas[1],
    )
