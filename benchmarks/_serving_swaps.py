"""Versions that take over from one another in this process while requests come.

What a child process verifies is left out here: swaps follow each other faster without it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks._in_process import ask_at_rate, wire_request
from benchmarks._shop import draw_requests, shop_contents
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.service import Service

__all__ = ["run"]

_RATE: Final = 100
_PATIENCE: Final = 1_000


class _Source:
    """Two versions, one of them current."""

    def __init__(self, folders: list[Path]) -> None:
        self.paths = {load_bundle(folder).version: folder for folder in folders}
        self.turn = 0

    def current(self) -> str:
        return list(self.paths)[self.turn % len(self.paths)]

    def path_of(self, version: str) -> Path:
        return self.paths[version]

    def verify(self, version: str) -> None:
        pass

    def stamp(self) -> object:
        return self.turn


def run(*, quick: bool) -> dict[str, object]:
    """Swap 100 times at 100 requests a second.

    Parameters
    ----------
    quick : bool
        3 times.

    Returns
    -------
    dict
        ``swap_failures``: requests without a list, or whose list is neither the very one of the
        version that it names nor the base list with a reason; swaps, requests, and what fell back.
    """
    swaps = 3 if quick else 100
    asked = draw_requests(50)
    with tempfile.TemporaryDirectory() as folder:
        source = _Source(
            [
                write_bundle(Path(folder) / str(seed), contents=shop_contents(seed=seed))
                for seed in range(2)
            ]
        )
        right = {
            version: [rerank(bundle, each.user, candidates=each.candidates).items for each in asked]
            for version, bundle in (
                (name, load_bundle(path)) for name, path in source.paths.items()
            )
        }
        service = Service(source, config=ServeConfig(poll_ms=10))

        async def swap() -> None:
            for turn in range(1, swaps + 1):
                source.turn = turn
                for _ in range(_PATIENCE):
                    await asyncio.sleep(0.01)
                    if service.version().version == source.current():
                        break
                else:
                    raise TimeoutError(f"swap {turn} did not come about")
                await asyncio.sleep(0.1)

        bodies = [wire_request(each) for each in asked]
        found = asyncio.run(ask_at_rate(service, bodies, n=1, rate=_RATE, meanwhile=swap))
    failed: Counter[str] = Counter()
    fell_back: Counter[str] = Counter()
    for place, (answer, _) in enumerate(found):
        if isinstance(answer, Exception):
            failed[type(answer).__name__] += 1
            continue
        if answer.fallback is not None:
            fell_back[answer.fallback] += 1
            expected: tuple[int | str, ...] = tuple(asked[place % 50].base_order())
        else:
            expected = right[answer.version][place % 50]
        if tuple(each.item_id for each in answer.items) != expected:
            failed["another list"] += 1
    return {
        "swap_failures": sum(failed.values()),
        "swap_failed": dict(failed),
        "swap_fallbacks": dict(fell_back),
        "swaps": swaps,
        "swap_requests": len(found),
    }
