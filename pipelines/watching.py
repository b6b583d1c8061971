"""What the steps of `pipelines.monitor_flow` do; each can be called without the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from causal_ranker.drift.gauges import write_gauges
from causal_ranker.drift.monitor import MonitorReport, monitor
from causal_ranker.drift.review.feedback import Raised, raised_effects
from causal_ranker.drift.review.intake import alert_entries
from causal_ranker.drift.review.queue import ReviewQueue
from causal_ranker.drift.sections import drift_document
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.reporting.files import write_page
from causal_ranker.reporting.json import to_line
from pipelines.settings import MonitorSettings

__all__ = ["Watched", "advise", "inputs_of", "send_to_review", "watch"]


@dataclass(frozen=True)
class Watched:
    """What was found in one table.

    Parameters
    ----------
    table : str
        Its name.
    report : MonitorReport
        What moved, and the verdict.
    folder : str
        Where ``NAME.html``, ``NAME.json`` and ``NAME.prom`` lie.
    """

    table: str
    report: MonitorReport
    folder: str


def inputs_of(settings: MonitorSettings) -> dict[str, str]:
    """Say what is read.

    Parameters
    ----------
    settings : MonitorSettings
        Settings.

    Returns
    -------
    dict of str to str
        Paths of windows and references, by table.
    """
    return {
        f"{name} {side}": path
        for name, table in settings.tables.items()
        for side, path in (("reference", table.reference), ("window", table.window))
    }


def watch(settings: MonitorSettings, folder: Path, *, table: str) -> Watched:
    """Judge the window of one table, and write its page, JSON and gauges.

    Parameters
    ----------
    settings : MonitorSettings
        Settings.
    folder : Path
        The run's folder.
    table : str
        Name of the table.

    Returns
    -------
    Watched
        What was found.
    """
    watched = settings.tables[table]
    connection = connect(threads=settings.engine_threads, memory_limit=settings.engine_memory)
    raised: tuple[Raised, ...] = ()
    if watched.review is not None:
        with ReviewQueue(watched.review) as queue:
            raised = raised_effects(queue.entries(kind="alert"))
    report = monitor(
        read_table(watched.reference, connection, name="reference"),
        read_table(watched.window, connection, name="window"),
        columns=watched.columns,
        config=watched.monitor,
        raised=raised,
    )
    write_page(drift_document(report), folder / f"{table}.html")
    line = to_line(report.to_dict())
    (folder / f"{table}.json").write_text(line + "\n", encoding="utf-8")
    write_gauges(report, folder / f"{table}.prom")
    return Watched(table, report, str(folder))


def send_to_review(settings: MonitorSettings, found: Sequence[Watched]) -> int:
    """Enter alerts into the review queues of their tables; those that are there stay as they are.

    Parameters
    ----------
    settings : MonitorSettings
        Settings.
    found : sequence of Watched
        What was found.

    Returns
    -------
    int
        How many are new.
    """
    new = 0
    for each in found:
        place = settings.tables[each.table].review
        if place is not None:
            with ReviewQueue(place) as queue:
                new += queue.add(alert_entries(each.report, at=datetime.now(UTC)))
    return new


def advise(found: Sequence[Watched]) -> tuple[str, list[str]]:
    """Return the gravest advice, and the verdict on each table.

    Parameters
    ----------
    found : sequence of Watched
        What was found, at least one.

    Returns
    -------
    str
        "nothing", "watch", "retrain" or "stop".
    list of str
        A sentence for each table, the gravest first.
    """
    gravest = sorted(found, key=lambda each: -each.report.verdict.exit_code)
    sentences = [f"{each.table}: {each.report.verdict.sentence}" for each in gravest]
    return gravest[0].report.advice, sentences
