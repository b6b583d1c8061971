# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Uplift, and how to choose who estimates it
#
# Uplift is the difference between two chances: that this member plays this title if it is shown,
# and if it is not. Of each row the logs saw one of the two and never both, so nobody can look up
# whether an estimate was right. There are many learners all the same, and they disagree. This
# notebook compares them where the truth is known, and then shows how to choose where it is not.
#
# Run this file as a script, or open the `.ipynb` beside it. `NOTEBOOK_USERS` sets the number of
# rows (50 for each user); pictures are also written to `runs/notebooks`.

# %%
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold

from causal_ranker import UpliftEstimator
from causal_ranker.errors import OverlapError
from causal_ranker.reporting.figures import Curve, bars, histogram, line_with_band, points
from causal_ranker.stats.curves import autoc
from causal_ranker.uplift.held_out import held_out_scores
from causal_ranker.uplift.intervals import HalfSampleConfig
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.nonlinear import NonlinearConfig, draw_nonlinear

USERS = int(os.environ.get("NOTEBOOK_USERS", "120"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
OUT.mkdir(parents=True, exist_ok=True)
ROWS = 50 * USERS

# %% [markdown]
# ## Rows whose truth is known
#
# Twenty features, most of them noise. Whether a row was shown depends on the features, and so does
# what is played without showing: the arms cannot simply be compared. `tau` is the true uplift. A
# second draw stands for the rows to come, on which everybody is judged.

# %%
rows = draw_nonlinear(NonlinearConfig(rows=ROWS))
later = draw_nonlinear(NonlinearConfig(rows=10_000, seed=1))
shown = rows.treatment == 1
naive = rows.outcome[shown].mean() - rows.outcome[~shown].mean()
print(f"{ROWS:,} rows, {shown.mean():.0%} of them shown")
print(f"true average uplift         {rows.tau.mean():.3f} plays per impression")
print(f"played if shown, minus not  {naive:.3f}")
print(f"uplift lies between {rows.tau.min():.2f} and {rows.tau.max():.2f}")

# %% [markdown]
# ## Five ways to estimate it
#
# - **S**: one model of the outcome that has "shown" among its features; asked twice, with and
#   without. Trees may hardly look at that one feature: it errs towards "no effect, the same for
#   all".
# - **T**: two models, one an arm; their difference. Each errs in its own way, and the difference
#   has the errors of both: it sees effects where there are none.
# - **X**: in each arm, what happened minus what the *other* arm's model expected; models of these
#   differences, weighted by the chance of being shown. Good where one arm is much larger.
# - **R**: takes out of outcome and showing what the features say of them, and relates what is left.
#   An error in one of the two first models does little harm.
# - **DR**: makes a *doubly robust score* of each row, which is right on average if the outcome
#   models or the propensities are, and regresses the scores. Steady with logged propensities; noisy
#   where chances are small.
#
# `constant` is the one to beat: one effect for all. Two figures judge them. *RMSE* asks whether the
# sizes are right. *AUTOC* asks whether the order is: by how much the rows ranked first gain more
# than the average, averaged over all shares ranked first. Lists need order; forecasts need sizes.

# %%
estimate = {
    name: UpliftEstimator(name)
    .fit(rows.features, rows.outcome, treatment=rows.treatment)
    .predict(later.features)
    for name in ("constant", "s", "t", "x", "r", "dr")
}
rmse = {name: float(np.sqrt(np.mean((e - later.tau) ** 2))) for name, e in estimate.items()}
order = {name: autoc(e, later.tau) for name, e in estimate.items()}
best = autoc(later.tau, later.tau)
print(f"{'':>10}   RMSE   AUTOC   of the best order")
for name in estimate:
    print(f"{name:>10}  {rmse[name]:.4f}  {order[name]:.4f}  {order[name] / best:7.0%}")
# One effect for all orders nothing, and here everybody finds more than nothing.
assert abs(order["constant"]) < 1e-9
assert min(order[name] for name in order if name != "constant") > 0
# The T-learner sees effects where there are none: of the five, its sizes are the worst.
assert rmse["t"] == max(rmse[name] for name in rmse if name != "constant")
bars(list(rmse), list(rmse.values()), xlabel="RMSE, plays per impression").save(OUT / "rmse.svg")

# %% [markdown]
# Effects are small beside the coin tosses of single plays, and rows help more than cleverness: of
# the best order the R-learner reaches 75 % with these 6,000 rows, and 91 % with 30,000
# (`NOTEBOOK_USERS=600`). Nor does one learner win everywhere: in the README's five regimes (`python
# -m benchmarks learners`) the S-learner has the best order in three, and `auto`, which comes below,
# in two.
#
# ## Without the truth: doubly robust scores
#
# Your logs have no `tau`. Their place is taken by the doubly robust score of a row that the models
# have not seen: the outcome models' difference, plus what they missed, divided by the chance of
# what was done. One score says next to nothing. Means of scores are right.

# %%
user = np.arange(len(rows.outcome))
folds = list(KFold(2, shuffle=True, random_state=0).split(rows.features))
scores = held_out_scores(
    rows.features, rows.outcome, treatment=rows.treatment, user=user, folds=folds
).gamma
print(
    f"a score: from {scores.min():.1f} to {scores.max():.1f}, standard deviation {scores.std():.2f}"
)
print(f"their mean {scores.mean():.3f}, true average {rows.tau.mean():.3f}, naive {naive:.3f}")
error = scores.std() / np.sqrt(len(scores))
assert abs(scores.mean() - rows.tau.mean()) < 3 * error
assert scores.std() > 3 * rows.tau.std()

halves = np.empty(len(rows.outcome))
for train, test in folds:
    model = UpliftEstimator("r").fit(
        rows.features[train], rows.outcome[train], treatment=rows.treatment[train]
    )
    halves[test] = model.predict(rows.features[test])
fifths = np.array_split(np.argsort(halves), 5)
line_with_band(
    np.arange(1, 6),
    [
        Curve("predicted", [halves[part].mean() for part in fifths]),
        Curve(
            "mean score, as logs tell it, 95 %",
            [scores[part].mean() for part in fifths],
            [scores[p].mean() - 1.96 * scores[p].std() / np.sqrt(len(p)) for p in fifths],
            [scores[p].mean() + 1.96 * scores[p].std() / np.sqrt(len(p)) for p in fifths],
        ),
        Curve("true", [rows.tau[part].mean() for part in fifths]),
    ],
    xlabel="fifth of the rows by predicted uplift",
    ylabel="plays per impression",
).save(OUT / "fifths.svg")

# %% [markdown]
# The middle curve needs no truth. The report of notebook 5 draws it for your logs, and the AUTOC of
# the scores in place of the truth (`causal_ranker.evaluation.scorers.UpliftScorer` for
# `GridSearchCV`).
#
# ## `auto`: several at once, and the simplest that is as good
#
# `learner="auto"`, the default of `CausalRanker`, trains its candidates on the same folds of users
# and judges them by these scores: how much nearer to the scores is this estimate than one effect
# for all (the *gain*)? It takes the simplest candidate that is no more than a standard error behind
# the best. Try it on three effects over the same features: one that is the same for all, so that
# there is nothing to find; one that follows a single feature in a straight line; and the bent one
# above.


# %%
def with_effect(tau: np.ndarray, seed: int) -> LearnerRows:
    """Return the rows with another effect, and outcomes drawn anew."""
    mu1 = rows.mu0 + tau
    chance = np.where(shown, mu1, rows.mu0)
    played = np.random.default_rng(seed).random(len(tau)) < chance
    return replace(rows, mu1=mu1, outcome=played.astype(np.int8))


x0 = np.clip(rows.features[:, 0].astype(float), -2, 2)
worlds: dict[str, LearnerRows] = {
    "the same for all": with_effect(np.full(ROWS, 0.07), 10),
    "a straight line": with_effect(0.1 + 0.05 * x0, 11),
    "bent, as above": rows,
}
leagues, spread = {}, {}
for name, world in worlds.items():
    auto = UpliftEstimator("auto").fit(world.features, world.outcome, treatment=world.treatment)
    league = leagues[name] = auto.learner_.league_
    spread[name] = float(auto.predict(later.features).std())
    print(f"{name}: chosen {league.chosen}, its estimates spread by {spread[name]:.3f}")
    for entry in league.entries:
        gain = [1e4 * each for each in (entry.gain.point, entry.gain.low, entry.gain.high)]
        print(f"    {entry.name:<22} gain {gain[0]:7.1f} ({gain[1]:.1f} to {gain[2]:.1f}) / 10,000")
sure = {name: [e.name for e in each.entries if e.gain.low > 0] for name, each in leagues.items()}
print("gains surely above 0:", sure)
assert not sure["the same for all"]
assert sure["bent, as above"]
assert spread["the same for all"] < 0.5 * spread["bent, as above"]
league = leagues["bent, as above"]
points(
    [entry.name for entry in league.entries],
    {
        "gain": [1e4 * entry.gain.point for entry in league.entries],
        "lower end": [1e4 * entry.gain.low for entry in league.entries],
        "upper end": [1e4 * entry.gain.high for entry in league.entries],
    },
    xlabel="gain over one effect for all, in 1/10,000",
).save(OUT / "league.svg")

# %% [markdown]
# Read the gains before the name. Where the effect is the same for all, no gain is clear of 0: no
# order by uplift is better than chance, as far as these rows can tell, and the estimates of
# whatever was chosen hardly differ. Gains are faint even where effects are not. That is why the
# choice is by a standard error and for the simplest: the best of eight noisy figures is mostly
# luck.
#
# ## Which one, then?
#
# - **Begin with `auto`.** It looks at your rows; advice does not.
# - **`r`** where one learner must do: it leans least on any one model, and is quick to train.
# - **`dr`** where propensities were logged and none is small: it is right on average whatever the
#   outcome models are worth.
# - **`x`** where one arm is tiny.
# - **`s`** if you would rather miss an effect than see one that is not there.
# - **`t`** hardly ever: it is what most people build first.
# - Where no gain of the league is above 0, take none of them: keep the base list, and collect more.
#
# ## How sure is it of one row?
#
# Half-sample intervals fit the last step again on random halves of the users. They cover what *this
# learner* would say on average over draws of the logs, and the truth only as far as the learner is
# not biased. Here the truth is known, so count:

# %%
with_ends = UpliftEstimator("r", intervals=HalfSampleConfig(draws=20)).fit(
    rows.features, rows.outcome, treatment=rows.treatment
)
effect = with_ends.predict_effect(later.features)
assert effect.low is not None
assert effect.high is not None
holds = (effect.low <= later.tau) & (later.tau <= effect.high)
above = effect.low > 0
wrong = later.tau[above] <= 0
print(f"mean width {np.mean(effect.high - effect.low):.3f}; the truth lies in {holds.mean():.0%}")
print(f"{above.mean():.0%} of the rows are above 0 with their whole interval")
print(f"of those the true uplift is not above 0 in {wrong.mean():.1%}")
assert np.mean(effect.high - effect.low) > later.tau.std()
assert wrong.mean() < 0.05

# %% [markdown]
# An interval is wider than effects differ, even where it holds. So use them to explore (what is
# wide is worth showing) and to hold back where an effect may be negative. For a claim about
# effects, take groups of rows and means of scores, as in the picture of fifths: those intervals ask
# for no faith in a learner.
#
# ## No overlap, no answer
#
# Everything above needs rows of both kinds among rows that are alike. How far that holds shows in
# the chances of being shown:

# %%
edges = np.linspace(0, 1, 26)
histogram(
    edges,
    {
        "shown": np.histogram(rows.true_propensity[shown], edges)[0],
        "not shown": np.histogram(rows.true_propensity[~shown], edges)[0],
    },
    xlabel="chance of being shown",
    ylabel="rows",
    marks=(0.02, 0.98),
).save(OUT / "overlap.svg")
inside = (rows.true_propensity > 0.02) & (rows.true_propensity < 0.98)
print(f"{inside.mean():.0%} of the rows had a chance of both, between 2 % and 98 %")

# %% [markdown]
# Now rows of a service that shows whatever its own score puts above a bar, always. The learner does
# not extrapolate from one side of the bar to the other; it refuses.

# %%
score = rows.features[:, 6]
bar = (score > np.median(score)).astype(np.int8)
y = np.random.default_rng(12).random(ROWS) < np.where(bar == 1, rows.mu1, rows.mu0)
refused = None
try:
    UpliftEstimator("r").fit(rows.features, y.astype(np.int8), treatment=bar)
except OverlapError as error:
    refused = error
assert refused is not None
print(refused)

# %% [markdown]
# Where overlap is thin and not gone, `LearnerConfig(overlap=...)` says whose average an effect is:
# rows inside the band only (`trim`, the default), every row by how much both arms had a chance
# (`overlap_weights`), or all. `causal_ranker.uplift.overlap_report.overlap_report` says which cells
# of the features lack one arm.
#
# ## What a score means
#
# - 0.05 is five plays more in a hundred times that such a row is shown; not the chance of a play,
#   which may be 0.60 all the same.
# - It is *one* slot moved, everything else left at its natural course. Ten scores do not add up to
#   what ten slots cause together.
# - Below 0, showing keeps people from playing.
# - It is of the horizon that labels had: plays within a day, say. Not of next month.
# - It moves plays of *this* item. Whether the member plays more in all stands in the report, under
#   the users' total plays.
#
# ## With your own data
#
# ```python
# from causal_ranker import UpliftEstimator
#
# model = UpliftEstimator("auto").fit(X, y, treatment=shown, user=user_id, propensity=logged)
# print(model.learner_.league_)  # every candidate with its gain
# uplift = model.predict(X_new)  # plays per impression
# ```
#
# `X` holds only what was known before t0. Give `user`, or rows of one member stand on both sides of
# a fold; `propensity`, if it was logged, which is better than any model of it; and `unit`, where
# showing was decided for several rows at once. In the whole chain it is
# `CausalRanker(learner="auto")`, and the report says what was chosen and by how much.
