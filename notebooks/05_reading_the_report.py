# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Reading the evaluation report, and when to refuse
#
# A report answers one question: had the lists been ordered by uplift, would they have caused more
# plays than the base recommender's lists? Here you read one part after the other, on logs of a
# simulated service. So you can look behind every figure at the truth, which your own report will
# not have, and see which figures to lean on. Then come logs that cannot answer, and what the report
# says of them.
#
# Run this file as a script, or open the `.ipynb` beside it. `NOTEBOOK_USERS` sets how many members
# are simulated; reports and pictures are also written to `runs/notebooks`.

# %%
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from causal_ranker import CausalRanker
from causal_ranker.columns import Columns as C
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.report import refused_report
from causal_ranker.evaluation.verdict import refusal
from causal_ranker.reporting.figures import bars, points
from causal_ranker.reporting.files import write_page
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld

USERS = int(os.environ.get("NOTEBOOK_USERS", "120"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Three weeks to learn from, one to be judged on
#
# `fit` reads the first three weeks, and on their last days it also chooses the policy: by uplift,
# or a blend of uplift and base score. Then the policy is *frozen*. `evaluate` reads the fourth
# week, which decided about nothing. A report on the weeks that the model was trained on would
# praise itself.

# %%
past, new = StreamingWorld(WorldConfig(users=USERS, days=28)).simulate().split(last_days=7)
ranker = CausalRanker(k=10, learner="r")
ranker.fit(
    past.impressions,
    past.plays,
    candidates=past.candidates,
    users=past.users,
    items=past.items,
    log_end=past.log_end,
)
report = ranker.evaluate(new.impressions, new.plays, candidates=new.candidates, log_end=new.log_end)
print(report.document.verdict)
report.to_html(OUT / "report.html")
report

# %% [markdown]
# ## 1. The verdict
#
# One sentence: how many plays more *per 100 slots*, between which ends the truth would lie in 95 of
# 100 such weeks, on how many requests. Only an interval wholly above 0 lets it say "causes more".
# "No evidence of a difference" is not "no difference": read how wide the interval is.
#
# ## 2. Policies, side by side
#
# Two columns look alike and are not. The *play rate* counts all plays of items in the list, whoever
# caused them; it is what accuracy sees. *uplift@10* counts those that showing caused. The last
# column is the difference to the base list, request by request. That is the one to decide by: two
# intervals may overlap while their paired difference is clear of 0.

# %%
table = report.to_frame()
print(
    (100 * table[["play_rate", "uplift", "difference", "difference_low", "difference_high"]])
    .round(2)
    .to_string()
)
frozen = ranker.policy_name_
winner = {column: str(table[column].idxmax()) for column in ("play_rate", "uplift")}
print(f"frozen: {frozen}; most plays: {winner['play_rate']}; most caused: {winner['uplift']}")
# The list that holds most plays is not the one that causes most.
assert table.loc["base", "play_rate"] > table.loc[frozen, "play_rate"]
assert table.loc["base", "uplift"] < table.loc[frozen, "uplift"]

# %% [markdown]
# Whoever judged these lists by accuracy would have kept the base list, and lost the plays that
# nobody finds by themselves.
#
# The world knows what each list would really have caused. Yours does not tell; here, hold the
# report's figures against it.

# %%
lists = ranker.lists_
rows = pd.DataFrame(
    {
        C.USER: lists.rows.user,
        C.ITEM: lists.item,
        C.T0: pd.DatetimeIndex(lists.t0.view("datetime64[us]"), tz="UTC"),
        **{name: lists.rows.rank[name] for name in table.index},
    }
).merge(new.truth[[C.USER, C.ITEM, C.T0, TruthColumns.TAU]], on=[C.USER, C.ITEM, C.T0])
truth = pd.Series(
    {
        name: rows.loc[rows[name].between(1, ranker.k), TruthColumns.TAU].mean()
        for name in table.index
    }
)
for name in table.index:
    low, high = table.loc[name, ["uplift_low", "uplift_high"]]
    print(
        f"{name:>10}: true {100 * truth[name]:5.2f}, report {100 * table.loc[name, 'uplift']:5.2f} "
        f"({100 * low:.2f} to {100 * high:.2f}) per 100 slots"
    )
points(
    list(table.index),
    {
        "report": 100 * table["uplift"],
        "lower end": 100 * table["uplift_low"],
        "upper end": 100 * table["uplift_high"],
        "truth": 100 * truth,
    },
    xlabel="plays caused per 100 slots",
).save(OUT / "policies.svg")

# %%
gain = truth[frozen] - truth["base"]
low, high = table.loc[frozen, ["difference_low", "difference_high"]]
print(f"{frozen} minus base: true {100 * gain:.2f}, interval {100 * low:.2f} to {100 * high:.2f}")
assert low <= gain <= high
assert gain > 0

# %% [markdown]
# One in twenty such intervals misses its truth, so an interval that holds once proves nothing.
# `python -m benchmarks coverage` counts over thousands of worlds; the README has the table.
#
# ## 3. Every section asks something
#
# A reader of the verdict still has questions, and each section answers one. Below: the section, its
# question, and what to be wary of.

# %%
questions = {
    "How well the scores find uplift": "Does the order by predicted uplift find effects? Is 0.05 "
    "predicted 0.05 in truth? Wary: the band of the curves' difference to the base score holds 0.",
    "Policies": "Which lists cause more? Wary: an interval of the difference that holds 0.",
    "Effects by predicted uplift": "Are effects larger where they are predicted larger? Wary: the "
    "last group is not above the first.",
    "What accuracy says": "What would the usual figures have chosen? Wary: of choosing by them.",
    "Total plays of the users": "Do plays only move from one item to another? Wary: items gain and "
    "the total does not.",
    "Overlap of the exposed and the unexposed": "Did both arms have a chance? Wary: much is left "
    "out, or logged chances are not the shares that were shown.",
    "Balance of the covariates": "Are the arms alike after weighting? Wary: differences beyond 0.1 "
    "standard deviations.",
    "Can this be false?": "What would show it to be false? Wary: a line that failed.",
    "What has to be true for this": "What can no log test? Wary: a sentence that is not so.",
}
titles = [section.title for section in report.document.sections]
for title in titles:
    print(f"- {title}: {questions.get(title, '(how the report came about)')}")
assert set(questions) <= set(titles)

# %% [markdown]
# ## 4. Can this be false?
#
# The report attacks itself: shuffle who was shown (the effect must vanish), look at an outcome from
# *before* showing (it must be 0), add a random cause (nothing may move), halve the users, ask how
# strong a hidden cause would have to be. "Failed" is a reason to stop. "Cannot tell" is not a pass.

# %%
refutation = report.evaluation.refutation
assert refutation is not None
for check in refutation.checks:
    print(f"{check.verdict:>11}  {check.refuter}: {check.estimate}")
verdicts = ("passed", "failed", "cannot tell", "not run")
counts = [refutation.count(each) for each in verdicts]
assert sum(counts) == len(refutation.checks)
bars(list(verdicts), counts, xlabel="attempts to show it false").save(OUT / "refutation.svg")

# %% [markdown]
# ## 5. Too few users: no evidence
#
# The same model, the same policy, a week of a handful of members. The policy is as good as it was;
# only the logs know less. The report must not guess, and it does not.

# %%
few = np.sort(new.candidates[C.USER].unique())[:12]
small = replace(
    new,
    **{
        name: (each := getattr(new, name))[each[C.USER].isin(few)]
        for name in ("impressions", "plays", "candidates")
    },
)
faint = ranker.evaluate(
    small.impressions, small.plays, candidates=small.candidates, log_end=small.log_end
)
print(faint.document.verdict)
result = faint.evaluation.comparison.result(frozen).difference
assert result.low < 0 < result.high
assert "no evidence of a difference" in faint.document.verdict

# %% [markdown]
# What to do: wait for more users, not for more requests of the same ones. The interval is clustered
# by user, as ten requests of one member are not ten members.
#
# ## 6. No chance, no answer: the refusal
#
# Most services show the ten best by score, always. Then whoever was shown had a high score, and
# whoever was not had a low one: at no score is there somebody of both kinds. No method can tell
# from such logs what showing causes; many will print a number all the same. Here is that service,
# a world whose slates leave nothing to chance, and whose log has no propensities.

# %%
always = StreamingWorld(WorldConfig(users=120, days=10, temperature=1e-6)).simulate()
refused = None
try:
    CausalRanker(k=10, learner="r").fit(
        always.impressions.drop(columns=C.PROPENSITY),
        always.plays,
        candidates=always.candidates.drop(columns=C.PROPENSITY),
        users=always.users,
        items=always.items,
        log_end=always.log_end,
    )
except OverlapError as error:
    refused = error
assert refused is not None
print(refusal(refused))
write_page(refused_report(refused, background=[]), OUT / "refused.html")

# %% [markdown]
# The refusal says what was expected, what came, and what to do: let a little be left to chance, and
# log the chances. It costs less than it sounds. Notebook 6 draws lists so, and learns from them.
#
# ## 7. Decide
#
# | the report says | do |
# |---|---|
# | causes more, nothing "failed", total plays not below 0 | run an experiment on a small share of the users (`causal-ranker experiment`); go live if it agrees |
# | causes more, but something "failed" | read why; believe it only if you can say why that attempt does not apply |
# | causes more, and the users' total plays do not move | the lists take plays from other items: no gain |
# | no evidence of a difference | compare the interval's ends with the gain that would be worth it; wait for more users if it is inside |
# | causes fewer | keep the base list |
# | a refusal | explore, log propensities, come back |
#
# Offline figures decide what is worth testing. An experiment decides what is shipped.
#
# ## With your own data
#
# ```sh
# causal-ranker evaluate --impressions impressions.parquet --plays plays.parquet \
#     --candidates candidates.parquet --users users.parquet --items items.parquet \
#     --horizon-hours 24 --holdout-from 2025-02-10T00:00+00:00 --out runs/evaluate
# ```
#
# Everything before `--holdout-from` is learned from, the rest is judged. `--out` holds
# `report.html` for people and `report.json` for machines. When the logs do not allow an answer, the
# exit code is 2 and the page is the refusal. Do not read the report, change a setting and read it
# again on the same weeks until it says what you hoped: keep weeks back that nobody has looked at.
