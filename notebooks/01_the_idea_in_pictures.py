# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # The idea in pictures
#
# A recommender that ranks by the chance of a play puts first what a member would have found anyway.
# In a simulated service we know, for each user, item and moment, what would have happened with and
# without showing the item. So here we can look at what real logs never show.
#
# Run this file as a script, or open the `.ipynb` beside it. `NOTEBOOK_USERS` sets how many members
# are simulated; pictures are also written to `runs/notebooks`.

# %%
import os
from pathlib import Path

import numpy as np

from causal_ranker import CausalRanker
from causal_ranker.columns import Columns as C
from causal_ranker.reporting.figures import Curve, bars, line_with_band
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld

USERS = int(os.environ.get("NOTEBOOK_USERS", "600"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A world whose truth is known
#
# `truth` has one row per candidate: the chance of a play if the item is shown, the chance if it is
# not, and their difference, the uplift.

# %%
past, new = StreamingWorld(WorldConfig(users=USERS, days=28)).simulate().split(last_days=7)
truth = past.truth
print(truth[[TruthColumns.Y1_PROBABILITY, TruthColumns.Y0_PROBABILITY, TruthColumns.TAU]].mean())

# %% [markdown]
# ## The likeliest plays are not the ones that showing causes
#
# Sort candidates by the chance of a play if shown, which is what an accurate ranker learns, and
# look at each tenth. Towards the right the chance without showing rises as well.

# %%
order = np.argsort(truth[TruthColumns.Y1_PROBABILITY].to_numpy())
tenths = np.array_split(order, 10)
columns = (TruthColumns.Y1_PROBABILITY, TruthColumns.Y0_PROBABILITY, TruthColumns.TAU)
means = {name: [float(truth[name].to_numpy()[part].mean()) for part in tenths] for name in columns}
line_with_band(
    np.arange(1, 11),
    [
        Curve("played if shown", means[TruthColumns.Y1_PROBABILITY]),
        Curve("played if not shown", means[TruthColumns.Y0_PROBABILITY]),
        Curve("uplift", means[TruthColumns.TAU]),
    ],
    xlabel="tenth by chance of a play if shown",
    ylabel="plays per impression",
).save(OUT / "tenths.svg")

# %% [markdown]
# ## What ten slots cause, under three orders
#
# The best order by chance of a play, and the best by uplift, both with the truth at hand. No real
# ranker can reach either; the gap between them is what a causal layer is for.


# %%
def caused(score: np.ndarray, k: int = 10) -> float:
    """Mean true uplift of the k best candidates of each request, in plays per slot."""
    ranked = truth.assign(score=score).sort_values("score", ascending=False, kind="stable")
    best = ranked.groupby([C.USER, C.T0], sort=False).head(k)
    return float(best[TruthColumns.TAU].mean())


random = np.random.default_rng(0).random(len(truth))
values = {
    "random": caused(random),
    "chance of a play": caused(truth[TruthColumns.Y1_PROBABILITY].to_numpy()),
    "uplift": caused(truth[TruthColumns.TAU].to_numpy()),
}
for name, value in values.items():
    print(f"{name:>18}  {100 * value:5.2f} plays caused per 100 slots")
assert values["random"] < values["chance of a play"] < values["uplift"]
bars(list(values), list(values.values()), xlabel="true uplift, plays per slot").save(
    OUT / "orders.svg"
)

# %% [markdown]
# ## From logs alone
#
# Now without the truth: impressions, plays and candidates of three weeks, judged on the fourth.

# %%
ranker = CausalRanker(k=10)
ranker.fit(
    past.impressions,
    past.plays,
    candidates=past.candidates,
    users=past.users,
    items=past.items,
    log_end=past.log_end,
)
report = ranker.evaluate(new.impressions, new.plays, candidates=new.candidates)
print(report.document.verdict)
print(f"report: {report.to_html(OUT / 'report.html')}")
report

# %% [markdown]
# ## With your own data
#
# Replace `past` and `new` by paths to your tables: `causal-ranker init impressions.csv plays.csv`
# says what they hold and what they lack. Your report has no column of true uplift; its intervals,
# and what stands under "What has to be true for this", take its place.
