"""The demonstration on a simulated streaming service, where the true uplift is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from causal_ranker.columns import Columns as C
from causal_ranker.demo.reads import count_read
from causal_ranker.demo.result import Demonstration
from causal_ranker.evaluation.background import assumptions_section
from causal_ranker.evaluation.origin import package_versions, reproduce_section
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.blocks import Section, Table
from causal_ranker.reporting.progress import Stages
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns, WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["run_world"]

_DAYS, _REPORT_DAYS = 21, 7

_ASSUMPTIONS = (
    "The world is simulated: T = placed in the slate, drawn by Plackett-Luce over base scores, "
    "with the propensity of every candidate logged exactly.",
    "A user's next request comes after the last horizon has ended, and items of one slate do not "
    "interfere, so the true uplift of each row is known.",
)


def run_world(*, out: Path, seed: int, progress: bool) -> Demonstration:
    """Run the chain on a world's logs and set the truth beside the estimates.

    Parameters
    ----------
    out : Path
        Folder for the model and the count of reads.
    seed : int
        Seed of the world and of the run.
    progress : bool
        Whether to draw progress bars.

    Returns
    -------
    Demonstration
        Report, model, and the true uplift of each policy.
    """
    with Stages(Console(stderr=True) if progress else None).stage("Simulating the world"):
        world = WorldConfig(days=_DAYS, seed=seed)
        logs = StreamingWorld(world).simulate()
    reads = count_read(out / "report_reads.json", f"world {seed}, last {_REPORT_DAYS} days")
    report = world.start + timedelta(days=_DAYS - _REPORT_DAYS)
    ranker = CausalRanker(horizon_hours=world.horizon_hours, seed=seed, progress=progress)
    ranker.fit(**_between(logs, None, report), users=logs.users, items=logs.items, log_end=report)
    found = ranker.evaluate(
        **_between(logs, report, None), log_end=logs.log_end, title="A world with known truth"
    )
    truth = _true_uplift(ranker, logs)
    ranker.save(out / "model")
    estimates = found.evaluation.comparison.results
    found = found.with_sections(
        [
            Section(
                "Estimated and true uplift",
                [
                    Table(
                        ["policy", "estimated", "low", "high", "true"],
                        [
                            [
                                each.policy,
                                each.uplift.point,
                                each.uplift.low,
                                each.uplift.high,
                                truth[each.policy],
                            ]
                            for each in estimates
                        ],
                        "Extra plays per slot in the first 10 slots.",
                    )
                ],
            ),
            assumptions_section(_ASSUMPTIONS),
            reproduce_section(
                commands=[f"causal-ranker demo --data world --seed {seed}"],
                seed=seed,
                versions=package_versions(),
                reads=reads,
            ),
        ]
    )
    return Demonstration(
        ranker=ranker,
        report=found,
        model=out / "model",
        truth=truth,
        offers=_last_offers(logs),
        names={},
    )


def _between(logs: WorldLogs, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    def cut(table: pd.DataFrame, column: str) -> pd.DataFrame:
        inside = np.ones(len(table), dtype=bool)
        if start is not None:
            inside &= (table[column] >= start).to_numpy()
        if end is not None:
            inside &= (table[column] < end).to_numpy()
        return table[inside]

    return {
        "impressions": cut(logs.impressions, C.T0),
        "plays": cut(logs.plays, C.PLAYED_AT),
        "candidates": cut(logs.candidates, C.T0),
    }


def _true_uplift(ranker: CausalRanker, logs: WorldLogs) -> dict[str, float]:
    """Return the mean over requests of the true uplift of each policy's first k candidates."""
    lists = ranker.lists_
    key = [C.USER, C.ITEM, C.T0]
    truth = logs.candidates[key].assign(tau=logs.truth[TruthColumns.TAU].to_numpy())
    kept = pd.DataFrame(
        {
            C.USER: lists.rows.user,
            C.ITEM: lists.item,
            C.T0: pd.to_datetime(lists.t0, unit="us", utc=True).astype(truth[C.T0].dtype),
        }
    )
    tau = kept.merge(truth, on=key, how="left", validate="1:1")["tau"].to_numpy()
    return {
        name: float(tau[(rank > 0) & (rank <= ranker.k)].sum() / ranker.k / lists.rows.requests)
        for name, rank in lists.rows.rank.items()
    }


def _last_offers(logs: WorldLogs) -> dict[int | str, list[tuple[int | str, float]]]:
    """Return the base list of each user's last request."""
    listed = logs.candidates
    last = listed[listed[C.T0] == listed.groupby(C.USER)[C.T0].transform("max")]
    offers: dict[int | str, list[tuple[int | str, float]]] = {}
    for user, item, score in last[[C.USER, C.ITEM, C.BASE_SCORE]].itertuples(index=False):
        offers.setdefault(user, []).append((item, score))
    return offers
