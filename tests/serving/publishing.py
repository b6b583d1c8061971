"""Versions of the shop's model that tests tell apart by the weight of a blend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving.files import BundleParts
from causal_ranker.serving.registry import Registry
from tests.serving.shop import Shop

INSIDE = {".causal-ranker.lock", "current.json", "versions"}


def publish(registry: Registry, shop: Shop, weight: float, **options: Any) -> str:
    return registry.publish(replace(shop.contents, policy=BlendPolicy(weight)), **options)


def inside(registry: Registry) -> tuple[set[str], set[str]]:
    """What lies in the folder, and in that of the versions."""
    root = registry.root
    return {p.name for p in root.iterdir()}, {p.name for p in (root / "versions").iterdir()}


def blended(weight: float) -> Any:
    """Halve the weight of blends above one."""

    def change(parts: BundleParts) -> BundleParts | None:
        assert isinstance(parts.policy, BlendPolicy)
        if parts.policy.weight <= weight:
            return None
        return replace(parts, policy=BlendPolicy(parts.policy.weight / 2))

    return change
