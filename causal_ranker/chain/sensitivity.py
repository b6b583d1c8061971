"""The frozen policy, judged under another definition of the treatment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import ibis
import numpy as np
from ibis.backends.duckdb import Backend

from causal_ranker.chain.base import fill_sample, filled_blocks
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import History, LabelledLogs
from causal_ranker.chain.rankings import by_policy
from causal_ranker.chain.sample import draw_samples, read_sample, samples_nothing
from causal_ranker.chain.train import Trained, as_rows, reads_base
from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.compare import PolicyResult, compare_policies
from causal_ranker.evaluation.effect import average_effect
from causal_ranker.reporting.progress import Stages
from causal_ranker.reranking.policies import BasePolicy
from causal_ranker.seeds import stage_rng, stage_seed
from causal_ranker.stats.intervals import Interval
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import Nuisances

__all__ = ["Reassessment", "reassess"]


@dataclass(frozen=True)
class Reassessment:
    """What another treatment says of the same policy.

    Attributes
    ----------
    average_effect : Interval
        Plays per exposure, over the candidates with overlap.
    frozen : PolicyResult
        The frozen policy, with its paired difference to the base list.
    treated_share : float
        Share of the candidates with T = 1 under this treatment.
    """

    average_effect: Interval
    frozen: PolicyResult
    treated_share: float


def reassess(
    connection: Backend,
    trained: Trained,
    *,
    earlier: LabelledLogs,
    later: LabelledLogs,
    history: History,
    config: ChainConfig,
    k: int,
    seed: int,
    stages: Stages,
) -> Reassessment:
    """Fit the judge's models for another treatment, and judge the policy that was frozen.

    Another treatment has another overlap band, so lists can differ where candidates fall out of
    it. Where the main propensity is kept to some features, this one reads all but the base score:
    what the main treatment does not depend on may drive the other.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    trained : Trained
        Base scores, uplift model and policy: they stay as they are.
    earlier, later : LabelledLogs
        The rows of training and of the report, labelled under the other treatment.
    history : History
        What the features of both look back on: that of the main analysis.
    config : ChainConfig
        Settings of the main analysis.
    k : int
        Slots that are judged.
    seed : int
        The run's seed.
    stages : Stages
        Progress.

    Returns
    -------
    Reassessment
        Average effect and paired difference under the other treatment.
    """
    nuisance = config.dr.nuisance
    if nuisance.propensity_features is not None:
        everything = tuple(config.features.names[:-2])
        nuisance = nuisance.model_copy(update={"propensity_features": everything})

    def reader_of(logs: LabelledLogs) -> BlockReader:
        return BlockReader.of(
            connection,
            logs,
            history=history,
            config=config.features,
            levels=trained.levels,
        )

    with stages.stage("Another treatment: models"):
        reader = reader_of(earlier)
        samples = draw_samples(
            connection,
            dataset=earlier.dataset,
            pairs=reader.features.pairs,
            config=config,
            seed=seed,
        )
        spans = reader.spans(block_rows=config.block_rows)

        def rows_of(drawn: ibis.Table, *, with_base: bool) -> Rows:
            block = read_sample(reader, drawn, spans=spans)
            if with_base:
                fill_sample(block, trained.scorer.base, reader, spans)
            return as_rows(block, config.features)

        sample = rows_of(samples.training, with_base=True)
        even = (
            None
            if samples_nothing(config)
            else rows_of(samples.even, with_base=reads_base(nuisance))
        )
        nuisances = Nuisances(config=nuisance, seed=stage_seed(seed, "nuisance")).fit(
            sample, assignment=even
        )
    judge = reader_of(later)
    later_spans = judge.spans(block_rows=config.block_rows)
    with stages.stage("Another treatment: lists", total=len(later_spans)) as advance:
        lists = replace(trained.scorer, nuisances=nuisances).score(
            filled_blocks(judge, later_spans, base=trained.scorer.base),
            rankings={
                "base": by_policy(BasePolicy()),
                "frozen": by_policy(trained.policy, trained.sides),
            },
            k=k,
            curve_rate=config.curve_rate,
            rng=stage_rng(seed, "sensitivity"),
            advance=advance,
        )
    shown = later.dataset.table.aggregate(share=later.dataset.table[C.TREATMENT].mean())
    return Reassessment(
        average_effect=average_effect(lists.rows),
        frozen=compare_policies(lists.rows, k=k).result("frozen"),
        treated_share=float(np.asarray(shown.to_pyarrow()["share"])[0]),
    )
