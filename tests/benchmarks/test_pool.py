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


def library_threads(_: str) -> set[int]:
    import torch
    from threadpoolctl import threadpool_info

    return {each["num_threads"] for each in threadpool_info()} | {torch.get_num_threads()}


def test_libraries_keep_to_that_thread() -> None:
    assert list(each_on_a_core(library_threads, ["a"])) == [{1}]
