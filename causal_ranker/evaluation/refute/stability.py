"""What must not move an estimate: a feature of pure noise, and who happens to be in the logs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from causal_ranker.evaluation.refute.check import Check, Verdict
from causal_ranker.evaluation.refute.estimates import Judged, Target, gap, judge, targets
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.seeds import stage_rng
from causal_ranker.stats.hashing import uniform_hash

__all__ = ["data_subsets", "random_common_cause"]

_NOISE: Final = "random_common_cause"
_CAUSE: Final = "random common cause"
_HALVES: Final = "random halves of the users"
# A shift of half a standard error would turn an interval of 95 % into one of 92 %.
_STEADY, _MOVED = 0.5, 1.0


def random_common_cause(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Add a feature of pure noise, fit everything again, and see how far the estimates move.

    Parameters
    ----------
    material : Material
        Rows and estimates.
    base : Judged
        The rows as they are.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    list of Check
        A line for each estimate: the shift. It passes up to half of the estimate's standard error,
        and fails from a whole one on.
    """
    rows, config = material.rows, material.nuisance
    noise = stage_rng(material.seed, _NOISE).standard_normal(len(rows)).astype(np.float32)
    features = np.empty((len(rows), len(rows.names) + 1), dtype=np.float32, order="F")
    features[:, :-1], features[:, -1] = rows.features, noise
    if config.propensity_features is not None:
        allowed = (*config.propensity_features, _NOISE)
        config = config.model_copy(update={"propensity_features": allowed})
    noisy = replace(rows, features=features, names=(*rows.names, _NOISE))
    again = judge(material, rows=noisy, config=config)
    both = base.kept & again.kept
    moved = replace(base, gamma=np.where(both, again.gamma - base.gamma, 0.0), kept=both)

    def line(target: Target) -> Check:
        error = target.estimate(base, material, level=level).standard_error
        shift = target.estimate(moved, material, level=level)
        size = abs(shift.point) / error
        verdict: Verdict = (
            "passed" if size <= _STEADY else "failed" if size > _MOVED else "cannot tell"
        )
        return Check(
            _CAUSE,
            target.name,
            shift,
            target.unit,
            f"a shift of at most {_STEADY:g} standard errors",
            verdict,
            f"With a feature of pure noise the estimate moves by {size:.2f} of its standard error."
            + (verdict != "passed") * " Models fit noise: its interval is too narrow.",
        )

    return [line(target) for target in targets(material)]


def data_subsets(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Estimate on two random halves of the users, each with models of its own.

    Parameters
    ----------
    material : Material
        Rows and estimates.
    base : Judged
        The rows as they are.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    list of Check
        A line for each estimate: the difference between the halves.
    """
    first = uniform_hash(material.rows.user, salt=f"refute-halves-{material.seed}") < 0.5
    gamma, kept = np.zeros(len(first)), np.zeros(len(first), dtype=bool)
    for half in (first, ~first):
        judged = judge(material.of(half))
        gamma[half], kept[half] = judged.gamma, judged.kept
    parts = replace(base, gamma=gamma, kept=kept)

    def line(target: Target) -> Check:
        above, below = target.parts(parts)
        figure = gap(first, above=above, below=below, material=material, level=level)
        whole = target.estimate(base, material, level=level).point
        reach = (figure.high - figure.low) / 2
        apart = not figure.low <= 0 <= figure.high
        verdict: Verdict = (
            "failed" if apart else "passed" if reach < 2 * abs(whole) else "cannot tell"
        )
        why = {
            "failed": "Two random halves of the users differ by more than chance explains: the "
            "estimate depends on who is in the logs, or its interval is too narrow.",
            "passed": "Two random halves of the users agree, up to chance.",
            "cannot tell": "Two random halves of the users agree, but the interval is so wide that "
            "one could have no effect and the other twice the estimate.",
        }[verdict]
        return Check(
            _HALVES,
            target.name,
            figure,
            target.unit,
            "0, up to chance",
            verdict,
            why,
        )

    return [line(target) for target in targets(material)]
