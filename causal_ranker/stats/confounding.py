"""How strong an unobserved confounder would have to be to explain an effect away.

Two rulers. The E-value (VanderWeele and Ding, 2017, Annals of Internal Medicine 167(4)) speaks of
risk ratios. The robustness value (Cinelli and Hazlett, 2020, JRSS B 82(1)) speaks of shares of
variance; Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022, "Long story short", NBER 30302)
carry it to doubly robust estimates: with ``S^2 = E[(Y - mu)^2] E[alpha^2]``, alpha being the
weights ``T/e - (1 - T)/(1 - e)`` of the estimate, leaving a confounder out moves the estimate by at
most ``S sqrt(r_y r_t / (1 - r_t))``. In a linear regression S is the standard error times the root
of the degrees of freedom, and the formula is that of Cinelli and Hazlett.
"""

from __future__ import annotations

import math

from causal_ranker.errors import ConfigError

__all__ = ["bias_bound", "e_value", "robustness_value", "times_to_explain"]


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio.

    Parameters
    ----------
    ratio : float
        E[Y(1)] / E[Y(0)], above 0; a ratio below 1 is turned over.

    Returns
    -------
    float
        ``RR + sqrt(RR (RR - 1))``: an unobserved confounder that is tied to T and to Y by risk
        ratios of less than this, each, given everything observed, cannot explain the ratio away. 1
        for a ratio of 1.

    Raises
    ------
    ConfigError
        If the ratio is not a positive number.
    """
    if not (math.isfinite(ratio) and ratio > 0):
        raise ConfigError(
            expected="a positive risk ratio",
            came=f"{ratio!r}",
            do="Give the mean outcome with exposure over that without.",
        )
    above = max(ratio, 1 / ratio)
    return above + math.sqrt(above * (above - 1))


def robustness_value(signal: float) -> float:
    """Return the share of variance a confounder must explain, of T and of Y, to undo an effect.

    Parameters
    ----------
    signal : float
        ``f = |effect| / S``; in a linear regression ``|t| / sqrt(degrees of freedom)``.

    Returns
    -------
    float
        ``(sqrt(f^4 + 4 f^2) - f^2) / 2``, in [0, 1): the r at which `bias_bound` with
        ``r_y = r_t = r`` equals the effect.

    Raises
    ------
    ConfigError
        If the signal is negative or not finite.
    """
    if not (math.isfinite(signal) and signal >= 0):
        raise ConfigError(
            expected="a signal of 0 or more", came=f"{signal!r}", do="Give |effect| / S."
        )
    # 2 / (1 + sqrt(1 + 4 / f^2)) is the same, and does not subtract two large numbers.
    return 0.0 if signal == 0 else 2 / (1 + math.sqrt(1 + 4 / signal**2))


def bias_bound(scale: float, *, outcome_share: float, treatment_share: float) -> float:
    """Return how far leaving a confounder out can move an estimate.

    Parameters
    ----------
    scale : float
        S, in the unit of the estimate.
    outcome_share : float
        ``r_y``: the share of what T and X leave unexplained in Y that the confounder explains, in
        [0, 1].
    treatment_share : float
        ``r_t``: the share of the variance of alpha that only the confounder accounts for (in a
        linear regression, of what X leaves unexplained in T), in [0, 1).

    Returns
    -------
    float
        ``S sqrt(r_y r_t / (1 - r_t))``, in the unit of the estimate.

    Raises
    ------
    ConfigError
        If a share is out of its range.
    """
    _check_shares(outcome_share, treatment_share)
    return scale * math.sqrt(outcome_share * treatment_share / (1 - treatment_share))


def times_to_explain(signal: float, *, outcome_share: float, treatment_share: float) -> float:
    """Return how many times as strong as a known one a confounder must be to undo an effect.

    Parameters
    ----------
    signal : float
        ``f = |effect| / S``.
    outcome_share, treatment_share : float
        What the known covariate explains, as in `bias_bound`.

    Returns
    -------
    float
        The m at which ``bias_bound(S, m r_y, m r_t)`` equals the effect: the positive root of
        ``m^2 r_y r_t + m r_t f^2 = f^2``. Infinite where a share is 0 and the signal is not: such a
        covariate is no measure of anything.

    Raises
    ------
    ConfigError
        If a share is out of its range.
    """
    _check_shares(outcome_share, treatment_share)
    if signal == 0:
        return 0.0
    both, linear, square = outcome_share * treatment_share, treatment_share * signal**2, signal**2
    if both == 0:
        return math.inf
    return 2 * square / (linear + math.sqrt(linear**2 + 4 * both * square))


def _check_shares(outcome_share: float, treatment_share: float) -> None:
    if not (0 <= outcome_share <= 1 and 0 <= treatment_share < 1):
        raise ConfigError(
            expected="a share of the outcome in [0, 1] and one of the treatment in [0, 1)",
            came=f"{outcome_share!r} and {treatment_share!r}",
            do="Give shares of variance.",
        )
