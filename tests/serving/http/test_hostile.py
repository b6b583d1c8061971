"""Bodies that nobody would send by mistake, and many that somebody would: none is a 5xx."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal_ranker.serving.app import create_app
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.service import Service
from tests.serving.fakes import MemoryLog
from tests.serving.running import Running
from tests.serving.shop import ITEM_IDS

PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000)


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Running]:
    bundle = load_bundle(published)
    with Running(create_app(Service(bundle, config=PATIENT, log=MemoryLog()))) as running:
        yield running


def candidates(*rows: str) -> bytes:
    return f'{{"user_id": 100, "candidates": [{", ".join(rows)}]}}'.encode()


LONG = "x" * 10_240
BAD = {
    "no json": (b"{", "JSON"),
    "nothing": (b"", "JSON"),
    "a list": (b"[]", "object"),
    "a byte order mark": (b'\xef\xbb\xbf{"user_id": 100}', "JSON"),
    "no user": (b"{}", "user_id"),
    "unknown field": (b'{"user_id": 100, "users": 1}', "users"),
    "unknown field of 10 kB": (f'{{"user_id": 100, "{LONG}": 1}}'.encode(), "unknown field"),
    "unknown inner field": (candidates('{"item_id": 1, "base_score": 1, "x": 1}'), "`x`"),
    "user of another type": (b'{"user_id": 1.5}', "user_id to be int | str; got float"),
    "user is true": (b'{"user_id": true}', "bool"),
    "k is text": (b'{"user_id": 100, "k": "3"}', "k to be int | null; got str"),
    "k of 0": (b'{"user_id": 100, "k": 0}', "expected k of 1 or more; got less"),
    "negative k": (b'{"user_id": 100, "k": -2}', "expected k of 1 or more; got less"),
    "k beyond reason": (b'{"user_id": 100, "k": 1000001}', "k of 1000000 or less; got more"),
    "no candidates": (candidates(), "expected candidates of length 1 or more; got less"),
    "a score of 1e400": (candidates('{"item_id": 1, "base_score": 1e400}'), "out of their range"),
    "a score of -1e400": (candidates('{"item_id": 1, "base_score": -1e400}'), "base_score"),
    "a score of 400 digits": (
        candidates('{"item_id": 1, "base_score": ' + "9" * 400 + "}"),
        "candidates[0].base_score to be a number that 64 bits can hold",
    ),
    "a score that is read as the largest": (
        candidates(f'{{"item_id": 1, "base_score": {int(sys.float_info.max) + 1}}}'),
        "base_score of less than 1.797",
    ),
    "a score that is read as the least": (
        candidates(f'{{"item_id": 1, "base_score": {-int(sys.float_info.max) - 1}}}'),
        "base_score of more than -1.797",
    ),
    "a score of NaN": (candidates('{"item_id": 1, "base_score": NaN}'), "malformed"),
    "a score of Infinity": (candidates('{"item_id": 1, "base_score": Infinity}'), "malformed"),
    "a score as text": (candidates('{"item_id": 1, "base_score": "1"}'), "float"),
    "an item twice": (candidates(*['{"item_id": 1, "base_score": 1}'] * 2), "repeated"),
    "an id of 65 bits": (b'{"user_id": 9223372036854775808}', "user_id of 9223372036854775807"),
    "an id of 5000 digits": (b'{"user_id": ' + b"9" * 5000 + b"}", "user_id"),
    "an id of 10 kB": (f'{{"user_id": "{LONG}"}}'.encode(), "user_id of length 256 or less"),
    "an item of 10 kB": (
        candidates(f'{{"item_id": "{LONG}", "base_score": 1}}'),
        "item_id of length 256",
    ),
    "an empty id": (b'{"user_id": ""}', "user_id of length 1 or more"),
    "a lone surrogate": (b'{"user_id": "\\ud800"}', "half a pair of surrogates"),
    "a lone surrogate, encoded": (b'{"user_id": "\xed\xa0\x80"}', "JSON that is not UTF-8"),
    "a lone surrogate in a name": (b'{"user_id": 100, "moment": {"\\udc00": 1}}', "surrogates"),
    "deep nesting": (b'{"user_id": ' + b"[" * 100_000, "user_id"),
    "deep nesting of objects": (b'{"x":' * 100_000, "JSON"),
    "deep nesting where nobody looks": (
        b'{"user_id": 100, "moment": {"week": ' + b"[" * 100_000,
        "moment",
    ),
    "no utf-8": (b'{"user_id": "\xff"}', "JSON that is not UTF-8"),
    "a moment of another type": (b'{"user_id": 100, "moment": {"week": "rain"}}', "week"),
    "a moment of a list": (b'{"user_id": 100, "moment": {"week": [1]}}', "moment"),
    "columns of another length": (
        b'{"user_id": 100, "candidates": [{"item_id": 1, "base_score": 1}], '
        b'"columns": {"genre": [1, 2]}}',
        "genre",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_requests_are_400_with_one_line(service: Running, name: str) -> None:
    body, message = BAD[name]
    status, answer = service.ask("POST", "/v1/rerank", body)
    assert status == 400, answer
    assert list(answer) == ["error"]
    assert message in answer["error"]
    assert "\n" not in answer["error"]
    assert len(answer["error"]) < 600


EVENTS = {
    "a view of nothing": b'{"events": [{"type": "view", "item_id": 1, "at": "%s"}]}',
    "a play of nobody": b'{"events": [{"type": "play", "item_id": 1, "at": "%s"}]}',
    "no events": b'{"user_id": 1, "events": []}',
    "another kind": b'{"user_id": 1, "events": [{"type": "sale", "item_id": 1, "at": "%s"}]}',
    "no kind": b'{"user_id": 1, "events": [{"item_id": 1, "at": "%s"}]}',
    "no zone": b'{"user_id": 1, "events": [{"type": "play", "item_id": 1, "at": "2026-03-01"}]}',
    "less than no time": b'{"user_id": 1, "events": [{"type": "play", "item_id": 1, "at": "%s", '
    b'"seconds": -1}]}',
    "more than all of it": b'{"user_id": 1, "events": [{"type": "play", "item_id": 1, '
    b'"at": "%s", "fraction": 1.5}]}',
}


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_bad_events_are_400(service: Running, name: str) -> None:
    body = EVENTS[name].replace(b"%s", b"2026-03-01T00:00:00Z")
    status, answer = service.ask("POST", "/v1/events", body)
    assert (status, list(answer)) == (400, ["error"])


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z"]
)
def test_the_ends_of_time_are_no_fault_of_ours(service: Running, at: str) -> None:
    event = {"type": "play", "item_id": 1, "at": at}
    body = json.dumps({"user_id": 1, "events": [event]}).encode()
    assert service.ask("POST", "/v1/events", body)[0] in (200, 400)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = ["user_id", "candidates", "k", "item_id", "base_score", "moment", "columns", "x", "\ud800"]
json_values = st.recursive(
    values | st.sampled_from(["\ud800", "a\udfff"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4)
    ),
    max_leaves=8,
)
ids = st.sampled_from([100, 7, "100", "\ud800", "", 2**63, -(2**63), "x" * 256, "x" * 257])
scores = st.floats() | st.integers() | st.sampled_from([1e308, 10**400, "1e400"])
near_misses = st.fixed_dictionaries(
    {"user_id": ids | json_values},
    optional={
        "k": st.integers(-1, 3) | json_values,
        "candidates": st.lists(
            st.fixed_dictionaries(
                {"item_id": st.sampled_from(ITEM_IDS.tolist()) | ids, "base_score": scores}
            )
            | json_values,
            max_size=4,
        ),
        "moment": st.dictionaries(st.sampled_from(["week", "device", "x"]), values, max_size=2),
        "context": st.dictionaries(st.sampled_from(["age", "x"]), values, max_size=2),
        "columns": st.dictionaries(
            st.sampled_from(["genre", "x"]), st.lists(values, max_size=4), max_size=2
        ),
        "session_id": ids,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=near_misses | json_values)
def test_no_body_makes_the_service_fail(service: Running, body: Any) -> None:
    # json writes NaN and Infinity as such, and 10**400 in digits; "1e400" becomes the number
    content = json.dumps(body).replace('"1e400"', "1e400").encode()
    status, answer = service.ask("POST", "/v1/rerank", content)
    assert status in (200, 400, 404)
    if status == 200:
        sent = [c["item_id"] for c in body["candidates"]] if body.get("candidates") else ITEM_IDS
        got = [row["item_id"] for row in answer["items"]]
        assert len(got) == min(len(sent), body.get("k") or len(sent))
        assert set(got) <= set(sent)
        assert len(set(got)) == len(got)
    else:
        assert list(answer) == ["error"]
