"""The report says what moves uplift, by the model and by the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.drivers import drivers_section
from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.blocks import Table
from causal_ranker.uplift.dr import DRLearner
from tests.ranker.season import FEATURES, config
from tests.uplift.worlds import draw


def table_of(section: Any) -> Table:
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert isinstance(table, Table)
    return table


def test_the_report_has_the_table(ranker: CausalRanker, report: Report) -> None:
    (section,) = (s for s in report.document.sections if s.title == "What moves uplift")
    table = table_of(section)
    assert len(table.rows) == 10
    assert {row[0] for row in table.rows} <= set(FEATURES.names)
    sizes = [row[1] for row in table.rows]
    assert sizes == sorted(sizes, reverse=True)

    lists, model = ranker.lists_, ranker.trained_.scorer.learner.model_
    assert model is not None
    inside = lists.rows.primary[lists.rows.sampled]
    step = int(np.ceil(inside.sum() / 5_000))
    split = model.predict(lists.covariates[inside][::step], pred_contrib=True)
    found = dict(zip(FEATURES.names, 100 * np.abs(split[:, :-1]).mean(axis=0), strict=True))
    for name, size, _, _ in table.rows:
        assert size == pytest.approx(found[name])


def test_linear_leaves_are_asked_by_the_rows_alone(ranker: CausalRanker, report: Report) -> None:
    """They have no SHAP values."""
    lists, trained = ranker.lists_, ranker.trained_
    rows = draw(90, logged=True).rows
    linear = BoostConfig(rounds=3, leaves=3, linear=True)
    learner = DRLearner(config=config().dr.model_copy(update={"final": linear}), seed=1).fit(
        replace(
            rows,
            features=np.tile(rows.features, (1, 20))[:, : len(FEATURES.names)],
            names=tuple(FEATURES.names),
        )
    )
    scorer = replace(trained.scorer, learner=learner)
    section = drivers_section(
        lists, replace(trained, scorer=scorer), config=FEATURES, outcome="plays", seed=0
    )
    table = table_of(section)
    assert [len(row) for row in table.rows] == [2] * 10
    assert "SHAP" not in table.note
