"""Small candidate lists for the tests of this room, with every column a rule may read."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.lists import CandidateLists, SideColumn
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.reranking.ranks import rank_within

#: Sixteenths: sums and shifts of them are exact, so that equal scores stay equal.
finite = st.integers(-400, 400).map(lambda whole: whole / 16)
few = st.integers(-3, 3).map(float)  # many ties
score = finite | few
groups = st.sampled_from([0.0, 1.0, 2.0, np.nan])
flags = st.sampled_from([0.0, 1.0, np.nan])
#: request, base score, uplift, group, flag
Row = tuple[int, float, float, float, float]
rows = st.lists(st.tuples(st.integers(0, 2), score, score, groups, flags), min_size=1, max_size=24)

GENRES = ("drama", "comedy", "news")
FLOOR = Floor(column="is_new", share=0.4)
CAP = Cap(column="genre", at_most=2)


def chained(*rules: Any, scorer: Any = None) -> ChainedPolicy:
    return ChainedPolicy(scorer or UpliftPolicy(), rules)


SCORERS: list[Any] = [
    BasePolicy(),
    UpliftPolicy(),
    BlendPolicy(0.4),
    BlendPolicy(0),
    BlendPolicy(1),
]
CHAINS: list[ChainedPolicy] = [
    chained(Diversified(group="genre", share=0.3)),
    chained(Constrained(slots=4, max_moves=2)),
    chained(Constrained(slots=4, max_base_loss=0.2), scorer=BlendPolicy(0.9)),
    chained(Constrained(slots=5, floors=(FLOOR,), caps=(CAP,))),
    chained(Constrained(slots=4, max_base_loss=0.1, floors=(FLOOR,), caps=(CAP,))),
    chained(
        Constrained(
            slots=4,
            max_moves=5,
            max_base_loss=0.3,
            floors=(Floor(column="is_new", share=0.5, order="base"),),
        ),
        scorer=BlendPolicy(0.4),
    ),
    chained(
        Diversified(group="genre", share=0.5),
        Constrained(
            slots=6,
            max_moves=3,
            max_base_loss=0.3,
            floors=(FLOOR, Floor(column="genre", level="news", share=0.2)),
            caps=(CAP, Cap(column="is_new", at_most=3)),
        ),
    ),
]
EVERY: list[ListPolicy] = [*SCORERS, *CHAINS]


def lists_of(rows: list[Any]) -> CandidateLists:
    request = np.array([row[0] for row in rows], dtype=np.int64)
    base, uplift, genre, new = (np.array([row[i] for row in rows], float) for i in range(1, 5))
    return CandidateLists(
        request=request,
        base_score=base,
        base_rank=rank_within(request, base).astype(float),
        uplift=uplift,
        columns={"genre": SideColumn(genre, GENRES), "is_new": SideColumn(new)},
    )
