"""Every adapter as the base of a ranker: fitted and judged on its scores, and asked online."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from implicit.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from causal_ranker.errors import ConfigError, NotFittedError, UnknownUserError
from causal_ranker.ranker import CausalRanker
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.callable import CallableRecommender
from causal_ranker.recommenders.estimator import EstimatorRecommender
from causal_ranker.recommenders.http import HttpRecommender
from causal_ranker.recommenders.implicit import ImplicitRecommender
from causal_ranker.recommenders.upstream import UpstreamConfig
from causal_ranker.worlds.logs import WorldLogs
from tests.ranker.season import K, candidates_at_once, config, fit, season
from tests.recommenders.upstream_server import Asked, serving

KINDS = ("callable", "estimator", "http", "implicit")
UNTIL_DAYS = 1.5


@cache
def worlds() -> tuple[WorldLogs, WorldLogs]:
    """A season of users who have played in its first days, without base scores."""
    past, later = season(users=100, days=7, last_days=2, seed=5)
    known = early_plays(past)["user_id"].unique()

    def of_known(logs: WorldLogs) -> WorldLogs:
        changed = {
            name: (table := getattr(logs, name))[table["user_id"].isin(known)]
            for name in ("impressions", "plays", "candidates")
        }
        changed["candidates"] = changed["candidates"].drop(columns=["base_score", "base_rank"])
        return replace(logs, **changed)

    return of_known(past), of_known(later)


def until(past: WorldLogs) -> datetime:
    first: datetime = past.candidates["t0"].min().to_pydatetime()
    return first + timedelta(days=UNTIL_DAYS)


def early_plays(past: WorldLogs) -> pd.DataFrame:
    return past.plays[past.plays["played_at"] < until(past)]


def taste(user: NDArray[Any], item: NDArray[Any], day: int) -> NDArray[np.float64]:
    """Some score of a pair on a day."""
    scores: NDArray[np.float64] = np.sin(user * 12.9898 + item * 78.233 + day) * 3
    return scores


def offers(users: list[int], at: datetime, k: int | None) -> dict[int, Any]:
    item = np.arange(100)
    return {
        user: list(zip(item.tolist(), taste(user, item, at.day).tolist(), strict=True))
        for user in users
        if user < 10**6
    }


def answer(asked: Asked) -> None:
    body = asked.body
    said = offers(body["users"], datetime.fromisoformat(body["at"]), body["k"])
    asked.answer(
        {
            "answers": [
                {
                    "user_id": user,
                    "candidates": [{"item_id": i, "base_score": s} for i, s in pairs],
                }
                for user, pairs in said.items()
            ]
        }
    )


def implicit_of(past: WorldLogs) -> ImplicitRecommender:
    plays = early_plays(past)
    user, users = pd.factorize(plays["user_id"])
    item, items = pd.factorize(plays["item_id"])
    # A title that nobody had played yet is a candidate, too.
    items = [*items, *sorted({*past.items["item_id"]} - {*items})]
    matrix = csr_matrix(
        (np.ones(len(plays), dtype=np.float32), (user, item)), shape=(len(users), len(items))
    )
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=8, iterations=5, random_state=0, num_threads=1)
        model.fit(matrix, show_progress=False)
    return ImplicitRecommender(
        model,
        user_items=matrix,
        users=users,
        items=items,
        trained_until=until(past),
        leave_out_played=False,
    )


def estimator_of(past: WorldLogs) -> EstimatorRecommender:
    def features(users: NDArray[Any], items: NDArray[Any], at: datetime) -> pd.DataFrame:
        return pd.DataFrame({"taste": taste(users, items, at.day), "item": items / 100})

    early = past.candidates[past.candidates["t0"] < until(past)]
    x = features(early["user_id"].to_numpy(), early["item_id"].to_numpy(), until(past))
    return EstimatorRecommender(
        LogisticRegression().fit(x, early["shown"]),
        features=features,
        users=past.candidates["user_id"].unique(),
        items=range(100),
        trained_until=until(past),
    )


@dataclass
class Wrapped:
    base: Any
    ranker: CausalRanker


@pytest.fixture(scope="module", params=KINDS)
def wrapped(request: pytest.FixtureRequest) -> Iterator[Wrapped]:
    past, _ = worlds()
    with ExitStack() as open_until_the_end:
        base: Any
        if request.param == "callable":
            base = CallableRecommender(offers)
        elif request.param == "http":
            server = open_until_the_end.enter_context(serving(answer))
            base = HttpRecommender(server.url, config=UpstreamConfig(timeout_s=20))
        elif request.param == "implicit":
            base = implicit_of(past)
        else:
            base = estimator_of(past)
        # Judged lists leave out what has no overlap; here nothing shall be left out.
        wide = config(dr=config().dr.model_copy(update={"lowest_propensity": 1e-5}))
        ranker = fit(past, base=base, learner="dr", policy="uplift", config=wide)
        yield Wrapped(base, ranker)


def pairs_of(base: BaseRecommender, user: Any, at: datetime, k: int | None) -> Any:
    table = base.candidates([user], at=at, k=k)
    return list(zip(table["item_id"].tolist(), table["base_score"].tolist(), strict=True))


def test_it_is_judged_by_the_recommenders_scores_and_served_as_it_was_judged(
    wrapped: Wrapped, tmp_path: Path
) -> None:
    past, later = worlds()
    asked = candidates_at_once(past, later, users=20)
    ranker, base, at = wrapped.ranker, wrapped.base, past.log_end
    ranker.evaluate(later.impressions, later.plays, candidates=asked, log_end=later.log_end)
    lists = ranker.lists_
    judged = pd.DataFrame(
        {
            "user_id": lists.rows.user,
            "item_id": lists.item,
            "base_score": lists.rows.base_score,
            "uplift": lists.rows.uplift,
            **{f"{name} rank": rank for name, rank in lists.rows.rank.items()},
        }
    )
    assert judged["user_id"].nunique() == 20
    served = CausalRanker.load(ranker.save(tmp_path / "model", candidates=asked, at=at), base=base)
    for user, rows in judged.groupby("user_id"):
        scores = dict(pairs_of(base, user, at, None))
        expected = [scores[item] for item in rows["item_id"]]
        np.testing.assert_allclose(rows["base_score"], expected, rtol=1e-6)
        found = served.rerank(user, [(item, scores[item]) for item in rows["item_id"]])
        mine = rows.set_index("item_id").loc[list(found.items)]
        np.testing.assert_allclose(found.uplift, mine["uplift"], rtol=1e-9)
        for rank, name in ((found.base_rank, "base"), (found.rank, "uplift")):
            np.testing.assert_array_equal(np.minimum(rank, K + 1), mine[f"{name} rank"])


def test_online_it_is_asked_for_as_many_as_the_longest_list(
    wrapped: Wrapped, tmp_path: Path
) -> None:
    past, later = worlds()
    asked = candidates_at_once(past, later, users=20)
    user, at = int(asked["user_id"].iloc[0]), past.log_end
    longest = int(asked.groupby("user_id").size().max())
    assert longest == 20
    folder = wrapped.ranker.save(tmp_path / "model", candidates=asked, at=at)
    loaded = CausalRanker.load(folder, base=wrapped.base)
    for ranker in (wrapped.ranker, loaded):
        found = ranker.rerank(user, at=at, k=7)
        expected = ranker.rerank(user, pairs_of(wrapped.base, user, at, longest), k=7)
        assert found.records() == expected.records()
        assert found.fallback is None
        assert len(found.items) == 7
        assert found.base_rank.max() > 7  # not the first seven of the base
    counts = loaded.counts_
    before = counts.requests
    with pytest.raises(UnknownUserError, match=f"whom {type(wrapped.base).__name__} can serve"):
        loaded.rerank(987_654_321, at=at)
    assert counts.requests == before + 1
    assert counts.fallbacks == {"unknown_user": 1}
    assert loaded.rerank(987_654_321, [(1, 0.5), (2, 0.9)]).items == (2, 1)


class Recording:
    """A recommender of our user's own, which is asked about some moment."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, datetime, int | None]] = []

    def candidates(self, users: Any, *, at: datetime, k: int | None = None) -> pd.DataFrame:
        self.asked.append((list(users), at, k))
        return CallableRecommender(offers).candidates(users, at=at, k=k)


@pytest.mark.parametrize("wrapped", ["callable"], indirect=True)
def test_without_a_moment_it_is_asked_about_now(wrapped: Wrapped, tmp_path: Path) -> None:
    base = Recording()
    served = CausalRanker.load(wrapped.ranker.save(tmp_path / "model"), base=base)
    user = int(worlds()[0].candidates["user_id"].iloc[0])
    before = datetime.now(UTC)
    served.rerank(user)
    ((users, at, k),) = base.asked
    assert users == [user]
    assert before <= at <= datetime.now(UTC)
    assert k == 20
    served.rerank(user, [(1, 0.5)])
    assert len(base.asked) == 1
    with pytest.raises(ConfigError, match="time zone"):
        served.rerank(user, at=datetime(2026, 1, 1))


@pytest.mark.parametrize("wrapped", ["callable"], indirect=True)
def test_what_a_failing_recommender_raises_is_told(wrapped: Wrapped, tmp_path: Path) -> None:
    broken = CallableRecommender(lambda users, at, k: 1 / 0)
    served = CausalRanker.load(wrapped.ranker.save(tmp_path / "model"), base=broken)
    user = int(worlds()[0].candidates["user_id"].iloc[0])
    with pytest.raises(ZeroDivisionError):
        served.rerank(user)


def test_a_loaded_ranker_takes_no_other_thing_for_a_base(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="method candidates"):
        CausalRanker.load(tmp_path, base=object())  # type: ignore[arg-type]


def test_a_model_from_within_the_choosing_days_is_refused() -> None:
    past, _ = worlds()
    base = CallableRecommender(offers, trained_until=past.log_end - timedelta(days=1))
    with pytest.raises(NotFittedError, match=r"policy is chosen.*choose_days"):
        fit(past, base=base, learner="dr", policy="uplift")
