"""Any learner in the chain: compared in a league, or named, and served as one LightGBM model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.blocks import Table
from causal_ranker.uplift.candidates import Candidate
from tests.ranker.season import CANDIDATES, config, fit, tables
from tests.ranker.shared import offer, small


def test_the_league_is_in_the_report(ranker: CausalRanker, report: Report) -> None:
    league = ranker.trained_.league
    assert league is not None
    assert [each.name for each in league.entries] == [each.name for each in CANDIDATES]
    assert ranker.trained_.tuned == {each.name: each.path[0] for each in CANDIDATES}
    (section,) = (s for s in report.document.sections if s.title == "How the policy was chosen")
    (table,) = (
        each
        for each in section.blocks
        if isinstance(each, Table) and each.columns[0] == "uplift model"
    )
    # Per 100 exposures, and squared.
    assert [[row[0], row[1], float(str(row[2]))] for row in table.rows] == [
        [each.name, trees, pytest.approx(10_000 * each.gain.point, rel=0.01)]
        for each, trees in zip(league.entries, ("", "50", "50"), strict=True)
    ]
    assert [row[0] for row in table.rows if row[-1] == "kept"] == [league.chosen]
    assert "weighted by e (1 - e)" in str(table.note)


def test_a_learner_without_an_estimand_leaves_no_torn_sentence() -> None:
    past, later = small()
    dr = config().dr.model_copy(update={"overlap": "overlap_weights"})
    report = fit(past, learner="t", config=config(dr=dr)).evaluate(**tables(later))
    assert report.evaluation.estimand is None
    assert "learned effects as an" not in report.to_json()


def test_monotone_features_that_a_league_would_forget_are_refused() -> None:
    past, _ = small()
    final = config().dr.final.model_copy(update={"monotone": {"buzz": 1}})
    forgetful = config(dr=config().dr.model_copy(update={"final": final}))
    with pytest.raises(ConfigError, match=r"config.dr.final.monotone = \{'buzz': 1\}"):
        fit(past, config=forgetful)


@pytest.mark.parametrize("learner", ["s", "econml_dr"])
def test_a_learner_of_another_form_is_served_by_its_student(learner: str, tmp_path: Path) -> None:
    past, later = small()
    ranker = fit(past, learner=learner)
    report = ranker.evaluate(**tables(later))
    page = report.to_html(tmp_path / "report.html").read_text("utf-8")
    assert "A LightGBM model serves in place of the learner: Spearman" in page
    assert "behind the best" not in page
    loaded = CausalRanker.load(ranker.save(tmp_path / "model"))
    user = later.candidates["user_id"].iloc[0]
    asked = offer(later.candidates, user)
    ranked = loaded.rerank(user, asked, k=len(asked))
    assert sorted(ranked.items) == sorted(item for item, _ in asked)


def test_one_effect_for_all_leaves_the_base_order() -> None:
    past, later = small()
    only = config(candidates=(Candidate(learner="constant"),))
    ranker = fit(past, config=only, policy="uplift")
    assert ranker.trained_.league is not None
    assert ranker.trained_.league.chosen == "constant"
    report = ranker.evaluate(**tables(later))
    difference = report.evaluation.comparison.result("uplift").difference
    assert difference.point == 0
    assert np.ptp(report.evaluation.groups.predicted) == 0


def test_a_name_nobody_has_is_told_all_of_them() -> None:
    past, _ = small()
    with pytest.raises(ConfigError, match=r"'auto'.*'econml_forest'.*as learner; got 'forest'"):
        fit(past, learner="forest")
