"""Equal logs give equal figures, however they come in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import polars
import pyarrow as pa
import pytest

from causal_ranker.chain import train as training
from causal_ranker.evaluation.report import Report
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.ranker import CausalRanker
from causal_ranker.recommenders.frame import FrameRecommender
from tests.ranker.season import (
    FEATURES,
    K,
    config,
    fit,
    season,
    tables,
)
from tests.ranker.shared import figures, offer, small


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Rename ids: their order, and so the order of rows, stays."""
    return table.assign(
        **{
            name: table[name].map("{:05d}".format)
            for name in ("user_id", "item_id")
            if name in table
        }
    )


@pytest.mark.parametrize(
    "kind",
    [
        polars.from_pandas,
        pa.Table.from_pandas,
        lambda table: table.sample(frac=1, random_state=0),
    ],
    ids=["polars", "arrow", "pandas shuffled"],
)
def test_equal_logs_give_equal_figures_byte_by_byte(small_figures: bytes, kind: Any) -> None:
    past, later = small()
    again = fit(past, kind=kind)
    assert figures(again.evaluate(**tables(later, kind))) == small_figures


def test_files_and_ibis_tables(small_figures: bytes, tmp_path: Path) -> None:
    past, later = small()
    engine = connect()
    for number, logs in enumerate((past, later)):
        for name in ("impressions", "plays", "candidates", "users", "items"):
            getattr(logs, name).to_parquet(tmp_path / f"{name}_{number}.parquet")

    def files(number: int) -> dict[str, Any]:
        paths = {n: tmp_path / f"{n}_{number}.parquet" for n in ("impressions", "plays")}
        candidates = read_table(
            str(tmp_path / f"candidates_{number}.parquet"), engine, name="candidates"
        )
        return {**paths, "candidates": candidates, "log_end": (past, later)[number].log_end}

    facts = {name: tmp_path / f"{name}_0.parquet" for name in ("users", "items")}
    ranker = CausalRanker(k=K, config=config(), seed=1).fit(**files(0), **facts)
    assert figures(ranker.evaluate(**files(1))) == small_figures


def test_evaluating_again_gives_the_same_report(ranker: CausalRanker, report: Report) -> None:
    """What an evaluation saw is no history of the next one."""
    assert figures(ranker.evaluate(**tables(season()[1]))) == figures(report)


def test_impressions_that_were_seen_before_are_no_second_exposures() -> None:
    """Logs may overlap. (These few are too old to be credited with a later play.)"""
    past, later = small()
    asked = config(features=FEATURES.model_copy(update={"exposures": True}))
    ranker = fit(past, config=asked)
    usual = figures(ranker.evaluate(**tables(later)))
    again = pd.concat([past.impressions.head(500), later.impressions], ignore_index=True)
    assert figures(ranker.evaluate(**{**tables(later), "impressions": again})) == usual


def test_the_callers_tables_are_left_alone(report: Report) -> None:
    """The shared tables have been through `fit` and `evaluate` by now."""
    fresh = season.__wrapped__()
    for used, new in zip(season(), fresh, strict=True):
        for name in ("impressions", "plays", "candidates", "users", "items"):
            pd.testing.assert_frame_equal(getattr(used, name), getattr(new, name))


def test_ids_may_be_strings(small_report: Report) -> None:
    past, later = small()
    named = fit(past, kind=as_text)
    # folds hash ids, so figures move; everything that does not rest on folds stays
    found = named.evaluate(**tables(later, as_text)).evaluation
    plain = small_report.evaluation
    assert found.scope == plain.scope
    one, other = (each.comparison.result("base") for each in (found, plain))
    assert one.play_rate.point == other.play_rate.point
    assert one.uplift.point == pytest.approx(other.uplift.point, abs=0.01)
    user = as_text(later.candidates)["user_id"].iloc[0]
    served = named.rerank(user, offer(as_text(later.candidates), user))
    assert served.fallback is None
    assert all(isinstance(item, str) for item in served.items)


def test_block_size_decides_memory_and_not_results() -> None:
    """With the built-in base ranker, whose models change within the logs."""
    past, later = small()
    frames = []
    for rows in (10**6, 3_000):
        ranker = fit(past, base="boosted", config=config(block_rows=rows))
        frames.append(ranker.evaluate(**tables(later)).to_frame())
    for policy in ("base", "uplift", "blend", "popularity"):
        pd.testing.assert_series_equal(frames[0].loc[policy], frames[1].loc[policy], rtol=1e-9)


def test_lists_kept_for_the_choice_are_those_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    past, later = small()
    kept = figures(fit(past, base="boosted").evaluate(**tables(later)))
    again, real = [], training.filled_blocks

    def counted(*args: Any, **named: Any) -> Any:
        again.append(1)
        return real(*args, **named)

    monkeypatch.setattr(training, "filled_blocks", counted)
    fit(past, base="boosted")
    once = len(again)
    monkeypatch.setattr(training, "_KEPT_BYTES", 0)
    assert figures(fit(past, base="boosted").evaluate(**tables(later))) == kept
    assert len(again) == 2 * once + 1


def test_a_recommender_at_the_door_is_as_good_as_logged_scores() -> None:
    """The same scores give the same figures, whichever way they come in.

    Propensities are estimated here, so the rows they are learned from need their scores too.
    """
    stretches = season(users=150, days=8, last_days=2, seed=5)

    def without(*columns: str) -> list[Any]:
        return [
            replace(logs, candidates=logs.candidates.drop(columns=list(columns)))
            for logs in stretches
        ]

    scores = pd.concat([logs.candidates for logs in stretches])
    logged, bare = without("propensity"), without("propensity", "base_score", "base_rank")
    ranker, other = fit(logged[0]), fit(bare[0], base=FrameRecommender(scores))
    found = figures(other.evaluate(**tables(bare[1])))
    assert found == figures(ranker.evaluate(**tables(logged[1])))


@pytest.mark.parametrize("propensities", ["logged", "estimated"])
def test_the_same_treatment_again_gives_the_same_answer(propensities: str) -> None:
    """Refitting the judge for another treatment is what the main analysis does, if it is none."""
    stretches = small()
    if propensities == "estimated":
        stretches = [
            replace(logs, candidates=logs.candidates.drop(columns="propensity"))
            for logs in stretches
        ]
    past, later = stretches
    ranker = fit(past, base="boosted")
    report = ranker.evaluate(**tables(later))
    names = ("impressions", "plays", "candidates")
    whole = {n: pd.concat([getattr(logs, n) for logs in stretches]) for n in names}
    again = ranker.reassess(**whole, report_from=past.log_end, log_end=later.log_end)
    frozen = report.evaluation.comparison.result(ranker.policy_name_)
    assert again.frozen.uplift.point == pytest.approx(frozen.uplift.point, rel=1e-9)
    assert again.frozen.difference == frozen.difference
    assert again.average_effect == report.evaluation.average_effect
    ended = later.candidates[later.candidates["horizon_end"] <= later.log_end]
    assert again.treated_share == pytest.approx(ended["shown"].mean())
