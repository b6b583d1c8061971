"""Estimates side by side, refusals among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.ope.policies import Array
from causal_ranker.evaluation.ope.support import MissingSupport
from causal_ranker.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PolicyEstimate", "PolicyEstimates"]


@dataclass(frozen=True)
class PolicyEstimate:
    """What one estimator says about a new policy.

    Parameters
    ----------
    estimator : str
        Its name.
    assumes : str
        What must hold for it, beyond known propensities and support.
    value : Interval
        Reward per list.
    by_slot : tuple of Interval
        Reward per slot, first slot first; their points sum to that of `value`.
    per_list : ndarray of float64, shape (n,)
        What each logged list adds; their mean is the value.
    effective_lists : float
        Kish's effective number of lists, the smallest over slots where each has its weights; n
        where there are no weights.
    mean_weight : float
        Mean of the weights before any cap; far from 1 the propensities are wrong, or the weights
        so uneven that their mean has not settled. NaN where there are none.
    share_capped : float
        Share of weights above the cap. Above 0 the estimate is biased.
    share_kept : float
        Share of the size of weights that caps and taming left, the smallest over slots where each
        has its weights. The further below 1, the more rests on the model, or on nothing; what was
        taken off is in no interval.
    setting : float, optional
        The bound of ``switch`` or lambda of ``shrinkage``.
    """

    estimator: str
    assumes: str
    value: Interval
    by_slot: tuple[Interval, ...]
    per_list: Array
    effective_lists: float
    mean_weight: float
    share_capped: float
    share_kept: float
    setting: float | None


@dataclass(frozen=True)
class PolicyEstimates:
    """What the estimators that were asked say.

    Parameters
    ----------
    lists : int
        n, logged lists.
    k : int
        Slots that count.
    level : float
        Probability that an interval holds the truth.
    missing : MissingSupport, optional
        Shares of the new policy's lists without support; None where the logging policy is known
        only at the logged lists.
    estimates : tuple of PolicyEstimate
        Those that answered, in the order asked.
    refusals : mapping of str to OverlapError
        Those that did not, and why.
    """

    lists: int
    k: int
    level: float
    missing: MissingSupport | None
    estimates: tuple[PolicyEstimate, ...]
    refusals: dict[str, OverlapError]

    def estimate(self, estimator: str) -> PolicyEstimate:
        """Return what one estimator says.

        Parameters
        ----------
        estimator : str
            Its name.

        Returns
        -------
        PolicyEstimate
            Its answer.

        Raises
        ------
        OverlapError
            If it refused.
        ConfigError
            If it was not asked.
        """
        if estimator in self.refusals:
            raise self.refusals[estimator]
        for found in self.estimates:
            if found.estimator == estimator:
                return found
        asked = [*(found.estimator for found in self.estimates), *self.refusals]
        raise ConfigError(
            expected=f"an estimator that was asked, one of {', '.join(asked)}",
            came=repr(estimator),
            do="Ask evaluate_policy for it.",
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a row per estimator; last those that refused, with a reason and no number.

        Returns
        -------
        pandas.DataFrame
            Columns ``estimator``, ``value``, ``low``, ``high``, ``standard_error``,
            ``effective_lists``, ``mean_weight``, ``share_capped``, ``share_kept``, ``setting``,
            ``assumes`` and ``refusal``.
        """
        import pandas as pd

        answered = [
            {
                "estimator": found.estimator,
                "value": found.value.point,
                "low": found.value.low,
                "high": found.value.high,
                "standard_error": found.value.standard_error,
                "effective_lists": found.effective_lists,
                "mean_weight": found.mean_weight,
                "share_capped": found.share_capped,
                "share_kept": found.share_kept,
                "setting": found.setting,
                "assumes": found.assumes,
                "refusal": None,
            }
            for found in self.estimates
        ]
        refused = [
            {"estimator": name, "refusal": str(error)} for name, error in self.refusals.items()
        ]
        columns = list(answered[0]) if answered else ["estimator", "refusal"]
        return pd.DataFrame([*answered, *refused], columns=columns)
