"""What each thing that can go wrong is over HTTP, and what the log says of it."""

from __future__ import annotations

import http.client
import io
import json
import logging
import logging.config
from collections.abc import Callable
from typing import Any

import pytest

from causal_ranker.errors import (
    BundleError,
    CausalRankerError,
    ConfigError,
    EmptyError,
    LogUnavailableError,
    OverloadedError,
    RowError,
    UnknownUserError,
)
from causal_ranker.serving.app import create_app
from causal_ranker.serving.http.discreet import DiscreetFormatter, log_config
from tests.serving.http.fake import FakeService
from tests.serving.running import Running

BODY = b'{"user_id": "somebody", "candidates": [{"item_id": 1, "base_score": 2}]}'


def raising(error: Exception) -> Callable[..., Any]:
    async def method(_: object) -> Any:
        raise error

    return method


def post(running: Running, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*running.address, timeout=20)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


@pytest.mark.parametrize(
    ("kind", "status", "retry"),
    [
        (UnknownUserError, 404, None),
        (OverloadedError, 429, "1"),
        (LogUnavailableError, 503, "5"),
        (ConfigError, 400, None),
        (RowError, 400, None),
        (EmptyError, 400, None),
        (BundleError, 500, None),
    ],
)
def test_each_error_has_its_status(
    kind: type[CausalRankerError], status: int, retry: str | None
) -> None:
    error = kind(expected="a\nb", came="c", do="D.")
    service = FakeService(rerank=raising(error))
    with Running(create_app(service)) as running:  # type: ignore[arg-type]
        got, headers, content = post(running, "/v1/rerank", BODY)
    assert got == status
    assert headers.get("retry-after") == retry
    assert headers["content-type"] == "application/json"
    assert b"\n" not in content
    if status < 500 or retry:
        assert json.loads(content) == {"error": "expected a\nb; got c. D."}


def test_a_fault_of_ours_says_nothing_to_the_client_and_where_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = FakeService(rerank=raising(KeyError("somebody")))
    with Running(create_app(service)) as running:  # type: ignore[arg-type]
        status, _, content = post(running, "/v1/rerank", BODY)
        assert running.get("/healthz")[0] == 200
    assert (status, json.loads(content)) == (500, {"error": "the service failed; see its log"})
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "somebody" in logging.Formatter().format(record)  # or else this test sees nothing
    line = DiscreetFormatter().format(record)
    assert "somebody" not in line
    assert "builtins.KeyError" in line
    assert "test_answers.py" in line  # where


def lines(error: BaseException, *, user_ids: bool) -> str:
    config = log_config(user_ids=user_ids)
    stream = io.StringIO()
    config["handlers"]["stderr"]["stream"] = stream
    config["loggers"] = {"causal_ranker.x": {"handlers": ["stderr"], "propagate": False}}
    del config["root"]
    logging.config.dictConfig(config)
    try:
        raise error
    except BaseException:
        logging.getLogger("causal_ranker.x").exception("failed")
    finally:
        logging.getLogger("causal_ranker.x").handlers.clear()
    return stream.getvalue()


def test_no_message_of_a_chain_of_errors_is_logged_unless_asked() -> None:
    def chained() -> Exception:
        error = ValueError("user-1")
        error.__cause__ = LookupError("user-2")
        error.__cause__.__context__ = TypeError("user-3")
        return error

    quiet, loud = lines(chained(), user_ids=False), lines(chained(), user_ids=True)
    assert "user-" not in quiet
    for name in ("ValueError", "LookupError", "TypeError"):
        assert name in quiet
    assert "ERROR causal_ranker.x: failed" in quiet
    assert [n for n in (1, 2, 3) if f"user-{n}" not in loud] == []


def test_a_chain_of_errors_that_bites_its_tail_is_written() -> None:
    one, other = ValueError("a"), LookupError("b")
    one.__cause__, other.__cause__ = other, one
    assert lines(one, user_ids=False).count("builtins.ValueError") == 1


def test_not_ready_and_stopping_are_503_with_the_reason() -> None:
    reasons: list[str | None] = ["no model yet", None]
    service = FakeService(not_ready=lambda: reasons[0])
    app = create_app(service)  # type: ignore[arg-type]
    with Running(app) as running:
        assert service.calls == ["start"]
        assert running.get("/readyz") == (503, {"error": "no model yet"})
        reasons.pop(0)
        assert running.get("/readyz") == (200, {"status": "ok"})
        app.state.stopping = True
        assert running.get("/readyz") == (503, {"error": "the service is stopping"})
        assert running.get("/healthz") == (200, {"status": "ok"})
    assert service.calls == ["start", "stop"]


def test_other_paths_and_methods_answer_in_json() -> None:
    with Running(create_app(FakeService())) as running:  # type: ignore[arg-type]
        assert running.get("/nowhere") == (404, {"error": "Not Found"})
        assert running.get("/v1/rerank") == (405, {"error": "Method Not Allowed"})
        assert running.ask("PUT", "/healthz")[0] == 405
