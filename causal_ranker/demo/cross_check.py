"""The average effect once more, by means that share no model with the report's."""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.wording import decimals_for, interval_text
from causal_ranker.experiments.quasi.fixed_effects import FixedEffects, two_way_fixed_effects
from causal_ranker.labels.outcome import next_play
from causal_ranker.logs.sources import reading
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.intervals import Interval

__all__ = ["cross_check_section"]


def cross_check_section(
    candidates: ibis.Table, plays: ibis.Table, *, intended: Interval, households: str
) -> Section:
    """Compare the average effect with that of two-way fixed effects.

    No propensity and no outcome model: each household and product is compared with itself in other
    weeks.

    Parameters
    ----------
    candidates : ibis.Table
        Candidates of the report weeks, with ``horizon_end``, ``shown`` and ``assignment_unit`` (one
        for each product and week), every horizon inside the log.
    plays : ibis.Table
        All purchases.
    intended : Interval
        The report's own average effect, in purchases per exposure.
    households : str
        Whose rows the candidates are, for the note.

    Returns
    -------
    Section
        The three estimates, and what the third takes out.
    """
    pairs, products = _estimates(candidates, plays)
    found = {
        "doubly robust, as above": intended,
        "a pair with itself, other weeks": pairs.effect,
        "the same, against other stores": products.effect,
    }
    decimals = decimals_for(list(found.values()))
    rows = [[name, interval_text(each, decimals=decimals)] for name, each in found.items()]
    told = (
        "Two-way fixed effects share no model with this report. The second line takes out what a "
        "household buys of a product anyway, and what differs between weeks. The third takes out "
        "what differs between weeks of each product, so that it compares stores that promote a "
        "product with stores that do not in that week: demand that rises in all stores as the "
        "product is promoted, which the first two would take for an effect, is gone, and so are "
        "promotions that all stores run. Where it is much smaller, some of the average effect may "
        "be such demand, or promotions of some stores only do less."
    )
    note = (
        f"Purchases per 100 exposures, 95 % intervals by household and by product and week; "
        f"{pairs.rows:,} rows of {households}, {pairs.switching:,} pairs seen with promotion and "
        "without. Fixed effects hold all rows, also those without overlap."
    )
    return Section("Cross-check", [Text(told), Table(["estimate", "average effect"], rows, note)])


def _estimates(candidates: ibis.Table, plays: ibis.Table) -> tuple[FixedEffects, FixedEffects]:
    timed = next_play(candidates, plays)
    bought = (timed.next_play < timed[C.HORIZON_END]).fill_null(False)
    with reading("candidates"):
        rows = timed.select(
            C.USER, C.ITEM, C.T0, C.SHOWN, C.ASSIGNMENT_UNIT, **{C.OUTCOME: bought}
        ).to_pandas()
    pair = rows.groupby([C.USER, C.ITEM], sort=False).ngroup().to_numpy()
    week = rows.groupby(C.T0, sort=False).ngroup().to_numpy()
    unit = rows[C.ASSIGNMENT_UNIT].to_numpy()
    first, second = (
        two_way_fixed_effects(
            rows[C.OUTCOME].to_numpy(),
            rows[C.SHOWN].to_numpy(),
            unit=pair,
            period=period,
            cluster=rows[C.USER].to_numpy(),
            second_cluster=unit,
        )
        for period in (week, unit)
    )
    return first, second
