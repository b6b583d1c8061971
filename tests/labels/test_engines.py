"""The same expressions compile for the engines that big logs live on."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import ibis.backends.sql.compilers as sc
import pytest
import sqlglot

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.labels.collect import LabelConfig, collect_labels

TIME = "timestamp('UTC')"
WHO = {"user_id": "int64", "item_id": "int64"}
IMPRESSIONS = ibis.table(
    {"impression_id": "int64", **WHO, "t0": TIME, "viewable": "boolean"}, name="impressions"
)
PLAYS = ibis.table(
    {"play_id": "int64", **WHO, "played_at": TIME, "seconds": "float64"}, name="plays"
)
CANDIDATES = ibis.table({**WHO, "t0": TIME, "shown": "boolean"}, name="candidates")
COMPILERS = [
    sc.DuckDBCompiler,
    sc.BigQueryCompiler,
    sc.SnowflakeCompiler,
    sc.TrinoCompiler,
    sc.PostgresCompiler,
]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("touch", ["last", "first", "linear"])
def test_the_chain_compiles(compiler: type[sc.SQLGlotCompiler], touch: str) -> None:
    config = AttributionConfig(touch=touch, viewable_only=True, minimum_seconds=5)
    credits = attribute(IMPRESSIONS, PLAYS, config=config)
    labels = LabelConfig(log_end=datetime(2024, 1, 1, tzinfo=UTC), horizon_hours=24)
    rows = collect_labels(CANDIDATES, IMPRESSIONS, PLAYS, credits=credits, config=labels)
    for table in (credits, rows.table, rows.sample_training(0.1, 0).table):
        sql = compiler().to_sqlglot(table).sql(compiler.dialect)
        assert sqlglot.parse_one(sql, dialect=compiler.dialect).find(sqlglot.exp.Join)
