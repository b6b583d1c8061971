"""The same expressions compile for the engines that big logs live on.

What they compile to is held by files in ``golden/``. After a change that is meant, write them anew
with ``UPDATE_GOLDEN=1 pytest tests/labels/test_engines.py`` and read the difference.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import ibis
import ibis.backends.sql.compilers as sc
import ibis.expr.operations as ops
import pytest
import sqlglot

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import SurfaceSet, SurfaceShares
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.presence import mark_presence
from causal_ranker.labels.thinning import mark_later_exposures

TIME = "timestamp('UTC')"
WHO = {"user_id": "int64", "item_id": "int64"}
IMPRESSIONS = ibis.table(
    {
        "impression_id": "int64",
        **WHO,
        "t0": TIME,
        "viewable": "boolean",
        "viewable_ms": "float64",
        "surface": "string",
        "clicked_at": TIME,
    },
    name="impressions",
)
PLAYS = ibis.table(
    {"play_id": "int64", **WHO, "played_at": TIME, "seconds": "float64"}, name="plays"
)
ITEMS = ibis.table(
    {"item_id": "int64", "available_from": TIME, "available_until": TIME}, name="items"
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
LAST = AttributionConfig(viewable_only=True, minimum_seconds=5)
CREDITS = {
    "last": LAST,
    "first": AttributionConfig(touch="first", duplicates="first"),
    "linear": AttributionConfig(touch="linear"),
    "clicks": AttributionConfig(click_window_hours=2, minimum_delay_seconds=1),
    "position": AttributionConfig(touch="position"),
    "time_decay": AttributionConfig(touch="time_decay"),
    "shapley": AttributionConfig(touch="shapley", surface_shares=SHARES),
}


def labels(censoring: Literal["drop", "weight"]) -> UpliftDataset:
    config = LabelConfig(
        log_end=datetime(2024, 1, 1, tzinfo=UTC), horizon_hours=24, censoring=censoring
    )
    credits = attribute(IMPRESSIONS, PLAYS, config=LAST)
    return collect_labels(
        CANDIDATES, IMPRESSIONS, PLAYS, credits=credits, config=config, items=ITEMS
    )


# Labels are there already when they are thinned, sampled or marked: a table stands for them.
ROWS = ibis.table(labels("drop").table.schema(), name="labels")
DATASET = UpliftDataset(table=ROWS, censored=ROWS)
EXPRESSIONS = {
    **{name: attribute(IMPRESSIONS, PLAYS, config=config) for name, config in CREDITS.items()},
    "labels": labels("drop").table,
    "weight": labels("weight").table,
    "thin": DATASET.thin().table,
    "sample": DATASET.sample_training(0.1, 0).table,
    "later": mark_later_exposures(ROWS, IMPRESSIONS),
    "presence": mark_presence(ROWS, IMPRESSIONS, PLAYS),
}


@pytest.mark.parametrize("compiler", COMPILERS[1:])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_sql_is_the_one_that_was_read(compiler: type[sc.SQLGlotCompiler], name: str) -> None:
    compare(name, EXPRESSIONS[name], compiler)


@dataclass(frozen=True)
class Engine:
    """An engine by its name: all that an expression asks of the one that holds its tables."""

    name: str


@pytest.mark.parametrize("compiler", COMPILERS[1:])
def test_words_are_told_apart_by_their_hash(compiler: type[sc.SQLGlotCompiler]) -> None:
    words = []
    for table in (IMPRESSIONS, PLAYS):
        kinds = {k: "string" if k.endswith("_id") else v for k, v in table.schema().items()}
        engine = Engine(dialect_of(compiler))
        held = ops.DatabaseTable(table.get_name(), ibis.schema(kinds), engine, ops.Namespace())
        words.append(held.to_expr())
    compare("words", attribute(*words), compiler)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_flag_is_cast_to_a_number(name: str) -> None:
    """Postgres casts a truth value to an integer of 32 bits, and to no other number."""
    casts = EXPRESSIONS[name].op().find(ops.Cast)
    assert not [each for each in casts if each.arg.dtype.is_boolean() and each.to.is_numeric()]


def dialect_of(compiler: type[sc.SQLGlotCompiler]) -> str:
    return compiler.__name__.removesuffix("Compiler").lower()


def compare(name: str, expression: ibis.Table, compiler: type[sc.SQLGlotCompiler]) -> None:
    sql = compiler().to_sqlglot(expression).sql(compiler.dialect, pretty=True) + "\n"
    path = GOLDEN / f"{name}.{dialect_of(compiler)}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    assert path.is_file(), "no golden file; write it with UPDATE_GOLDEN=1 and read it"
    assert sql == path.read_text(encoding="utf-8")
