"""Requests made from the OpenAPI document, right ones and wrong ones: none may be a 5xx.

Schemathesis reads the document that the service itself hands out. First come its boundary cases
(each bound of each field, on both sides; missing and unknown fields; wrong types, methods and media
types), then random ones, two in three of them right by the document. Each answer is held to the
document: its status, its headers, its type and its body; and what the document forbids must be
refused. What it allows may still be refused (an item twice, a user nobody knows).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.python import asgi
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette

__all__ = ["Told", "hammer", "run"]

_Case = Case[Any]
_BOTH: Final = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
# Of three random cases two are right; Schemathesis takes twice as long to make a wrong one.
_TURNS: Final = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass
class Told:
    """What came of the cases.

    Attributes
    ----------
    cases : int
        How many were sent.
    statuses : Counter of (str, int)
        Answers by path and status.
    failures : list of str
        Answers that the document does not allow, and requests that it forbids and that were
        answered.
    """

    cases: int = 0
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def server_errors(self) -> int:
        """Answers with a status of 500 or more."""
        return sum(n for (_, status), n in self.statuses.items() if status >= 500)


def hammer(app: Starlette, *, cases: int, headers: dict[str, str] | None = None) -> Told:
    """Send cases to an application in this process, the same ones on every call.

    Parameters
    ----------
    app : starlette.applications.Starlette
        The application.
    cases : int
        How many, at least; the boundary cases (about 500) are always sent.
    headers : dict of str to str, optional
        Sent with each: a key.

    Returns
    -------
    Told
        What came of them.
    """
    told = Told()
    try:
        document = schemathesis.openapi.from_asgi("/openapi.json", app)
        operations = [
            found.ok() for found in document.get_all_operations() if isinstance(found, Ok)
        ]
        application: Any = app  # Starlette names the messages of ASGI otherwise
        with asgi.get_client(application) as client:
            client.headers.update(headers or {})
            client.trust_env = False  # no look at proxies, at each request

            def send(case: _Case) -> None:
                answer = case.call(session=client)
                told.cases += 1
                told.statuses[case.operation.path, answer.status_code] += 1
                try:
                    case.validate_response(answer, excluded_checks=[positive_data_acceptance])
                except FailureGroup as found:
                    told.failures.append(str(found))

            for operation in operations:
                for case in _boundary_cases(operation):
                    send(case)
            posts = [operation for operation in operations if operation.method == "post"]
            turns = [(operation, mode) for mode in _TURNS for operation in posts]
            left = max(cases - told.cases, 0)
            for turn, (operation, mode) in enumerate(turns):
                share = left // len(turns) + (turn < left % len(turns))
                _random_cases(operation, mode, count=share, number=turn, send=send)
    finally:
        asgi.shutdown_lifespans()  # or else it is found again by whoever has the same address
    return told


def _boundary_cases(operation: APIOperation[Any, Any, Any, Any]) -> Iterator[_Case]:
    schema = operation.schema
    yield from schema.iter_coverage_cases(
        operation, generation_modes=_BOTH, generation_config=schema.config.generation
    )


def _random_cases(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    *,
    count: int,
    number: int,
    send: Callable[[_Case], None],
) -> None:
    if not count:
        return

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: _Case) -> None:
        if mode is GenerationMode.POSITIVE:
            _make_sense(case)
        send(case)

    each()


def _make_sense(case: _Case) -> None:
    """Keep what the document cannot say: an item comes once, and only a candidate is explained."""
    body = case.body = _whole(case.body)
    offered = body.get("candidates")
    if offered:
        unique = {(type(each["item_id"]), each["item_id"]): each for each in offered}
        body["candidates"] = list(unique.values())
        if "item_id" in body:
            body["item_id"] = offered[0]["item_id"]


def _whole(value: Any) -> Any:
    """Write 7.0 as 7: to JSON Schema both are integers, and the service reads the second only."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return value


def run(*, quick: bool) -> dict[str, object]:
    """Send 50,000 cases to a service with a small model and a decision log on disk.

    Parameters
    ----------
    quick : bool
        1,000 cases.

    Returns
    -------
    dict
        ``schema_cases``; ``schema_5xx``; ``schema_failures``, other answers that the document does
        not allow, and ``schema_first_failure``, what the first of them was; ``schema_ok``, how many
        were answered with 200.
    """
    from benchmarks._small_shop import small_contents
    from causal_ranker.serving.app import create_app
    from causal_ranker.serving.config import ServeConfig
    from causal_ranker.serving.decisions.log import DecisionLog
    from causal_ranker.serving.registry import Registry
    from causal_ranker.serving.service import Service

    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "models")
        registry.publish(small_contents())
        log = DecisionLog(Path(folder) / "log")
        try:
            # A log that is late is a 503, which is not what is asked here.
            service = Service(registry, config=ServeConfig(events_ms=600_000), log=log)
            told = hammer(create_app(service), cases=1_000 if quick else 50_000)
        finally:
            log.close()
    return {
        "schema_cases": told.cases,
        "schema_5xx": told.server_errors,
        "schema_failures": len(told.failures) - told.server_errors,
        "schema_first_failure": told.failures[0] if told.failures else "",
        "schema_ok": sum(n for (_, status), n in told.statuses.items() if status == 200),
    }
