"""What a report was made of, and the lines of Python that make it again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pprint import pformat
from textwrap import indent
from typing import Any, Final, Self

import ibis

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import Logs
from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.origin import (
    TableFacts,
    data_section,
    package_versions,
    reproduce_section,
)
from causal_ranker.reporting.blocks import Section

__all__ = ["Origin"]

_LOGS: Final = ("impressions", "plays", "candidates")
#: Tables with the column that says when a row happened.
_CLOCKS: Final = {"impressions": C.T0, "plays": C.PLAYED_AT, "candidates": C.T0}
#: Parameters that decide about no figure.
_ASIDE: Final = {"progress", "checkpoint"}
_WIDTH: Final = 80


@dataclass(frozen=True)
class Origin:
    """What a fit read, and how it was called.

    Attributes
    ----------
    facts : tuple of TableFacts
        The tables of the fit.
    lines : tuple of str
        Python that fits the same ranker.
    """

    facts: tuple[TableFacts, ...]
    lines: tuple[str, ...]

    @classmethod
    def of_fit(cls, ranker: Any, logs: Logs, *, log_end: datetime) -> Self:
        """Write down what a fit reads.

        Parameters
        ----------
        ranker : CausalRanker
            Whose fit it is.
        logs : Logs
            Its logs.
        log_end : datetime
            Their end, given or found.

        Returns
        -------
        Origin
            What to remember for the reports of this fit.
        """
        names = [*_LOGS, "users", "items"]
        call = _call("ranker.fit", logs.passed, names=names, log_end=log_end)
        return cls(_facts(logs, part="fit", names=names), (*_ranker(ranker), call))

    def sections(
        self, ranker: Any, logs: Logs, *, log_end: datetime, title: str, outcome: str
    ) -> list[Section]:
        """Return what a report says of how it was made.

        Parameters
        ----------
        ranker : CausalRanker
            The fitted ranker.
        logs : Logs
            The report's logs.
        log_end : datetime
            Their end, given or found.
        title, outcome : str
            What the report is called, and one outcome in the plural.

        Returns
        -------
        list of Section
            Data and settings; how to reproduce.
        """
        facts = _facts(logs, part="report", names=_LOGS)
        call = _call(
            "report = ranker.evaluate",
            logs.passed,
            names=_LOGS,
            log_end=log_end,
            title=title,
            outcome=outcome,
        )
        return [
            data_section([*self.facts, *facts], settings=_settings(ranker)),
            reproduce_section(
                commands=[*self.lines, call], seed=ranker.seed, versions=package_versions()
            ),
        ]


def _facts(logs: Logs, *, part: str, names: Sequence[str]) -> tuple[TableFacts, ...]:
    return tuple(
        _count(table, part=part, name=name)
        for name in names
        if (table := getattr(logs, name)) is not None
    )


def _count(table: ibis.Table, *, part: str, name: str) -> TableFacts:
    wanted = {"rows": table.count()}
    if name in _CLOCKS:
        clock = table[_CLOCKS[name]]
        wanted |= {"first": clock.min(), "last": clock.max()}
    found = table.aggregate(**wanted).to_pyarrow().to_pylist()[0]
    ends = [found.get(end) for end in ("first", "last")]
    first, last = (None if end is None else end.astimezone(UTC) for end in ends)
    return TableFacts(part=part, table=name, rows=int(found["rows"]), first=first, last=last)


def _settings(ranker: Any) -> dict[str, Any]:
    """Return the settings that are not the defaults, by dotted name."""
    changed = {name: value for name, value in _changed(ranker).items() if name != "config"}
    if not isinstance(changed.get("base", ""), str):
        changed["base"] = type(changed["base"]).__name__
    return changed | _flat(ranker.config_.model_dump(mode="json", exclude_defaults=True))


def _ranker(ranker: Any) -> list[str]:
    """Return the lines that make a ranker with the same settings."""
    lines = ["from datetime import datetime", "from causal_ranker import CausalRanker"]
    words = []
    for name, value in _changed(ranker).items():
        if isinstance(value, ChainConfig):
            lines.append("from causal_ranker.chain.config import ChainConfig")
            told = value.model_dump(mode="json", exclude_defaults=True)
            words.append(f"config={_lines('ChainConfig', _literals(told))}")
        elif name == "base" and not isinstance(value, str):
            words.append("base=base")  # another's recommender: only its owner can make it again
        else:
            words.append(f"{name}={value!r}")
    return [*lines, _lines("ranker = CausalRanker", words)]


def _literals(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}={pformat(value, width=_WIDTH, compact=True, sort_dicts=False)}"
        for name, value in values.items()
    ]


def _lines(call: str, words: Sequence[str]) -> str:
    return "\n".join([f"{call}(", *(indent(f"{word},", "    ") for word in words), ")"])


def _call(
    method: str,
    passed: Mapping[str, str],
    *,
    names: Sequence[str],
    log_end: datetime,
    **words: str,
) -> str:
    told = [f"{name}={passed[name]}" for name in names if name in passed]
    told.append(f"log_end=datetime.fromisoformat({log_end.isoformat()!r})")
    told += [f"{name}={value!r}" for name, value in words.items()]
    return _lines(method, told)


def _changed(ranker: Any) -> dict[str, Any]:
    """Return the parameters of a ranker that are not what its class would set."""
    known = inspect.signature(type(ranker)).parameters
    return {
        name: value
        for name, value in ranker.get_params(deep=False).items()
        if name not in _ASIDE
        and (type(value) is not type(known[name].default) or value != known[name].default)
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
