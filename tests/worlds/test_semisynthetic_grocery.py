"""The grocery world against slow counting in plain Python, on made-up and on real tables."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.logs.datasets.complete_journey import journey_folder
from causal_ranker.logs.sources import connect
from causal_ranker.worlds.semisynthetic.grocery import (
    GroceryConfig,
    grocery_world,
    shopping_world,
)
from causal_ranker.worlds.semisynthetic.grocery_tables import read_shopping
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld
from causal_ranker.worlds.semisynthetic.shopping import ShoppingLog

Tables = dict[str, pd.DataFrame]
Truth = dict[tuple[int, str], tuple[float, float, float]]


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Twelve households, four stores of which one keeps no log, nine weeks, eight items."""
    rng = np.random.default_rng(3)
    products = pd.DataFrame(
        {
            "product_id": range(100, 120),
            # 16 products of 8 items; 2 without a type, 1 without a category, 1 in no mailer
            "product_category": [f"c{i % 4}" for i in range(18)] + [None, "c9"],
            "product_type": [f"t{i % 8}" for i in range(16)] + [None, None, "t1", "t9"],
        }
    )
    rows = [
        (household, store, product, week)
        for household in range(1, 13)
        for week in range(1, 10)
        for store in rng.choice([1, 2, 3, 9], size=rng.integers(0, 3), replace=False)
        for product in rng.choice(range(100, 120), size=rng.integers(1, 7), replace=True)
    ]
    promotions = [
        (product, store, week, rng.choice(["0", "A", "D"]))
        for store in (1, 2, 3)
        for week in range(1, 10)
        if (store, week) != (2, 4)  # a store without a log for a week
        for product in rng.choice(range(100, 119), size=8, replace=False)
    ]
    return {
        "transactions": pd.DataFrame(
            rows, columns=["household_id", "store_id", "product_id", "week"]
        ),
        "promotions": pd.DataFrame(
            promotions, columns=["product_id", "store_id", "week", "mailer_location"]
        ),
        "products": products,
    }


def log_of(tables: Tables, **changed: Any) -> ShoppingLog:
    return read_shopping(connect(threads=1), **tables | changed)


def slow_truth(tables: Tables, *, weeks: int, prior: float) -> Truth:
    """The recipe by hand: sets of weeks, the filters again and again, then the fractions."""
    name = {
        row.product_id: f"{row.product_category}::{row.product_type}"
        for row in tables["products"].itertuples()
        if isinstance(row.product_category, str) and isinstance(row.product_type, str)
    }
    logged = {(row.store_id, row.week) for row in tables["promotions"].itertuples()}
    mailed = {
        (row.store_id, row.week, name[row.product_id])
        for row in tables["promotions"].itertuples()
        if row.mailer_location != "0" and row.product_id in name
    }
    mailed_in = defaultdict(set)
    for store, week, item in mailed:
        mailed_in[store, week].add(item)
    visits, bought, exposed = defaultdict(set), defaultdict(set), defaultdict(set)
    for user, store, product, week in tables["transactions"].to_numpy().tolist():
        if (store, week) not in logged:
            continue
        visits[user].add(week)
        for item in mailed_in[store, week]:
            exposed[user, item].add(week)
        if product in name:
            bought[user, name[product]].add(week)
    users = {user for user in visits if len(visits[user]) >= weeks}
    items = {item for _, _, item in mailed}
    while True:
        kept_items = {
            item
            for item in items
            if len(set().union(*(bought[user, item] for user in users))) >= weeks
            and any(bought[user, item] & exposed[user, item] for user in users)
            and any(bought[user, item] - exposed[user, item] for user in users)
        }
        kept_users = {user for user in users if any(exposed[user, item] for item in kept_items)}
        if (kept_users, kept_items) == (users, items):
            break
        users, items = kept_users, kept_items
    truth: Truth = {}
    for item in items:
        counts = {
            user: (
                len(bought[user, item] & exposed[user, item]),
                len(exposed[user, item]),
                len(bought[user, item] - exposed[user, item]),
                len(visits[user] - exposed[user, item]),
                len(visits[user]),
            )
            for user in users
        }
        mean = [sum(column) / len(users) for column in zip(*counts.values(), strict=True)]
        for user in users:
            ep, e, up, u, v = (
                own + prior * other for own, other in zip(counts[user], mean, strict=True)
            )
            truth[user, item] = (ep / e, up / u, e / v)
    return truth


def assert_is(world: PairWorld, truth: Truth) -> None:
    assert {(user, item) for user in world.users for item in world.items} == set(truth)
    for row, user in enumerate(world.users.tolist()):
        for column, item in enumerate(world.items.tolist()):
            came = (
                world.played_if_shown[row, column],
                world.played_if_not[row, column],
                world.propensity[row, column],
            )
            assert came == pytest.approx(truth[user, item], rel=1e-5), (user, item)


@pytest.mark.parametrize(("weeks", "prior"), [(1, 0.4), (4, 0.4), (6, 0.4), (4, 2.0)])
def test_probabilities_are_the_recipes(tables: Tables, weeks: int, prior: float) -> None:
    world = shopping_world(
        log_of(tables), personalized=False, config=GroceryConfig(weeks=weeks, prior=prior)
    )
    truth = slow_truth(tables, weeks=weeks, prior=prior)
    assert_is(world, truth)
    assert world.name == "grocery"


def test_the_filters_leave_something_out(tables: Tables) -> None:
    few, many = (len(slow_truth(tables, weeks=weeks, prior=0.4)) for weeks in (1, 6))
    assert 0 < many < few < 12 * 10


def test_each_filter_drops_and_makes_others_fail() -> None:
    """Household 2 comes in two weeks: with it go the weeks and purchases that items need."""
    rows = [(1, 1, product, week) for week in (1, 2, 3) for product in (1, 2, 4)]
    rows += [(1, 1, 3, 1), (1, 1, 3, 2), (2, 2, 1, 1), (2, 2, 2, 3), (2, 2, 3, 3)]
    mailers = {
        1: [(1, 1), (1, 2), (1, 3)],  # unexposed purchase: household 2 alone
        2: [(1, 1), (2, 3)],  # household 1 is enough
        3: [(1, 1)],  # third week: household 2 alone
        4: [(2, 1)],  # bought without a mailer only
    }
    tables = {
        "transactions": pd.DataFrame(
            rows, columns=["household_id", "store_id", "product_id", "week"]
        ),
        "promotions": pd.DataFrame(
            [(product, *place, "A") for product, places in mailers.items() for place in places],
            columns=["product_id", "store_id", "week", "mailer_location"],
        ),
        "products": pd.DataFrame(
            {"product_id": [1, 2, 3, 4], "product_category": list("abcd"), "product_type": "t"}
        ),
    }
    log = log_of(tables)
    for weeks, items, users in ((1, ["a::t", "b::t", "c::t"], [1, 2]), (3, ["b::t"], [1])):
        world = shopping_world(log, personalized=False, config=GroceryConfig(weeks=weeks))
        assert world.items.tolist() == items
        assert world.users.tolist() == users
        assert_is(world, slow_truth(tables, weeks=weeks, prior=0.4))


def test_personalized_keeps_the_outcomes_and_ranks_by_their_mean(tables: Tables) -> None:
    log = log_of(tables)
    config = GroceryConfig(weeks=2, recommendations=2.5, margin=0.05)
    shop = shopping_world(log, personalized=False, config=config)
    ours = shopping_world(log, personalized=True, config=config)
    assert ours.name == "grocery_personalized"
    np.testing.assert_array_equal(ours.played_if_shown, shop.played_if_shown)
    np.testing.assert_array_equal(ours.played_if_not, shop.played_if_not)
    np.testing.assert_allclose(ours.propensity.sum(axis=1), 2.5, rtol=1e-5)
    mean = (ours.played_if_shown.astype(float) + ours.played_if_not) / 2
    for row in range(len(ours.users)):
        by_mean = ours.propensity[row, np.argsort(-mean[row], kind="stable")]
        assert (np.diff(by_mean) <= 0).all()
        assert by_mean[0] > by_mean[-1]
    assert ours.statistics["exposures_per_user"] == pytest.approx(2.5)


def test_households_are_drawn_by_the_seed(tables: Tables) -> None:
    everyone = log_of(tables)
    some = [log_of(tables, households=5, seed=seed) for seed in (0, 0, 1)]
    assert [len(log.households) for log in some] == [5, 5, 5]
    assert some[0].households.tolist() == some[1].households.tolist()
    assert some[0].households.tolist() != some[2].households.tolist()
    assert set(some[0].households) < set(everyone.households)
    assert len(log_of(tables, households=99).households) == len(everyone.households)
    # the code of a household stays that of its own rows
    for log in (everyone, some[2]):
        visited = {
            (int(log.households[code]), int(week) + 1) for week, code, _ in log.visits.tolist()
        }
        logged = set(zip(tables["promotions"].store_id, tables["promotions"].week, strict=True))
        assert visited == {
            (row.household_id, row.week)
            for row in tables["transactions"].itertuples()
            if (row.store_id, row.week) in logged and row.household_id in set(log.households)
        }


def test_the_callers_tables_stay_as_they_are(tables: Tables) -> None:
    before = {name: table.copy() for name, table in tables.items()}
    shopping_world(log_of(tables), personalized=False, config=GroceryConfig(weeks=2))
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name])


def test_input_that_cannot_be_used_is_told(tables: Tables) -> None:
    with pytest.raises(SchemaError, match="mailer_location"):
        log_of(tables, promotions=tables["promotions"].drop(columns="mailer_location"))
    holes = tables["transactions"].astype({"household_id": "Int64"})
    holes.loc[[2, 5], "household_id"] = pd.NA
    with pytest.raises(RowError, match=r"household_id in each row of transactions; got 2 rows"):
        log_of(tables, transactions=holes)
    with pytest.raises(EmptyError, match="0 visits"):
        log_of(tables, transactions=tables["transactions"].assign(store_id=77))
    with pytest.raises(EmptyError, match="0 mailers"):
        log_of(tables, promotions=tables["promotions"].assign(mailer_location="0"))
    with pytest.raises(ConfigError, match="households = 0"):
        log_of(tables, households=0)
    with pytest.raises(EmptyError, match=r"10 weeks of purchases.*got 0 of \d+ households"):
        shopping_world(log_of(tables), personalized=False)
    with pytest.raises(ConfigError, match="recommendations = 210"):
        shopping_world(log_of(tables), personalized=True, config=GroceryConfig(weeks=1))


@pytest.fixture(scope="module")
def slice_of_the_shop() -> PairWorld:
    return grocery_world(personalized=False, households=40, seed=2)


@pytest.mark.slow
def test_the_real_shop_by_hand(slice_of_the_shop: PairWorld) -> None:
    """Four items of forty households, again from the package's files, mostly by pandas."""
    world, folder = slice_of_the_shop, journey_folder()
    products = pd.read_parquet(folder / "products.parquet").set_index("product_id")
    item_of = products.product_category + "::" + products.product_type
    promotions = f"read_parquet('{folder / 'promotions.parquet'}')"
    few = list(world.items[:: len(world.items) // 4])
    members = item_of[item_of.isin(few)]
    mailed = duckdb.sql(
        "SELECT DISTINCT product_id, store_id, week "
        f"FROM {promotions} WHERE product_id IN {tuple(members.index)} AND mailer_location <> '0'"
    ).df()
    rows = pd.read_parquet(
        folder / "transactions.parquet", columns=["household_id", "store_id", "week", "product_id"]
    )
    rows = rows[rows.household_id.isin(world.users)].assign(item=rows.product_id.map(item_of))
    rows = rows.merge(duckdb.sql(f"SELECT DISTINCT store_id, week FROM {promotions}").df())
    visited = rows[["household_id", "store_id", "week"]].drop_duplicates()
    for item in few:
        mailers = mailed[mailed.product_id.map(item_of) == item]
        mailers = mailers[["store_id", "week"]].drop_duplicates()
        shown = visited.merge(mailers)[["household_id", "week"]].drop_duplicates()
        weeks = visited[["household_id", "week"]].drop_duplicates()
        both = weeks.merge(shown, how="left", indicator="shown")
        both = both.merge(
            rows.loc[rows.item == item, ["household_id", "week"]].drop_duplicates(),
            how="left",
            indicator="bought",
        )
        both = both.assign(shown=both.shown == "both", bought=both.bought == "both")
        counts = both.groupby("household_id").agg(
            v=("week", "size"),
            e=("shown", "sum"),
            b=("bought", "sum"),
        )
        counts["eb"] = both[both.shown & both.bought].groupby("household_id").size()
        counts = counts.fillna(0).reindex(world.users)
        column = int(np.flatnonzero(world.items == item)[0])
        prior = 0.4 * counts.mean()
        np.testing.assert_allclose(
            world.propensity[:, column], (counts.e + prior.e) / (counts.v + prior.v), rtol=1e-5
        )
        np.testing.assert_allclose(
            world.played_if_shown[:, column],
            (counts.eb + prior.eb) / (counts.e + prior.e),
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            world.played_if_not[:, column],
            (counts.b - counts.eb + prior.b - prior.eb) / (counts.v - counts.e + prior.v - prior.e),
            rtol=1e-4,
        )


@pytest.mark.slow
def test_the_real_shop_is_a_world_to_learn_from(slice_of_the_shop: PairWorld) -> None:
    told = slice_of_the_shop.statistics
    assert 25 <= told["users"] <= 40
    assert told["items"] > 100
    # mailers make people buy, a little, and not everyone
    assert 0 < told["average_effect"] < 0.05
    assert 0.05 < told["share_negative"] < 0.6
    assert told["share_of_both_arms"] > 0.5
