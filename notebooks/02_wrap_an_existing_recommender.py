# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Wrap the recommender you have
#
# Causal Ranker does not replace your recommender: it asks it for candidates and orders them by the
# plays that showing them causes. Here the recommender is an ALS model of the package `implicit`
# (`pip install implicit`). It takes ten lines:
#
# ```python
# user, users = pd.factorize(plays["user_id"])  # plays: who played what, before `cut`
# item, items = pd.factorize(plays["item_id"])
# matrix = csr_matrix((np.ones(len(plays), dtype=np.float32), (user, item)))
# model = AlternatingLeastSquares(factors=32, random_state=0)
# model.fit(matrix)
# base = ImplicitRecommender(model, user_items=matrix, users=users, items=items,
#                            trained_until=cut, leave_out_played=False)
# ranker = CausalRanker(base=base).fit(impressions, plays, candidates=candidates)
# ranker.evaluate(new_impressions, new_plays, candidates=new_candidates).to_html("report.html")
# ranker.rerank(7)  # user 7's list, now
# ```
#
# Other recommenders come in the same way: `FrameRecommender` (a table of scores),
# `CallableRecommender` (a function), `EstimatorRecommender` (scikit-learn, LightGBM) and
# `HttpRecommender` (another service), each in a module of `causal_ranker.recommenders`.
#
# Run this file as a script, or open the `.ipynb` beside it. `NOTEBOOK_USERS` sets how many members
# are simulated; the report is also written to `runs/notebooks`.

# %%
import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from causal_ranker import CausalRanker
from causal_ranker.columns import Columns as C
from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.sources import connect
from causal_ranker.recommenders.implicit import ImplicitRecommender
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns, WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

USERS = int(os.environ.get("NOTEBOOK_USERS", "600"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
MOVIELENS = Path(os.environ.get("MOVIELENS", "ml-latest-small"))
OUT.mkdir(parents=True, exist_ok=True)


def wrapped_als(
    plays: pd.DataFrame, cut: datetime, *, leave_out_played: bool
) -> ImplicitRecommender:
    """Train ALS on what was played before the cut, and wrap it."""
    before = plays[plays[C.PLAYED_AT] < cut].drop_duplicates([C.USER, C.ITEM])
    user, users = pd.factorize(before[C.USER])
    item, items = pd.factorize(before[C.ITEM])
    matrix = csr_matrix((np.ones(len(before), dtype=np.float32), (user, item)))
    with threadpool_limits(1, "blas"):  # implicit brings threads of its own
        model = AlternatingLeastSquares(factors=32, random_state=0)
        model.fit(matrix, show_progress=False)
    return ImplicitRecommender(
        model,
        user_items=matrix,
        users=users,
        items=items,
        trained_until=cut,
        leave_out_played=leave_out_played,
    )


# %% [markdown]
# ## Real ratings: MovieLens
#
# Put `ratings.csv` and `movies.csv` of [MovieLens](https://grouplens.org/datasets/movielens/)
# "latest small" into a folder, and name it in the variable `MOVIELENS`. A rating counts as a play.
# As a check that the wrapping mixed nothing up, count what people rated *after* the cut among the
# first ten of ALS, beside the ten films that most had rated before it. Few have rated on both
# sides of the cut, so this is no contest of the two.

# %%
if any(MOVIELENS.glob("ratings.csv*")):
    ratings, movies = (next(MOVIELENS.glob(f"{name}.csv*")) for name in ("ratings", "movies"))
    with_movielens = connect()
    logs = load_movielens(ratings, movies, connection=with_movielens)
    rated, films = logs.plays.to_pandas(), logs.items.to_pandas().set_index(C.ITEM)
    cut = rated[C.PLAYED_AT].quantile(0.8).to_pydatetime()
    before, after = rated[rated[C.PLAYED_AT] < cut], rated[rated[C.PLAYED_AT] >= cut]
    movielens_base = wrapped_als(rated, cut, leave_out_played=True)
    both = sorted({*before[C.USER]} & {*after[C.USER]})
    first_ten = movielens_base.candidates(both, at=cut, k=10)
    popular = before[C.ITEM].value_counts().index
    seen = before.groupby(C.USER)[C.ITEM].agg(set)
    popular_ten = pd.DataFrame(
        [(u, i) for u in both for i in [i for i in popular if i not in seen[u]][:10]],
        columns=[C.USER, C.ITEM],
    )
    for name, lists in {"ALS": first_ten, "the most rated": popular_ten}.items():
        hits = lists.merge(after[[C.USER, C.ITEM]], on=[C.USER, C.ITEM])
        print(f"{name:>15}: {len(hits)} of {len(lists)} were rated later, {len(both)} users")
    some = movielens_base.candidates(both[:1], at=cut, k=5)
    print(some.assign(title=films["title"].reindex(some[C.ITEM]).to_numpy()))
else:
    print(f"no ratings.csv in {MOVIELENS}: MovieLens is left out")

# %% [markdown]
# This is where MovieLens ends. It says what was rated and nothing of what was *shown*, so nobody
# can learn from it what showing a film causes: a film that was never offered and one that was
# offered and ignored look alike. A causal layer needs a log of candidates with a mark at those
# that were shown. Your service has one; for a tutorial we simulate one.
#
# ## A service that logs what it shows
#
# The same wrapping, on the plays of a simulated service's first week. The model knows nothing from
# then on, and refuses to be asked about earlier requests, because that would tell it the future.
# Members who had not played anything by then have no list from ALS; a real service has something
# else for them, and here they are left out.
#
# The world's slates were not drawn by our ALS model but by its own ranker, with a chance for each
# candidate that is in the log (`propensity`). That is all that learning needs; "base" in the
# report is what ALS would have shown.

# %%
whole = StreamingWorld(WorldConfig(users=USERS, days=28)).simulate()
first_week = whole.candidates[C.T0].min().to_pydatetime() + timedelta(days=7)
base = wrapped_als(whole.plays, first_week, leave_out_played=False)
known = whole.plays.loc[whole.plays[C.PLAYED_AT] < first_week, C.USER].unique()
titles = whole.plays.loc[whole.plays[C.PLAYED_AT] < first_week, C.ITEM].unique()
print(f"ALS knows {len(known)} of {USERS} members and {len(titles)} of {len(whole.items)} titles")


def of_known(logs: WorldLogs) -> dict[str, pd.DataFrame]:
    """Keep members whom ALS knows, and candidates it can score; its own score is not read."""
    tables = {}
    for name in ("impressions", "plays", "candidates"):
        table = getattr(logs, name)
        keep = table[C.USER].isin(known)
        if name != "plays":
            keep &= table[C.ITEM].isin(titles)
        tables[name] = table[keep].drop(columns=[C.BASE_SCORE, C.BASE_RANK], errors="ignore")
    return tables


past, new = whole.split(last_days=7)
ranker = CausalRanker(base=base, k=10)
ranker.fit(**of_known(past), users=past.users, items=past.items, log_end=past.log_end)
report = ranker.evaluate(**of_known(new), log_end=new.log_end)
print(report.document.verdict)
print(f"report: {report.to_html(OUT / 'report.html')}")
report

# %% [markdown]
# ## What it was worth
#
# Of a world we know the truth, and can count the plays that each policy's first ten would really
# have caused.

# %%
lists = ranker.lists_
rows = pd.DataFrame(
    {
        C.USER: lists.rows.user,
        C.ITEM: lists.item,
        C.T0: pd.DatetimeIndex(lists.t0.view("datetime64[us]"), tz="UTC"),
        "ALS alone": lists.rows.rank["base"],
        f"ALS, re-ranked ({ranker.policy_name_})": lists.rows.rank[ranker.policy_name_],
    }
).merge(new.truth[[C.USER, C.ITEM, C.T0, TruthColumns.TAU]], on=[C.USER, C.ITEM, C.T0])
for name in rows.columns[3:5]:
    shown = rows[rows[name].between(1, ranker.k)]
    caused = 100 * shown[TruthColumns.TAU].mean()
    print(f"{name:>30}  {caused:5.2f} plays caused per 100 slots")

# %% [markdown]
# ## Online
#
# `rerank` asks the wrapped model for the member's candidates, as many as the longest list in the
# logs, and orders them. A server that runs elsewhere sends candidates with the request instead.

# %%
member = int(known[0])
answer = ranker.rerank(member, at=new.log_end, k=5)
assert not answer.fallback
print(pd.DataFrame(answer.records())[[C.RANK, C.ITEM, C.BASE_RANK, C.UPLIFT]])

# %% [markdown]
# ## With your own data
#
# Train on plays before a moment, and say which moment it was. For a service that trains every
# night, give each night's model to `causal_ranker.recommenders.succession.Succession`: past
# requests are then answered by the model that was in force. Anything with a method `candidates`
# will do; `tests/recommenders/contract.py` says what it must keep.
