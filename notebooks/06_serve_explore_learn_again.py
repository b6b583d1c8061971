# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Serve, explore, learn again
#
# A ranker that always shows what it believes in never learns that it was wrong. This notebook goes
# round the loop once: publish a model, serve lists with a little chance in them, write down what
# was shown *and how likely it was*, ask the log what other lists would have brought, and learn
# again from it.
#
# The members are simulated, so that at each step the estimate can be held against the truth.
#
# Run it as a script, or open it as a notebook with jupytext. It needs the extra `serve`.

# %%
import os
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from replay import Server, Week, certain, first_slots  # beside this notebook

from causal_ranker import CausalRanker
from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.ope.evaluate import evaluate_policy
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce as DrawnLists
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.features.config import FeatureConfig
from causal_ranker.reporting.figures import bars, points
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration, explore, in_holdout
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.reranking.policies import BasePolicy, UpliftPolicy
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Decision, EventRecord
from causal_ranker.serving.registry import Registry
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld

USERS = int(os.environ.get("NOTEBOOK_USERS", "600"))
OUT = Path(os.environ.get("NOTEBOOK_OUT", "runs/notebooks")) / "loop"
shutil.rmtree(OUT, ignore_errors=True)  # a log of an earlier run would be learned from as well
OUT.mkdir(parents=True)

# %% [markdown]
# ## The members, and what they would do
#
# Three weeks of requests, each with ten candidates and three slots. The world can *replay*: it
# knows of each candidate whether it is played without being shown, whether it is played once it is
# noticed, and down to which slot the member looks. So any list that a service comes up with can be
# shown to the same member at the same moment. One simplification: what a list leads to changes
# nothing about later requests.

# %%
CANDIDATES, K = 10, 3
WORLD = WorldConfig(
    users=USERS,
    items=60,
    candidates=CANDIDATES,
    slate_size=K,
    days=21,
    discovery_rate=0.25,
)
WHOLE = StreamingWorld(WORLD).simulate()

weeks = [Week.of(WHOLE, number, candidates=CANDIDATES, slots=K) for number in range(3)]
print("requests by week:", [len(week.user) for week in weeks])

# %% [markdown]
# ## The decision log
#
# Whatever chooses lists, its decisions go into a log in the form in which the service writes them:
# the whole candidate set, scores, what was shown, and the chance of each slot's item given those
# above. Views and plays follow. The service does this by itself, by the clock on the wall; here the
# weeks pass in seconds, so that the notebook draws by `explore` and writes by `DecisionLog`, the
# same functions that the service calls.


# %%
def serve_week(week: Week, uplift: np.ndarray | None, *, temperature: float, version: str) -> int:
    """Draw a list for each request, replay it, and log both. Return how many were drawn."""
    policy = BasePolicy() if uplift is None else UpliftPolicy()
    scores = week.base if uplift is None else uplift
    exploration = Exploration(draw=PlackettLuce(temperature=temperature), slots=K)
    known = np.isfinite(scores).all(axis=1)  # of whom the model knows nothing, nothing is drawn
    lists = first_slots(week.base, K)
    ids = np.array([f"{week.start:%Y%m%d}-{row:06d}" for row in range(len(week.user))])
    rank = np.argsort(np.argsort(-week.base, axis=1, kind="stable"), axis=1) + 1.0
    some = int(known.sum())
    drawn = explore(
        policy,
        CandidateLists(
            request=np.repeat(np.arange(some), CANDIDATES),
            base_score=week.base[known].ravel(),
            base_rank=rank[known].ravel(),
            uplift=scores[known].ravel(),
        ),
        exploration,
        decisions=ids[known],
        users=week.user[known],
        seed=0,
    )
    lists[known] = drawn.chosen % CANDIDATES
    chance = np.full((len(ids), K), np.nan)
    chance[known] = drawn.propensity
    records: list[Decision | EventRecord] = [
        Decision(
            decision_id=str(ids[row]),
            user_id=int(week.user[row]),
            at_ms=int(week.t0[row]),
            version=version,
            exploration=exploration.model_dump(),
            seed=0,
            items=week.item[row].tolist(),
            base_score=week.base[row].tolist(),
            score=scores[row].tolist() if known[row] else None,
            shown=lists[row].tolist(),
            propensity=chance[row].tolist() if known[row] else [],
            slots=K if known[row] else 0,
            fallback=None if known[row] else "unknown_user",
            holdout=False,
            explored=bool(known[row]),
            features_hash="",
            session_id=None,
            surface="home",
            canary=False,
            constrained=False,
        )
        for row in range(len(ids))
    ]
    records += week.events(lists, ids)
    with DecisionLog(OUT / "decisions") as log:
        assert log.append(records).result(60), "the log could not be written"
    return some


def tables(log: str, *, since: datetime | None = None, until: datetime | None = None) -> dict:
    """Compact a log, and read its tables."""
    done = compact(OUT / log, out=OUT / f"{log}-tables")
    if done.decisions:
        print(
            f"compacted {done.decisions:,} decisions, {done.explained:,} with known chances, "
            f"{done.plays:,} plays; base order because: {dict(done.fallbacks)}"
        )
    found = {}
    for name in ("impressions", "plays", "candidates"):
        table = pd.read_parquet(OUT / f"{log}-tables" / name).dropna(axis="columns", how="all")
        clock = table[C.PLAYED_AT if name == "plays" else C.T0]
        kept = clock.notna() if since is None else clock >= since
        found[name] = table[kept if until is None else kept & (clock < until)]
    return found


# %% [markdown]
# ## Week 1: the base recommender, with a little chance
#
# You need not start with a causal model. The base recommender serves, and its lists are drawn:
# each slot by the softmax of its scores. That is what makes the first log worth learning from.

# %%
serve_week(weeks[0], None, temperature=1.0, version="base")
first_log = tables("decisions")
print(first_log["candidates"][[C.USER, C.ITEM, C.BASE_SCORE, C.SHOWN, C.PROPENSITY]].head(4))
placed = first_log["candidates"].groupby([C.USER, C.T0])[C.PROPENSITY].sum()
assert np.allclose(placed, K), "chances of a request sum to its slots"

# %% [markdown]
# `propensity` of a candidate is its chance of being anywhere in the list, summed over all ways in
# which the list might have been drawn. It is computed from the logged scores, not estimated.
#
# ## Learn, and publish

# %%
SMALL = BoostConfig(rounds=60, learning_rate=0.1, leaves=15, min_rows_leaf=100)
CONFIG = ChainConfig(
    features=FeatureConfig(
        windows_days=(7, 28),
        item_numbers=("buzz",),
        item_categories=("genre",),
        user_numbers=("tenure_days", "taste_breadth", "skip_rate"),
        user_categories=("favourite_genre", "main_device"),
    ),
    dr=LearnerConfig(
        final=BoostConfig(rounds=120, learning_rate=0.06, leaves=4, min_rows_leaf=200),
        nuisance=NuisanceConfig(outcome=SMALL, propensity=SMALL),
    ),
    choose_days=2,
    refute=RefuteConfig(enabled=False),  # notebook 5 is about what would show it false
)


def learn(logs: dict, *, until: datetime) -> CausalRanker:
    """Fit on logged tables; the logged chances are used as they are."""
    ranker = CausalRanker(k=K, learner="r", policy="uplift", config=CONFIG, horizon_hours=24)
    return ranker.fit(**logs, users=WHOLE.users, items=WHOLE.items, log_end=until)


first = learn(tables("decisions", until=weeks[1].start), until=weeks[1].start)
models = first.save(OUT / "models")
version_1 = Registry(models).current()
print(f"{version_1} answers")

# %% [markdown]
# A registry is a folder of versions. `save` wrote this one aside, had another process load it and
# score with it, and only then let it answer.
#
# ## A server on this machine
#
# Lists are drawn with a temperature of 0.1 plays per impression: an item that promises 0.1 plays
# more is e times as likely. One member in ten always gets the base list (the holdout). An answer is
# due after two seconds here, so that a busy machine changes nothing; the default is 50 ms, and what
# is late is the base order.

# %%
TEMPERATURE = 0.1
(OUT / "serve.toml").write_text(
    f"""deadline_ms = 2000.0

[exploration]
slots = {K}
holdout_share = 0.1
draw = {{kind = "plackett_luce", temperature = {TEMPERATURE}}}
""",
    encoding="utf-8",
)
exploration = Exploration(draw=PlackettLuce(temperature=TEMPERATURE), slots=K, holdout_share=0.1)
members = np.array(first.known_users())
held = in_holdout(members, exploration)
chosen = [int(members[~held][0]), int(members[held][0])]


def offer(user: int) -> dict:
    """One request: who, and what the base recommender offers."""
    row = int(np.flatnonzero(weeks[1].user == user)[0]) if user in weeks[1].user else 0
    pairs = zip(weeks[1].item[row].tolist(), weeks[1].base[row].tolist(), strict=True)
    return {
        "user_id": user,
        "candidates": [{"item_id": item, "base_score": score} for item, score in pairs],
    }


with Server(models, log=OUT / "live", config=OUT / "serve.toml") as server:
    # With "log": false a list is only looked at: all candidates, no draw, nothing written down.
    looked = server.ask("/v1/rerank", offer(chosen[0]) | {"log": False})
    answers = [
        server.ask("/v1/rerank", offer(user) | {"k": K})
        for user in (chosen[0], chosen[0], chosen[1])
    ]
    seen = answers[0]["items"][0]["item_id"]
    now = datetime.now().astimezone().isoformat()
    events = {
        "decision_id": answers[0]["decision_id"],
        "events": [
            {"type": "view", "item_id": seen, "at": now, "viewable_ms": 1500},
            {"type": "play", "item_id": seen, "at": now, "play_id": "first"},
        ],
    }
    print("events written down:", server.ask("/v1/events", events)["accepted"])
columns = ["rank", "item_id", "base_rank", "uplift", "propensity"]
for answer in (looked, *answers):
    print(
        f"\nmember {answer['user_id']}, drawn: {answer['explored']}, holdout: {answer['holdout']}"
    )
    print(pd.DataFrame(answer["items"])[columns].head(K).to_string(index=False))

# %% [markdown]
# The first is the list that the model believes in. Then the same member is asked for twice: the
# same scores, and two draws. The member of the holdout has the base list. A slot's chance is the
# softmax over the candidates that are left for it; by hand:

# %%
left = {item["item_id"]: item["uplift"] for item in looked["items"]}
for item in answers[0]["items"]:
    weight = {name: np.exp(uplift / TEMPERATURE) for name, uplift in left.items()}
    by_hand = weight[item["item_id"]] / sum(weight.values())
    assert np.isclose(item["propensity"], by_hand, atol=1e-9)
    del left[item["item_id"]]
assert answers[2]["holdout"]
assert [item["base_rank"] for item in answers[2]["items"]] == list(range(1, K + 1))
live = tables("live")
print(live["impressions"][[C.USER, C.ITEM, C.POSITION, C.PROPENSITY, C.VIEWABLE]].head(2 * K))
assert live["impressions"][C.VIEWABLE].eq(True).sum() == 1
assert len(live["plays"]) == 1

# %% [markdown]
# ## Weeks 2 and 3: the first model serves
#
# Its scores are those that the service would answer with. Members whom it never met in week 1 get
# the base list, with the reason; nothing is drawn for them.


# %%
def scores_of(ranker: CausalRanker, week: Week) -> np.ndarray:
    """Uplift of every candidate; NaN throughout where the member is unknown."""
    found = np.empty(week.item.shape)
    for row, (user, items, base) in enumerate(
        zip(week.user.tolist(), week.item.tolist(), week.base.tolist(), strict=True)
    ):
        answer = ranker.rerank(user, zip(items, base, strict=True), at=week.start)
        by_item = dict(zip(answer.items, answer.uplift, strict=True))
        found[row] = [by_item[item] for item in items]
    return found


by_first = [scores_of(first, week) for week in weeks[1:]]
for week, scores in zip(weeks[1:], by_first, strict=True):
    drawn = serve_week(week, scores, temperature=TEMPERATURE, version=version_1)
    print(f"{drawn} of {len(week.user)} lists were drawn")
third_week = tables("decisions", since=weeks[2].start)

# %% [markdown]
# ## Learn again, and ask the log before anybody is shown it
#
# The second model learns from weeks 1 and 2. Week 3 it has not seen, so week 3 may judge it. Its
# lists differ from those that were shown, and off-policy evaluation weights what was shown by how
# much more likely the new lists would have shown it.
#
# Three policies are asked about: the base list, the first model and the second, each as it would be
# drawn, for whoever takes over goes on exploring. First by *plays of the items shown*, which most
# services count.

# %%
second = learn(tables("decisions", until=weeks[2].start), until=weeks[2].start)
by_second = scores_of(second, weeks[2])
week, drawn_by = weeks[2], by_first[1]
kept = np.isfinite(drawn_by).all(axis=1) & np.isfinite(by_second).all(axis=1)
rows = np.flatnonzero(kept)
judged = week.some(rows)
policies = {
    "base": DrawnLists(judged.base, temperature=1.0),
    "first model": DrawnLists(drawn_by[rows], temperature=TEMPERATURE),
    "second model": DrawnLists(by_second[rows], temperature=TEMPERATURE),
}
logging = policies["first model"]  # who drew the lists of week 3

# %%
# What was shown and played, from the log's own tables.
shown = third_week["impressions"].assign(
    t0_ms=lambda table: table[C.T0].to_numpy("datetime64[ms]").astype(np.int64)
)
happened = third_week["plays"].merge(
    shown[[C.USER, C.ITEM, C.T0, "t0_ms"]], on=[C.USER, C.ITEM], suffixes=("", "_shown")
)
delay = happened[C.PLAYED_AT] - happened[C.T0]
in_time = happened[(delay >= pd.Timedelta(0)) & (delay < pd.Timedelta(hours=24))]
was_played = set(zip(in_time[C.USER], in_time[C.ITEM], in_time["t0_ms"], strict=True))
shown["reward"] = [
    float(key in was_played)
    for key in zip(shown[C.USER], shown[C.ITEM], shown["t0_ms"], strict=True)
]
row_of = {key: row for row, key in enumerate(zip(week.user, week.t0, strict=True)) if kept[row]}
place_of = [{item: place for place, item in enumerate(items)} for items in week.item.tolist()]
request = [row_of.get(key, -1) for key in zip(shown[C.USER], shown["t0_ms"], strict=True)]
shown = shown.assign(request=request)
shown = shown[shown["request"] >= 0]
slates = LoggedSlates.from_long(
    shown["request"].to_numpy(),
    shown[C.POSITION].to_numpy(),
    item=[place_of[row][item] for row, item in zip(shown["request"], shown[C.ITEM], strict=True)],
    reward=shown["reward"].to_numpy(),
    user=shown[C.USER].to_numpy(),
)

# %%
found, truths = {}, {}
for name, policy in policies.items():
    truths[name] = judged.played_of_shown(policy.slot_chances(K))
    print(f"\n{name}: true {truths[name]:.3f} plays of shown items a list")
    try:
        told = evaluate_policy(slates, logging, target=policy, estimators=("iips", "snips"))
    except OverlapError as refusal:  # no estimator had enough to stand on
        print(f"  {refusal}")
        continue
    print(told.to_frame()[["estimator", "value", "low", "high", "effective_lists"]])
    for estimator, refusal in told.refusals.items():
        print(f"  {estimator}: {refusal}")
    if "iips" not in told.refusals:
        estimate = told.estimate("iips").value
        found[name] = estimate
        assert abs(estimate.point - truths[name]) < 4 * estimate.standard_error
assert "first model" in found, "whoever drew the lists can be told by them"
(OUT / "off_policy.svg").write_text(
    points(
        list(found),
        {
            "lower end": [each.low for each in found.values()],
            "estimate": [each.point for each in found.values()],
            "upper end": [each.high for each in found.values()],
            "truth": [truths[name] for name in found],
        },
        xlabel="plays of shown items a list",
    ),
    encoding="utf-8",
)

# %% [markdown]
# Two things to take home. Weights of *whole lists* (`snips`) rest on fewer effective lists, the
# more so the further the new policy is from the one that was logged; where they are fewer than 50,
# the answer is a refusal. `iips` weights slot by slot, for which there are more; it assumes that a
# slot's plays depend on its own item alone, which is true of this world and may not be of yours.
#
# And this count likes the base list better than the second model's, because plays of what is shown
# include those that would have happened anyway. With the truth at hand, for lists without chance:


# %%
counted = {
    "base list": judged.played_of_shown(certain(judged.base, K)),
    "second model's list": judged.played_of_shown(certain(by_second[rows], K)),
}
print({name: round(value, 3) for name, value in counted.items()}, "plays of shown items a list")
assert counted["base list"] > counted["second model's list"]

# %% [markdown]
# Off-policy evaluation answers the question that the reward asks.
#
# ## The question that we have
#
# The report asks for *caused* plays: doubly robust scores of all candidates of week 3, shown or
# not, with the logged chances.

# %%
report = second.evaluate(**third_week, log_end=WHOLE.log_end)
print(report.document.verdict)
print(f"report: {report.to_html(OUT.parent / 'report.html')}")
gain = report.evaluation.comparison.result("uplift").difference

# %% [markdown]
# ## Promote, or take back
#
# `save` publishes and promotes. Where the difference to the base list is not surely above 0, the
# version before answers again: nothing is ever lost, and taking back is one call.

# %%
second.save(models)
registry = Registry(models)
version_2 = registry.current()
assert version_2 != version_1
if gain.low <= 0:
    print(f"held: {version_1} answers again, as {gain.low:.4f} is not above 0")
    registry.rollback()
for each in registry.versions():
    print(each.version, "answers" if each.current else "waits", each.training_window)
assert registry.current() == (version_2 if gain.low > 0 else version_1)

# %% [markdown]
# ## What the loop was worth
#
# With the truth at hand: plays caused per 100 slots in week 3, by each policy as it is drawn, by
# its lists without chance, and by lists of somebody who knows every effect. What the first model
# loses by its draws is the price of what the second has learned.

# %%
worth = {
    "base, drawn": judged.caused(policies["base"].slot_chances(K)),
    "base list": judged.caused(certain(judged.base, K)),
    "first model, drawn": judged.caused(policies["first model"].slot_chances(K)),
    "first model": judged.caused(certain(drawn_by[rows], K)),
    "second model, drawn": judged.caused(policies["second model"].slot_chances(K)),
    "second model": judged.caused(certain(by_second[rows], K)),
    "who knows the effects": judged.caused(certain(judged.effect, K)),
}
for name, value in worth.items():
    print(f"{name:>22}  {value:5.2f} plays caused per 100 slots")
assert worth["second model"] > worth["base list"]
assert worth["second model, drawn"] > worth["base, drawn"]
(OUT / "worth.svg").write_text(
    bars(list(worth), list(worth.values()), xlabel="true plays caused per 100 slots"),
    encoding="utf-8",
)

# %% [markdown]
# ## With your own data
#
# 1. Log candidates and chances from the first day on: `causal-ranker serve --model ... --log
#    decisions/ --config serve.toml` does both; if your own service draws lists, write `propensity`
#    beside each candidate.
# 2. Choose the temperature by what a wrong slot costs you, and let the report say whether it was
#    enough: its section on overlap shows how many candidates had a chance in both arms.
# 3. Send plays from *all* surfaces to `/v1/events`, not only those from the list.
# 4. Every night: `causal-ranker decisions compact decisions/ --out logs/`, fit on `logs/`, judge on
#    days that the model has not seen, promote or hold. `python -m pipelines.train_flow` is this
#    notebook as a job.
# 5. Keep a holdout. It is the one number that rests on no model at all.
