"""Compaction again, slowly: all records at once, in dictionaries, chances by enumeration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import permutations
from typing import Any

from causal_ranker.serving.decisions.record import Decision, EventRecord, Record
from tests.stats.normal_orders import chances_of_orders

Row = dict[str, Any]


def softmax_chances(decision: Decision) -> dict[tuple[int, ...], float]:
    """The chance of every list, as ordered places."""
    assert decision.exploration is not None
    assert decision.score is not None
    temperature = decision.exploration["draw"]["temperature"]
    weight = [math.exp(score / temperature) for score in decision.score]
    found = {}
    for slate in permutations(range(len(weight)), len(decision.shown)):
        chance, left = 1.0, dict(enumerate(weight))
        for place in slate:
            chance *= left[place] / sum(left.values())
            del left[place]
        found[slate] = chance
    return found


def swap_chances(decision: Decision) -> dict[tuple[int, ...], float]:
    assert decision.exploration is not None
    assert decision.score is not None
    epsilon = decision.exploration["draw"]["epsilon"]
    n, score = len(decision.items), decision.score
    orders = {tuple(sorted(range(n), key=lambda place: -score[place])): 1.0}
    for slot in range(len(decision.shown)):
        after: dict[tuple[int, ...], float] = {}
        for order, chance in orders.items():
            for other in range(slot, n):
                fresh = list(order)
                fresh[slot], fresh[other] = fresh[other], fresh[slot]
                share = epsilon / (n - slot) + (1 - epsilon) * (other == slot)
                after[tuple(fresh)] = after.get(tuple(fresh), 0.0) + chance * share
        orders = after
    found: dict[tuple[int, ...], float] = {}
    for order, chance in orders.items():
        slate = order[: len(decision.shown)]
        found[slate] = found.get(slate, 0.0) + chance
    return found


def chances(decision: Decision) -> dict[tuple[int, ...], float] | None:
    if not decision.explored or decision.holdout or decision.constrained or decision.fallback:
        return None
    assert decision.exploration is not None
    kind = decision.exploration["draw"]["kind"]
    if kind == "thompson":
        assert decision.score is not None
        assert decision.deviation is not None
        return chances_of_orders(decision.score, decision.deviation, len(decision.shown))
    return softmax_chances(decision) if kind == "plackett_luce" else swap_chances(decision)


def compacted(records: Iterable[Record]) -> dict[str, list[Row]]:
    """Every table, by name."""
    everything = list(records)
    made: dict[str, Decision] = {}
    for each in everything:
        if isinstance(each, Decision):
            made.setdefault(each.decision_id, each)
    events = {
        (each.event_id, each.decision_id, each.user_id): each
        for each in everything
        if isinstance(each, EventRecord)
    }
    views: dict[str, dict[Any, list[EventRecord]]] = {}
    tables: dict[str, list[Row]] = {
        "impressions": [],
        "plays": [],
        "candidates": [],
        "candidates_without_propensity": [],
        "aside": [],
    }
    played = set()
    for event in events.values():
        decision = None if event.decision_id is None else made.get(event.decision_id)
        if event.kind == "view":
            items = [] if decision is None else [decision.items[p] for p in decision.shown]
            if event.item_id not in items:
                tables["aside"].append({"event_id": event.event_id})
            else:
                views.setdefault(event.decision_id or "", {}).setdefault(event.item_id, []).append(
                    event
                )
            continue
        user = event.user_id if decision is None else decision.user_id
        if user is None or event.user_id not in (None, user):
            tables["aside"].append({"event_id": event.event_id})
            continue
        by_place = (user, event.item_id, event.at_ms)
        key = (user, event.play_id) if event.play_id is not None else by_place
        if key not in played:
            played.add(key)
            row = {"user_id": user, "item_id": event.item_id, "played_at": event.at_ms}
            tables["plays"].append({**row, "seconds": event.seconds, "fraction": event.fraction})
    for decision in made.values():
        _add(decision, views.get(decision.decision_id, {}), tables)
    return tables


def _add(
    decision: Decision, views: dict[Any, list[EventRecord]], tables: dict[str, list[Row]]
) -> None:
    slates = chances(decision)
    base = decision.base_score
    for place, item in enumerate(decision.items):
        row = {
            "user_id": decision.user_id,
            "item_id": item,
            "t0": decision.at_ms,
            "surface": decision.surface,
            "assignment_unit": decision.decision_id,
            "base_score": base[place],
            "hour": decision.moment.get("hour", decision.at_ms // 3_600_000 % 24),
        }
        inclusion = None if slates is None else sum(p for s, p in slates.items() if place in s)
        candidate = {
            **row,
            "shown": place in decision.shown,
            "base_rank": 1 + sum(other > base[place] for other in base),
        }
        if inclusion is None:
            tables["candidates_without_propensity"].append(candidate)
        else:
            tables["candidates"].append({**candidate, "propensity": inclusion})
        if place not in decision.shown:
            continue
        slot = decision.shown.index(place)
        mine = views.get(item, [])
        longest = [e.viewable_ms for e in mine if e.viewable_ms is not None]
        clicks = [e.clicked_at_ms for e in mine if e.clicked_at_ms is not None]
        clicks = [max(c, decision.at_ms) for c in clicks if c >= decision.at_ms - 300_000]
        tables["impressions"].append(
            {
                **row,
                "impression_id": f"{decision.decision_id}-{slot + 1}",
                "position": slot + 1,
                "viewable": bool(mine) if views else None,
                "viewable_ms": max(longest, default=None),
                "clicked_at": min(clicks, default=None),
                "propensity": decision.propensity[slot],
                "inclusion_propensity": inclusion,
                "slot_propensity": None
                if slates is None
                else sum(p for s, p in slates.items() if s[slot] == place),
            }
        )
