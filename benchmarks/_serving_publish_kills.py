"""Publishers killed with SIGKILL at random points: the old or the new version is in force.

Half of them are killed at a random time. The others kill themselves before or after a random one of
the things that they ask the system for (files opened, written and synced, names changed, locks, the
child that verifies), so that the short steps are hit as often as the long ones; half of these after
the version was put in place and before, or after, it came into force. Every seventh publishes the
first version of a registry.
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
from causal_ranker.serving.promotions import CURRENT, LOCK, VERSIONS, is_registry
from causal_ranker.serving.registry import Registry

__all__ = ["publish_kills", "run"]

_STEPS: Final = frozenset(
    {
        *("open", "write", "flush", "fsync", "close", "flock", "mkdir", "rename", "replace"),
        *("unlink", "rmdir", "scandir", "listdir", "fork_exec", "_fork_exec", "waitpid"),
    }
)
_FIRST_EVERY: Final = 7
#: Killed at some time, or at a step since the first folder, or since the version is in place.
_SINCE: Final = ("", "mkdir", "", "rename")


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
        afterwards, or kept what was left lying; ``publish_failed`` says which and why. Besides, how
        many publishers were killed in time, and how many left the old version and the new one.
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
    failures: list[str] = []
    for number in range(kills):
        # Publications are told apart by their policies.
        fresh = replace(contents, policy=BlendPolicy((number + 1) / (kills + 1)))
        first = number % _FIRST_EVERY == _FIRST_EVERY - 1
        registry = Registry(folder / f"{number}") if first else main
        before = set() if first else {each.version for each in main.versions()}
        old = None if first else load_bundle(main.root).policy
        since = _SINCE[number % 4]
        step = int(rng.integers(1, steps[since] + 1)) if since else 0
        publisher = context.Process(target=_publish, args=(registry.root, fresh, since, step))
        publisher.start()
        if not since:
            sleep(rng.uniform(0, 1.1 * seconds))
            publisher.kill()
        publisher.join()
        counts["killed"] += publisher.exitcode == -signal.SIGKILL
        state = _state(registry, before, old=old, new=fresh)
        counts[state] += 1
        if state not in ("old", "new") or (first and not _publishes(registry, fresh)):
            failures.append(f"{number}: {since} {step} {state}")
    if not _publishes(main, contents):
        failures.append("no version could be published afterwards, or something was left")
    return {
        "publish_kill_failures": len(failures),
        "publish_kills": kills,
        "publish_killed_in_time": counts["killed"],
        "publish_old": counts["old"],
        "publish_new": counts["new"],
        "publish_steps": steps["mkdir"],
        "publish_s": seconds,
        "publish_failed": failures[:10],
    }


def _state(registry: Registry, before: set[str], *, old: object | None, new: BundleContents) -> str:
    """Say which version is in force, "old" or "new", or what is wrong."""
    try:
        # Promoted or not, what is listed is whole; before the first version there is no registry.
        listed = registry.versions() if is_registry(registry.root) else []
        for version in {each.version for each in listed} - before:
            load_bundle(registry.path_of(version))
        if old is None and not (registry.root / CURRENT).exists():
            return "old"
        policy = load_bundle(registry.root).policy
    except BundleError as error:
        return str(error)
    if policy == new.policy:
        return "new"
    return "old" if policy == old else f"a version of another time: {policy}"


def _publishes(registry: Registry, contents: BundleContents) -> bool:
    """Say whether the registry takes another version, and clears away what was left."""
    version = registry.publish(contents)
    inside = {place.name for place in registry.root.iterdir()}
    names = {place.name for place in (registry.root / VERSIONS).iterdir()}
    clean = inside == {LOCK, CURRENT, VERSIONS} and ".new" not in names
    return clean and load_bundle(registry.root).version == version


def _whole(
    context: ForkServerContext, root: Path, contents: BundleContents
) -> tuple[float, dict[str, int]]:
    """Publish without being killed: how long it takes, and how many steps since which."""
    told: SimpleQueue[int] = context.SimpleQueue()
    seconds, steps = [], {}
    for since in ("mkdir", "rename"):  # the first one starts the server that forks
        started = perf_counter()
        publisher = context.Process(target=_publish, args=(root, contents, since, 0, told))
        publisher.start()
        steps[since] = told.get()
        publisher.join()
        seconds.append(perf_counter() - started)
    return min(seconds), steps


def _publish(
    root: Path,
    contents: BundleContents,
    since: str,
    fatal: int,
    told: SimpleQueue[int] | None = None,
) -> None:
    """Publish, and die at a step since the first of a name; count the steps."""
    seen = 0

    def step(_: object, event: str, called: object) -> None:
        nonlocal seen
        name = getattr(called, "__name__", "")
        memory = isinstance(getattr(called, "__self__", None), io.BytesIO)
        if event not in ("c_call", "c_return") or name not in _STEPS or memory:
            return
        if seen or name == since:
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(step)
    Registry(root).publish(contents)
    sys.setprofile(None)
    if told is not None:
        told.put(seen)
