"""The stages of a night, and the seconds of CPU that each takes, from files to files.

``python -m benchmarks._sizing_child ENGINE FOLDER`` prints one line of JSON: rows, seconds of CPU
and of the clock by stage, and the peak memory of the process with all that it started, in MiB.
Features of the embedded engine, its lists and the fit end in memory. ``embedded`` runs first: it
trains the model that both rank by. CPU is that of all processes, Java's
and the workers' too, so that other work on the machine changes it little.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import ibis
import pyarrow.parquet as pq

from benchmarks._sizing_logs import LOG_END
from causal_ranker.attribution.attribute import attribute
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.latest import latest_rows
from causal_ranker.chain.logs import History, Logs, label_logs, read_logs
from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.features.asof import AsOfFeatures, Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.logs.sources import connect
from causal_ranker.ranker import CausalRanker
from causal_ranker.runs.inputs import fingerprints
from causal_ranker.serving.batch import LISTED_SCORE, rank_batches
from causal_ranker.serving.bundle import load_bundle, model_files
from pipelines.spark_lists import rank_frame

__all__ = ["STAGES", "TABLES"]

STAGES: Final = ("read and hashed", "attribution", "labels", "features", "lists", "fit")
TABLES: Final = ("impressions", "plays", "candidates")

_CONFIG: Final = ChainConfig(
    features=FeatureConfig(windows_days=(3, 14), clock=True),
    refute=RefuteConfig(enabled=False),
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") / 2**20


class _Watch:
    """CPU and memory of this process and everything below it, as Linux tells."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self.peak = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    @contextmanager
    def stage(self, name: str, *, rows: int) -> Iterator[None]:
        cpu, clock = self._cpu(), perf_counter()
        yield
        self.stages[name] = {
            "rows": rows,
            "cpu": self._cpu() - cpu,
            "seconds": perf_counter() - clock,
        }

    def end(self) -> dict[str, Any]:
        self._over.set()
        self._thread.join()
        return {"stages": self.stages, "peak": self.peak}

    def _look(self) -> None:
        while not self._over.wait(0.3):
            told = list(self._processes())
            self.peak = max(self.peak, sum(int(each[21]) for each in told) * _PAGE)

    def _cpu(self) -> float:
        # Fields 11 to 14 after the name: own ticks, and those of children that have ended.
        return sum(sum(map(int, each[11:15])) for each in self._processes()) / _TICKS

    @staticmethod
    def _processes() -> Iterator[list[str]]:
        found: dict[int, list[str]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text("utf-8")
            except OSError:  # it has ended
                continue
            found[int(path.parent.name)] = text.rpartition(")")[2].split()
        ours = {os.getpid()}
        grown = True
        while grown:
            more = {pid for pid, told in found.items() if int(told[1]) in ours} - ours
            grown = bool(more)
            ours |= more
        yield from (found[pid] for pid in ours if pid in found)


def _embedded(folder: Path, watch: _Watch) -> None:
    paths = {name: str(folder / f"{name}.parquet") for name in TABLES}
    rows = {name: pq.read_metadata(path).num_rows for name, path in paths.items()}
    with watch.stage("read and hashed", rows=sum(rows.values())):
        fingerprints(paths)
    engine = connect()
    logs = read_logs(
        engine,
        impressions=paths["impressions"],
        plays=paths["plays"],
        candidates=paths["candidates"],
    )

    def write(table: ibis.Table) -> None:
        table.to_parquet(folder / "out.parquet")

    history = _expressions(engine, logs, rows=rows, watch=watch, write=write)
    asked = logs.candidates.group_by([C.USER, C.T0]).aggregate(rows=logs.candidates.count())
    with watch.stage("features", rows=rows["candidates"]):
        reader = BlockReader(
            engine,
            rows=logs.candidates,
            requests=asked.cache(),
            history=history,
            config=_CONFIG.features,
            levels=Levels(),
        )
        for block in reader.read_blocks(reader.spans(block_rows=_CONFIG.block_rows)):
            assert len(block)
    with watch.stage("fit", rows=rows["candidates"]):
        ranker = CausalRanker(learner="dr", policy="blend", config=_CONFIG)
        ranker.fit(paths["impressions"], paths["plays"], candidates=paths["candidates"])
    ranker.save(folder / "models")
    latest = _ready(engine, logs, history=history).order_by([C.USER, C.T0, C.ITEM])
    latest.to_parquet(folder / "ready.parquet")
    bundle = load_bundle(folder / "models")
    with watch.stage("lists", rows=pq.read_metadata(folder / "ready.parquet").num_rows):
        batches = pq.ParquetFile(folder / "ready.parquet").iter_batches(batch_size=10_000)
        frames = (batch.to_pandas() for batch in batches)
        files = model_files(bundle)
        for lists in rank_batches(frames, version=bundle.version, files=lambda: files, k=None):
            assert len(lists)


def _spark(folder: Path, watch: _Watch) -> None:
    from benchmarks._spark_child import local_spark
    from causal_ranker.logs.spark import spark_frame
    from pipelines.on_spark import read_checked

    session = local_spark(folder / "spark", memory="3g", long=True)
    try:
        paths = {name: str(folder / f"{name}.parquet") for name in TABLES}
        rows = {name: pq.read_metadata(path).num_rows for name, path in paths.items()}

        def write(table: Any) -> None:
            frame = spark_frame(table) if isinstance(table, ibis.Table) else table
            frame.write.mode("overwrite").parquet(str(folder / "out"))

        engine = ibis.pyspark.connect(session)
        logs = Logs(**read_checked(session, paths), users=None, items=None)
        history = _expressions(engine, logs, rows=rows, watch=watch, write=write)
        asked = logs.candidates.select(C.USER, C.T0).distinct()
        with watch.stage("features", rows=rows["candidates"]):
            write(_features(engine, logs.candidates, asked, history=history))
        ready = session.read.parquet(str(folder / "ready.parquet"))
        bundle = load_bundle(folder / "models")
        with watch.stage("lists", rows=pq.read_metadata(folder / "ready.parquet").num_rows):
            write(rank_frame(ready, bundle))
    finally:
        session.stop()


def _expressions(
    engine: Any,
    logs: Logs,
    *,
    rows: dict[str, int],
    watch: _Watch,
    write: Callable[[ibis.Table], None],
) -> History:
    """Attribute and label: the same expressions on either engine."""
    with watch.stage("attribution", rows=rows["impressions"] + rows["plays"]):
        write(attribute(logs.impressions, logs.plays, config=_CONFIG.attribution))
    with watch.stage("labels", rows=rows["candidates"]):
        labelled = label_logs(engine, logs, log_end=LOG_END, horizon_hours=None, config=_CONFIG)
        write(labelled.dataset.table)
    return labelled.history


def _features(
    engine: Any, rows: ibis.Table, requests: ibis.Table, *, history: History
) -> ibis.Table:
    state = AsOfFeatures(
        engine,
        plays=history.plays,
        daily=history.daily,
        users=None,
        items=None,
        requests=requests,
        config=_CONFIG.features,
        levels=Levels(),
    )
    return state.add(rows)


def _ready(engine: Any, logs: Logs, *, history: History) -> ibis.Table:
    """Everybody's next list, with features and the base score that comes with a request."""
    rows = latest_rows(logs.candidates, at=LOG_END, config=_CONFIG.features, also=(C.BASE_SCORE,))
    rows = rows.rename(**{LISTED_SCORE: C.BASE_SCORE})
    asked = rows.select(C.USER, C.T0).distinct()
    return _features(engine, rows, asked, history=history).drop(C.BASE_SCORE, C.BASE_RANK)


def _main(name: str, folder: Path) -> None:
    watch = _Watch()
    {"embedded": _embedded, "spark": _spark}[name](folder, watch)
    told = watch.end()
    shutil.rmtree(folder / "out", ignore_errors=True)
    print(json.dumps(told))


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
