"""The label report counts every row once, and warns where a person should look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.background import label_report_sections
from causal_ranker.labels.kinds import LabelKind as K
from causal_ranker.labels.report import InclusionChances, LabelReport, describe_labels
from tests.labels.builders import (
    ENGINE,
    START,
    at,
    candidate,
    collect,
    impression,
    play,
    random_world,
)


def report(*rows: tuple[str, str, int, int], zero_rate: float = 1.0) -> LabelReport:
    counts = pd.DataFrame(list(rows), columns=["day", C.LABEL_KIND, C.TREATMENT, "rows"])
    counts["weight"] = counts["rows"].astype(float)
    counts["shown_again"] = float("nan")
    return LabelReport(counts=counts, zero_rate=zero_rate)


#: Nothing is wrong with these.
FINE = (
    ("2025-01-01", K.ATTRIBUTED_PLAY, 1, 40),
    ("2025-01-01", K.ORGANIC_PLAY, 0, 20),
    ("2025-01-01", K.TRUE_NEGATIVE, 1, 300),
    ("2025-01-01", K.CONTROL_NEGATIVE, 0, 500),
)


def test_counts_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    candidates = [
        candidate(float(hours), item_id=int(item), shown=bool(shown), surface=str(surface))
        for item, (hours, shown, surface) in enumerate(
            zip(
                rng.uniform(0, 99, 80),
                rng.random(80) < 0.4,
                rng.choice(["home", "row"], 80),
                strict=True,
            ),
            start=1,
        )
    ]
    shown = [
        impression(n, (row["t0"] - START) / timedelta(hours=1), item_id=row["item_id"])
        for n, row in enumerate(candidates)
        if row["shown"]
    ]
    plays = [play(n, float(h), item_id=n + 1) for n, h in enumerate(rng.uniform(0, 99, 80))]
    dataset = collect(candidates, plays, impressions=shown)[0]
    found = describe_labels(dataset)

    rows = dataset.to_pandas()
    lost = dataset.censored.to_pandas().assign(**{C.LABEL_KIND: K.CENSORED.value})
    every = pd.concat([rows, lost])
    assert len(every) == 80
    assert len(lost) > 3
    every["day"] = every[C.T0].dt.date
    keys = ["day", C.SURFACE, C.LABEL_KIND, C.TREATMENT]
    expected = every.groupby(keys).size().rename("rows").reset_index()
    got = found.counts.sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(got[[*keys, "rows"]], expected, check_dtype=False)
    assert found.share_censored == pytest.approx(len(lost) / 80)
    played = rows[rows[C.OUTCOME] == 1]
    assert found.share_organic == pytest.approx((played[C.LABEL_KIND] == K.ORGANIC_PLAY).mean())
    assert found.by(C.SURFACE)["rows"].tolist() == every.groupby(C.SURFACE).size().tolist()


def test_rows_without_a_surface_are_counted_without() -> None:
    found = describe_labels(collect([candidate(0), candidate(95)], [play(1, 2)])[0])
    assert C.SURFACE not in found.counts
    assert found.counts["rows"].sum() == 2
    assert found.share_censored == 0.5
    assert found.share_organic == 1.0


def test_a_full_report_has_no_warning() -> None:
    assert report(*FINE).warnings == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((FINE[2], FINE[3]), "No row has an outcome"),
        (
            (("2025-01-01", K.ORGANIC_PLAY, 0, 2_000), *FINE),
            "98% of the 2,060 outcomes are organic: the attribution window may be too short",
        ),
        ((FINE[0], FINE[2], FINE[3]), "Of 40 outcomes none is of a row that was not shown"),
        ((("2025-01-09", K.CENSORED, 0, 400), *FINE), "32% of the rows are censored"),
        (
            (*FINE, ("2025-01-01", K.CONTROL_NEGATIVE, 0, 99_000)),
            "Only 0.34% of the rows are shown",
        ),
        (
            tuple(
                (f"2025-01-0{day}", kind, arm, 0 if day == 3 and kind in played else rows)
                for day in range(1, 6)
                for played in [(K.ATTRIBUTED_PLAY, K.ORGANIC_PLAY)]
                for _, kind, arm, rows in FINE
            ),
            "No outcome on 2025-01-03, where other days have many",
        ),
    ],
    ids=["no outcome", "organic", "no unexposed", "censored", "small arm", "silent day"],
)
def test_each_warning_says_what_may_be_the_matter(
    rows: tuple[tuple[str, str, int, int], ...], said: str
) -> None:
    (warning,) = report(*rows).warnings
    assert warning.startswith(said)
    # Without the rows that are wrong there is nothing to say: the warning is about them.
    assert report(*FINE).warnings == ()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_days_are_those_of_utc(zone: str) -> None:
    rows = [candidate(0), candidate(23.9), candidate(24), candidate(99)]
    ENGINE.raw_sql(f"SET TimeZone = '{zone}'")
    try:
        found = describe_labels(collect(rows, [play(1, 2)])[0])
    finally:
        ENGINE.raw_sql("SET TimeZone = 'UTC'")
    days = found.by("day")
    assert days["day"].tolist() == [at(hours).date() for hours in (0, 24, 96)]
    assert days["rows"].tolist() == [2, 1, 1]


def test_the_share_shown_again_by_brute_force() -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(6), 60, int)
    dataset = collect(candidates, plays, impressions=impressions, log_end=20)[0]
    for rows in (dataset, dataset.thin(), dataset.between(at(3), at(12))):
        again = [
            any(
                (i["user_id"], i["item_id"]) == (row.user_id, row.item_id)
                and row.t0 < i["t0"] < row.horizon_end
                for i in impressions
            )
            for row in rows.to_pandas().itertuples()
        ]
        assert describe_labels(rows).share_shown_again == pytest.approx(np.mean(again))
        assert 0 < np.mean(again) < 1
    assert np.isnan(describe_labels(replace(dataset, exposures=None)).share_shown_again)


def test_the_share_shown_again_goes_by_sampling_weights() -> None:
    rows = [candidate(0, sampling_weight=3.0), candidate(50, sampling_weight=1.0, shown=False)]
    shown = [impression(1, 0), impression(2, 9), impression(3, 60)]
    found = describe_labels(collect(rows, [], impressions=shown)[0])
    assert found.share_shown_again == 0.75


def test_shares_of_a_sample_say_how_they_go() -> None:
    """A hundred credited plays that stand for themselves, fifty organic ones for a hundred each."""
    plain = report(("2025-01-01", K.ATTRIBUTED_PLAY, 1, 100), ("2025-01-01", K.ORGANIC_PLAY, 0, 50))
    assert not plain.is_sample
    assert plain.share_organic == pytest.approx(1 / 3)
    assert not any("organic" in text for text in plain.warnings)
    weights = plain.counts.assign(weight=[100.0, 5_000.0])
    drawn = replace(plain, counts=weights)
    assert drawn.is_sample
    assert drawn.share_organic == pytest.approx(5_000 / 5_100)
    (warning,) = (text for text in drawn.warnings if "organic" in text)
    assert warning.startswith("98% of the 150 outcomes (by sampling weight) are organic")
    shares = label_report_sections(drawn)[1].blocks[0]
    assert "by sampling weight" in shares.note
    assert "weight" not in label_report_sections(plain)[1].blocks[0].note


@pytest.mark.parametrize(
    ("propensity", "words"),
    [
        (0.25, ""),
        (0.27, ""),
        (0.125, "add up to 1 a request, where 2 candidates are shown"),
        (0.5, "add up to 4 a request, where 2 candidates are shown"),
    ],
)
def test_propensities_that_cannot_be_inclusion_chances(propensity: float, words: str) -> None:
    # slates of 2 of 8 candidates; the last half of the requests keep a sample of the controls
    rows = [
        candidate(
            hour,
            item_id=item,
            shown=item <= 2,
            propensity=propensity,
            sampling_weight=1.0 if hour < 30 or item <= 2 else 2.0,
        )
        for hour in range(60)
        for item in (range(1, 9) if hour < 30 else range(1, 6))
    ]
    found = describe_labels(collect(rows, [play(1, 2)])[0])
    assert found.inclusion is not None
    assert found.inclusion.requests == 60
    assert found.inclusion.shown == 120
    assert found.inclusion.expected == pytest.approx(60 * 8 * propensity)
    said = [warning for warning in found.warnings if "propensities" in warning]
    assert len(said) == bool(words)
    assert all(words in warning for warning in said)


def test_few_rows_off_by_chance_are_no_warning_and_no_column_is_no_sum() -> None:
    rows = [candidate(hour, shown=hour < 4, propensity=0.5) for hour in range(6)]
    found = describe_labels(collect(rows, [play(1, 2)])[0])
    assert found.inclusion is not None
    assert (found.inclusion.expected, found.inclusion.shown) == (3, 4)
    assert not [warning for warning in found.warnings if "propensities" in warning]
    assert describe_labels(collect([candidate(0)], [])[0]).inclusion is None


def of_outcomes(credited: int, organic: int) -> tuple[str, ...]:
    day = "2025-01-01"
    return report(
        (day, K.ATTRIBUTED_PLAY, 1, credited),
        (day, K.ORGANIC_PLAY, 0, organic),
        (day, K.TRUE_NEGATIVE, 1, 5_000),
        (day, K.CONTROL_NEGATIVE, 0, 5_000),
    ).warnings


def test_organic_outcomes_are_many_above_95_percent_of_30() -> None:
    assert of_outcomes(50, 950) == ()
    assert of_outcomes(49, 951)[0].startswith("95% of the 1,000 outcomes are organic")
    assert of_outcomes(0, 29) == ()
    assert of_outcomes(0, 30)[0].startswith("100% of the 30 outcomes are organic")
    assert of_outcomes(29, 0) == ()
    assert of_outcomes(30, 0)[0].startswith("Of 30 outcomes none is of a row that was not shown")


def test_censored_rows_are_many_above_a_quarter() -> None:
    def of(censored: int) -> tuple[str, ...]:
        return report(("2025-01-01", K.CENSORED, 0, censored), *FINE[2:], *FINE[:2]).warnings

    assert of(286) == ()  # of 860 others: a little less than a quarter
    assert of(287)[0].startswith("25% of the rows are censored")


@pytest.mark.parametrize(
    ("shown", "others", "said"),
    [
        (100, 9_900, ""),
        (99, 9_901, "Only 0.99% of the rows are shown"),
        (9_900, 100, ""),
        (9_901, 99, "Only 0.99% of the rows are not shown"),
    ],
)
def test_an_arm_is_small_below_one_percent(shown: int, others: int, said: str) -> None:
    day = "2025-01-01"
    # Fewer outcomes than say anything of their own; censored rows are of no arm.
    found = report(
        (day, K.ATTRIBUTED_PLAY, 1, 10),
        (day, K.TRUE_NEGATIVE, 1, shown - 10),
        (day, K.CONTROL_NEGATIVE, 0, others),
        (day, K.CENSORED, 1, 3_000),
    ).warnings
    assert [text[: len(said)] for text in found] == [said] * bool(said)


@pytest.mark.parametrize(
    ("a_day", "silent", "words"),
    [
        (20, 5, "2025-01-01, 2025-01-02, 2025-01-03 and 2 more, where"),
        (20, 4, "2025-01-01, 2025-01-02, 2025-01-03 and 1 more, where"),
        (20, 3, "2025-01-01, 2025-01-02, 2025-01-03, where"),
        (20, 0, ""),
        (11, 1, ""),  # 99 outcomes on ten days
        (12, 1, "2025-01-01, where"),
    ],
)
def test_silent_days_are_named_where_the_others_have_ten_outcomes(
    a_day: int, silent: int, words: str
) -> None:
    rows = [
        row
        for day in range(1, 11)
        for row in (
            (f"2025-01-{day:02}", K.ATTRIBUTED_PLAY, 1, a_day // 2 if day > silent else 0),
            (f"2025-01-{day:02}", K.ORGANIC_PLAY, 0, a_day - a_day // 2 if day > silent else 0),
            (f"2025-01-{day:02}", K.TRUE_NEGATIVE, 1, 100),
            (f"2025-01-{day:02}", K.CONTROL_NEGATIVE, 0, 100),
        )
    ]
    found = report(*rows).warnings
    assert len(found) == bool(words)
    assert all(f"No outcome on {words}" in text for text in found)


@pytest.mark.parametrize(
    ("expected", "noise", "told"),
    [
        (111.0, 1.0, True),
        (89.0, 1.0, True),
        (110.0, 1.0, False),  # ten percent apart
        (90.0, 1.0, False),
        (140.0, 10.0, True),
        (130.0, 10.0, False),  # three standard deviations apart
    ],
)
def test_propensities_are_off_by_more_than_a_tenth_and_more_than_chance(
    expected: float, noise: float, told: bool
) -> None:
    sums = InclusionChances(requests=50, expected=expected, shown=100.0, noise=noise)
    found = replace(report(*FINE), inclusion=sums).warnings
    assert len(found) == told
    assert all(f"add up to {expected / 50:.3g} a request, where 2 cand" in text for text in found)


def test_the_noise_is_that_of_independent_candidates() -> None:
    rng = np.random.default_rng(8)
    chances, stands_for = rng.uniform(0.1, 0.9, 12), rng.uniform(1, 3, 12)
    rows = [
        candidate(hour, shown=hour % 3 == 0, propensity=float(p), sampling_weight=float(w))
        for hour, (p, w) in enumerate(zip(chances, stands_for, strict=True))
    ]
    found = describe_labels(collect(rows, [play(1, 2)])[0]).inclusion
    drawn = rng.random((200_000, 12)) < chances
    sums = drawn @ stands_for
    assert found is not None
    assert found.requests == 12
    assert found.expected == pytest.approx(sums.mean(), rel=0.005)
    assert found.noise == pytest.approx(sums.std(), rel=0.01)
    assert found.shown == pytest.approx(stands_for[::3].sum())


def test_nothing_to_take_a_share_of_is_no_number() -> None:
    nothing = report(("2025-01-01", K.CENSORED, 1, 5))
    assert np.isnan([nothing.share_shown_again, nothing.share_organic, nothing.control_rate]).all()
    assert nothing.share_censored == 1.0


def test_the_control_rate_undoes_the_sample_of_zeros() -> None:
    # Of 1,000 that were not shown a fifth was drawn, and of its zeros half were kept.
    found = report(
        ("2025-01-01", K.ORGANIC_PLAY, 0, 40),
        ("2025-01-01", K.CONTROL_NEGATIVE, 0, 80),
        ("2025-01-01", K.TRUE_NEGATIVE, 1, 70),
        zero_rate=0.5,
    )
    found = replace(found, counts=found.counts.assign(weight=[200.0, 800.0, 140.0]))
    assert found.control_rate == pytest.approx(0.2)


def test_rows_without_a_surface_among_others_are_counted_too() -> None:
    counts = report(*FINE).counts.assign(**{C.SURFACE: ["home", None, "home", None]})
    found = LabelReport(counts=counts, zero_rate=1.0).by(C.SURFACE)
    assert found["rows"].tolist() == [340, 520]
