"""From scored lists to a report: the policies compared, and what stands around the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from causal_ranker.chain.arrivals import Arrivals
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.drivers import drivers_section
from causal_ranker.chain.joint import joint_of
from causal_ranker.chain.logs import History, LabelledLogs, Logs
from causal_ranker.chain.rankings import by_chance, by_policy, by_popularity
from causal_ranker.chain.refute import refute_lists
from causal_ranker.chain.score import Ranking, ScoredLists
from causal_ranker.chain.shown import shown_items
from causal_ranker.chain.train import Trained
from causal_ranker.evaluation.accuracy import list_accuracy
from causal_ranker.evaluation.background import labels_section, stages_section
from causal_ranker.evaluation.evaluate import Evaluation, evaluate
from causal_ranker.evaluation.refute.run import REFUTERS
from causal_ranker.evaluation.report import Report, build_report
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent
from causal_ranker.features.config import FeatureConfig
from causal_ranker.reporting.blocks import Block, Code, Section, Table, Text
from causal_ranker.reporting.progress import Stages
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.description import policy_name, policy_to_dict
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.league import League

__all__ = ["compared", "make_report", "summary"]


def compared(trained: Trained, *, config: FeatureConfig, seed: int) -> dict[str, Ranking]:
    """Return the policies of a report, in the order of its table.

    Parameters
    ----------
    trained : Trained
        Holds the best blend and the frozen policy.
    config : FeatureConfig
        Names of the features.
    seed : int
        The run's seed.

    Returns
    -------
    dict of str to Ranking
        Rankings by policy name.
    """
    found = {
        "random": by_chance(stage_rng(seed, "random")),
        "popularity": by_popularity(config),
        "base": by_policy(BasePolicy()),
        "uplift": by_policy(UpliftPolicy()),
        "blend": by_policy(trained.blend),
    }
    # A policy with rules has a name of its own; any other is one of those above.
    found.setdefault(policy_name(trained.policy), by_policy(trained.policy, trained.sides))
    return found


def make_report(
    lists: ScoredLists,
    trained: Trained,
    *,
    labelled: LabelledLogs,
    before: History,
    logs: Logs,
    history: History,
    k: int,
    config: ChainConfig,
    seed: int,
    title: str,
    outcome: str,
    background: Sequence[Section],
    stages: Stages,
    arrivals: Arrivals | None,
) -> Report:
    """Evaluate the lists and write down what was found.

    Parameters
    ----------
    lists : ScoredLists
        Rows to evaluate on.
    trained : Trained
        The frozen policy, and row counts of training.
    labelled : LabelledLogs
        The report's logs, labelled.
    before : History
        Of the logs before them.
    logs : Logs
        The report's logs.
    history : History
        What came before, and what the report's logs say themselves.
    k : int
        Slots that are judged.
    config : ChainConfig
        All settings.
    seed : int
        The run's seed.
    title : str
        Title of the report.
    outcome : str
        What one outcome is called, in the plural.
    background : sequence of Section
        Sections to append.
    stages : Stages
        Progress.
    arrivals : Arrivals or None
        When items came, where cold ones are told apart.

    Returns
    -------
    Report
        Verdict, tables and curves.
    """
    with stages.stage("Evaluation"):
        evaluation = _evaluated(
            lists, trained, labelled=labelled, before=before, k=k, config=config, seed=seed
        )
        if arrivals is not None and lists.cold is not None:
            joint = joint_of(lists, lists.cold, arrivals, policy=policy_name(trained.policy), k=k)
            evaluation = replace(evaluation, joint=joint)
        drivers = drivers_section(
            lists, trained, config=config.features, outcome=outcome, seed=seed
        )
    if config.refute.enabled:
        with stages.stage("Can this be false?", total=REFUTERS) as advance:
            refutation = refute_lists(
                lists,
                trained,
                evaluation=evaluation,
                impressions=logs.impressions,
                history=history,
                config=config,
                k=k,
                seed=seed,
                advance=advance,
            )
        evaluation = replace(evaluation, refutation=refutation)
    counts = {
        **trained.rows,
        "candidates in the report": lists.candidates,
        "of them outside the overlap band": lists.outside,
        "requests in the report": lists.rows.requests,
        "requests without any candidate in the band": lists.requests_left_out,
    }
    return build_report(
        evaluation,
        title=title,
        policy=policy_name(trained.policy),
        outcome=outcome,
        observational=trained.scorer.nuisances.estimates_propensity,
        background=[
            *_rules_section(lists, trained),
            drivers,
            _choice_section(trained, k=k, outcome=outcome),
            stages_section(list(counts.items())),
            labels_section(labelled.dataset.kinds()),
            *background,
        ],
    )


def _evaluated(
    lists: ScoredLists,
    trained: Trained,
    *,
    labelled: LabelledLogs,
    before: History,
    k: int,
    config: ChainConfig,
    seed: int,
) -> Evaluation:
    lowest = config.dr.lowest_propensity
    shown = shown_items(lists, before=before, report=labelled.history)
    evaluation = evaluate(
        lists.rows,
        k=k,
        covariates=(config.features.names, lists.covariates),
        rng=stage_rng(seed, "bands"),
        overlap_bounds=(lowest, 1 - lowest),
    )
    # Of all candidates: requests wholly outside the band have no row in the sample.
    return replace(
        evaluation,
        share_left_out=lists.outside / lists.candidates,
        accuracy=list_accuracy(lists.rows, shown, k=k),
        # Some learners do not say, e.g. those without a final stage.
        estimand=None if config.dr.overlap == "trim" else trained.scorer.learner.estimand or None,
    )


def _choice_section(trained: Trained, *, k: int, outcome: str) -> Section:
    """Say what was tried on the choosing rows, and what was frozen there."""
    choice = trained.choice
    intervals = [result.difference for result in choice.results]
    digits = decimals_for(intervals)
    policies = [
        [result.policy, interval_text(result.difference, decimals=digits)]
        for result in choice.results
    ]
    trials = [
        [f"{trial.config.leaves} leaves, {trial.config.rounds} trees", trial.loss]
        for trial in trained.base_trials
    ]
    propensities = [
        [trial.kind, trial.log_loss] for trial in trained.scorer.nuisances.propensity_trials
    ]
    said = policy_name(trained.policy)
    if isinstance(trained.policy, BlendPolicy):
        said += f" (weight {trained.policy.weight})"
    blocks: list[Block] = [
        Text(
            f"On the choosing rows (from {trained.window[1]:%Y-%m-%d %H:%M} UTC to the end of "
            f"the training logs), before the report's rows were read. Frozen there: {said}."
        ),
        Table(
            ["policy", f"difference to base in uplift@{k}"],
            policies,
            f"{outcome[:1].upper()}{outcome[1:]} per 100 slots, with 95 % intervals.",
        ),
    ]
    if trials:
        note = "Settings of the base ranker on the choosing rows; the smallest loss was kept."
        blocks.append(Table(["base ranker", "log-loss"], trials, note))
    if trained.league is not None:
        blocks.append(_league_table(trained.league, trained.tuned, outcome=outcome))
    if trained.scorer.learner.story:
        blocks.append(Text(trained.scorer.learner.story))
    if trained.width is not None:
        blocks.append(Text(trained.width.story))
    if propensities:
        blocks.append(
            Table(
                ["model of the propensity", "log-loss out of fold"],
                propensities,
                "On training rows, by models that saw neither their user nor their unit of "
                "assignment. The smallest was kept.",
            )
        )
    return Section("How the policy was chosen", blocks)


def _rules_section(lists: ScoredLists, trained: Trained) -> list[Section]:
    """Say which rules the frozen policy's lists keep, and how often they could not be kept."""
    if not isinstance(trained.policy, ChainedPolicy):
        return []
    name = policy_name(trained.policy)
    blocks: list[Block] = [
        Text("The frozen policy orders by the scorer, and then applies rules to the list:"),
        Code(json.dumps(policy_to_dict(trained.policy), indent=2)),
    ]
    relaxed = lists.relaxed[name]
    if relaxed:
        total = lists.rows.requests
        blocks.append(
            Table(
                ["rule", "requests whose list could not keep it", "share"],
                [[rule, broken, percent(broken / total)] for rule, broken in relaxed.items()],
                f"Of {total:,} requests of the report: too few protected items, groups all at "
                "their cap, or rules that contradict each other. Bounds on moves and on the base "
                "score's loss are kept in every list.",
            )
        )
    return [Section("Rules of the policy", blocks)]


def _league_table(league: League, tuned: Mapping[str, float], *, outcome: str) -> Table:
    """Show every effect estimator with its gain, simplest first."""
    # Effects are told per 100 exposures, and these are squares of effects.
    scale = 10_000
    lines: list[list[object]] = [
        [
            each.name,
            f"{tuned[each.name]:g}" if tuned[each.name] else "",
            f"{scale * each.gain.point:.3g}",
            f"{scale * each.behind.point:.3g}",
            f"{scale * each.behind.standard_error:.2g}",
            "kept" if each.name == league.chosen else "best" if each.name == league.best else "",
        ]
        for each in league.entries
    ]
    return Table(
        ["uplift model", "trees or penalty", "gain", "behind the best", "standard error", ""],
        lines,
        f"On the choosing rows, simplest first. Gain: squared error, in ({outcome} per 100 "
        "exposures) squared, that the model takes off that of one effect for all, by doubly robust "
        "scores of rows in the overlap band, each weighted by e (1 - e), e being the propensity. "
        "Kept is the simplest that is no more than a standard error behind the best.",
    )


def summary(report: Report, *, policy: str) -> dict[str, Any]:
    """Return what a bundle's manifest says of its evaluation.

    Parameters
    ----------
    report : Report
        The evaluation.
    policy : str
        Name of the frozen policy.

    Returns
    -------
    dict
        The paired difference to the base list in uplift@k, in plays per slot.
    """
    difference = report.evaluation.comparison.result(policy).difference
    return {
        "policy": policy,
        "difference_to_base": difference.point,
        "low": difference.low,
        "high": difference.high,
        "requests": report.evaluation.scope.requests,
    }
