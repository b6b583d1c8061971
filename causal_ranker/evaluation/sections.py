"""What the report says: an evaluation as sections of tables, drawings and words.

On the page every effect is per 100 (slots, exposures or candidates), so that small effects can
be read; the evaluation itself and its JSON are per 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.accuracy_section import accuracy_section
from causal_ranker.evaluation.arms import balance_section, overlap_section
from causal_ranker.evaluation.compare import PolicyResult
from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.groups import effects_section
from causal_ranker.evaluation.joint_section import joint_section
from causal_ranker.evaluation.refutation_section import refutation_section
from causal_ranker.evaluation.totals_section import totals_section
from causal_ranker.evaluation.wording import (
    decimals_for,
    estimand_text,
    interval_text,
    percent,
)
from causal_ranker.reporting.blocks import Figure, Section, Table
from causal_ranker.reporting.figures import Curve, line_with_band
from causal_ranker.stats.bands import Band

__all__ = [
    "curves_section",
    "evaluation_sections",
    "policies_section",
]

_TENTH, _MOST_ABOVE = 10.0, 2.0
_SCORE_NAMES = {C.UPLIFT: "predicted uplift", C.BASE_SCORE: "base score"}


def evaluation_sections(evaluation: Evaluation, *, outcome: str = "plays") -> list[Section]:
    """Return all sections of an evaluation, in the report's order.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    list of Section
        Policies, and what they change in total plays, accuracy and for cold items, where these
        are known; effects
        by predicted uplift, curves, overlap and, where covariates were given, balance; and what
        was tried against all this, where it was.
    """
    sections = [policies_section(evaluation, outcome=outcome)]
    if evaluation.totals is not None:
        sections.append(totals_section(evaluation.totals, outcome=outcome))
    if evaluation.accuracy is not None:
        sections.append(
            accuracy_section(evaluation.accuracy, evaluation.comparison, outcome=outcome)
        )
    if evaluation.joint is not None:
        sections.append(joint_section(evaluation.joint, outcome=outcome))
    sections += [
        effects_section(evaluation, outcome=outcome),
        curves_section(evaluation, outcome=outcome),
        overlap_section(evaluation),
    ]
    if evaluation.balance is not None:
        sections.append(balance_section(evaluation.balance))
    if evaluation.refutation is not None:
        sections.append(refutation_section(evaluation.refutation, outcome=outcome))
    return sections


def policies_section(evaluation: Evaluation, *, outcome: str = "plays") -> Section:
    """Return the table of policies, in the order in which they came.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        One table: outcome rate@k, uplift@k, overlap with and difference to the baseline.
    """
    comparison = evaluation.comparison
    k, baseline, level = comparison.k, comparison.baseline, percent(comparison.level)
    results = comparison.results
    rate, uplift, gain = (
        decimals_for(column)
        for column in (
            [result.play_rate for result in results],
            [result.uplift for result in results],
            [result.difference for result in results],
        )
    )

    def cells(result: PolicyResult) -> list[object]:
        difference = interval_text(result.difference, decimals=gain)
        return [
            result.policy,
            f"{100 * result.play_rate.point:.{rate}f}",
            interval_text(result.uplift, decimals=uplift),
            f"{100 * result.overlap:.0f} %",
            "reference" if result.policy == baseline else difference,
        ]

    columns = [
        "policy",
        f"{outcome.removesuffix('s')} rate@{k}",
        f"uplift@{k} ({level} interval)",
        f"overlap with {baseline}",
        f"difference to {baseline} in uplift@{k} ({level} interval)",
    ]
    note = (
        f"All rates and uplifts in {outcome} per 100 slots, over {evaluation.scope.requests:,} "
        f"requests with {k} slots. Uplift counts only {outcome} that happen because the item was "
        "shown, all else at its natural course. Intervals are clustered by "
        f"{_clusters(evaluation)}.{_empty(comparison.empty_slots)}"
        f"{estimand_text(evaluation.estimand)}"
    )
    return Section("Policies", [Table(columns, [cells(result) for result in results], note)])


def _empty(share: float) -> str:
    if not share:
        return ""
    return (
        f" Requests with fewer candidates leave {percent(share)} of the slots empty; these add 0."
    )


def _clusters(evaluation: Evaluation) -> str:
    return "user" if evaluation.scope.units is None else "user and by unit of assignment"


def curves_section(evaluation: Evaluation, *, outcome: str = "plays") -> Section:
    """Return TOC, Qini and uplift curves with bands, and the areas under the first two.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        Three drawings and a table.
    """
    level = percent(evaluation.comparison.level)
    curves = {_SCORE_NAMES[key]: bands for key, bands in evaluation.curves.items()}
    q = 100 * next(iter(curves.values())).q
    shown = "best share of the candidates (%)"
    band = f"The bands hold the whole true curve with {level} probability."
    start = _readable_from(q, [bands.toc for bands in curves.values()])
    cut = f" Drawn from the best {q[start]:.0f} % on: before, bands leave no room for the curves."

    def drawing(bands: dict[str, Band], *, ylabel: str, start: int = 0) -> Callable[[], str]:
        lines = [
            Curve(
                name,
                100 * b.point[start:],
                100 * b.low_everywhere[start:],
                100 * b.high_everywhere[start:],
            )
            for name, b in bands.items()
        ]
        return partial(line_with_band, q[start:], lines, xlabel=shown, ylabel=ylabel)

    toc = drawing(
        {name: bands.toc for name, bands in curves.items()},
        ylabel=f"{outcome} per 100 exposures",
        start=start,
    )
    qini = drawing(
        {name: bands.qini for name, bands in curves.items()},
        ylabel=f"{outcome} per 100 candidates",
    )
    uplift = drawing(
        {name: bands.uplift for name, bands in curves.items()},
        ylabel=f"{outcome} per 100 candidates",
    )
    return Section(
        "How well the scores find uplift",
        [
            Figure(
                toc,
                "TOC: the mean effect in the best share of the candidates by a score, minus the "
                f"average effect over all of them. {band}{cut if start else ''}",
                "Targeting curves of predicted uplift and base score with bands",
            ),
            Figure(
                qini,
                "Qini: what exposing the best share by a score gains over exposing a random "
                f"share of the same size. {band}",
                "Qini curves of predicted uplift and base score with bands",
            ),
            Figure(
                uplift,
                "Uplift curve: what exposing the best share by a score causes, over exposing "
                f"none; at 100 % the average effect over all candidates. {band}",
                "Uplift curves of predicted uplift and base score with bands",
            ),
            _areas(evaluation, outcome=outcome),
        ],
    )


def _readable_from(q: NDArray[np.float64], bands: list[Band]) -> int:
    """Return the place after which no band is far wider than it is from the best tenth on."""
    edges = np.array([np.abs([band.low_everywhere, band.high_everywhere]) for band in bands])
    edge = edges.max(axis=(0, 1))
    far = np.flatnonzero(edge > _MOST_ABOVE * edge[q >= _TENTH].max())
    return int(far[-1]) + 1 if far.size else 0


def _areas(evaluation: Evaluation, *, outcome: str) -> Table:
    level = percent(evaluation.comparison.level)
    lines = {_SCORE_NAMES[key]: bands for key, bands in evaluation.curves.items()}
    first, second = lines
    lines[f"{first} minus {second}"] = evaluation.curve_difference
    autoc = decimals_for([bands.autoc_interval for bands in lines.values()])
    qini = decimals_for([bands.qini_interval for bands in lines.values()])
    return Table(
        ["score", f"AUTOC ({level} interval)", f"QINI ({level} interval)"],
        [
            [
                name,
                interval_text(bands.autoc_interval, decimals=autoc),
                interval_text(bands.qini_interval, decimals=qini),
            ]
            for name, bands in lines.items()
        ],
        f"Areas under the curves: AUTOC in {outcome} per 100 exposures, QINI in {outcome} per 100 "
        "candidates; 0 for a score that ranks at random. Neither is divided by the average "
        f"effect. From {evaluation.draws:,} half-samples clustered by {_clusters(evaluation)}; "
        "the difference is paired: both scores on the same half-samples."
        + estimand_text(evaluation.estimand),
    )
