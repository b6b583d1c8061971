"""Refuters on the report's own lists: what rows hold, and what the logs know beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import History, connection_of
from causal_ranker.chain.score import ScoredLists
from causal_ranker.chain.train import Trained
from causal_ranker.columns import Columns as C
from causal_ranker.errors import SchemaError
from causal_ranker.evaluation.balance import largest_difference
from causal_ranker.evaluation.effect import mean_unexposed
from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.refute.material import Dose, Earlier, Material, Reported
from causal_ranker.evaluation.refute.run import Refutation, refute
from causal_ranker.features.config import FeatureConfig
from causal_ranker.reranking.description import policy_name
from causal_ranker.seeds import stage_seed
from causal_ranker.uplift.base import Rows

__all__ = ["refute_lists"]

_ROW, _FOUND = "held_row", "held_found"


def refute_lists(
    lists: ScoredLists,
    trained: Trained,
    *,
    evaluation: Evaluation,
    impressions: ibis.Table,
    history: History,
    config: ChainConfig,
    k: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Refutation:
    """Try to show that the report's estimates are false, on the rows that were held for it.

    Nuisances are fitted on these rows anew, of the kind that the judge of the report is. The
    predicted uplift and the lists are those of the report, from models of earlier rows.

    Parameters
    ----------
    lists : ScoredLists
        The report's lists.
    trained : Trained
        The frozen policy, and how its propensities came about.
    evaluation : Evaluation
        The estimates in question, from all rows.
    impressions : ibis.Table
        Impressions of the report, for positions.
    history : History
        Plays until the report's end, and the item table.
    config : ChainConfig
        All settings.
    k : int
        Slots that are judged.
    seed : int
        The run's seed.
    advance : callable
        Called once per refuter.

    Returns
    -------
    Refutation
        A line or more for each refuter.

    Raises
    ------
    SchemaError
        If the setting names a column of negative controls that the item table has not.
    """
    held = _keys(connection_of(history.plays), lists)
    count = len(lists.held.at)
    material = _material(lists, trained, config=config, k=k, seed=seed)
    return refute(
        Material(
            **material,
            earlier=Earlier(
                _plays_before(held, history.plays, count=count), _readers(config.features)
            ),
            controls=_controls(lists, history.items, column=config.refute.negative_controls),
            dose=_position(held, impressions, count=count),
            reported=_reported(
                lists, evaluation, policy=policy_name(trained.policy), level=config.refute.level
            ),
        ),
        level=config.refute.level,
        advance=advance,
    )


def _material(
    lists: ScoredLists, trained: Trained, *, config: ChainConfig, k: int, seed: int
) -> dict[str, Any]:
    at, rows, nuisances = lists.held.at, lists.rows, trained.scorer.nuisances
    sampled = rows.sample_weight[at] > 0
    nuisance = config.dr.nuisance
    if nuisances.propensity_trials:
        # The kinds were compared once already, on more rows.
        best = min(nuisances.propensity_trials, key=lambda trial: trial.log_loss)
        nuisance = nuisance.model_copy(update={"propensity_kinds": (best.kind,)})
    propensity = rows.propensity[at]
    if nuisances.estimates_propensity:
        propensity = np.full(len(at), np.nan)
    gain, policy = None, policy_name(trained.policy)
    if policy != "base":
        shown, base = (
            (rows.rank[name][at] > 0) & (rows.rank[name][at] <= k) for name in (policy, "base")
        )
        gain = (shown.astype(np.float64) - base) / k
    return {
        "rows": Rows(
            features=lists.held.features,
            treatment=rows.treatment[at].astype(np.int8),
            outcome=rows.outcome[at].astype(np.int8),
            # Rows that only stand in a list are judged, and never fitted on.
            weight=np.where(sampled, rows.sample_weight[at], 1.0),
            user=rows.user[at],
            unit=rows.unit[at],
            propensity=propensity,
            names=tuple(config.features.names),
            categorical=tuple(config.features.categorical),
        ),
        "sampled": sampled,
        "request": np.unique(rows.request[at], return_inverse=True)[1].astype(np.int64),
        "nuisance": nuisance,
        "lowest_propensity": config.dr.lowest_propensity,
        "seed": stage_seed(seed, "refute"),
        "score": rows.uplift[at],
        "weighed_by": rows.propensity[at],
        "gain": gain,
        "gain_name": f"{policy} minus base in uplift@{k}",
    }


def _reported(lists: ScoredLists, evaluation: Evaluation, *, policy: str, level: float) -> Reported:
    comparison, balance = evaluation.comparison, evaluation.balance
    largest = None
    if balance is not None:
        largest = largest_difference(lists.rows, lists.covariates, balance=balance, level=level)
    return Reported(
        average=evaluation.average_effect,
        gain=None if policy == "base" else comparison.result(policy).difference,
        level=comparison.level,
        unexposed=mean_unexposed(lists.rows),
        balance=balance,
        largest_difference=largest,
    )


def _keys(connection: Backend, lists: ScoredLists) -> ibis.Table:
    """Bring the keys of the held rows onto the engine, with their horizons."""
    at, moment = lists.held.at, pa.timestamp("us", "UTC")
    start, end = lists.t0[at], lists.held.horizon_end
    return connection.create_table(
        ibis.util.gen_name("held"),
        pa.table(
            {
                _ROW: pa.array(np.arange(len(at))),
                C.USER: pa.array(lists.rows.user[at]),
                C.ITEM: pa.array(lists.item[at]),
                C.T0: pa.array(start).cast(moment),
                # The window before t0 is as long as the horizon after it.
                _FOUND: pa.array(2 * start - end).cast(moment),
            }
        ),
        temp=True,
    )


def _plays_before(held: ibis.Table, plays: ibis.Table, *, count: int) -> NDArray[np.int8]:
    joined = held.join(plays.select(C.USER, C.ITEM, C.PLAYED_AT), [C.USER, C.ITEM])
    inside = (joined[C.PLAYED_AT] >= joined[_FOUND]) & (joined[C.PLAYED_AT] < joined[C.T0])
    found = joined.filter(inside).select(_ROW).distinct().to_pyarrow()
    played = np.zeros(count, dtype=np.int8)
    played[found[_ROW].to_numpy()] = 1
    return played


def _readers(config: FeatureConfig) -> tuple[str, ...]:
    """Name the features that read plays up to t0; of base scores nobody knows."""
    return (
        *config.user_names,
        *config.item_names,
        *config.pair_names,
        *config.group_names,
        C.BASE_SCORE,
        C.BASE_RANK,
    )


def _controls(
    lists: ScoredLists, items: ibis.Table | None, *, column: str | None
) -> NDArray[np.bool_] | None:
    if column is None:
        return None
    if items is None or column not in items.columns or not items[column].type().is_boolean():
        raise SchemaError(
            expected=f"a column {column!r} of true and false in the item table, as the setting "
            "refute.negative_controls says",
            came="no item table" if items is None else f"the columns {', '.join(items.columns)}",
            do="Name the column of items that an impression cannot change, or leave it out.",
        )
    chosen = items.filter(items[column]).select(C.ITEM).to_pyarrow()[C.ITEM]
    return np.isin(lists.item[lists.held.at], chosen.to_numpy(zero_copy_only=False))


def _position(held: ibis.Table, impressions: ibis.Table, *, count: int) -> Dose | None:
    if C.POSITION not in impressions.columns:
        return None
    shown = impressions.group_by([C.USER, C.ITEM, C.T0]).aggregate(
        **{_FOUND: impressions[C.POSITION].min()}
    )
    found = held.drop(_FOUND).join(shown, [C.USER, C.ITEM, C.T0]).select(_ROW, _FOUND).to_pyarrow()
    amount = np.full(count, np.nan)
    # The first place is the largest dose.
    amount[found[_ROW].to_numpy()] = -found[_FOUND].to_numpy(zero_copy_only=False).astype(float)
    return Dose(amount, "place in the slate, the first being most")
