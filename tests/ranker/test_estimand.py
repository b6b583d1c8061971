"""A learner that keeps rows without overlap says so in every table that follows."""

from __future__ import annotations

from dataclasses import replace

from causal_ranker.evaluation.report import Report
from causal_ranker.reporting.blocks import Section, Table, Text
from tests.ranker.season import config, fit, tables
from tests.ranker.shared import small

SAID = "The uplift model learned effects as an average over every row, weighted by e (1 - e)"


def words(section: Section) -> str:
    said = [block.note or "" for block in section.blocks if isinstance(block, Table)]
    said += [block.text for block in section.blocks if isinstance(block, Text)]
    return " ".join(said)


def test_another_estimand_is_printed_and_so_are_the_models_of_the_propensity() -> None:
    past, later = small()
    bare = [
        replace(logs, candidates=logs.candidates.drop(columns="propensity"))
        for logs in (past, later)
    ]
    dr = config().dr.model_copy(update={"overlap": "overlap_weights"})
    report = fit(bare[0], config=config(dr=dr), learner="dr").evaluate(**tables(bare[1]))
    assert report.evaluation.estimand is not None
    sections = {section.title: section for section in report.document.sections}
    for title in (
        "Policies",
        "How well the scores find uplift",
        "Effects by predicted uplift",
        "Overlap of the exposed and the unexposed",
    ):
        assert SAID in words(sections[title]), title
    assert SAID in report.to_json()
    (trials,) = (
        block
        for block in sections["How the policy was chosen"].blocks
        if isinstance(block, Table) and block.columns[0] == "model of the propensity"
    )
    assert [row[0] for row in trials.rows] == ["boosted", "logistic", "elastic net"]
    assert all(0.1 < float(str(row[1])) < 0.7 for row in trials.rows)


def test_the_default_says_nothing_more(report: Report) -> None:
    assert report.evaluation.estimand is None
    assert "learned effects as an" not in report.to_json()
    assert "model of the propensity" not in report.to_json()  # it was logged
