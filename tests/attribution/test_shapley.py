"""How surfaces share credit: by all orders, by hand, by a slow count, and where it is known."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import ibis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shapley import learn_surface_shares, shapley_values
from causal_ranker.attribution.shares import SurfaceSet, SurfaceShares
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from tests.attribution.oracle import count_paths_slowly
from tests.attribution.test_attribute import CONFIGS, at, impression, play, random_logs, tables

LATE = at(10_000)
NAMES = ["home", "mail", "push", "search"]
rates = st.dictionaries(
    st.frozensets(st.sampled_from(NAMES), min_size=1), st.integers(0, 8).map(lambda n: n / 8)
)
players = st.frozensets(st.sampled_from(NAMES), min_size=1)


def worth(names: frozenset[str], rates: dict[frozenset[str], float]) -> float:
    return max((rate for part, rate in rates.items() if part <= names), default=0.0)


def by_orders(names: frozenset[str], rates: dict[frozenset[str], float]) -> dict[str, float]:
    """Average over all orders what each adds to those before it."""
    orders = list(permutations(sorted(names)))
    total = dict.fromkeys(names, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            total[name] += worth(before | {name}, rates) - worth(before, rates)
    return {name: value / len(orders) for name, value in total.items()}


@given(names=players, rates=rates)
def test_the_values_are_those_of_all_orders(
    names: frozenset[str], rates: dict[frozenset[str], float]
) -> None:
    assert shapley_values(names, rates) == pytest.approx(by_orders(names, rates))


@given(names=players, rates=rates)
def test_the_values_keep_the_axioms(
    names: frozenset[str], rates: dict[frozenset[str], float]
) -> None:
    values = shapley_values(names, rates)
    assert sum(values.values()) == pytest.approx(worth(names, rates))
    assert all(value >= -1e-12 for value in values.values())
    renamed = {name: name.upper() for name in NAMES}
    other = {frozenset(renamed[name] for name in part): rate for part, rate in rates.items()}
    moved = shapley_values(frozenset(renamed[name] for name in names), other)
    assert moved == pytest.approx({renamed[name]: value for name, value in values.items()})
    dummy = shapley_values(names | {"nobody"}, rates)
    assert dummy == pytest.approx(values | {"nobody": 0.0})


def test_by_hand() -> None:
    home, mail, both = frozenset({"home"}), frozenset({"mail"}), frozenset({"home", "mail"})
    # Alone 0.1 and 0.3, together 0.6: mail adds 0.3 or 0.5, home 0.1 or 0.3.
    got = shapley_values(both, {home: 0.1, mail: 0.3, both: 0.6})
    assert got == pytest.approx({"home": 0.2, "mail": 0.4})
    # A rate that falls is read as one that stays.
    assert shapley_values(both, {home: 0.1, mail: 0.3, both: 0.2}) == pytest.approx(
        {"home": 0.05, "mail": 0.25}
    )


@pytest.mark.parametrize("settings", CONFIGS)
def test_paths_are_counted_as_slowly(settings: dict[str, Any], connection: Backend) -> None:
    logs = random_logs(np.random.default_rng(11), 150, int)
    config = AttributionConfig(**settings)
    learned = learn_surface_shares(
        *tables(*logs, connection), config=config, fewest_paths=1, log_end=LATE
    )
    found = {frozenset(each.surfaces): (each.paths, each.plays) for each in learned.sets}
    slow = count_paths_slowly(*logs, config)
    assert {seen: count for seen, count in found.items() if count != (0, 0)} == slow
    assert sum(played for _, played in slow.values()) > 0
    rates = {seen: played / paths for seen, (paths, played) in slow.items()}
    for each in learned.sets:
        values = by_orders(frozenset(each.surfaces), rates)
        total = sum(values.values())
        for name, share in zip(each.surfaces, each.shares, strict=True):
            expected = values[name] / total if total else 1 / len(values)
            assert share == pytest.approx(expected)
    asked = {frozenset(each.surfaces) for each in learned.sets}
    assert all(seen - {name} in asked for seen in asked for name in seen if len(seen) > 1)


def test_known_hazards_are_recovered(connection: Backend) -> None:
    """A play follows at once, with a chance that adds up over the surfaces seen so far."""
    rng, add = np.random.default_rng(5), {"home": 0.1, "mail": 0.3}
    impressions, plays, users = [], [], 6_000
    for user in range(users):
        seen: set[str] = set()
        for hour, name in enumerate(rng.permutation(["home", "mail"])[: rng.integers(1, 3)]):
            seen.add(name)
            impressions.append(impression(len(impressions), hour, user_id=user, surface=name))
            if rng.random() < sum(add[each] for each in seen):
                plays.append(play(len(plays), hour + 0.1, user_id=user))
    learned = learn_surface_shares(
        *tables(impressions, plays, connection), config=AttributionConfig(), log_end=LATE
    )
    shares = {
        each.surfaces: dict(zip(each.surfaces, each.shares, strict=True)) for each in learned.sets
    }
    assert set(shares) == {("home",), ("mail",), ("home", "mail")}
    # phi_home is the mean of v(home) = .1 and v(both) - v(mail) = .1, three rates of 3,000 or so.
    spread = np.sqrt(0.25 * (0.1 * 0.9 + 0.4 * 0.6 + 0.3 * 0.7) / (users / 2)) / 0.4
    assert shares["home", "mail"]["home"] == pytest.approx(0.25, abs=4 * spread)
    assert 4 * spread < 0.1


def test_rare_sets_have_no_rate_of_their_own(connection: Backend) -> None:
    """One lucky path would otherwise outweigh a thousand."""
    impressions, plays = [], []
    for user in range(200):
        impressions.append(impression(len(impressions), 0, user_id=user, surface="home"))
        if user % 4 == 0:
            plays.append(play(len(plays), 1, user_id=user))
    impressions += [
        impression(1_000, 0, user_id=999, surface="home"),
        impression(1_001, 1, user_id=999, surface="push"),
    ]
    plays.append(play(1_000, 2, user_id=999))
    logs = tables(impressions, plays, connection)

    def push(fewest_paths: int) -> float:
        learned = learn_surface_shares(
            *logs, config=AttributionConfig(), fewest_paths=fewest_paths, log_end=LATE
        )
        (both,) = (each for each in learned.sets if each.surfaces == ("home", "push"))
        assert (both.paths, both.plays) == (1, 1)
        return both.shares[1]

    assert push(2) == 0.0
    assert push(1) == pytest.approx((1 - 50 / 201) / 2)  # after home it adds that much, before it 0


@pytest.mark.parametrize(("users", "own"), [(100, True), (99, False)])
def test_a_set_needs_a_hundred_paths_unless_said(
    users: int, own: bool, connection: Backend
) -> None:
    impressions = [impression(i, 0, user_id=i, surface="home") for i in range(users)]
    more = [impression(users + i, 1, user_id=i, surface="mail") for i in range(users)]
    plays = [play(i, 0.5, user_id=i) for i in range(users // 2)]
    learned = learn_surface_shares(
        *tables(impressions + more, plays, connection), config=AttributionConfig(), log_end=LATE
    )
    (both,) = (each for each in learned.sets if len(each.surfaces) == 2)
    assert both.surfaces == ("home", "mail")
    # Half of the paths over home alone led to a play, and none over both.
    assert both.shares == pytest.approx((1.0, 0.0) if own else (0.5, 0.5))


def test_windows_that_are_still_open_say_nothing_yet(connection: Backend) -> None:
    """A surface that came on the last day would seem to lead to less."""
    impressions = [impression(i, 0, user_id=i, surface="old") for i in range(100)]
    impressions += [impression(100 + i, 40, user_id=400 + i, surface="new") for i in range(100)]
    impressions += [impression(200 + i, 10, user_id=200 + i, surface="new") for i in range(50)]
    plays = [play(i, 20, user_id=i) for i in range(30)]
    plays += [play(50 + i, 30, user_id=200 + i) for i in range(15)]
    found = {}
    for end in (64, 63.9):
        learned = learn_surface_shares(
            *tables(impressions, plays, connection), config=AttributionConfig(), log_end=at(end)
        )
        found[end] = {each.surfaces: (each.paths, each.plays) for each in learned.sets}
    assert found[64] == {("old",): (100, 30), ("new",): (150, 15)}
    assert found[63.9] == {("old",): (100, 30), ("new",): (50, 15)}


def test_a_click_opens_a_window_of_its_own(connection: Backend) -> None:
    """The path says nothing before the window of the click has closed, long after that of t0."""
    clicked = [impression(i, 0, user_id=i, clicked_at=at(20)) for i in range(2)]
    others = [impression(10 + i, 0, user_id=10 + i, clicked_at=None) for i in range(3)]
    config = AttributionConfig(click_window_hours=24)
    for end, paths in ((44, 5), (43.9, 3), (24, 3)):
        (learned,) = learn_surface_shares(
            *tables(clicked + others, [play(1, 43.5, user_id=1)], connection),
            config=config,
            log_end=at(end),
            fewest_paths=1,
        ).sets
        assert (learned.paths, learned.plays) == (paths, int(paths == 5))


def test_logs_shorter_than_the_window_teach_nothing(connection: Backend) -> None:
    logs = tables([impression(1, 0), impression(2, 5)], [play(1, 6)], connection)
    config = AttributionConfig(window_hours=168)
    with pytest.raises(EmptyError, match="window of 168 hours"):
        learn_surface_shares(*logs, config=config, log_end=at(167.9))
    learn_surface_shares(*logs, config=config, log_end=at(168))


def test_logs_without_a_surface_share_equally(connection: Backend) -> None:
    rows = [impression(1, 0), impression(2, 1), impression(3, 0, user_id=9, surface="mail")]
    rows = [row | {"surface": row["surface"] if row["user_id"] == 9 else None} for row in rows]
    config = AttributionConfig(viewable_only=True)
    for hidden, sets in (((3,), 1), ((1, 2, 3), 0)):
        shown = [row | {"viewable": row["impression_id"] not in hidden} for row in rows]
        shares = learn_surface_shares(
            *tables(shown, [play(1, 2)], connection), config=config, log_end=LATE, fewest_paths=1
        )
        assert len(shares.sets) == sets
        by_shares = AttributionConfig(touch="shapley", surface_shares=shares)
        credits = attribute(*tables(rows, [play(1, 2)], connection), config=by_shares)
        assert sorted(credits.to_pyarrow()["credit"].to_pylist()) == [0.5, 0.5]


def test_as_many_surfaces_as_may_be_make_a_query_that_engines_take() -> None:
    names = [f"surface_{i}" for i in range(8)]
    rates = {frozenset([name]): (i + 1) / 100 for i, name in enumerate(names)}
    sets = []
    for size in range(1, 9):
        for part in combinations(names, size):
            values = shapley_values(frozenset(part), rates)
            total = sum(values.values())
            sets.append(SurfaceSet(surfaces=part, shares=tuple(values[n] / total for n in part)))
    config = AttributionConfig(touch="shapley", surface_shares=SurfaceShares(sets=tuple(sets)))
    when = "timestamp('UTC')"
    who = {"user_id": "int64", "item_id": "int64"}
    shown = ibis.table(
        {"impression_id": "int64", **who, "t0": when, "surface": "string"}, name="impressions"
    )
    played = ibis.table({"play_id": "int64", **who, "played_at": when}, name="plays")
    text = ibis.to_sql(attribute(shown, played, config=config), dialect="bigquery")
    assert len(text) < 250_000  # a quarter of what BigQuery takes
    with pytest.raises(ConfigError, match="at most 8 surfaces"):
        SurfaceShares(sets=tuple(SurfaceSet(surfaces=(f"s{i}",), shares=(1.0,)) for i in range(9)))


def test_surfaces_are_needed_and_few(connection: Backend) -> None:
    shown, played = tables([impression(1, 0)], [play(1, 1)], connection)
    with pytest.raises(SchemaError, match="surface"):
        learn_surface_shares(
            shown.drop("surface"), played, config=AttributionConfig(), log_end=LATE
        )
    with pytest.raises(ConfigError, match="fewest_paths of at least 1"):
        learn_surface_shares(
            shown, played, config=AttributionConfig(), fewest_paths=0, log_end=LATE
        )
    many = [impression(i, 0, surface=f"s{i}") for i in range(9)]
    with pytest.raises(ConfigError, match=r"at most 8 surfaces.*'s0', 's1', 's2'\."):
        learn_surface_shares(
            *tables(many, [play(1, 1)], connection), config=AttributionConfig(), log_end=LATE
        )


def test_shares_survive_text_and_nonsense_is_refused() -> None:
    shares = SurfaceShares(
        sets=(SurfaceSet(surfaces=("home", ""), shares=(0.25, 0.75), paths=9, plays=2),)
    )
    config = AttributionConfig(touch="shapley", surface_shares=shares)
    assert AttributionConfig.model_validate_json(config.model_dump_json()) == config
    assert shares.surfaces == ("", "home")
    for bad in (
        {"surfaces": ("a", "a"), "shares": (0.5, 0.5)},
        {"surfaces": ("a", "b"), "shares": (1.0,)},
        {"surfaces": ("a", "b"), "shares": (0.5, 0.4)},
        {"surfaces": ("a", "b"), "shares": (1.5, -0.5)},
        {"surfaces": (), "shares": ()},
        {"surfaces": ("a",), "shares": (1.0,), "paths": -1},
        {"surfaces": ("a",), "shares": (1.0,), "plays": -1},
    ):
        with pytest.raises(ConfigError):
            SurfaceSet(**bad)
    one = SurfaceSet(surfaces=("a", "b"), shares=(0.5, 0.5))
    assert (one.paths, one.plays) == (0, 0)
    with pytest.raises(ConfigError, match="once"):
        SurfaceShares(sets=(one, one.model_copy(update={"surfaces": ("b", "a")})))
