"""A monitor's report as Prometheus gauges, for the node exporter's textfile collector."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from causal_ranker.drift.verdict import EXIT_CODES
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    from causal_ranker.drift.monitor import MonitorReport

__all__ = ["to_gauges", "write_gauges"]

_LEVELS: Final = ("quiet", "watch", "alarm")
_ADVICES: Final = tuple(EXIT_CODES)


def to_gauges(report: MonitorReport) -> str:
    """Write gauges in Prometheus' text format.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.

    Returns
    -------
    str
        ``causal_ranker_drift_advice`` (0 nothing, 1 watch, 2 retrain, 3 stop), ``_rows``,
        ``_schema_changes``, ``_level`` (0 quiet, 1 watch, 2 alarm) and ``_missing_share`` by
        column and segment, ``_effect`` by column, segment and signal; of all columns at
        once ``_together_level`` and ``_together_effect`` by detector; of the model
        ``_model_level``, ``_model_effect`` and ``_model_mean`` by check.
    """
    columns = [
        (each, {"column": each.column, "segment": each.segment or ""}) for each in report.columns
    ]
    families: list[tuple[str, str, Iterable[tuple[dict[str, str], float]]]] = [
        (
            "advice",
            "0 nothing, 1 watch, 2 retrain, 3 stop",
            [({}, _ADVICES.index(report.advice))],
        ),
        (
            "rows",
            "Rows compared",
            [({"side": "reference"}, report.rows_before), ({"side": "window"}, report.rows_now)],
        ),
        ("schema_changes", "Columns of another type, gone or new", [({}, len(report.schema))]),
        (
            "level",
            "0 quiet, 1 watch, 2 alarm",
            [(labels, _LEVELS.index(each.level)) for each, labels in columns],
        ),
        (
            "missing_share",
            "Share of missing values in the window",
            [(labels, each.missing_now) for each, labels in columns],
        ),
        (
            "effect",
            "Effect size of a signal",
            [
                ({**labels, "signal": signal.kind}, signal.decision.effect_size)
                for each, labels in columns
                for signal in each.signals
            ],
        ),
    ]
    checks = [(each, {"check": each.name}) for each in report.checks]
    looks = [(each, {"detector": each.name}) for each in report.together]
    for kind, what, judged in (
        ("together", "a detector of all columns at once", looks),
        ("model", "a check of the model", checks),
    ):
        levels = [(labels, _LEVELS.index(each.level)) for each, labels in judged]
        effects = [
            (labels, each.decision.effect_size)
            for each, labels in judged
            if each.decision is not None
        ]
        families += [
            (f"{kind}_level", "0 quiet, 1 watch, 2 alarm", levels),
            (f"{kind}_effect", f"Effect size of {what}", effects),
        ]
    families += [
        (
            "model_mean",
            "What a check of the model looks at, on the mean of the window",
            [(labels, each.now) for each, labels in checks if each.now is not None],
        ),
    ]
    lines = []
    for name, words, samples in families:
        full = f"causal_ranker_drift_{name}"
        lines += [f"# HELP {full} {words}", f"# TYPE {full} gauge"]
        lines += [f"{full}{_labelled(labels)} {float(value)!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def write_gauges(report: MonitorReport, path: Path) -> Path:
    """Write gauges to a file; a collector sees the old file or the whole new one.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.
    path : Path
        A file that ends in ``.prom``, in the folder that the node exporter is told by
        ``--collector.textfile.directory``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the name ends otherwise, or the file cannot be written.
    """
    if path.suffix != ".prom":
        raise ConfigError(
            expected="a file that ends in .prom, as the collector reads no other",
            came=str(path),
            do="Choose another name.",
        )
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fresh.write_text(to_gauges(report), encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigError(
            expected=f"a folder at {path.parent} that can be written to",
            came=error.strerror or str(error),
            do="Choose another path.",
        ) from error
    return path


def _labelled(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    parts = []
    for name, value in labels.items():
        text = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        parts.append(f'{name}="{text}"')
    return "{" + ",".join(parts) + "}"
