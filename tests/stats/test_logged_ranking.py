from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError, OverlapError, RowError, SchemaError
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.stats.intervals import clustered_ratio
from causal_ranker.stats.logged_ranking import LoggedMetric, LoggedRanking, logged_effects
from causal_ranker.stats.rank_metrics import car, cdcg, cp_at_k
from causal_ranker.stats.weights import effective_sample_size

USERS, PER_USER, ITEMS, K = 8, 3, 6, 2


def draw(seed: int = 0, requests: int = USERS * PER_USER, items: int = ITEMS) -> dict[str, Any]:
    """Whole requests of `items` candidates, rows in a random order."""
    rng = np.random.default_rng(seed)
    request = np.repeat(np.arange(requests), items)
    rank = np.concatenate([rng.permutation(items) + 1 for _ in range(requests)])
    n = request.size
    p = rng.uniform(0.1, 0.9, n)
    treatment = (rng.random(n) < p).astype(float)
    order = rng.permutation(n)
    columns = {
        "outcome": (rng.random(n) < 0.4).astype(float),
        "treatment": treatment,
        "propensity": p,
        "mu0": rng.random(n),
        "mu1": rng.random(n),
        "rank": rank,
        "request": request,
        "user": request // PER_USER,
        "unit": rng.integers(0, 5, n),
    }
    return {name: values[order] for name, values in columns.items()}


def ranking(rows: dict[str, Any], *, dr: bool = False, cap: float | None = None) -> LoggedRanking:
    models = {"mu0": rows["mu0"], "mu1": rows["mu1"]} if dr else {}
    effects = logged_effects(
        rows["outcome"], rows["treatment"], propensity=rows["propensity"], cap=cap, **models
    )
    return LoggedRanking(
        effects, rows["rank"], rows["request"], cluster=rows["user"], fewest_effective_rows=1
    )


def metrics(judged: LoggedRanking, *, normal: bool = False) -> dict[str, LoggedMetric]:
    return {
        "cp": judged.cp_at_k(K, self_normalised=normal),
        "cdcg": judged.cdcg(self_normalised=normal),
        "car": judged.car(self_normalised=normal),
    }


def truth_like(rows: dict[str, Any], tau: Any) -> dict[str, float]:
    """The metrics as they are where tau is known, with something else in its place."""
    return {
        "cp": cp_at_k(tau, rows["rank"], rows["request"], k=K),
        "cdcg": cdcg(tau, rows["rank"], rows["request"]),
        "car": car(tau, rows["rank"]),
    }


def test_ips_is_the_metric_of_weighted_outcomes() -> None:
    rows = draw()
    y, t, p = rows["outcome"], rows["treatment"], rows["propensity"]
    wanted = truth_like(rows, y * (t / p - (1 - t) / (1 - p)))
    for name, found in metrics(ranking(rows)).items():
        assert found.interval.point == pytest.approx(wanted[name]), name
        assert found.share_capped == 0


def test_doubly_robust_is_the_metric_of_aipw_scores() -> None:
    rows = draw()
    gamma = aipw_scores(
        rows["outcome"],
        rows["treatment"],
        propensity=rows["propensity"],
        mu0=rows["mu0"],
        mu1=rows["mu1"],
    )
    for name, found in metrics(ranking(rows, dr=True)).items():
        assert found.interval.point == pytest.approx(truth_like(rows, gamma)[name]), name


def gain_of(name: str, rank: int) -> float:
    return {"cp": (rank <= K) / K, "cdcg": 1 / log2(1 + rank), "car": float(rank)}[name]


@pytest.mark.parametrize("dr", [False, True])
def test_self_normalised_and_effective_rows_by_loops(dr: bool) -> None:
    rows = draw(1)
    n = rows["rank"].size
    for name, found in metrics(ranking(rows, dr=dr), normal=True).items():
        sums = {0: [0.0, 0.0, 0.0], 1: [0.0, 0.0, 0.0]}
        slots = model = 0.0
        for i in range(n):
            gain, arm = gain_of(name, int(rows["rank"][i])), int(rows["treatment"][i])
            e = rows["propensity"][i] if arm else 1 - rows["propensity"][i]
            left = rows["outcome"][i] - (rows[f"mu{arm}"][i] if dr else 0.0)
            sums[arm][0] += gain / e * left
            sums[arm][1] += gain / e
            sums[arm][2] += (gain / e) ** 2
            slots += gain
            model += gain * (rows["mu1"][i] - rows["mu0"][i]) * dr
        count = n if name == "car" else USERS * PER_USER
        means = {arm: part[0] / part[1] for arm, part in sums.items()}
        wanted = model / count + slots / count * (means[1] - means[0])
        assert found.interval.point == pytest.approx(wanted), name
        assert found.effective_treated == pytest.approx(sums[1][1] ** 2 / sums[1][2])
        assert found.effective_control == pytest.approx(sums[0][1] ** 2 / sums[0][2])


@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize("dr", [False, True])
def test_standard_errors_are_those_of_leaving_each_user_out(dr: bool, normal: bool) -> None:
    """The jackknife knows nothing of linearisation; with many users both say the same."""
    rows = draw(2, requests=150 * PER_USER)
    # users differ in how many candidates they get, so that the number of slots is random too
    offered = np.random.default_rng(2).choice([1, ITEMS], 150)[rows["user"]]
    rows = {name: values[rows["rank"] <= offered] for name, values in rows.items()}
    rows["outcome"] = rows["outcome"] + 2 * rows["treatment"]
    whole = metrics(ranking(rows, dr=dr), normal=normal)
    left_out: dict[str, list[float]] = {name: [] for name in whole}
    for user in range(150):
        some = {name: values[rows["user"] != user] for name, values in rows.items()}
        some["request"] = np.unique(some["request"], return_inverse=True)[1]
        for name, found in metrics(ranking(some, dr=dr), normal=normal).items():
            left_out[name].append(found.interval.point)
    for name, found in whole.items():
        spread = np.array(left_out[name])
        error = np.sqrt(149 / 150 * ((spread - spread.mean()) ** 2).sum())
        assert found.interval.standard_error == pytest.approx(error, rel=0.03), name


def test_two_way_intervals_are_those_of_the_ratio() -> None:
    rows = draw(3)
    judged = ranking(rows)
    both = LoggedRanking(
        judged.effects,
        judged.rank,
        judged.request,
        cluster=rows["user"],
        second_cluster=rows["unit"],
        fewest_effective_rows=1,
    )
    y, t, p = rows["outcome"], rows["treatment"], rows["propensity"]
    tau, first = y * (t / p - (1 - t) / (1 - p)), rows["rank"] <= K
    wanted = clustered_ratio(
        tau[first] / K,
        np.full(first.sum(), 1 / K),
        rows["user"][first],
        second_cluster=rows["unit"][first],
    )
    found = both.cp_at_k(K).interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert found.standard_error != pytest.approx(judged.cp_at_k(K).interval.standard_error)


def test_a_cap_says_how_many_of_the_rows_that_count_it_lowered() -> None:
    rows = draw(9)
    t, p, y = rows["treatment"], rows["propensity"], rows["outcome"]
    weight = np.where(t == 1, 1 / p, 1 / (1 - p))
    first = rows["rank"] <= K
    assert (weight > 2)[first].mean() != pytest.approx((weight > 2).mean(), rel=0.02)
    found = metrics(ranking(rows, cap=2.0))
    assert found["cp"].share_capped == pytest.approx((weight > 2)[first].mean())
    assert found["cdcg"].share_capped == pytest.approx((weight > 2).mean())
    low = np.minimum(weight, 2) * np.where(t == 1, 1, -1) * y
    assert found["cp"].interval.point == pytest.approx(truth_like(rows, low)["cp"])
    treated = first & (t == 1)
    assert found["cp"].effective_treated == pytest.approx(
        effective_sample_size(np.minimum(weight, 2)[treated])
    )
    high = metrics(ranking(rows, cap=weight.max()))
    assert high["cp"] == metrics(ranking(rows))["cp"]


@given(st.integers(0, 5_000), st.booleans(), st.booleans())
def test_the_order_of_rows_says_nothing(seed: int, dr: bool, normal: bool) -> None:
    rows = draw(seed)
    order = np.random.default_rng(seed).permutation(rows["rank"].size)
    shuffled = {name: values[order] for name, values in rows.items()}
    one, other = (metrics(ranking(each, dr=dr), normal=normal) for each in (rows, shuffled))
    for name, found in one.items():
        assert found.interval.point == pytest.approx(other[name].interval.point)
        assert found.interval.standard_error == pytest.approx(other[name].interval.standard_error)


def test_a_constant_added_to_every_outcome_moves_no_self_normalised_estimate() -> None:
    rows = draw(5)
    raised = rows | {"outcome": rows["outcome"] + 10}
    one, other = (metrics(ranking(each), normal=True) for each in (rows, raised))
    plain, moved = (metrics(ranking(each)) for each in (rows, raised))
    for name, found in one.items():
        assert found.interval.point == pytest.approx(other[name].interval.point)
        assert abs(plain[name].interval.point - moved[name].interval.point) > 0.01


def test_empty_slots_of_short_requests_add_nothing() -> None:
    rows = draw(6)
    short = rows["rank"] <= np.where(rows["request"] == 0, 1, ITEMS)
    some = {name: values[short] for name, values in rows.items()}
    y, t, p = some["outcome"], some["treatment"], some["propensity"]
    tau = y * (t / p - (1 - t) / (1 - p))
    judged = ranking(some)
    for k in (1, 2, ITEMS):
        wanted = cp_at_k(tau, some["rank"], some["request"], k=k)
        assert judged.cp_at_k(k).interval.point == pytest.approx(wanted)


def test_too_few_effective_rows_are_refused() -> None:
    rows = draw(7)
    judged = ranking(rows)
    found = judged.cp_at_k(K)
    floor = min(found.effective_treated, found.effective_control)

    def with_floor(fewest: float) -> LoggedRanking:
        return LoggedRanking(
            judged.effects,
            judged.rank,
            judged.request,
            cluster=rows["user"],
            fewest_effective_rows=fewest,
        )

    assert with_floor(floor).cp_at_k(K) == found
    with pytest.raises(OverlapError, match=r"at least .* effective rows with T = [01]"):
        with_floor(floor * 1.01).cp_at_k(K)
    nobody = ranking(rows | {"treatment": np.where(rows["rank"] <= K, 0.0, rows["treatment"])})
    with pytest.raises(OverlapError, match=r"T = 1[^0]*0 of 0 rows"):
        nobody.cp_at_k(K)
    assert nobody.cdcg().effective_treated > 1


def test_input_is_checked() -> None:
    rows = draw(8)

    def effects(**changed: Any) -> Any:
        given = {name: rows[name] for name in ("outcome", "treatment", "propensity")} | changed
        outcome, treatment = given.pop("outcome"), given.pop("treatment")
        return logged_effects(outcome, treatment, **given)

    with pytest.raises(ConfigError, match="cap"):
        effects(cap=1.0)
    with pytest.raises(ConfigError, match="'mu1' alone"):
        effects(mu1=rows["mu1"])
    with pytest.raises(OverlapError, match="propensity"):
        effects(propensity=np.ones(rows["rank"].size))
    with pytest.raises(RowError, match="propensity"):
        effects(propensity=np.full(rows["rank"].size, 1.5))
    with pytest.raises(RowError, match="treatment"):
        effects(treatment=rows["treatment"] * 2)
    with pytest.raises(SchemaError, match="propensity"):
        effects(propensity=rows["propensity"][1:])
    with pytest.raises(ConfigError, match="k = 0"):
        ranking(rows).cp_at_k(0)
    deepest = int(rows["rank"].max())
    with pytest.raises(ConfigError, match=f"k of at most {deepest}"):
        ranking(rows).cp_at_k(deepest + 1)
    with pytest.raises(RowError, match="repeated"):
        ranking(rows | {"rank": np.ones_like(rows["rank"])}).cp_at_k(K)
    with pytest.raises(SchemaError, match="rank"):
        ranking(rows | {"rank": rows["rank"][1:]}).cdcg()
