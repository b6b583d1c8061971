"""From labelled logs to everything that ranks: base, nuisances, uplift, and a frozen policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import ibis
import numpy as np
import pyarrow as pa
from ibis.backends.duckdb import Backend

from causal_ranker.chain.base import LoggedBase, base_scores, fill_sample, filled_blocks
from causal_ranker.chain.blocks import BlockReader, Span
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import LabelledLogs
from causal_ranker.chain.rankings import by_policy
from causal_ranker.chain.sample import draw_samples, read_sample, samples_nothing
from causal_ranker.chain.score import ListScorer
from causal_ranker.chain.served import as_booster, fit_named, serve_choice
from causal_ranker.chain.sides import SidePlace, check_named, side_places
from causal_ranker.chain.tune import tune_base
from causal_ranker.chain.width import ServedWidth, check_intervals, serve_width
from causal_ranker.columns import Columns as C
from causal_ranker.errors import EmptyError, NotFittedError
from causal_ranker.evaluation.compare import PolicyComparison, PolicyResult, compare_policies
from causal_ranker.features.asof import Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.boosted import BoostedRecommender
from causal_ranker.reporting.progress import Stages
from causal_ranker.reranking.chained import ListPolicy
from causal_ranker.reranking.description import policy_name
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.seeds import stage_rng, stage_seed
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Checkpoint
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.league import League
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.select import Trial, choose_learner
from causal_ranker.uplift.total_outcome import TotalOutcome

__all__ = ["Trained", "as_rows", "reads_base", "train"]

#: Lists of the choosing days that take less are read once, and kept until the policy is chosen.
_KEPT_BYTES = 2**30


@dataclass(frozen=True)
class Trained:
    """What training leaves behind.

    Attributes
    ----------
    scorer : ListScorer
        Base scores, uplift, and the judge.
    policy : Policy or ChainedPolicy
        The one policy that was frozen on the choosing rows, or before.
    sides : dict of str to SidePlace
        Where the columns stand that its rules read.
    blend : BlendPolicy
        The best blend on the choosing rows, frozen or not; the frozen policy, where it is one.
    levels : Levels
        Codes of the categorical features.
    recommender : BoostedRecommender or None
        The built-in base ranker, where it is used.
    base_trials : list of Trial
        Settings of the base ranker tried on the choosing rows, with their log-loss.
    league : League or None
        Effect estimators that were compared on the choosing rows; None where one was named.
    tuned : dict of str to float
        Rounds at which each of them was best.
    choice : PolicyComparison
        The policies on the choosing rows.
    rows : dict of str to int
        Row counts by stage.
    window : tuple of datetime
        First t0 of training, and the moment from which rows were for choosing.
    width : ServedWidth or None
        Model of the intervals' half-widths, where intervals are asked for.
    """

    scorer: ListScorer
    policy: ListPolicy
    sides: dict[str, SidePlace]
    blend: BlendPolicy
    levels: Levels
    recommender: BoostedRecommender | None
    base_trials: list[Trial]
    league: League | None
    tuned: dict[str, float]
    choice: PolicyComparison
    rows: dict[str, int]
    window: tuple[datetime, datetime]
    width: ServedWidth | None = None

    @property
    def chosen(self) -> PolicyResult:
        """The frozen policy on the choosing rows."""
        return self.choice.result(_label(self.policy))


def train(
    connection: Backend,
    logs: LabelledLogs,
    *,
    base: BaseRecommender | Literal["boosted"] | None,
    learner: str,
    policy: Literal["auto", "uplift", "blend", "base"] | ListPolicy,
    k: int,
    log_end: datetime,
    config: ChainConfig,
    seed: int,
    stages: Stages,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train on the earlier rows, choose on the later ones.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    logs : LabelledLogs
        Labelled logs.
    base : BaseRecommender, "boosted" or None
        The base recommender; None if the candidates carry base scores.
    learner : str
        "auto" to choose among ``config.candidates`` on the choosing rows, or a name of
        `causal_ranker.uplift.factory.LEARNERS`.
    policy : {"auto", "uplift", "blend", "base"}, Policy or ChainedPolicy
        Choose the policy on the choosing rows, or take the one named or given.
    k : int
        Slots that are judged.
    log_end : datetime
        End of the play log; the choosing rows are the last `choose_days` before it.
    config : ChainConfig
        All settings.
    seed : int
        The run's seed.
    stages : Stages
        Progress.
    checkpoint : Checkpoint, optional
        Keeps the nuisances, for the case that the run is interrupted.

    Returns
    -------
    Trained
        Models, policy, and what was tried.

    Raises
    ------
    EmptyError
        If no row lies before, or none within, the choosing days.
    NotFittedError
        If the base recommender was trained up to later than the choosing days begin.
    OverlapError
        If an arm has too few comparable rows.
    SchemaError
        If a rule of the policy reads what is no feature.
    ConfigError
        If it names a level that its column does not have, or intervals are asked for of a learner
        that has none.
    FidelityError
        If no LightGBM model says what the learner says, or how wide its intervals are.
    """
    check_intervals(config, learner=learner)
    if not isinstance(policy, str):
        check_named(policy, config.features)  # before the work of reading features
    dataset, requests = _training_users(connection, logs, share=config.user_share, seed=seed)
    with stages.stage("Features"):
        reader = BlockReader(
            connection,
            rows=dataset.table,
            requests=requests,
            history=logs.history,
            config=config.features,
        )
        sides: dict[str, SidePlace] = {}
        if not isinstance(policy, str):
            sides = side_places(policy, config=config.features, levels=reader.levels)
        samples = draw_samples(
            connection,
            dataset=dataset,
            pairs=reader.features.pairs,
            config=config,
            seed=seed,
        )
        spans = reader.spans(block_rows=config.block_rows)
        sample = read_sample(reader, samples.training, spans=spans)
    choose_from = _choose_from(spans, log_end=log_end, days=config.choose_days)
    cut = round(choose_from.timestamp() * 1_000_000)
    early, late = sample.horizon_end <= cut, sample.t0 >= cut
    if not early.any() or not late.any():
        raise EmptyError(
            expected=f"rows before and after {choose_from:%Y-%m-%d %H:%M} UTC, "
            f"{(log_end - choose_from) / timedelta(days=1):g} days before the end of the log",
            came=f"{int(early.sum())} rows before and {int(late.sum())} after",
            do="Give a longer log, or fewer choose_days.",
        )
    recommender, base_trials = None, []
    names, categorical = config.features.names, config.features.categorical
    if base == "boosted":
        recommender = BoostedRecommender(
            reader.candidate_rows,
            names=names[:-2],
            categorical=categorical,
            seed=stage_seed(seed, "base"),
        )
        with stages.stage("Base ranker", total=len(config.base_trials) + 1) as advance:
            base_trials = tune_base(recommender, sample, cut=cut, config=config, advance=advance)
    scores = base_scores(base, recommender)
    if not scores.speaks(cut):
        raise NotFittedError(
            expected=f"a base recommender trained up to {choose_from:%Y-%m-%d %H:%M} UTC or "
            "earlier, because the policy is chosen on the requests from then on",
            came="one that was trained up to later",
            do="Train it on earlier rows, or choose on fewer of the last days (choose_days).",
        )
    past = reader.spans(block_rows=config.block_rows, until=choose_from)
    chosen = reader.spans(block_rows=config.block_rows, since=choose_from)
    ready: list[FeatureBlock] = []
    if not isinstance(scores, LoggedBase):
        size = sum(span.rows for span in chosen) * len(names) * sample.features.itemsize
        with stages.stage("Base scores of the past", total=len(past) + len(chosen)) as advance:
            ready = fill_sample(
                sample,
                scores,
                reader,
                [*past, *chosen],
                keep=chosen if size <= _KEPT_BYTES else (),
                advance=advance,
            )
    rows, later = (as_rows(sample.take(each), config.features) for each in (early, late))
    nuisances = Nuisances(config=config.dr.nuisance, seed=stage_seed(seed, "nuisance"))
    assignment = None
    if np.isnan(rows.propensity).all() and not samples_nothing(config):
        with stages.stage("Rows for the propensity"):
            block = read_sample(reader, _ended_by(samples.even, choose_from), spans=past)
            if not isinstance(scores, LoggedBase) and reads_base(config.dr.nuisance):
                fill_sample(block, scores, reader, spans)
            assignment = as_rows(block, config.features)
    with stages.stage("Nuisances", total=1 + 2 * config.dr.nuisance.folds) as advance:
        nuisances.fit(rows, assignment=assignment, advance=advance, checkpoint=checkpoint)
        values = nuisances.cross_fitted(rows)
        later_values = nuisances.predict(
            later.features,
            later.user,
            propensity=nuisances.propensity(later.features, later.user, logged=later.propensity),
        )
    fitting = Fitting(rows, values, nuisances, config.dr, stage_seed(seed, "final"))
    with stages.stage("Uplift", total=len(config.candidates)) as advance:
        choice = None
        if learner == "auto":
            choice = choose_learner(
                config.candidates,
                fitting=fitting,
                choose=later,
                choose_nuisances=later_values,
                advance=advance,
            )
            winner = choice.learner
            served = serve_choice(
                choice,
                config.candidates,
                fitting=fitting,
                judge=later,
                judge_values=later_values,
            )
        else:
            winner = fit_named(learner, fitting)
            served = as_booster(winner, fitting, judge=later, judge_values=later_values)
    width = None
    if config.intervals is not None:
        width = serve_width(
            winner,
            fitting,
            config=config.intervals,
            judge=later,
            judge_values=later_values,
            judge_items=sample.item[late],
            stages=stages,
        )
    with stages.stage("Total plays"):
        total = TotalOutcome(config=config.dr.nuisance, seed=stage_seed(seed, "total")).fit(
            rows, logs.totals.of(sample)[early]
        )
    outside = int((~inside(values.propensity, lowest=config.dr.lowest_propensity)).sum())
    trained_on, chosen_on = len(rows), len(later)
    # Their bins are as many bytes as they have cells, and nothing is fitted on them any more.
    del rows, later, assignment, fitting
    scorer = ListScorer(
        base=scores,
        learner=served,
        nuisances=nuisances,
        lowest_propensity=config.dr.lowest_propensity,
        total=total,
    )
    with stages.stage("Choosing the policy", total=len(chosen)) as advance:
        tried: dict[str, ListPolicy] = {"base": BasePolicy(), "uplift": UpliftPolicy()}
        tried |= {f"blend {weight:g}": BlendPolicy(weight) for weight in config.blend_weights}
        if not isinstance(policy, str) and policy not in tried.values():
            tried[_label(policy)] = policy
        lists = scorer.score(
            ready if len(ready) == len(chosen) else filled_blocks(reader, chosen, base=scores),
            rankings={name: by_policy(each, sides) for name, each in tried.items()},
            k=k,
            curve_rate=config.curve_rate,
            rng=stage_rng(seed, "choose"),
            advance=advance,
        )
        comparison = compare_policies(lists.rows, k=k)
    sampled = "" if samples_nothing(config) and config.user_share == 1 else " (sampled)"
    frozen, blend = _choose(tried, comparison, policy=policy)
    return Trained(
        scorer=scorer,
        policy=frozen,
        sides=sides,
        blend=blend,
        levels=reader.levels,
        recommender=recommender,
        base_trials=base_trials,
        league=None if choice is None else choice.league,
        tuned={} if choice is None else choice.tuned,
        choice=comparison,
        rows={
            "candidates in the fit logs": sum(span.rows for span in spans),
            f"training rows{sampled}": trained_on,
            f"rows for choosing settings{sampled}": chosen_on,
            f"training rows{sampled} outside the overlap band": outside,
            "candidates for choosing the policy": lists.candidates,
        },
        window=(spans[0].start, choose_from),
        width=width,
    )


def reads_base(config: NuisanceConfig) -> bool:
    """Say whether the propensity may depend on what the base recommender said.

    Parameters
    ----------
    config : NuisanceConfig
        Settings of the nuisances.

    Returns
    -------
    bool
        Then the rows it is learned from need base scores too.
    """
    allowed = config.propensity_features
    return allowed is None or C.BASE_SCORE in allowed or C.BASE_RANK in allowed


def _choose_from(spans: list[Span], *, log_end: datetime, days: int | None) -> datetime:
    if days is not None:
        return log_end - timedelta(days=days)
    return log_end - (log_end - spans[0].start) / 5


def _ended_by(rows: ibis.Table, moment: datetime) -> ibis.Table:
    return rows.filter(rows[C.HORIZON_END] <= ibis.literal(moment))


def _training_users(
    connection: Backend, logs: LabelledLogs, *, share: float, seed: int
) -> tuple[UpliftDataset, ibis.Table]:
    """Keep the rows of a salted-hash share of the users; histories keep everybody's events."""
    if share == 1:
        return logs.dataset, logs.requests
    users = logs.requests.select(C.USER).distinct().order_by(C.USER).to_pyarrow()
    draw = uniform_hash(users[C.USER].to_numpy(zero_copy_only=False), salt=f"train-{seed}")
    chosen = connection.create_table(
        ibis.util.gen_name("users"), users.filter(pa.array(draw < share)), temp=True
    )
    dataset = replace(logs.dataset, table=logs.dataset.table.semi_join(chosen, C.USER))
    return dataset, logs.requests.semi_join(chosen, C.USER)


def as_rows(block: FeatureBlock, features: FeatureConfig) -> Rows:
    """Hand a block to the uplift room.

    Parameters
    ----------
    block : FeatureBlock
        Labelled rows.
    features : FeatureConfig
        What their columns are.

    Returns
    -------
    Rows
        The same arrays.
    """
    return Rows(
        features=block.features,
        treatment=block.treatment,
        outcome=block.outcome,
        weight=block.weight,
        user=block.user,
        unit=block.unit,
        propensity=block.propensity,
        names=tuple(features.names),
        categorical=tuple(features.categorical),
    )


def _label(policy: ListPolicy) -> str:
    return f"blend {policy.weight:g}" if isinstance(policy, BlendPolicy) else policy_name(policy)


def _choose(
    tried: dict[str, ListPolicy], comparison: PolicyComparison, *, policy: str | ListPolicy
) -> tuple[ListPolicy, BlendPolicy]:
    """Return the frozen policy and the best blend, by uplift@k on the choosing rows."""
    value = {result.policy: result.uplift.point for result in comparison.results}
    blends = {name: each for name, each in tried.items() if isinstance(each, BlendPolicy)}
    best_blend = blends[max(blends, key=lambda name: value[name])]
    if not isinstance(policy, str):
        return policy, policy if isinstance(policy, BlendPolicy) else best_blend
    if policy == "blend":
        return best_blend, best_blend
    if policy in tried:
        return tried[policy], best_blend
    causal = [name for name in tried if name != "base"]
    return tried[max(causal, key=lambda name: value[name])], best_blend
