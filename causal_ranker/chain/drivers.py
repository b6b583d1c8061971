"""What moves uplift, on the report's rows: a table of the features that count."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.chain.score import ScoredLists
from causal_ranker.chain.train import Trained
from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.wording import decimals_for, interval_text
from causal_ranker.features.config import FeatureConfig
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.seeds import stage_seed
from causal_ranker.stats.intervals import Interval
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.explain import Driver, permutation_importance, shap_values

__all__ = ["drivers_section"]

#: Enough for a table of ten lines; the report's rows may be millions.
_ROWS: Final = 5_000
_SHOWN: Final = 10
_REPEATS: Final = 2
_HUNDRED: Final = 100.0


def drivers_section(
    lists: ScoredLists, trained: Trained, *, config: FeatureConfig, outcome: str, seed: int
) -> Section:
    """Say which features move the uplift, and which the ranking could not do without.

    Parameters
    ----------
    lists : ScoredLists
        The report's rows.
    trained : Trained
        Holds the uplift model.
    config : FeatureConfig
        Names of the features.
    outcome : str
        What one outcome is called, in the plural.
    seed : int
        The run's seed.

    Returns
    -------
    Section
        A paragraph and a table.
    """
    rows, scores = _rows(lists, config)
    learner = trained.scorer.learner
    drivers: list[Driver] | None = None
    names: Collection[str] = rows.names
    try:
        split = shap_values(learner, rows.features, names=rows.names)
    except ConfigError:
        pass  # linear leaves: the rows alone are asked
    else:
        drivers = split.drivers(rows.features, weight=rows.weight, categorical=rows.categorical)[
            :_SHOWN
        ]
        names = [driver.name for driver in drivers]
    rises = permutation_importance(
        learner,
        rows,
        scores=scores,
        names=names,
        repeats=_REPEATS,
        seed=stage_seed(seed, "drivers"),
    )
    return Section(
        "What moves uplift",
        [
            Text(
                "What the uplift model uses, and what it would miss. That a feature moves the "
                "estimate does not say that changing the feature would change the effect."
            ),
            _table(drivers, rises, outcome=outcome, rows=len(rows)),
        ],
    )


def _rows(lists: ScoredLists, config: FeatureConfig) -> tuple[Rows, NDArray[np.float64]]:
    """Take an even part of the sampled rows with overlap, which are in order of time."""
    all_rows = lists.rows
    with_scores = np.flatnonzero(all_rows.primary[all_rows.sampled])
    step = -(-len(with_scores) // _ROWS)
    some = with_scores[::step]
    at = all_rows.sampled[some]
    rows = Rows(
        features=lists.covariates[some],
        treatment=all_rows.treatment[at],
        outcome=all_rows.outcome[at],
        weight=all_rows.sample_weight[at],
        user=all_rows.user[at],
        unit=all_rows.unit[at],
        propensity=all_rows.propensity[at],
        names=tuple(config.names),
        categorical=tuple(config.categorical),
    )
    return rows, all_rows.gamma[at]


def _table(
    drivers: list[Driver] | None, rises: dict[str, Interval], *, outcome: str, rows: int
) -> Table:
    # Both units are per hundred, so a squared one is per ten thousand; the wording adds one of it.
    scaled = {
        name: Interval(*(_HUNDRED * value for value in vars(rise).values()))
        for name, rise in rises.items()
    }
    digits = decimals_for(list(scaled.values()))
    unit = f"{outcome} per 100 impressions"
    missed = f"without it: squared error rises by ({unit})²"
    columns = ["feature", missed]
    lines: list[list[object]]
    if drivers is None:
        lines = [
            [name, interval_text(rise, decimals=digits)]
            for name, rise in list(scaled.items())[:_SHOWN]
        ]
    else:
        columns[1:1] = [f"moves by, in {unit}", "more of it"]
        lines = [
            [
                driver.name,
                _HUNDRED * driver.size,
                _direction(driver.direction),
                interval_text(scaled[driver.name], decimals=digits),
            ]
            for driver in drivers
        ]
    note = f"On {rows:,} rows of the report, with 95 % intervals for this model."
    if drivers is not None:
        note += " Moves by: mean absolute SHAP value; more of it: their correlation."
    return Table(columns, lines, note)


def _direction(correlation: float) -> str | None:
    """Say in a word what the sign of a correlation says, where it says something."""
    if np.isnan(correlation):
        return None
    way = "raises" if correlation > 0 else "lowers"
    return f"{way} ({correlation:+.2f})"
