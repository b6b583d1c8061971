# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Drift and experiments
#
# A causal ranker can go wrong while everything that is usually watched stays where it is: features,
# base scores and click rates look as ever, and the *effect* of showing an item has halved. And when
# a new model is ready, offline figures say that it may be better; a test says whether it is.
#
# This notebook watches a service on which one thing changes on a known day, and then runs a test
# of two rankers whose true difference is known.
#
# Run it as a script, or open it as a notebook with jupytext.

# %%
import os
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
from replay import first_slots, replayed, wide  # beside this notebook

from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.columns import Columns as C
from causal_ranker.drift.effect import EffectDrift
from causal_ranker.drift.health.roles import Roles
from causal_ranker.drift.monitor import MonitorConfig, MonitorReport, monitor
from causal_ranker.drift.sections import drift_document
from causal_ranker.experiments.assign import assign_arms
from causal_ranker.experiments.config import Metric, ReadoutConfig
from causal_ranker.experiments.interleaving.credit import team_credit
from causal_ranker.experiments.interleaving.lists import causal_balanced, team_draft
from causal_ranker.experiments.interleaving.uplift import interleaved_uplift
from causal_ranker.experiments.read import Readout, read_test
from causal_ranker.experiments.words import verdict
from causal_ranker.reporting.figures import Curve, line_with_band, points
from causal_ranker.reporting.html import to_html
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.stats.sequential import always_valid
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.known import learner_rows
from causal_ranker.worlds.logs import TruthColumns as T
from causal_ranker.worlds.streaming import StreamingWorld

USERS = int(os.environ.get("NOTEBOOK_USERS", "600"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks"))
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# # Part one: drift
#
# ## A service on which the effect changes
#
# Four weeks. From day 21 on, a title that somebody notices in a list leads to a play only three
# times in ten of what it did. The base recommender knows nothing of it and goes on as before, so
# lists, features and logged chances stay what they were.

# %%
CHANGE_DAY, CANDIDATES, SLOTS = 21, 20, 5
WORLD = WorldConfig(
    users=USERS,
    items=2_000,  # so many that nobody runs out of what is new to them
    candidates=CANDIDATES,
    slate_size=SLOTS,
    days=29,
    background_plays=0.05,
    discovery_rate=0.3,
    organic_rate=0.25,
    late_share=0.0,
    temperature=1.5,
    change_day=CHANGE_DAY,
    change_factor=0.3,
)
logs = StreamingWorld(WORLD).simulate()
ended = logs.candidates[C.HORIZON_END] <= logs.log_end  # what came of the others is not known yet
rows = learner_rows(logs, rows=int(ended.sum()), seed=0, logged=True)
since = (logs.candidates.loc[ended, C.T0] - pd.Timestamp(WORLD.start)) // pd.Timedelta(days=1)
day = since.to_numpy().astype(np.int64)
week = day // 7
print(
    f"{len(day):,} candidates of {USERS} members; mean true effect by week, plays per impression:"
)
print({int(w): round(float(rows.tau[week == w].mean()), 4) for w in range(4)})

# %% [markdown]
# ## A score that has the effect as its mean
#
# Nobody sees an effect: each row was shown or it was not. The doubly robust (AIPW) score of a row
# is a noisy number whose *mean* is the effect: what models of both arms predict, plus the error of
# the arm that was seen, divided by its logged chance. The models are trained on the first week
# alone, so that they have no part in what comes after it. Rows are put into three groups by the
# uplift that these models predict, because effects may move in one group only.

# %%
COUNTS = {"user_plays", "item_plays", "pair_plays", "pair_shown"}  # they grow whatever happens
kept = [place for place, name in enumerate(rows.names) if name not in COUNTS]
names = [rows.names[place] for place in kept]
features = rows.features[:, kept]
arm_chance = np.where(rows.treatment == 1, rows.propensity, 1 - rows.propensity)
TREES = BoostConfig(rounds=60, learning_rate=0.1, leaves=15, min_rows_leaf=100)


def outcome_model(arm: int) -> np.ndarray:
    """P(play) of every row in one arm, by a model of the first week's rows in that arm."""
    model = fit_trees(
        features,
        rows.outcome.astype(np.float64),
        rows=np.flatnonzero((week == 0) & (rows.treatment == arm)),
        weight=1 / arm_chance,
        objective="binary",
        config=TREES,
        names=names,
        categorical=rows.categorical,
        seed=0,
    )
    return predict_trees(model, features)


not_shown, shown = outcome_model(0), outcome_model(1)
score = aipw_scores(
    rows.outcome, rows.treatment, propensity=rows.propensity, mu0=not_shown, mu1=shown
)
uplift = shown - not_shown
edges = np.quantile(uplift[week == 1], [1 / 3, 2 / 3])
group = np.searchsorted(edges, uplift)
by_day = pd.DataFrame({"day": day, "score": score, "truth": rows.tau}).groupby("day").mean()
(OUT / "effect_by_day.svg").write_text(
    line_with_band(
        by_day.index.to_numpy(),
        [
            Curve("mean score of the day's rows", by_day["score"]),
            Curve("true effect", by_day["truth"]),
        ],
        xlabel="day",
        ylabel="plays per impression",
    ),
    encoding="utf-8",
)

# %% [markdown]
# ## The monitor
#
# `monitor` compares a window with a reference: every column (how often is it missing, its mean,
# spread and quantiles, new categories), and the *roles*, columns that tell of the model, which have
# detectors of their own. All signals together are one family: however many columns there are, a
# false alarm comes at the level that was asked for. Its advice is one of nothing, watch, retrain
# and stop.
#
# Columns of the candidates are watched here. What belongs to a whole request or member (hour,
# tenure) comes again in each of its rows, and would count as so many: watch it in a table with one
# row of each, or name a column of days.
#
# Week 1 is the reference. Week 2 is quiet. In week 3 the effect is another. And as a third window
# we take week 2 again, with an app release that no longer sends the device.

# %%
COLUMNS = [C.BASE_SCORE, "genre", "buzz", "minutes", "release_year", C.DEVICE]
watched = pd.DataFrame(features, columns=names).assign(
    device=rows.features[:, rows.names.index(C.DEVICE)].astype(int).astype(str),
    user_id=rows.user,
    chance_shown=rows.propensity,
    was_shown=rows.treatment,
    aipw=score,
    effect_group=group,
)
CONFIG = MonitorConfig(
    roles=Roles(
        user="user_id",
        propensity="chance_shown",
        treatment="was_shown",
        aipw="aipw",
        group="effect_group",
    )
)


def look(window: pd.DataFrame) -> MonitorReport:
    """Compare a window with week 1."""
    return monitor(
        ibis.memtable(watched[week == 1]), ibis.memtable(window), columns=COLUMNS, config=CONFIG
    )


no_device = watched[week == 2].assign(
    device=lambda table: table["device"].where(table["user_id"] % 3 == 0)
)
windows = {"week 2": watched[week == 2], "week 3": watched[week == 3], "no device": no_device}
looks = {name: look(window) for name, window in windows.items()}
for name, found in looks.items():
    print(f"\n{name}: {found.advice} (exit code {found.verdict.exit_code})")
    print(f"  {found.verdict.sentence}")

# %% [markdown]
# What the detectors of single columns say of week 3: shifts of means (in standard
# deviations) and of distributions (PSI). The effect has fallen by more than two thirds, and none of
# them raises an alarm.


# %%
for each in looks["week 3"].columns:
    mean = next((x.decision.effect_size for x in each.signals if x.kind == "mean"), float("nan"))
    print(
        f"{each.column:>12} {each.level} {mean:.3f} {each.distances.get('psi', float('nan')):.4f}"
    )
(OUT / "drift.html").write_text(to_html(drift_document(looks["week 3"])), encoding="utf-8")


def effect_level(found: MonitorReport) -> str:
    """What the check of the effect says."""
    return next(check.level for check in found.checks if check.name == "effect")


print({name: effect_level(found) for name, found in looks.items()})
assert effect_level(looks["week 2"]) == "quiet"
assert effect_level(looks["week 3"]) == "alarm"
assert looks["week 3"].advice == "retrain"
assert all(each.level != "alarm" for each in looks["week 3"].columns)
assert rows.tau[week == 3].mean() < rows.tau[week == 2].mean() / 3
assert looks["no device"].advice == "stop"
assert "device" in looks["no device"].drifted

# %% [markdown]
# ## Which members, and how far
#
# The same detector by itself: one test of all groups together, and for each group how its effect
# moved, with intervals that hold in all of them at once. Rows of one member count together; as
# so many members each their own they would make an alarm out of anything.

# %%
scored = np.column_stack([score, group])
before, after = week == 1, week == 3
detector = EffectDrift().fit(scored[before], clusters=rows.user[before])
decision = detector.predict(scored[after], clusters=rows.user[after])
changes = detector.changes(scored[after], clusters=rows.user[after])
print(f"drifted: {decision.drifted}, p = {decision.p_value:.2g}")
labels, truths = [], []
for change, label in zip(changes, ("lowest third", "middle", "highest third"), strict=True):
    mine = group == change.group
    truth = float(rows.tau[mine & after].mean() - rows.tau[mine & before].mean())
    low, high = change.change.low, change.change.high
    print(f"{label:>13}: {change.change.point:+.3f} ({low:+.3f} to {high:+.3f}), true {truth:+.3f}")
    labels.append(label)
    truths.append(truth)
    assert abs(change.change.point - truth) < 4 * change.change.standard_error
assert decision.drifted
assert truths[2] < 0
(OUT / "effect_change.svg").write_text(
    points(
        labels,
        {
            "lower end": [change.change.low for change in changes],
            "estimate": [change.change.point for change in changes],
            "upper end": [change.change.high for change in changes],
            "truth": truths,
        },
        xlabel="change of the effect, plays per impression",
    ),
    encoding="utf-8",
)

# %% [markdown]
# The answer to "the effect moved" is *retrain on recent logs*, and the model can learn it only if
# the service still explores: notebook 6. The answer to "chances are not drawn as they are logged"
# would be to stop exploring, for then nothing can be learned at all.
#
# # Part two: experiments
#
# ## Two rankers, and what a test would find
#
# One ranks by the chance of a play if shown: a perfect accuracy ranker. The other ranks by what
# showing adds, which it knows with some noise. The world can replay any list: what each candidate
# would do where it stands. So we know what every member's week would have been in *either* arm,
# and the true difference. A test sees one arm of each.
#
# To have as many members as a test has, 4,000 are drawn from those of the world, with their weeks.


# %%
def weekly(number: int) -> pd.DataFrame:
    """One row per candidate of one week's requests, with the truth."""
    day_of = (logs.truth[C.T0] - pd.Timestamp(WORLD.start)) // pd.Timedelta(days=1)
    return logs.truth[day_of // 7 == number]


rng = np.random.default_rng(0)
test_week, week_before = weekly(2), weekly(1)
effect = wide(test_week, T.EFFECT_IF_EXAMINED, CANDIDATES)
accurate = first_slots(wide(test_week, T.Y0_PROBABILITY, CANDIDATES) + effect, SLOTS)
causal = first_slots(effect + rng.normal(0, 0.4 * effect.std(), effect.shape), SLOTS)
member = wide(test_week, C.USER, CANDIDATES)[:, 0].astype(int)
by_member = pd.DataFrame(index=pd.RangeIndex(USERS))
for name, lists in {"accurate": accurate, "causal": causal}.items():
    each = pd.Series(replayed(test_week, lists, CANDIDATES).sum(axis=1), index=member)
    by_member[name] = each.groupby(level=0).sum()
earlier = wide(week_before, T.Y0, CANDIDATES)
earlier_plays = pd.Series(
    earlier.sum(axis=1), index=wide(week_before, C.USER, CANDIDATES)[:, 0].astype(int)
)
by_member["plays_before"] = earlier_plays.groupby(level=0).sum()
by_member = by_member.fillna(0.0)

MEMBERS = 4_000
panel = by_member.sample(MEMBERS, replace=True, random_state=0).reset_index(drop=True)
panel.insert(0, "user_id", np.arange(MEMBERS))
panel["arm"] = assign_arms(
    panel["user_id"].to_numpy(), experiment="causal home", shares={"old": 0.5, "new": 0.5}
)
panel["plays"] = panel["causal"].where(panel["arm"] == "new", panel["accurate"])
true_difference = float((panel["causal"] - panel["accurate"]).mean())
print(f"true difference: {true_difference:+.3f} plays a member and week")

# %% [markdown]
# ## Reading it
#
# `read_test` looks at the arms' sizes first, then at differences. CUPED takes out what members'
# plays before the test explain of their plays in it: the estimate is the same quantity, with less
# noise, for nothing but the earlier week's table.

# %%
COUNTED = Metric(column="plays")
CUPED = Metric(column="plays", past=("plays_before",))


def read(table: pd.DataFrame, metric: Metric, **options: object) -> Readout:
    """Read one metric of a table with a row per member."""
    columns = ["user_id", "arm", "plays", "plays_before"]
    config = ReadoutConfig(metrics=(metric,), names=("old", "new"), **options)
    return read_test(ibis.memtable(table[columns]), config)


plain, adjusted = read(panel, COUNTED), read(panel, CUPED)
for name, found in {"as it is": plain, "with CUPED": adjusted}.items():
    interval = found.lines[0].interval
    width = interval.high - interval.low
    print(f"{name:>10}: {interval.point:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})")
    print(f"{'':>10}  width {width:.3f}; {verdict(found)}")
    assert not found.blocked
    assert abs(interval.point - true_difference) < 4 * interval.standard_error
left = adjusted.lines[0].difference.variance_left
print(f"CUPED leaves {left:.0%} of the variance: {1 / left:.2f} times the members for nothing")
assert left < 1

# %% [markdown]
# ## When arms have lost members
#
# Suppose that the new arm's app loses logs of those who hardly use it: half of the members who
# played least are missing. What is left looks like a triumph. `read_test` looks at the sizes first
# (sample-ratio mismatch), and gives no figure: what removed members from one arm also chose whom.

# %%
silent = (panel["arm"] == "new") & (panel["plays"] <= panel["plays"].quantile(0.2))
lossy = panel[~(silent & (panel["user_id"] % 2 == 0))]
naive = lossy.groupby("arm")["plays"].mean()
print(f"naive difference {naive['new'] - naive['old']:+.3f}, true {true_difference:+.3f}")
blocked = read(lossy, COUNTED)
print(f"p of sizes {blocked.ratio.treated}, {blocked.ratio.control}: {blocked.ratio.p_value:.1g}")
print(verdict(blocked))
assert blocked.blocked
assert not blocked.lines
assert naive["new"] - naive["old"] > true_difference

# %% [markdown]
# ## Looking every day
#
# Whoever looks ten times and stops at the first p below 5 % does not have 5 % false alarms. Here
# are 400 tests of two arms that are the *same*, each looked at ten times: how many show something
# at some look, by ordinary intervals, and by intervals that hold at all looks together
# (`planned=` of `ReadoutConfig` gives you those).

# %%
LOOKS, TESTS = 10, 400
values = panel["accurate"].to_numpy()
alarms = {"ordinary": 0, "valid at every look": 0}
for _ in range(TESTS):
    drawn = rng.choice(values, (2, MEMBERS // 2))
    told = dict.fromkeys(alarms, False)
    for seen in np.linspace(MEMBERS // 2 // LOOKS, MEMBERS // 2, LOOKS).astype(int):
        part = drawn[:, :seen]
        gap = float(part[1].mean() - part[0].mean())
        error = float(np.sqrt(part.var(axis=1, ddof=1).sum() / seen))
        wide_one = always_valid(gap, standard_error=error, seen=2 * int(seen), planned=MEMBERS)
        told["ordinary"] |= abs(gap) > 1.96 * error
        told["valid at every look"] |= not wide_one.low <= 0 <= wide_one.high
    for name, alarm in told.items():
        alarms[name] += alarm
for name, count in alarms.items():
    print(f"{name:>20}: {count / TESTS:.1%} of tests without a difference show one")
assert alarms["ordinary"] / TESTS > 0.1
assert alarms["valid at every look"] / TESTS < 0.08  # 5 %, and three standard errors of 400 draws

# %%
seen_at, ordinary, lasting = [], [], []
order = panel.sample(frac=1, random_state=1)
for share in np.linspace(0.1, 1, LOOKS):
    part = order.head(int(share * MEMBERS))
    seen_at.append(len(part))
    ordinary.append(read(part, CUPED).lines[0].interval)
    lasting.append(read(part, CUPED, planned=MEMBERS).lines[0].interval)
first = next((n for n, each in zip(seen_at, lasting, strict=True) if each.low > 0), None)
when = "at no look" if first is None else f"from {first} of {MEMBERS} members on"
print(f"the interval that holds at every look leaves 0 out {when}")
for one, every in zip(ordinary, lasting, strict=True):
    assert every.low < one.low
    assert one.high < every.high
(OUT / "looks.svg").write_text(
    line_with_band(
        np.array(seen_at),
        [
            Curve("holds at every look", *np.array([(i.point, i.low, i.high) for i in lasting]).T),
            Curve("holds at one look", *np.array([(i.point, i.low, i.high) for i in ordinary]).T),
            Curve("truth", [true_difference] * LOOKS),
        ],
        xlabel="members seen",
        ylabel="plays a member and week",
    ),
    encoding="utf-8",
)

# %% [markdown]
# ## Interleaving: both rankers in one list
#
# A member sees one list that both rankers filled. It needs far fewer members than a test of two
# arms, and it answers two different questions. *Team draft* counts plays of the items that each
# ranker put there: it rewards showing what is played anyway. *Causal balanced* interleaving draws
# so that each item had a known chance to be left out, and compares plays with and without showing:
# it tells which list *causes* more.

# %%
drafted = team_draft(accurate, causal, rng=rng)
plays = replayed(test_week, drafted.items, CANDIDATES)
credit = team_credit(
    np.repeat(np.arange(len(member)), SLOTS),
    from_first=drafted.from_first.ravel(),
    credit=np.take_along_axis(plays, drafted.items, axis=1).ravel(),
    user=np.repeat(member, SLOTS),
)

balanced = causal_balanced(accurate, causal, rng=rng)
plays = replayed(test_week, balanced.items, CANDIDATES)


def flags(lists: np.ndarray) -> np.ndarray:
    """Which candidates of a request are in its list."""
    found = np.zeros(plays.shape, dtype=bool)
    np.put_along_axis(found, lists, True, axis=1)
    return found


offered = flags(accurate) | flags(causal)
request = np.nonzero(offered)[0]
caused = interleaved_uplift(
    request,
    in_first=flags(accurate)[offered],
    in_second=flags(causal)[offered],
    shown=flags(balanced.items)[offered],
    outcome=plays[offered],
    user=member[request],
)
chance_noticed = wide(test_week, T.ATTENTION, CANDIDATES) * (
    wide(test_week, T.SCROLL, CANDIDATES)[:, :, None] ** np.arange(SLOTS)
).mean(axis=2)
worth = chance_noticed * effect
true_gap = float(
    (np.take_along_axis(worth, accurate, 1) - np.take_along_axis(worth, causal, 1)).mean()
)
gap = credit.difference
print("accurate less causal:")
print(f"  credited plays a list     {gap.point:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})")
gap = caused.difference
print(
    f"  caused plays per 100 slots {100 * gap.point:+.2f} "
    f"({100 * gap.low:+.2f} to {100 * gap.high:+.2f}), true about {100 * true_gap:+.2f}"
)
assert credit.difference.point > 0, "credit favours who shows what is played anyway"
assert true_gap < 0, "and yet the other list causes more"
assert abs(caused.difference.point - true_gap) < 4 * caused.difference.standard_error

# %% [markdown]
# ## With your own data
#
# **Drift.** `causal-ranker monitor --reference weeks.parquet --window yesterday.parquet --day t0`
# needs no labels. Give it eight weeks as reference: with `--day` it learns how days differ when
# nothing is wrong, and compares Mondays with Mondays. Name the columns that tell of your model
# (`Roles`), above all logged chances and, once horizons have ended, AIPW scores: without them the
# drift of this notebook stays unseen. The exit code (0, 10, 11, 12) is the advice, for a scheduler;
# `--review` collects alerts, and verdicts on them make thresholds fit your service.
#
# **Experiments.** Write the assignment down where it is made (`assign_arms`), one row per member
# with what was played in the week before, and say what will be read before anybody looks.
# `causal-ranker experiment design` says how many members a difference takes, `experiment read` reads.
# Give `planned` if you will look before the end. Take plays of *any* title on any surface as the
# metric: plays from the list alone reward the ranker that shows what is played anyway.
