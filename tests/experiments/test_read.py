from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from causal_ranker.errors import CausalRankerError, ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.experiments.balance import balance
from causal_ranker.experiments.config import Metric, ReadoutConfig
from causal_ranker.experiments.moments import Moments, Ratio
from causal_ranker.experiments.read import Readout, read_test
from causal_ranker.experiments.readout import mean_difference, ratio_difference
from causal_ranker.experiments.section import readout_document, readout_section
from causal_ranker.experiments.words import line_words, verdict
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.reporting.html import to_html

PLAYS = Metric(column="plays")


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 3000
    frame = pd.DataFrame({"user_id": np.arange(n), "arm": rng.integers(0, 2, n)})
    frame["country"] = rng.choice(["de", "fr", "us"], n, p=[0.5, 0.3, 0.2])
    frame["before"] = rng.poisson(3 + 4 * (frame["country"] == "us"))
    frame["plays"] = rng.poisson(1 + frame["before"] + 0.4 * frame["arm"])
    frame["impressions"] = frame["plays"] + rng.poisson(9, n)
    frame["house"] = np.arange(n) // 3
    frame["came"] = rng.random(n) < 0.4
    frame["at"] = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(
        rng.integers(0, 14, n), "D"
    )
    return frame


def read(frame: pd.DataFrame, *metrics: Metric, **options: object) -> Readout:
    config = ReadoutConfig(metrics=metrics or (PLAYS,), **options)
    return read_test(read_table(frame, connect(), name="the test"), config)


def same(first: object, second: object) -> None:
    for name in ("point", "low", "high"):
        found, expected = (getattr(each.interval, name) for each in (first, second))
        assert found == pytest.approx(expected, abs=1e-9)
    assert first.p_value == pytest.approx(second.p_value, abs=1e-9)


def test_files_and_arrays_say_the_same(users: pd.DataFrame) -> None:
    past = Metric(column="plays", past=("before",))
    ratio = Metric(column="plays", per="impressions")
    found = read(
        users, PLAYS, past.model_copy(update={"signed": True, "column": "impressions"}), ratio
    )
    arm, before = users["arm"], {"before": users["before"]}
    same(found.lines[0].difference, mean_difference(users["plays"], arm))
    same(found.lines[1].difference, mean_difference(users["impressions"], arm, past=before))
    same(found.lines[2].difference, ratio_difference(users["plays"], users["impressions"], arm=arm))
    assert found.users == users["arm"].sum()


def test_many_rows_are_summed_and_names_of_arms_and_holdouts_understood(
    users: pd.DataFrame,
) -> None:
    rows = users.loc[users.index.repeat(2)].reset_index(drop=True)
    rows["plays"] = np.where(rows.index % 2, users["plays"].repeat(2) - 1, 1)
    rows["arm"] = rows["arm"].map({0: "old", 1: "new"})
    rows.loc[rows["user_id"] < 100, "arm"] = "holdout"
    found = read(
        rows,
        Metric(column="plays", past=("before",), signed=True),
        names=("old", "new"),
        rows="many",
    )
    kept = users[users["user_id"] >= 100]
    same(
        found.lines[0].difference,
        mean_difference(kept["plays"], kept["arm"], past={"before": kept["before"]}),
    )
    assert found.left_out == 200


def test_clusters_count_once(users: pd.DataFrame) -> None:
    frame = users.assign(arm=users["house"] % 2)
    found = read(frame, Metric(column="plays", past=("before",)), cluster="house")
    expected = mean_difference(
        frame["plays"], frame["arm"], past={"before": frame["before"]}, cluster=frame["house"]
    )
    same(found.lines[0].difference, expected)
    assert (found.ratio.treated, found.users) == (500, 1500)


def test_triggered_users_alone_are_read_and_their_numbers_checked(users: pd.DataFrame) -> None:
    found = read(users, triggered="came")
    some = users[users["came"]]
    same(found.lines[0].difference, mean_difference(some["plays"], some["arm"]))
    assert found.ratio.treated + found.ratio.control == len(users)
    assert found.triggered is not None
    assert found.triggered.treated == some["arm"].sum()
    # a trigger that depends on the arm is a mismatch, though the arms are as they should be
    more = users.assign(came=users["came"] | ((users["arm"] == 1) & (users["user_id"] % 3 == 0)))
    blocked = read(more, triggered="came")
    assert blocked.blocked
    assert not blocked.ratio.blocks
    assert blocked.lines == ()


def test_caps_are_those_of_both_arms_and_said(users: pd.DataFrame) -> None:
    found = read(users, Metric(column="plays", cap=0.95), PLAYS)
    cap = users["plays"].quantile(0.95)
    name = "plays per user, capped"
    assert found.caps == {name: cap}
    assert found.capped[name] == pytest.approx((users["plays"] > cap).mean())
    same(found.lines[0].difference, mean_difference(users["plays"].clip(upper=cap), users["arm"]))
    same(found.lines[1].difference, mean_difference(users["plays"], users["arm"]))
    assert "of the capped means, not of the means" in to_html(readout_document(found))
    # of triggered users alone, where only they are read: others may play nothing
    some = read(
        users.assign(plays=users["plays"].where(users["came"], 0)),
        Metric(column="plays", cap=0.95),
        triggered="came",
    )
    came = users.loc[users["came"], "plays"]
    assert some.caps == {name: came.quantile(0.95)}
    assert some.capped[name] == pytest.approx((came > some.caps[name]).mean())


def test_groups_have_effects_of_their_own(users: pd.DataFrame) -> None:
    frame = users.assign(plays=users["plays"] + 3 * users["arm"] * (users["country"] == "us"))
    found = read(frame, groups="country").groups
    assert found is not None
    for name, line in found.lines.items():
        some = frame[frame["country"] == name]
        assert line.difference is not None
        assert line.everywhere is not None
        same(line.difference, mean_difference(some["plays"], some["arm"]))
        assert line.everywhere.high > line.difference.interval.high
    assert found.p_value < 1e-6
    frame.loc[frame.index[0], "country"] = None
    lonely = read(frame, groups="country").groups
    assert lonely is not None
    assert lonely.lines["missing"].difference is None
    page = to_html(readout_document(read(frame, groups="country")))
    assert "cannot be told" in page


def test_groups_by_a_prediction_are_fifths(users: pd.DataFrame) -> None:
    predicted = users["before"].to_numpy() + np.random.default_rng(7).normal(size=len(users))
    predicted[:9] = np.nan
    frame = users.assign(uplift=predicted)
    found = read(frame, groups="uplift").groups
    assert found is not None
    fifth = pd.qcut(frame["uplift"], 5, labels=False).to_numpy()
    assert [name[:6] for name in found.lines] == [*(f"{at} of 5" for at in range(1, 6)), "missin"]
    for at, line in enumerate(list(found.lines.values())[:5]):
        some = frame[fifth == at]
        assert line.difference is not None
        same(line.difference, mean_difference(some["plays"], some["arm"]))
    alike = read(frame.assign(uplift=0.5), groups="uplift").groups
    assert alike is not None
    assert list(alike.lines) == ["1 of 2: up to 0.5"]
    unknown = read(frame.assign(uplift=np.nan), groups="uplift").groups
    assert unknown is not None
    assert list(unknown.lines) == ["missing"]


def test_strata_take_out_what_they_differ_by(users: pd.DataFrame) -> None:
    """By hand: differences within countries, weighted by the countries' shares of all users."""
    plain, found = read(users), read(users, strata="country")
    point = variance = 0.0
    for _, some in users.groupby("country"):
        one = mean_difference(some["plays"], some["arm"]).interval
        share = len(some) / len(users)
        point += share * one.point
        variance += share**2 * one.standard_error**2
    interval = found.lines[0].interval
    assert interval.point == pytest.approx(point)
    assert interval.standard_error == pytest.approx(variance**0.5)
    assert interval.standard_error < 0.95 * plain.lines[0].interval.standard_error
    frame = users.assign(country=users["country"].where(users.index > 0, "lu"))
    with pytest.raises(EmptyError, match="in the stratum 'lu'"):
        read(frame, strata="country")


def test_looks_widen_intervals_and_p_values_with_them(users: pd.DataFrame) -> None:
    once, always = read(users), read(users, planned=6000)
    low, high = once.lines[0].interval, always.lines[0].interval
    assert high.point == low.point
    assert high.high - high.low > 1.4 * (low.high - low.low)
    assert always.lines[0].p_value > once.lines[0].p_value
    assert "at every look together" in to_html(readout_document(always))


def test_balance_before_the_test_is_shown_and_its_test_holds(users: pd.DataFrame) -> None:
    rng, runs, alarms = np.random.default_rng(1), 1000, 0
    some = {name: users[name].to_numpy()[:400] for name in ("before", "impressions")}
    for _ in range(runs):
        arm = rng.random(400) < 0.4
        new, control = (
            Moments.of_columns({name: column[at] for name, column in some.items()})
            for at in (arm, ~arm)
        )
        alarms += balance(new, control, [Ratio(name) for name in some]).p_value < 0.05
    low, high = binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= alarms <= high
    metric = Metric(column="plays", past=("before", "impressions"))
    moved = read(users.assign(before=users["before"] + users["arm"]), metric).balance
    assert moved is not None
    assert moved.p_value < 1e-6
    arms = [users.loc[users["arm"] == a, "before"] + a for a in (1, 0)]
    peer = CompareMeans(DescrStatsW(arms[0]), DescrStatsW(arms[1]))
    spread = np.sqrt((arms[0].var() + arms[1].var()) / 2)
    gap = peer.d1.mean - peer.d2.mean
    assert moved.differences["before"] == pytest.approx(gap / spread)


def test_a_mismatch_blocks_every_figure(users: pd.DataFrame) -> None:
    found = read(users[(users["arm"] == 0) | (users["user_id"] % 4 > 0)], groups="country")
    assert found.blocked
    assert (found.lines, found.groups) == ((), None)
    assert found.to_dict()["metrics"] == {}
    assert "Nothing may be read" in verdict(found)
    page = to_html(readout_document(found))
    assert "plays per user" not in page


def test_words_do_not_mislead(users: pd.DataFrame) -> None:
    found = read(users)
    star = found.lines[0]
    assert "the new arm has more (better)" in line_words(star, level=0.95)
    low, high = (round(end * found.users) for end in (star.interval.low, star.interval.high))
    assert f"{low:+,} to {high:+,} plays among the {found.users:,.0f} users" in verdict(found)
    noise = read(users.assign(plays=users["before"]))
    told = verdict(noise)
    assert "no evidence of a difference, which is not evidence of none" in told
    assert "no difference" not in told
    # the table's words begin with the interval, and what a p-value is not stands below
    (table,) = [each for each in readout_section(found).blocks if hasattr(each, "note")]
    assert table.columns[1] == "difference"
    assert table.rows[0][1].startswith("+")
    assert "not the chance that there is none" in table.note
    worse = read(users.assign(arm=1 - users["arm"]))
    assert "less (worse)" in verdict(worse)
    lower = read(users.assign(arm=1 - users["arm"]), Metric(column="plays", better="lower"))
    assert "less (better)" in verdict(lower)


@pytest.mark.parametrize(
    ("better", "margin", "told"),
    [
        ("higher", 0.2, "holds: a loss of 0.2 is excluded"),
        ("lower", 0.01, "broken: a loss of more than 0.01"),
        ("lower", 0.4, "not shown to hold: a loss of 0.4 is not excluded"),
        ("lower", 2.0, "holds: a loss of 2 is excluded"),
    ],
)
def test_guardrails(users: pd.DataFrame, better: str, margin: float, told: str) -> None:
    guard = Metric(column="plays", per="user_count", better=better, margin=margin)
    frame = users.assign(user_count=1)
    found = read(frame, Metric(column="impressions"), guard)
    assert line_words(found.lines[1], level=0.95) == told
    assert found.lines[1].adjusted_p is None
    assert found.lines[0].adjusted_p == found.lines[0].p_value  # guardrails count for nobody
    assert told in verdict(found)


def test_metrics_are_corrected_together(users: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    noise = {f"m{i}": rng.poisson(3, len(users)) for i in range(8)}
    metrics = [Metric(column=name) for name in noise]
    found = read(users.assign(**noise), PLAYS, *metrics)
    p = [line.p_value for line in found.lines]
    assert all(a >= b for a, b in zip((x.adjusted_p for x in found.lines), p, strict=True))
    smallest = min(range(len(p)), key=p.__getitem__)
    assert found.lines[smallest].adjusted_p == pytest.approx(min(1, 9 * p[smallest]))
    softer = read(users.assign(**noise), PLAYS, *metrics, correction="benjamini-hochberg")
    assert all(
        a.adjusted_p <= b.adjusted_p + 1e-12 for a, b in zip(softer.lines, found.lines, strict=True)
    )


def test_who_was_not_triggered_has_no_exposure(users: pd.DataFrame) -> None:
    frame = users.assign(at=users["at"].where(users["came"]))
    found = read(frame, triggered="came", exposed_at="at")
    same(found.lines[0].difference, read(users, triggered="came").lines[0].difference)
    with pytest.raises(RowError, match="cannot be left out for what came after"):
        read(frame, exposed_at="at")


def damaged(frame: pd.DataFrame, column: str, values: object) -> pd.DataFrame:
    frame = frame.copy()
    frame[column] = frame[column].astype(object) if values is None else frame[column]
    frame.loc[frame.index[::2], column] = values
    return frame


@pytest.mark.parametrize(
    ("change", "options", "error", "told"),
    [
        (lambda f: pd.concat([f, f.head(1)]), {}, RowError, "1 users with several, 0 of them in"),
        (
            lambda f: pd.concat([f, f.head(2).assign(arm=1 - f["arm"].head(2))]),
            {},
            RowError,
            "2 users with several, 2 of them in both arms",
        ),
        (
            lambda f: pd.concat([f, f.head(2).assign(arm=1 - f["arm"].head(2))]),
            {"rows": "many"},
            RowError,
            "2 of 3,000 that do not",
        ),
        (
            lambda f: pd.concat([f, f.head(3).assign(before=99)]),
            {"rows": "many", "metrics": (Metric(column="plays", past=("before",)),)},
            RowError,
            "what came before the test; got 3 of",
        ),
        (
            lambda f: f.assign(at=f["at"].where(f.index > 4)),
            {"exposed_at": "at"},
            RowError,
            "a value in every row in the column 'at' of the test; got 5 of 3000",
        ),
        (
            lambda f: f.assign(at=f["at"].where(f.index > 4), came=f.index > 2),
            {"exposed_at": "at", "triggered": "came"},
            RowError,
            "a value in every row that was triggered in the column 'at' of the test; got 2 of 3000",
        ),
        (lambda f: f.drop(columns="at"), {"exposed_at": "at"}, SchemaError, "the column 'at'"),
        (lambda f: f.assign(came=False), {"triggered": "came"}, EmptyError, "got none"),
        (
            lambda f: f.assign(came=False),
            {"triggered": "came", "metrics": (Metric(column="plays", cap=0.9),)},
            EmptyError,
            "got none",
        ),
        (
            lambda f: f,
            {"exposed_at": "at", "start": "2026-03-03T00:00Z"},
            RowError,
            "exposures from 2026-03-03",
        ),
        (
            lambda f: f,
            {"exposed_at": "at", "end": "2026-03-10T00:00Z"},
            RowError,
            "exposures before 2026-03-10",
        ),
        (lambda f: f.assign(at="x"), {"exposed_at": "at"}, SchemaError, "UTC-aware timestamps"),
        (lambda f: f[f["arm"] == 0], {}, EmptyError, "users in the new arm; got none"),
        (lambda f: f[f["arm"] == 1], {}, EmptyError, "users in the control; got none"),
        (lambda f: f.head(0), {}, EmptyError, "at least one row"),
        (lambda f: f.assign(plays=7), {}, CausalRankerError, "7 for every user of the new arm"),
        (
            lambda f: damaged(f, "plays", -1),
            {},
            RowError,
            "counts of 0 or more in the column 'plays' of the test; got 1500 of 3000",
        ),
        (
            lambda f: f.assign(plays=f["plays"].where(f.index % 2 == 0)),
            {},
            RowError,
            "a number in every row in the column 'plays' of the test; got 1500 of 3000",
        ),
        (
            lambda f: f.assign(plays=f["plays"].astype(float).where(f.index % 2 == 0, np.inf)),
            {},
            RowError,
            "a number in every row",
        ),
        (lambda f: f.assign(plays="many"), {}, SchemaError, "numbers in the column 'plays'"),
        (lambda f: f.drop(columns="plays"), {}, SchemaError, "the column 'plays'"),
        (lambda f: f.assign(arm=2), {}, RowError, "0 for the control or 1 for the new arm"),
        (lambda f: f, {"cluster": "house"}, RowError, "rows of a user (or cluster) that agree"),
        (lambda f: f, {"groups": "user_id"}, ConfigError, "at most 50 groups"),
    ],
)
def test_bad_input_is_told(
    users: pd.DataFrame,
    change: object,
    options: dict[str, object],
    error: type[Exception],
    told: str,
) -> None:
    metrics = options.get("metrics", (PLAYS,))
    rest = {name: value for name, value in options.items() if name != "metrics"}
    with pytest.raises(error) as raised:
        read(change(users), *metrics, **rest)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"start": "2026-03-10T00:00Z", "end": "2026-03-02T00:00Z"}, "Are the dates reversed?"),
        ({"start": "2026-03-10T00:00Z", "exposed_at": None}, "column of exposure times"),
        ({"metrics": ()}, "a north-star metric first"),
        ({"metrics": (PLAYS, PLAYS)}, "a north-star metric first"),
        ({"metrics": (Metric(column="plays", margin=1.0),)}, "a north-star metric first"),
        ({"metrics": (PLAYS, Metric(column="x"), Metric(column="x"))}, "each metric once"),
        ({"names": ("new", "new")}, "two names of arms"),
    ],
)
def test_a_config_that_cannot_be_is_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        ReadoutConfig(**{"metrics": (PLAYS,), "exposed_at": "at", **options})
    assert told in str(raised.value)
    with pytest.raises(ConfigError, match="a cap on a mean"):
        Metric(column="plays", per="impressions", cap=0.99)
