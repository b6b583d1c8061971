"""From the tables of The Complete Journey to a shopping log in codes."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

import ibis
import numpy as np
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import read_table
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.semisynthetic.shopping import ShoppingLog

__all__ = ["read_shopping"]

#: Columns that are read; of products, names may be missing.
_COLUMNS: Final = {
    "transactions": ("household_id", "store_id", "product_id", "week"),
    "promotions": ("product_id", "store_id", "week", "mailer_location"),
    "products": ("product_id", "product_category", "product_type"),
}
_MAY_BE_NULL: Final = {"product_category", "product_type"}


def read_shopping(
    connection: Backend,
    *,
    transactions: Any,
    promotions: Any,
    products: Any,
    households: int | None = None,
    seed: int = 0,
) -> ShoppingLog:
    """Read visits, purchases and mailers, by item = product_category::product_type.

    Only stores and weeks with a promotion log count, and only items that were in a mailer.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The embedded engine (see `causal_ranker.logs.sources.connect`).
    transactions, promotions, products : str, Path, pandas.DataFrame or ibis.Table
        The tables, with the columns of the data set. A promotion whose ``mailer_location`` is
        ``'0'`` was in no mailer.
    households : int, optional
        At most so many, drawn at random from those who visited a logged store; by default all.
    seed : int, default 0
        Seed of that draw.

    Returns
    -------
    ShoppingLog
        Codes, in the order of ids and names.

    Raises
    ------
    SchemaError
        If a column is missing.
    RowError
        If a key is null.
    EmptyError
        If no visit of a logged store, or no mailer, is left.
    ConfigError
        If `households` is below 1.
    """
    if households is not None and households < 1:
        raise ConfigError(
            expected="households >= 1, or None for all",
            came=f"households = {households}",
            do="Ask for at least one.",
        )
    for name, source in (
        ("transactions", transactions),
        ("promotions", promotions),
        ("products", products),
    ):
        table = read_table(source, connection, name=name)
        require_columns(table, _COLUMNS[name], name=name)
        _check_keys(table, name)
        connection.create_view(f"grocery_{name}", table.select(*_COLUMNS[name]), overwrite=True)
    connection.raw_sql((files(__package__) / "grocery.sql").read_text(encoding="utf-8"))
    visits = _rows(
        connection,
        "SELECT DISTINCT w.code AS week, household_id, s.code AS store FROM grocery_baskets "
        "JOIN grocery_weeks AS w USING (week) JOIN grocery_stores AS s USING (store_id)",
    )
    purchases = _rows(
        connection,
        "SELECT DISTINCT w.code AS week, household_id, i.code AS item FROM grocery_baskets "
        "JOIN grocery_weeks AS w USING (week) JOIN grocery_items AS i USING (name)",
    )
    mailers = _rows(
        connection,
        "SELECT w.code AS week, s.code AS store, i.code AS item FROM grocery_mailers "
        "JOIN grocery_weeks AS w USING (week) JOIN grocery_stores AS s USING (store_id) "
        "JOIN grocery_items AS i USING (name)",
    )
    if not visits.size or not mailers.size:
        raise EmptyError(
            expected="visits of stores that kept a promotion log, and mailers",
            came=f"{len(visits)} visits and {len(mailers)} mailers",
            do="Check that stores, weeks and products of the three tables are the same.",
        )
    ids = np.unique(visits[:, 1])
    if households is not None and households < ids.size:
        rng = stage_rng(seed, "semisynthetic/grocery/households")
        ids = np.sort(rng.choice(ids, size=households, replace=False))
    items = connection.raw_sql("SELECT item FROM grocery_items ORDER BY code").fetchnumpy()
    [(n_stores, n_weeks)] = connection.raw_sql(
        "SELECT (SELECT count(*) FROM grocery_stores), (SELECT count(*) FROM grocery_weeks)"
    ).fetchall()
    return ShoppingLog(
        households=ids,
        items=items["item"].astype(object),
        n_stores=n_stores,
        n_weeks=n_weeks,
        visits=_coded(visits, ids),
        purchases=_coded(purchases, ids),
        mailers=mailers,
    )


def _check_keys(table: ibis.Table, name: str) -> None:
    keys = [column for column in _COLUMNS[name] if column not in _MAY_BE_NULL]
    nulls = table.aggregate(**{key: table[key].isnull().sum() for key in keys}).to_pyarrow()
    for key, count in nulls.to_pylist()[0].items():
        if count:
            raise RowError(
                expected=f"a {key} in each row of {name}",
                came=f"{count} rows without one",
                do="Fill it, or drop these rows.",
            )


def _rows(connection: Backend, query: str) -> NDArray[np.int64]:
    columns = connection.raw_sql(query).fetchnumpy()
    return np.column_stack([column.astype(np.int64) for column in columns.values()])


def _coded(rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the rows of these households, their code in the place of the id."""
    code = np.searchsorted(ids, rows[:, 1]).clip(max=ids.size - 1)
    kept = ids[code] == rows[:, 1]
    return np.column_stack([rows[kept, 0], code[kept], rows[kept, 2]])
