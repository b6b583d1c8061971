"""The page at ``/`` in a real browser: before a stub that says what a test wants, and the service.

Screenshots lie in pytest's own folder, or in that of ``CAUSAL_RANKER_SCREENSHOTS``.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from causal_ranker.reranking.draws import UniformSwaps
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.http.keys import KeyRing, new_key
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import ExplainAnswer, RerankAnswer
from tests.reporting.browser import Page, browsing, find_browser
from tests.serving.fakes import MemoryLog
from tests.serving.page_app import Answer, Stub
from tests.serving.page_use import (
    DASH,
    MINUS,
    SIZES,
    TIMES,
    address,
    column,
    figures,
    opened,
    pick,
    said,
)
from tests.serving.running import Running
from tests.serving.shop import Shop, with_width

PROGRAM = find_browser()
MEASURE = (Path(__file__).parents[1] / "reporting" / "measure.js").read_text("utf-8")
SCHEMES = ("light", "dark")
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
LONG = "part-00000-c000.snappy.parquet/" * 4

in_browser = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium: install the package chromium to look at pages"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert PROGRAM is not None
    with browsing(PROGRAM, tmp_path_factory.mktemp("browser")) as page:
        # what waits seconds on the page waits milliseconds here
        page.tell(
            "Page.addScriptToEvaluateOnNewDocument",
            source="{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms / 50); }",
        )
        yield page


@pytest.fixture
def stub(bundle: Bundle) -> Stub:
    return Stub(bundle)


def heads(running: Running, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers.items()), answer.read()
    finally:
        connection.close()


def with_items(*changes: Callable[[int], dict[str, Any]]) -> Callable[[RerankAnswer], Answer]:
    """Answer the list with fields of its items changed, by their place in it."""

    def lists(answer: RerankAnswer) -> Answer:
        items = answer.items
        for change in changes:
            items = [msgspec.structs.replace(i, **change(at)) for at, i in enumerate(items)]
        return 200, msgspec.structs.replace(answer, items=items)

    return lists


def changed(**fields: Any) -> Callable[[RerankAnswer], Answer]:
    return lambda answer: (200, msgspec.structs.replace(answer, **fields))


def test_every_file_of_the_page_is_served_and_may_load_nothing_else(stub: Stub) -> None:
    names = {f.name for f in files("causal_ranker.serving.page").iterdir()}
    names = {name for name in names if not name.endswith((".py", "__pycache__"))}
    assert {"index.html", "style.css", "page.js"} < names
    kinds = {
        "html": "text/html",
        "js": "text/javascript",
        "css": "text/css",
        "svg": "image/svg+xml",
    }
    with Running(stub.app()) as running:
        for name in names:
            path = "/" if name == "index.html" else f"/page/{name}"
            status, headers, content = heads(running, path)
            assert (status, content) == (
                200,
                files("causal_ranker.serving.page").joinpath(name).read_bytes(),
            )
            assert headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
            policy = dict(
                p.strip().split(" ", 1) for p in headers["content-security-policy"].split(";")
            )
            assert policy.pop("default-src") == "'none'"
            assert set(policy.values()) <= {"'self'", "'none'", "'script'"}
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-cache"
        assert heads(running, "/page/../routes.py")[0] == 404
        assert heads(running, "/page/routes.py")[0] == 404
    page = files("causal_ranker.serving.page").joinpath("index.html").read_text("utf-8")
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|https?://", page)


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


@in_browser
def test_it_is_used_by_keyboard_alone(browser: Page, stub: Stub) -> None:
    focus = "document.activeElement"
    with opened(browser, stub.app()):
        browser.wait_for("document.querySelector('#user-note button')")

        def tab_to(what: str) -> None:
            for _ in range(40):
                if browser.ask(f"{focus}.matches({what!r})"):
                    outline = browser.ask(f"getComputedStyle({focus}).outlineStyle")
                    assert outline == "solid", what
                    return
                browser.press("Tab")
            raise AssertionError(f"Tab never leads to {what}")

        tab_to("#pause")
        browser.press("Space")
        assert browser.ask(f"{focus}.ariaPressed") == "true"
        tab_to("#user")
        browser.tell("Input.insertText", text="103")
        browser.press("Enter")
        said(browser, "User 103")
        tab_to("#causal button")
        browser.press("Enter")
        browser.wait_for("document.querySelector('#causal .influences')")
        assert browser.ask(f"{focus}.ariaExpanded") == "true"
        row = browser.ask(f"document.getElementById({focus}.getAttribute('aria-controls')).hidden")
        assert row is False
        browser.press("Space")
        assert browser.ask(f"{focus}.ariaExpanded") == "false"
        assert (
            browser.ask("document.querySelector('#causal .influences').checkVisibility()") is False
        )
        marked = column(browser, "tr.marked bdi")
        assert len(marked) == 2
        assert len(set(marked)) == 1  # the same item in both lists


def prepared(name: str, stub: Stub) -> str:
    """Let the stub bring the page into a state, and return words that will stand on it."""
    if name == "key":
        stub.key = "k"
        return "asks for an API key"
    if name == "hard":
        stub.users = [SCRIPT, LONG, 2**62]
        stub.version = {"shadow": LONG[:60], "fallbacks": {"model_error": 10**6, LONG[:60]: 3}}
        stub.lists = with_items(
            lambda at: {"item_id": (SCRIPT, LONG, 2**62 + at, f"item {at}")[min(at, 3)]},
            lambda at: {"base_score": -1.23456789e-7 * 10**at, "base_rank": 1000 - at},
        )
    return "12 candidates"


@in_browser
@pytest.mark.parametrize("name", ["lists", "hard", "key"])
def test_nothing_overlaps_nothing_is_cut_off_and_all_can_be_read(
    browser: Page, stub: Stub, folder: Path, name: str
) -> None:
    words = prepared(name, stub)
    with opened(browser, stub.app()):
        if name != "key":
            pick(browser, "100")
        said(browser, words)
        if name == "lists":
            browser.ask("document.getElementById('own').open = true")
            browser.ask("document.querySelectorAll('#causal button.item')[1].click()")
            browser.wait_for("document.querySelector('.influences')")
        for size, scheme in itertools.product(SIZES, SCHEMES):
            width, height = SIZES[size]
            browser.look(width=width, height=height, scheme=scheme)
            browser.ask("new Promise(requestAnimationFrame)")
            browser.picture(folder / f"page-{name}-{size}-{scheme}.png")
            found = browser.ask(MEASURE)
            assert found["wrong"] == [], (size, scheme)
            assert found["boxes"] > (10 if name == "key" else 100)
            paper = browser.ask("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
            lines = browser.ask("document.querySelectorAll('#lines path').length")
            assert (lines > 0) == (size == "desk" and name != "key")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = os.environ.get("CAUSAL_RANKER_SCREENSHOTS")
    path = Path(asked) if asked else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


@in_browser
def test_what_the_server_says_is_text(browser: Page, stub: Stub) -> None:
    def lists(answer: RerankAnswer) -> Answer:
        _, listed = with_items(lambda at: {"item_id": SCRIPT if at == 0 else at})(answer)
        return 200, msgspec.structs.replace(
            listed, version=SCRIPT, fallback=SCRIPT, relaxed=[SCRIPT]
        )

    stub.users, stub.lists = [SCRIPT], lists
    stub.version = {"version": SCRIPT, "policy": {"kind": SCRIPT}, "fallbacks": {SCRIPT: 1}}
    stub.post_explain = lambda body: (500, {"error": SCRIPT})  # type: ignore[method-assign]
    with opened(browser, stub.app()):
        pick(browser, "100")
        assert said(browser, "12 candidates").count(SCRIPT) == 3
        assert column(browser, "#causal bdi")[0] == SCRIPT
        browser.ask("document.querySelector('#causal button').click()")
        browser.wait_for("document.querySelector('.why .wrong')")
        assert SCRIPT in column(browser, ".why .wrong")[0]
        assert browser.wait_for("document.getElementById('model').textContent.length > 3")
        assert column(browser, "#model") == [SCRIPT]
        assert (
            browser.ask("document.querySelectorAll('main script, main img, header img').length")
            == 0
        )
        assert browser.ask("document.title") == "Causal Ranker"


@in_browser
def test_ids_beyond_a_double_stay_what_they_are(browser: Page, stub: Stub) -> None:
    whole = 2**53 + 1
    stub.users = [whole, "12"]
    stub.lists = with_items(lambda at: {"item_id": whole + 2 * at})
    stub.explains = lambda answer: (404, {"error": "no"})
    with opened(browser, stub.app()):
        pick(browser, str(whole))
        said(browser, f"User {whole}")
        assert column(browser, "#causal bdi")[:2] == [str(whole), str(whole + 2)]
        browser.ask("document.querySelector('#causal button').click()")
        browser.wait_for("document.querySelector('.why .wrong')")
        pick(browser, "12")  # the text, as it is one of those known
        said(browser, "User 12,")
        pick(browser, '"77"')
        said(browser, "User 77,")
        pick(browser, "77")
        said(browser, 'type "77" for the text')
        pick(browser, str(whole + 2))
        said(browser, f"User {whole + 2}")
    sent = [body["user_id"] for path, body in stub.asked if path == "/v1/rerank"]
    assert sent == [whole, "12", "77", 77, whole + 2]
    explained = [body["item_id"] for path, body in stub.asked if path == "/v1/explain"]
    assert explained == [whole]


@in_browser
def test_a_key_is_asked_for_kept_in_memory_and_forgotten(browser: Page, stub: Stub) -> None:
    stub.key = "s3cret"
    with opened(browser, stub.app()) as running:
        for words, key in (("asks for an API key", "wrong"), ("does not accept", "s3cret")):
            said(browser, words)
            assert browser.ask("document.activeElement.id") == "key"
            browser.tell("Input.insertText", text=f"{key} {key}")
            assert browser.ask("document.getElementById('key').checkValidity()") is False
            browser.ask("document.getElementById('key').select()")
            browser.tell("Input.insertText", text=f" {key} ")
            browser.press("Enter")
        browser.wait_for("document.getElementById('key-form').hidden")
        pick(browser, "100")
        said(browser, "12 candidates")
        kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
        assert "s3cret" not in browser.ask(kept)
        assert "s3cret" not in browser.ask("document.documentElement.outerHTML")
        assert browser.ask("document.getElementById('key').value") == ""
        browser.open(address(running), width=1280, height=900, scheme="light")
        said(browser, "asks for an API key")
    assert [a for a in browser.asked if "s3cret" in a] == []


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
    with opened(browser, create_app(Service(wide))) as running:
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


SWAPS = Exploration(draw=UniformSwaps(epsilon=1.0), slots=5)
PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000, exploration=SWAPS, seed=3)


def test_a_list_that_nobody_will_see_is_neither_drawn_nor_logged(bundle: Bundle) -> None:
    log = MemoryLog()
    with Running(create_app(Service(bundle, config=PATIENT, log=log))) as running:
        seen = [running.post({"user_id": 117, "log": False})[1] for _ in range(3)]
        assert (log.given, log.records) == (0, [])
        logged = running.post({"user_id": 117})[1]
        assert [each.decision_id for each in log.decisions] == [logged["decision_id"]]
        assert running.ask("POST", "/v1/rerank", b'{"user_id": 117, "log": 0}')[0] == 400
    assert logged["explored"]
    assert seen[0] == seen[1] == seen[2]
    assert (seen[0]["decision_id"], seen[0]["explored"]) == (None, False)
    uplifts = [item["uplift"] for item in seen[0]["items"]]
    assert uplifts == sorted(uplifts, reverse=True)
    assert [item["propensity"] for item in seen[0]["items"]] == [1.0] * len(uplifts)


def test_some_users_are_named_to_whoever_has_a_key(bundle: Bundle, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.json")
    app = create_app(Service(bundle), keys=KeyRing(tmp_path / "keys.json"))
    with Running(app) as running:
        assert running.get("/v1/users")[0] == 401
        good = {"Authorization": f"Bearer {key}"}
        named = running.ask("GET", "/v1/users", headers=good)
        assert named == (200, {"users": list(range(100, 120))})  # of 40
        assert heads(running, "/")[0] == heads(running, "/page/page.js")[0] == 200
        assert heads(running, "/page/nothing.js")[0] == 401


@in_browser
def test_the_service_itself_with_a_key_and_a_log(
    browser: Page, bundle: Bundle, tmp_path: Path, folder: Path
) -> None:
    log, file = MemoryLog(), tmp_path / "keys.json"
    key = new_key(file)
    app = create_app(Service(bundle, config=PATIENT, log=log), keys=KeyRing(file))
    good = {"Authorization": f"Bearer {key}"}
    with opened(browser, app) as running:
        said(browser, "asks for an API key")
        browser.tell("Input.insertText", text=key)
        browser.press("Enter")
        said(browser, "Pick a user")
        options = "[...document.querySelectorAll('#users option')].map(e => e.value)"
        assert browser.ask(options) == [str(user) for user in range(100, 120)]
        pick(browser, "117")
        said(browser, "12 candidates")
        asked = {"user_id": 117, "log": False}
        sent = json.dumps(asked).encode()
        listed = running.ask("POST", "/v1/rerank", sent, good)[1]["items"]
        assert column(browser, "#causal bdi") == [item["item_id"] for item in listed]
        browser.ask("document.querySelector('#causal button').click()")
        browser.wait_for("document.querySelector('.influences')")
        sent = json.dumps({**asked, "item_id": listed[0]["item_id"]}).encode()
        why = running.ask("POST", "/v1/explain", sent, good)[1]
        assert column(browser, "#causal .why:not([hidden]) p")[0] == why["words"]
        adds = figures(browser, ".influences .figure")
        assert sum(adds) == pytest.approx(100 * listed[0]["uplift"], abs=0.05 * len(adds))
        assert (log.given, log.records) == (0, [])
        # what others ask for shows in the rates
        for user in (100, 101, "nobody"):
            running.ask("POST", "/v1/rerank", json.dumps({"user_id": user}).encode(), good)
        text = "document.getElementById({!r}).textContent"
        browser.wait_for(text.format("requests") + ".startsWith('5 lists')")
        assert float(browser.ask(text.format("fallback")).split()[0]) >= 20.0
        assert browser.ask(text.format("slow")).endswith(" ms")
        assert "(unknown_user)" in browser.ask(text.format("reasons"))
        assert browser.ask(text.format("model")) == bundle.version
        browser.picture(folder / "page-service.png")
    assert browser.wrong == ["Failed to load resource: the server responded with a status of 401 "
                             "(Unauthorized)"]  # fmt: skip
