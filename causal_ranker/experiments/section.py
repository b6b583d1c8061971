"""Read a table of users, and show what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import numpy as np

from causal_ranker.errors import RowError
from causal_ranker.experiments.correction import holm
from causal_ranker.experiments.readout import (
    Difference,
    SampleRatio,
    adjust_by_past,
    mean_difference,
    sample_ratio,
)
from causal_ranker.logs.rules import require_columns
from causal_ranker.reporting.blocks import Section, Table, Text

__all__ = ["Readout", "read_test", "readout_section"]

_NOTE = (
    "New arm less control, 95 % interval first. A p-value is the probability of a difference at "
    "least as large if there were none; it is not the probability that there is none. "
    "p-values allow for all metrics (Holm)."
)


@dataclass(frozen=True)
class Readout:
    """What a test says.

    Parameters
    ----------
    ratio : SampleRatio
        Sizes of the arms; if they block, there is nothing else.
    differences : dict of str to Difference
        By metric; empty if the sizes block.
    adjusted_p : dict of str to float
        Holm's p-values, by metric.
    """

    ratio: SampleRatio
    differences: dict[str, Difference]
    adjusted_p: dict[str, float]


def read_test(
    table: ibis.Table,
    *,
    user: str,
    arm: str,
    metrics: Sequence[str],
    past: str | None,
    expected_share: float,
) -> Readout:
    """Read a test of two arms.

    Parameters
    ----------
    table : ibis.Table
        One row per user.
    user, arm : str
        Columns of the id and of the arm (1 new, 0 control).
    metrics : sequence of str
        Columns of numbers.
    past : str or None
        Column fixed before the test, which CUPED takes out of every metric.
    expected_share : float
        Share that the new arm should have.

    Returns
    -------
    Readout
        The sizes, and the differences if the sizes allow.

    Raises
    ------
    SchemaError
        If a column is absent.
    RowError
        If a user has several rows, or a value is missing.
    """
    columns = [user, arm, *metrics, *([past] if past else [])]
    require_columns(table, columns, name="the test")
    rows = table.select(*dict.fromkeys(columns)).to_pandas()
    repeated = rows[user].duplicated(keep=False)
    if repeated.any():
        both = rows[repeated].groupby(user)[arm].nunique().gt(1).sum()
        raise RowError(
            expected="one row for each user",
            came=f"{int(repeated.sum())} rows of users with several, {int(both)} of them in both "
            f"arms, e.g. {rows.loc[repeated, user].iloc[0]!r}",
            do="Sum each user's rows first, and find out why anybody was in both arms.",
        )
    ratio = sample_ratio(rows[arm].to_numpy(), expected_share=expected_share)
    differences: dict[str, Difference] = {}
    if not ratio.blocks:
        for name in metrics:
            values = rows[name].to_numpy(dtype=np.float64)
            if past:
                values = adjust_by_past(values, rows[past].to_numpy(dtype=np.float64))
            differences[name] = mean_difference(values, rows[arm].to_numpy())
    adjusted = holm([d.p_value for d in differences.values()]) if differences else np.empty(0)
    return Readout(ratio, differences, dict(zip(differences, adjusted.tolist(), strict=True)))


def readout_section(found: Readout) -> Section:
    """Return the part of a report that shows a test.

    Parameters
    ----------
    found : Readout
        What the test says.

    Returns
    -------
    Section
        Sizes of the arms first; differences only where the sizes allow.
    """
    ratio = found.ratio
    sizes = (
        f"{ratio.treated:,} users in the new arm and {ratio.control:,} in the control, where "
        f"{ratio.expected_share:.0%} should be new (p = {ratio.p_value:.3g})."
    )
    if ratio.blocks:
        told = f"{sizes} The arms are not what was planned: nothing may be read from this test."
        return Section("Experiment", [Text(told)])
    rows = [
        (name, d.treated, d.control, d.words, found.adjusted_p[name])
        for name, d in found.differences.items()
    ]
    columns = ["metric", "new", "control", "difference", "p-value"]
    return Section("Experiment", [Text(sizes), Table(columns, rows, _NOTE)])
