"""Hot swaps under load over HTTP: no request fails, and each answer is of one version.

Two versions lie in a registry, ordering the same candidates differently. While a client asks at 100
requests a second, one and then the other is promoted, as fast as the server takes them up; every
answer has to be the exact list of the version that it names.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks._asked import Questions, answered, failures
from benchmarks._server import Server, put_load, serving, told_by
from benchmarks._shop import shop_contents
from causal_ranker.serving.registry import Registry

__all__ = ["run"]

_PATIENCE_S: Final = 60
_SETTINGS: Final = "poll_ms = 100.0\n"


def run(*, quick: bool) -> dict[str, object]:
    """Promote one version and the other.

    Parameters
    ----------
    quick : bool
        Once instead of 100 times.

    Returns
    -------
    dict
        ``http_swap_failures``: requests that got neither the policy's list of the version they name
        nor the base list with a reason; ``http_swaps`` that the server made, ``http_swap_requests``
        meanwhile, those of each version, and lists that fell back.
    """
    swaps = 1 if quick else 100
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "models")
        versions = [registry.publish(shop_contents(seed=seed)) for seed in range(2)]
        questions = Questions([registry.path_of(version) for version in versions])
        settings = Path(folder) / "serve.toml"
        settings.write_text(_SETTINGS, "utf-8")
        with serving(registry.root, "--config", str(settings)) as server:
            plan = questions.at_rate(server, 100, seconds=swaps * _PATIENCE_S, seed=0)
            with put_load(plan) as client:
                for swap in range(swaps):
                    registry.promote(versions[swap % 2])
                    _wait_for(server, versions[swap % 2])
                client.terminate()
                answers = told_by(client, plan).answers
    outcomes = Counter(each.outcome for each in answers)
    return {
        "http_swap_failures": sum(failures(answers).values()),
        "http_swaps": swaps,
        "http_swap_requests": len(answers),
        "http_swap_versions": sorted(
            Counter(each.version for each in answers if answered(each)).values()
        ),
        "http_swap_fallbacks": {k: n for k, n in outcomes.items() if k.startswith("fallback: ")},
        "http_swap_failed": failures(answers),
    }


def _wait_for(server: Server, version: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        asked = http.client.HTTPConnection(server.host, server.port, timeout=10)
        try:
            asked.request("GET", "/v1/version")
            if json.loads(asked.getresponse().read())["version"] == version:
                return
        finally:
            asked.close()
        time.sleep(0.02)
    raise RuntimeError(f"the server did not take up version {version}")
