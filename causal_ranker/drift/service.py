"""What a running service counts, read from the text of its ``/metrics``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from causal_ranker.drift.verdict import Finding
from causal_ranker.errors import SchemaError

__all__ = ["read_metrics", "service_findings"]

_LINE: Final = re.compile(
    r"^causal_ranker_(?P<name>[a-z_]+)_total(?P<labels>\{.*\})? (?P<value>[0-9.eE+-]+)"
)
_OUTCOME: Final = re.compile(r'outcome="(?P<outcome>\w+)"')
#: A counter, what it counts, and from which share of lists it is watched and stops the service.
_SHARES: Final = (
    ("fallbacks", "of the lists fell back to base order", 0.05, 0.5),
    ("unknown_users", "of the lists were for unknown users", 0.1, None),
)
_LOST: Final = 0.01
_LEAST_LISTS: Final = 100


def read_metrics(text: str) -> dict[str, float]:
    """Read the counters of a service.

    Parameters
    ----------
    text : str
        What ``GET /metrics`` answered.

    Returns
    -------
    dict of str to float
        Counts since the service began, summed over labels; those of the decision log by outcome,
        e.g. ``decisions_failed``.

    Raises
    ------
    SchemaError
        If the text holds no counter of lists.
    """
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        if found := _LINE.match(line):
            outcome = _OUTCOME.search(found["labels"] or "")
            name = f"{found['name']}_{outcome['outcome']}" if outcome else found["name"]
            counts[name] += float(found["value"])  # type: ignore[assignment]
    if "requests" not in counts:
        raise SchemaError(
            expected="the text of a service's /metrics, with causal_ranker_requests_total",
            came=f"{len(text.splitlines())} lines without it",
            do="Save it with: curl http://HOST:PORT/metrics > metrics.txt",
        )
    return dict(counts)


def service_findings(
    now: Mapping[str, float], *, before: Mapping[str, float] | None = None
) -> list[Finding]:
    """Judge how the service went.

    Parameters
    ----------
    now : mapping of str to float
        Counts at the end of the window (`read_metrics`).
    before : mapping of str to float, optional
        Counts at its beginning; without them, and where the service began anew in between,
        everything since it began is judged.

    Returns
    -------
    list of Finding
        What calls for something; of fewer than 100 lists nothing is said.
    """
    start = before if before is not None and now["requests"] >= before["requests"] else {}

    def count(name: str) -> float:
        return now.get(name, 0.0) - start.get(name, 0.0)

    lists = count("requests")
    if lists < _LEAST_LISTS:
        return []
    findings = []
    for name, words, watch, stop in _SHARES:
        share = count(name) / lists
        what = f"{share:.0%} {words}"
        if stop is not None and share >= stop:
            findings.append(Finding(what, "stop", "stop serving this model and see its log"))
        elif share >= watch:
            findings.append(Finding(what, "watch", "watch the service"))
    failed = count("decisions_failed") + count("decisions_late")
    decisions = failed + count("decisions_written")
    if decisions and failed / decisions >= _LOST:
        findings.append(
            Finding(
                f"{failed / decisions:.0%} of the decisions may be missing from the log",
                "stop",
                "stop exploring until the log is whole, or its propensities are lost",
            )
        )
    return findings
