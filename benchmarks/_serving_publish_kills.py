"""Publishers killed with SIGKILL at random points: the old or the new version is in force.

Half of them are killed at a random time. The others kill themselves before or after a random one of
the things that they ask the system for (files opened, written and synced, names changed, locks, the
child that verifies), so that the short steps are hit as often as the long ones. Every seventh
publishes the first version of a registry.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import numpy as np

from benchmarks._small_shop import small_contents
from causal_ranker.errors import BundleError
from causal_ranker.reranking.policies import BlendPolicy, UpliftPolicy
from causal_ranker.serving.bundle import BundleContents, load_bundle
from causal_ranker.serving.registry import Registry

__all__ = ["publish_kills", "run"]

_STEPS: Final = frozenset(
    {
        *("open", "write", "flush", "fsync", "close", "flock", "mkdir", "rename", "replace"),
        *("unlink", "rmdir", "scandir", "listdir", "fork_exec", "_fork_exec", "waitpid"),
    }
)
_FIRST_EVERY: Final = 7
_LAST: Final = 40  # steps


def run(*, quick: bool) -> dict[str, object]:
    """Kill publishers.

    Parameters
    ----------
    quick : bool
        8 of them instead of 500.

    Returns
    -------
    dict
        ``publish_kill_failures``: times that the registry did not open, opened on another version
        than the old or the new one, listed one that does not open, could not be published in
        afterwards, or kept what was left lying; and how many publishers were killed in time, how
        many had left the old version and how many the new one.
    """
    with tempfile.TemporaryDirectory() as folder:
        return publish_kills(Path(folder), kills=8 if quick else 500)


def publish_kills(folder: Path, *, kills: int) -> dict[str, object]:
    """Kill publishers in a folder.

    Parameters
    ----------
    folder : Path
        An empty folder.
    kills : int
        How many.

    Returns
    -------
    dict
        As of `run`.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks._serving_publish_kills"])
    contents = small_contents(trees=10)
    main = Registry(folder / "main")
    main.publish(replace(contents, policy=UpliftPolicy()))
    seconds, steps = _whole(context, folder / "timed", contents)
    rng = np.random.default_rng(7)
    counts: Counter[str] = Counter()
    for number in range(kills):
        # Publications are told apart by their policies.
        fresh = replace(contents, policy=BlendPolicy((number + 1) / (kills + 1)))
        first = number % _FIRST_EVERY == _FIRST_EVERY - 1
        registry = Registry(folder / f"{number}") if first else main
        before = {each.version for each in registry.versions()} if not first else set()
        old = None if first else load_bundle(main.root).policy
        # Every fourth is killed near the end, where the new version comes into force.
        earliest = 1 if number % 4 == 1 else max(1, steps - _LAST)
        step = int(rng.integers(earliest, steps + 1)) if number % 2 else 0
        publisher = context.Process(target=_publish, args=(registry.root, fresh, step))
        publisher.start()
        if not step:
            sleep(rng.uniform(0, 1.1 * seconds))
            publisher.kill()
        publisher.join()
        counts["killed"] += publisher.exitcode == -signal.SIGKILL
        counts[_state(registry, before, old=old, new=fresh)] += 1
        if first:
            counts["failed"] += not _publishes(registry, fresh)
    counts["failed"] += not _publishes(main, contents)
    return {
        "publish_kill_failures": counts["failed"],
        "publish_kills": kills,
        "publish_killed_in_time": counts["killed"],
        "publish_old": counts["old"],
        "publish_new": counts["new"],
        "publish_steps": steps,
        "publish_s": seconds,
    }


def _state(registry: Registry, before: set[str], *, old: object | None, new: BundleContents) -> str:
    try:
        policy = load_bundle(registry.root).policy
        for each in registry.versions():
            if each.version not in before:  # promoted or not, what is listed is whole
                load_bundle(registry.path_of(each.version))
    except BundleError as error:
        # Before the first version there is nothing, and it says so.
        nothing = old is None and (
            "none that was promoted" in str(error) or "nothing" in error.came
        )
        return "old" if nothing else "failed"
    if policy == new.policy:
        return "new"
    return "old" if old is not None and policy == old else "failed"


def _publishes(registry: Registry, contents: BundleContents) -> bool:
    """Say whether the registry takes another version, and clears away what was left."""
    version = registry.publish(contents)
    inside = {place.name for place in registry.root.iterdir()}
    names = {place.name for place in (registry.root / "versions").iterdir()}
    clean = inside == {".causal-ranker.lock", "current.json", "versions"} and ".new" not in names
    return clean and load_bundle(registry.root).version == version


def _whole(context: ForkServerContext, root: Path, contents: BundleContents) -> tuple[float, int]:
    """Publish without being killed: how long it takes, and how many steps."""
    told: SimpleQueue[int] = context.SimpleQueue()
    seconds = []
    for _ in range(2):  # the first one starts the server that forks
        started = perf_counter()
        publisher = context.Process(target=_publish, args=(root, contents, 0, told))
        publisher.start()
        steps = told.get()
        publisher.join()
        seconds.append(perf_counter() - started)
    return min(seconds), steps


def _publish(
    root: Path, contents: BundleContents, fatal: int, told: SimpleQueue[int] | None = None
) -> None:
    """Publish, and die at a step; count the steps."""
    seen = 0

    def step(_: object, event: str, called: object) -> None:
        nonlocal seen
        name = getattr(called, "__name__", "")
        memory = isinstance(getattr(called, "__self__", None), io.BytesIO)
        if event in ("c_call", "c_return") and name in _STEPS and not memory:
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(step)
    Registry(root).publish(contents)
    sys.setprofile(None)
    if told is not None:
        told.put(seen)
