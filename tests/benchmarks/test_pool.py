"""Jobs of a benchmark side by side."""

from __future__ import annotations

import os

from benchmarks._pool import each_on_a_core


def threads(job: str) -> tuple[str, str, int]:
    return job, os.environ["OMP_NUM_THREADS"], os.getpid()


def test_jobs_are_done_in_order_in_processes_of_one_thread() -> None:
    before = dict(os.environ)
    told = list(each_on_a_core(threads, ["a", "b", "c"]))
    assert dict(os.environ) == before
    assert [job for job, _, _ in told] == ["a", "b", "c"]
    assert all(count == "1" and process != os.getpid() for _, count, process in told)
