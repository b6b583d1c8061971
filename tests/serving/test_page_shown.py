"""What the page at ``/`` shows: both lists, why an item moved, rates, and what is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import ExplainAnswer, RerankAnswer
from tests.reporting.browser import Page
from tests.serving.page_app import Answer, Stub
from tests.serving.page_use import (
    DASH,
    MINUS,
    TIMES,
    address,
    column,
    figures,
    in_browser,
    opened,
    pick,
    said,
)
from tests.serving.shop import Shop, with_width


def changed(**fields: Any) -> Callable[[RerankAnswer], Answer]:
    return lambda answer: (200, msgspec.structs.replace(answer, **fields))


@in_browser
def test_both_lists_are_those_of_the_api_in_its_order(browser: Page, stub: Stub) -> None:
    with opened(browser, stub.app()) as running:
        ours = address(running)
        pick(browser, "117")
        words = said(browser, "12 candidates")
        items = running.post({"user_id": 117})[1]["items"]
        # recomputed from scores alone: ties are in the snapshot's order, then in that of the base
        base = sorted(items, key=lambda i: (-i["base_score"], i["item_id"]))
        places = {i["item_id"]: place for place, i in enumerate(base)}
        causal = sorted(items, key=lambda i: (-i["uplift"], places[i["item_id"]]))
        assert column(browser, "#base bdi") == [i["item_id"] for i in base]
        assert column(browser, "#causal bdi") == [i["item_id"] for i in causal]
        moves = [places[i["item_id"]] - place for place, i in enumerate(causal)]
        arrows = ["=" if not m else f"{'▲' if m > 0 else '▼'} {abs(m)}" for m in moves]
        assert column(browser, "#causal .move") == arrows
        labels = browser.ask(
            "[...document.querySelectorAll('#causal .move span')].map(e => e.ariaLabel)"
        )
        assert labels == [
            "stays" if not m else f"{'up' if m > 0 else 'down'} {abs(m)}, from {place + m + 1}"
            for place, m in enumerate(moves)
        ]
        assert f"{sum(m != 0 for m in moves)} at another rank" in words
        shown = figures(browser, "#causal .figure")
        assert shown == pytest.approx([100 * i["uplift"] for i in causal], abs=0.051)
        bars = browser.ask(
            "[...document.querySelectorAll('#causal .fill')]"
            ".map(e => e.getBoundingClientRect().width)"
        )
        widest = max(range(12), key=lambda at: abs(causal[at]["uplift"]))
        scale = bars[widest] / abs(causal[widest]["uplift"])
        assert bars == pytest.approx([scale * abs(i["uplift"]) for i in causal], abs=0.6)
        kinds = browser.ask(
            "[...document.querySelectorAll('#lines path')].map(e => e.className.baseVal)"
        )
        assert sorted(kinds) == sorted("up" if m > 0 else "down" if m else "same" for m in moves)
    lists = [body for path, body in stub.asked if path == "/v1/rerank"]
    assert lists == [{"user_id": 117, "log": False}, {"user_id": 117}]
    assert [a for a in browser.asked if not a.startswith(ours)] == []
    assert browser.wrong == []


SAYS: dict[str, tuple[Callable[[RerankAnswer], Answer], str]] = {
    "empty": (changed(items=[]), "has no candidates"),
    "fallback": (changed(fallback="deadline"), "the model did not answer in time (deadline)"),
    "another fallback": (changed(fallback="eclipse"), "Both lists are in base order: eclipse"),
    "holdout": (changed(holdout=True), "held out"),
    "relaxed": (changed(relaxed=["floors", "caps"]), "could not be kept: floors, caps"),
    "404": (lambda _: (404, {"error": "user 100"}), "User 100 is not known"),
    "400": (lambda _: (400, {"error": "no base model."}), "model. Or send some of your own"),
    "429": (lambda _: (429, {"error": "come back"}), "too busy or not ready: come back"),
    "500": (lambda _: (500, {"error": "see its log"}), "refuses (500): see its log"),
    "proxy": (lambda _: (502, "<html>"), "refuses (502): "),
}


@in_browser
def test_what_is_not_a_plain_list_is_told_in_words(browser: Page, stub: Stub) -> None:
    with opened(browser, stub.app()):
        for name, (answer, words) in SAYS.items():
            stub.lists = answer
            pick(browser, "100")
            said(browser, words)
            lists = name in {"fallback", "another fallback", "holdout", "relaxed"}
            assert browser.ask("document.getElementById('lists').hidden") is not lists, name
            assert len(column(browser, "#causal bdi")) == (12 if lists else 0), name


@in_browser
def test_an_unknown_user_gets_the_base_order_and_no_bars(browser: Page, stub: Stub) -> None:
    with opened(browser, stub.app()):
        pick(browser, "nobody")
        assert "(unknown_user)" in said(browser, "the model does not know this user")
        assert column(browser, "#causal bdi") == column(browser, "#base bdi")
        assert set(column(browser, "#causal .uplift .bar")) == {DASH}
        assert set(column(browser, "#causal .move")) == {"="}


@in_browser
def test_waiting_is_told_and_only_the_last_user_asked_for_is_shown(
    browser: Page, stub: Stub
) -> None:
    stub.wait = 0.4
    with opened(browser, stub.app()):
        pick(browser, "Ann")
        said(browser, "Asking for the lists of user Ann")
        assert browser.ask("document.getElementById('result').ariaBusy") == "true"
        pick(browser, "101")
        browser.ask("new Promise((done) => setTimeout(done, 2500))")  # of the page's seconds
        state = "document.getElementById('state').textContent"
        assert browser.ask(state).startswith("Asking for the lists of user 101")
        stub.wait = 0.0
        pick(browser, "102")
        said(browser, "User 102, model")
        browser.ask("new Promise((done) => setTimeout(done, 25000))")
        assert browser.ask(state).startswith("User 102, model")
        assert browser.ask("document.getElementById('result').ariaBusy") == "false"


@in_browser
def test_a_server_that_is_gone_is_told(browser: Page, stub: Stub) -> None:
    with opened(browser, stub.app()) as running:
        browser.wait_for("document.getElementById('user-note').textContent")
        running.__exit__(None, None, None)
        pick(browser, "100")
        said(browser, "The server does not answer: it cannot be reached")
        browser.wait_for("document.getElementById('model').textContent === 'no answer'")


@in_browser
def test_candidates_of_ones_own_are_ranked(browser: Page, stub: Stub) -> None:
    box = "document.getElementById('candidates').value"
    with opened(browser, stub.app()):
        browser.ask(f"{box} = 'item-03 0.2\\nitem-07'")
        pick(browser, "100")
        said(browser, "Line 2 of your candidates is no item and base score: item-07")
        browser.ask(f"{box} = 'item-03 0.2\\n\\nitem-07,\\t9e-1\\n  7;-1  '")
        pick(browser, "100")
        said(browser, "3 candidates")
        assert column(browser, "#base bdi") == ["item-07", "item-03", "7"]
    assert [body["candidates"] for path, body in stub.asked if path == "/v1/rerank"] == [
        [
            {"item_id": "item-03", "base_score": 0.2},
            {"item_id": "item-07", "base_score": 0.9},
            {"item_id": 7, "base_score": -1},
        ]
    ]


@in_browser
def test_why_an_item_moved(browser: Page, stub: Stub) -> None:
    told: list[ExplainAnswer] = []

    def explains(answer: ExplainAnswer) -> Answer:
        told.append(msgspec.structs.replace(answer, version="another"))
        return 200, told[-1]

    stub.explains = explains
    with opened(browser, stub.app()):
        pick(browser, "100")
        said(browser, "12 candidates")
        browser.ask("document.querySelectorAll('#causal button')[3].click()")
        browser.wait_for("document.querySelector('.influences')")
        shown = column(browser, "#causal .why:not([hidden]) p")
        assert shown[0] == told[0].words
        assert shown[1].startswith("Explained by model another")
        rows = column(browser, ".influences tbody th")
        assert rows == [*(i.feature for i in told[0].influences[:6]), "3 other features",
                        "before any feature"]  # fmt: skip
        adds = figures(browser, ".influences .figure")
        assert sum(adds) == pytest.approx(
            100 * (told[0].average + sum(i.uplift for i in told[0].influences)), abs=0.05
        )
        # again, and from the other list: it is asked for once
        browser.ask("document.querySelectorAll('#causal button')[3].click()")
        browser.ask("document.querySelectorAll('#causal button')[3].click()")
        item = column(browser, "#causal bdi")[3]
        browser.ask(
            "[...document.querySelectorAll('#base button')]"
            f".find(b => b.textContent === {item!r}).click()"
        )
        browser.wait_for("document.querySelectorAll('.influences').length === 2")
        stub.lists = changed(fallback="deadline")
        pick(browser, "100")
        said(browser, "(deadline)")
        browser.ask("document.querySelectorAll('#causal button')[3].click()")
        browser.wait_for("document.querySelector('.influences')")
        notes = column(browser, "#causal .why:not([hidden]) p")
        assert notes[2].startswith("The lists on this page were made without the model")
    assert [b for path, b in stub.asked if path == "/v1/explain"] == [
        {"user_id": 100, "log": False, "item_id": item}
    ] * 2


@in_browser
def test_intervals_are_drawn_where_the_answer_has_them(browser: Page, stub: Stub) -> None:
    def lists(answer: RerankAnswer) -> Answer:
        plain = msgspec.to_builtins(answer)
        for at, item in enumerate(plain["items"]):
            item |= {"uplift": 0.01 * (5 - at), "uplift_low": -0.1, "uplift_high": 0.1 - 0.01 * at}
        return 200, plain

    stub.lists = lists
    with opened(browser, stub.app()):
        pick(browser, "100")
        said(browser, "12 candidates")
        assert column(browser, "#causal .ends")[:2] == [
            f"{MINUS}10.0 to +10.0",
            f"{MINUS}10.0 to +9.0",
        ]
        boxes = browser.ask(
            "[...document.querySelectorAll('#causal .track')].map(t => [t, ...['.whisker', '.zero',"
            "'.fill'].map(c => t.querySelector(c))].map(e => e.getBoundingClientRect())"
            ".map(r => [r.left, r.right]))"
        )
        for at, (track, whisker, zero, fill) in enumerate(boxes):
            per = (track[1] - track[0]) / 0.2
            uplift = 0.01 * (5 - at)
            assert whisker[0] == pytest.approx(track[0], abs=0.6)
            assert whisker[1] == pytest.approx(track[0] + per * (0.2 - 0.01 * at), abs=0.6)
            assert fill[0 if uplift < 0 else 1] == pytest.approx(zero[0] + per * uplift, abs=0.6)


@in_browser
def test_a_model_with_intervals_shows_its_own(browser: Page, shop: Shop, tmp_path: Path) -> None:
    wide = load_bundle(write_bundle(tmp_path / "wide", contents=with_width(shop)[0]))
    patient = ServeConfig(deadline_ms=20_000)  # in base order, it would show none
    with opened(browser, create_app(Service(wide, config=patient))) as running:
        pick(browser, "117")
        said(browser, "12 candidates")
        items = running.post({"user_id": 117, "log": False})[1]["items"]
        told = column(browser, "#causal .ends")
        shown = [text.replace(MINUS, "-").split(" to ") for text in told]
        ends = [[100 * i["uplift_low"], 100 * i["uplift_high"]] for i in items]
        for (low, high), real in zip(shown, ends, strict=True):
            assert [float(low), float(high)] == pytest.approx(real, abs=0.051)
            assert real[0] < real[1]


def metrics(counts: list[int]) -> str:
    bounds = ["0.002", "0.004", "0.01", "+Inf"]
    lines = [f'causal_ranker_latency_seconds_bucket{{le="{b}"}} {n}.0'
             for b, n in zip(bounds, counts, strict=True)]  # fmt: skip
    return "\n".join(["# TYPE causal_ranker_latency_seconds histogram", *lines, "other 3.0", ""])


@in_browser
def test_rates_are_those_of_the_last_minute(browser: Page, stub: Stub) -> None:
    stub.version = {"requests": 1000, "fallbacks": {"deadline": 100}}
    stub.metrics = metrics([900, 900, 900, 1000])
    text = "document.getElementById({!r}).textContent"
    with opened(browser, stub.app()):
        browser.wait_for(text.format("requests") + ".startsWith('1,000 lists')")
        stub.version = {"requests": 1200, "fallbacks": {"deadline": 100, "model_error": 5}}
        stub.metrics = metrics([950, 1050, 1100, 1200])  # +50, +100, +50, none late
        browser.wait_for(text.format("requests") + ".startsWith('1,200 lists')")
        assert browser.ask(text.format("fallback")) == "2.5 %"
        assert browser.ask(text.format("median")) == "half within 3 ms"  # 50 of the 100 in (2, 4]
        assert browser.ask(text.format("slow")) == "9.8 ms"  # 198 of 200: 48 of 50 in (4, 10]
        assert f"100 {TIMES} the model did not answer" in browser.ask(text.format("reasons"))
        assert browser.ask(text.format("rate")).endswith(" per s")
        # another model counts from 0, and nothing of the old one is held against it
        stub.version = {"version": "next", "requests": 3, "fallbacks": {}}
        browser.wait_for(text.format("model") + " === 'next'")
        assert browser.ask(text.format("fallback")) in {"…", "no lists"}


@in_browser
def test_nobody_is_asked_while_nobody_looks(browser: Page, stub: Stub) -> None:
    def polls() -> int:
        return sum(path == "/v1/version" for path, _ in stub.asked)

    def look(hidden: bool) -> None:
        value = json.dumps({"configurable": True, "value": hidden})
        browser.ask(f"void Object.defineProperty(document, 'hidden', {value})")
        browser.ask("document.dispatchEvent(new Event('visibilitychange'))")

    def wait(seconds: int) -> None:
        browser.ask(f"new Promise((done) => setTimeout(done, {1000 * seconds}))")  # the page's

    with opened(browser, stub.app()):
        browser.wait_for("document.getElementById('about').textContent")
        wait(20)
        assert 2 <= polls() <= 6
        for stop, go in (
            (lambda: look(True), lambda: look(False)),
            *[(lambda: browser.ask("document.getElementById('pause').click()"),) * 2],
        ):
            stop()
            before = polls()
            wait(20)
            assert polls() == before
            go()
            wait(10)
            assert polls() > before
