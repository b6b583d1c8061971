"""The same expressions compile for the engines that big logs live on.

What they compile to is held by files in ``golden/``. After a change that is meant, write them anew
with ``UPDATE_GOLDEN=1 pytest tests/labels/test_engines.py`` and read the difference.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import ibis
import ibis.backends.sql.compilers as sc
import pytest
import sqlglot

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import SurfaceSet, SurfaceShares
from causal_ranker.labels.collect import LabelConfig, collect_labels

TIME = "timestamp('UTC')"
WHO = {"user_id": "int64", "item_id": "int64"}
IMPRESSIONS = ibis.table(
    {"impression_id": "int64", **WHO, "t0": TIME, "viewable": "boolean", "surface": "string"},
    name="impressions",
)
PLAYS = ibis.table(
    {"play_id": "int64", **WHO, "played_at": TIME, "seconds": "float64"}, name="plays"
)
CANDIDATES = ibis.table({**WHO, "t0": TIME, "shown": "boolean"}, name="candidates")
SHARES = SurfaceShares(
    sets=(
        SurfaceSet(surfaces=("home", "mail"), shares=(0.25, 0.75)),
        SurfaceSet(surfaces=("home", ""), shares=(1.0, 0.0)),
    )
)
COMPILERS = [
    sc.DuckDBCompiler,
    sc.BigQueryCompiler,
    sc.SnowflakeCompiler,
    sc.TrinoCompiler,
    sc.PostgresCompiler,
]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("touch", ["last", "first", "linear", "time_decay", "position", "shapley"])
def test_the_chain_compiles(compiler: type[sc.SQLGlotCompiler], touch: str) -> None:
    shares = {"surface_shares": SHARES} if touch == "shapley" else {}
    config = AttributionConfig(touch=touch, viewable_only=True, minimum_seconds=5, **shares)
    credits = attribute(IMPRESSIONS, PLAYS, config=config)
    labels = LabelConfig(log_end=datetime(2024, 1, 1, tzinfo=UTC), horizon_hours=24)
    rows = collect_labels(CANDIDATES, IMPRESSIONS, PLAYS, credits=credits, config=labels)
    for table in (credits, rows.table, rows.sample_training(0.1, 0).table):
        sql = compiler().to_sqlglot(table).sql(compiler.dialect)
        assert sqlglot.parse_one(sql, dialect=compiler.dialect).find(sqlglot.exp.Join)


GOLDEN = Path(__file__).parent / "golden"
LABELS = LabelConfig(log_end=datetime(2024, 1, 1, tzinfo=UTC), horizon_hours=24)
LAST = AttributionConfig(viewable_only=True, minimum_seconds=5)
DECAY = AttributionConfig(touch="time_decay")
SHAPLEY = AttributionConfig(touch="shapley", surface_shares=SHARES)
EXPRESSIONS = {
    "last": attribute(IMPRESSIONS, PLAYS, config=LAST),
    "position": attribute(IMPRESSIONS, PLAYS, config=AttributionConfig(touch="position")),
    "time_decay": attribute(IMPRESSIONS, PLAYS, config=DECAY),
    "shapley": attribute(IMPRESSIONS, PLAYS, config=SHAPLEY),
    "labels": collect_labels(
        CANDIDATES,
        IMPRESSIONS,
        PLAYS,
        credits=attribute(IMPRESSIONS, PLAYS, config=LAST),
        config=LABELS,
    ).table,
}


@pytest.mark.parametrize("compiler", COMPILERS[1:])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_sql_is_the_one_that_was_read(compiler: type[sc.SQLGlotCompiler], name: str) -> None:
    sql = compiler().to_sqlglot(EXPRESSIONS[name]).sql(compiler.dialect, pretty=True) + "\n"
    dialect = compiler.__name__.removesuffix("Compiler").lower()
    path = GOLDEN / f"{name}.{dialect}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    assert path.is_file(), "no golden file; write it with UPDATE_GOLDEN=1 and read it"
    assert sql == path.read_text(encoding="utf-8")
