"""When to stop: by the CDCG that is estimated on pairs the model does not learn from.

The truth is never looked at, as nobody has it. The estimate is noisy where propensities are small,
so that the best epoch is in part the luckiest one: judge what was stopped so on other pairs again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.collaborative.estimated import ScoreUsers, estimated_cdcg
from causal_ranker.uplift.collaborative.factors import Factors
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["EarlyStop", "Watch"]


@dataclass(frozen=True)
class EarlyStop:
    """Keep the best epoch by the estimated CDCG, and stop when none was better for long.

    Parameters
    ----------
    validation : Interactions
        Pairs of the same users and items, drawn apart from those of training, with propensities.
    every : int
        Epochs between two looks. The last epoch is always looked at.
    patience : int
        Looks in a row without a better value after which training ends.
    cap : float, optional
        Largest inverse propensity in the estimate, above 1. None is capped without it.
    overlap : float
        Pairs with a propensity nearer to 0 or 1 than this are left out of the estimate. What is
        always shown, and played, counts as an effect otherwise.

    Raises
    ------
    ConfigError
        If `every` or `patience` is no whole number of at least 1, the cap is not above 1, or the
        overlap not from 0 to below 0.5.
    """

    validation: Interactions
    every: int = 1
    patience: int = 5
    cap: float | None = None
    overlap: float = 0.0

    def __post_init__(self) -> None:
        for name in ("every", "patience"):
            count = getattr(self, name)
            if not isinstance(count, int) or count < 1:
                raise ConfigError(
                    expected=f"a whole number of at least 1 as {name} of early stopping",
                    came=repr(count),
                    do="Leave early stopping out to learn for all epochs.",
                )
        if self.cap is not None and not self.cap > 1:
            raise ConfigError(
                expected="a cap above 1, as inverse propensities are",
                came=repr(self.cap),
                do="Leave it out to cap no weight.",
            )
        if not 0 <= self.overlap < 0.5:
            raise ConfigError(
                expected="overlap from 0 to below 0.5",
                came=repr(self.overlap),
                do="Give the least propensity, of either arm, of pairs that are to count.",
            )

    def check(self, interactions: Interactions) -> None:
        """Refuse validation pairs that do not fit those of training.

        Parameters
        ----------
        interactions : Interactions
            What the model is to learn from.

        Raises
        ------
        ConfigError
            If users or items are others, or the pairs are those of training, in whatever order and
            with whatever propensities.
        RowError
            If a validation pair has no propensity.
        """
        ours = (self.validation.n_users, self.validation.n_items)
        theirs = (interactions.n_users, interactions.n_items)
        if ours != theirs:
            raise ConfigError(
                expected=f"validation pairs of the {theirs[0]} users and {theirs[1]} items",
                came=f"{ours[0]} users and {ours[1]} items",
                do="Code users and items of both in one go.",
            )
        if _same_pairs(self.validation, interactions):
            raise ConfigError(
                expected="validation pairs apart from those of training",
                came="the same ones",
                do="Split the logs by time, or draw twice.",
            )
        lost = np.flatnonzero(np.isnan(self.validation.propensity))
        if lost.size:
            raise RowError(
                expected="a propensity of every validation pair, to estimate the metric by",
                came=f"{lost.size} of {len(self.validation)} pairs without, e.g. in rows "
                f"{lost[:3].tolist()}",
                do="Estimate them for all pairs (see with_propensities).",
            )

    def value(self, score_users: ScoreUsers) -> float:
        """Estimate the CDCG.

        Parameters
        ----------
        score_users : callable
            Scores of every item for users given by code.

        Returns
        -------
        float
            Larger is better.

        Raises
        ------
        DataError
            If the validation pairs cannot tell (see `estimated_cdcg`).
        OverlapError
            If none of them was shown.
        """
        return estimated_cdcg(score_users, self.validation, cap=self.cap, overlap=self.overlap)


def _same_pairs(one: Interactions, other: Interactions) -> bool:
    if len(one) != len(other):
        return False
    first, second = np.argsort(one.keys), np.argsort(other.keys)
    return all(
        np.array_equal(getattr(one, name)[first], getattr(other, name)[second])
        for name in ("keys", "exposed", "played")
    )


@dataclass
class Watch:
    """The best factors so far.

    Parameters
    ----------
    early : EarlyStop, optional
        How to judge them; without it, the last are the best.
    epochs : int
        Epochs that may be learned.

    Attributes
    ----------
    history : dict of int to float
        Estimated metric after each epoch that was looked at.
    best : int
        The epoch whose factors are kept.
    kept : Factors, optional
        A copy of them; None without early stopping.
    """

    early: EarlyStop | None
    epochs: int
    history: dict[int, float] = field(default_factory=dict, init=False)
    best: int = field(default=0, init=False)
    kept: Factors | None = field(default=None, init=False)
    _waited: int = field(default=0, init=False)

    def look(self, epoch: int, factors: Factors, score_users: ScoreUsers) -> bool:
        """Judge the factors of an epoch, where it is one to look at.

        Parameters
        ----------
        epoch : int
            From 1.
        factors : Factors
            After it; copied if they are the best.
        score_users : callable
            Scores that they make.

        Returns
        -------
        bool
            Whether to stop.
        """
        early = self.early
        if early is None:
            self.best = epoch
            return False
        if epoch % early.every and epoch < self.epochs:
            return False
        value = self.history[epoch] = early.value(score_users)
        if self.kept is None or value > self.history[self.best]:
            self.best, self.kept, self._waited = epoch, factors.copy(), 0
            return False
        self._waited += 1
        return self._waited >= early.patience
