from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import DataError
from causal_ranker.experiments.config import Metric
from causal_ranker.experiments.design import TestDesign as Design
from causal_ranker.experiments.readout import mean_difference, ratio_difference
from causal_ranker.experiments.spread import PastSpread, past_spread
from causal_ranker.logs.sources import connect, read_table


def logs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    house = np.repeat(np.arange(900), rng.integers(1, 6, 900))
    frame = pd.DataFrame({"user_id": np.arange(house.size), "house": house})
    frame["country"] = np.array(["de", "us"])[house % 2]
    taste = rng.exponential(size=900)[house] + 3 * (frame["country"] == "us")
    frame["before"] = rng.poisson(taste)
    frame["plays"] = rng.poisson(taste)
    frame["impressions"] = frame["plays"] + rng.poisson(5, house.size) + 1
    return frame


def learned(frame: pd.DataFrame, metric: Metric, **options: str | None) -> PastSpread:
    table = read_table(frame, connect(), name="the past logs")
    return past_spread(table, metric, **options)


def promised(found: PastSpread) -> float:
    """The standard error of a test with all these users, half of them in each arm."""
    design = Design(deviation=found.deviation, effect=1, correlation=found.correlation)
    return (design.variance_at(0.5) / found.users) ** 0.5


def test_a_mean_a_ratio_and_clusters_vary_as_a_test_of_them_says() -> None:
    """What the plan expects of a test is what the read-out of an A/A test of those users finds."""
    frame = logs()
    arm = frame["house"] // 2 % 2
    plays, before = frame["plays"], {"before": frame["before"]}
    cases = [
        (Metric(column="plays"), {}, mean_difference(plays, arm)),
        (Metric(column="plays", past=("before",)), {}, mean_difference(plays, arm, past=before)),
        (
            Metric(column="plays", per="impressions"),
            {},
            ratio_difference(plays, frame["impressions"], arm=arm),
        ),
        (
            Metric(column="plays"),
            {"cluster": "house"},
            mean_difference(plays, arm, cluster=frame["house"]),
        ),
    ]
    for metric, options, read in cases:
        found = learned(frame, metric, **options)
        assert found.users == len(frame)
        assert promised(found) == pytest.approx(read.interval.standard_error, rel=0.04)
    assert promised(learned(frame, cases[3][0], cluster="house")) > 1.2 * promised(
        learned(frame, cases[0][0])
    )


def test_within_strata_their_differences_do_not_count() -> None:
    frame = logs()
    found = learned(frame, Metric(column="plays"), strata="country")
    within = frame.groupby("country")["plays"].var()
    share = frame["country"].value_counts(normalize=True)
    assert found.deviation**2 == pytest.approx((within * share).sum())
    assert found.mean == pytest.approx(frame["plays"].mean())


def test_a_metric_that_never_varied_is_told() -> None:
    with pytest.raises(DataError, match="9 for all of them"):
        learned(logs().assign(plays=9), Metric(column="plays"))
