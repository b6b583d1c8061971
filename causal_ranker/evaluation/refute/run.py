"""Every refuter in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from causal_ranker.errors import DataError
from causal_ranker.evaluation.refute.balancing import balance_after_weighting
from causal_ranker.evaluation.refute.check import Check, not_run
from causal_ranker.evaluation.refute.dosage import dose_response
from causal_ranker.evaluation.refute.estimates import Judged, judge
from causal_ranker.evaluation.refute.hidden import unobserved_confounding
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.evaluation.refute.placebo import (
    negative_controls,
    placebo_outcome,
    placebo_treatment,
)
from causal_ranker.evaluation.refute.stability import data_subsets, random_common_cause

__all__ = ["REFUTERS", "Refutation", "refute"]

#: How many refuters there are.
REFUTERS: Final = 8

_REFUSED: Final = "These rows do not allow it:"


@dataclass(frozen=True)
class Refutation:
    """What was tried against the estimates, a line each.

    Attributes
    ----------
    checks : tuple of Check
        Every refuter and estimate, those that were not run included.
    rows, users : int
        On how many it was tried.
    level : float
        Of each line's interval: a sound analysis fails it by chance in 1 - level.
    """

    checks: tuple[Check, ...]
    rows: int
    users: int
    level: float

    def count(self, verdict: str) -> int:
        """Return how many lines have a verdict.

        Parameters
        ----------
        verdict : {"passed", "failed", "cannot tell", "not run"}
            Which.

        Returns
        -------
        int
            Lines.
        """
        return sum(check.verdict == verdict for check in self.checks)


def refute(
    material: Material, *, level: float = 0.99, advance: Callable[[], None] = lambda: None
) -> Refutation:
    """Try to show that the estimates are false.

    Nuisances are fitted on the material's rows, out of the fold of each row's user, once as they
    are and once for each refuter that changes them. A refuter that these rows do not allow says
    why, and the others go on.

    Parameters
    ----------
    material : Material
        Rows and estimates.
    level : float
        Probability that an interval holds the truth.
    advance : callable
        Called once per refuter.

    Returns
    -------
    Refutation
        A line or more for each refuter.

    """
    checks: list[Check] = []
    try:
        base = judge(material)
    except DataError as error:
        checks.append(not_run("every refuter", "all", why=f"{_REFUSED} {error}"))
    else:
        for name, refuter in _refuters(material, base, level=level).items():
            try:
                checks += refuter()
            except DataError as error:
                checks.append(not_run(name, "all", why=f"{_REFUSED} {error}"))
            advance()
    return Refutation(
        checks=tuple(checks),
        rows=len(material.rows),
        users=np.unique(material.rows.user).size,
        level=level,
    )


def _refuters(
    material: Material, base: Judged, *, level: float
) -> dict[str, Callable[[], list[Check]]]:
    return {
        "placebo treatment": partial(placebo_treatment, material, base, level=level),
        "outcome before t0": partial(placebo_outcome, material, base, level=level),
        "random common cause": partial(random_common_cause, material, base, level=level),
        "random halves of the users": partial(data_subsets, material, base, level=level),
        "unobserved confounding": partial(unobserved_confounding, material, base, level=level),
        "items that cannot be affected": partial(negative_controls, material, base, level=level),
        "dose": partial(dose_response, material, level=level),
        "balance of the covariates": partial(balance_after_weighting, material, base, level=level),
    }
