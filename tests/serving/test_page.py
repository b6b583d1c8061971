"""The page at ``/`` is safe: text stays text, ids exact and keys secret; looking leaves no log."""

from __future__ import annotations

import http.client
import json
import re
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from causal_ranker.reranking.draws import UniformSwaps
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.http.keys import KeyRing, new_key
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import RerankAnswer
from tests.reporting.browser import Page
from tests.serving.fakes import MemoryLog
from tests.serving.page_app import SCRIPT, Answer, Stub, with_items
from tests.serving.page_use import address, column, figures, in_browser, opened, pick, said
from tests.serving.running import Running

SWAPS = Exploration(draw=UniformSwaps(epsilon=1.0), slots=5)
PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000, exploration=SWAPS, seed=3)


def heads(running: Running, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers.items()), answer.read()
    finally:
        connection.close()


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
    browser: Page, bundle: Bundle, tmp_path: Path, pictures: Path
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
        browser.picture(pictures / "page-service.png")
    assert browser.wrong == ["Failed to load resource: the server responded with a status of 401 "
                             "(Unauthorized)"]  # fmt: skip
