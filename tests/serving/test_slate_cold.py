"""Which items of a list were cold, as it is written down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from causal_ranker.reranking.lists import CandidateLists, SideColumn
from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.ranking import Ranked, base_list
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.slate import Slate
from causal_ranker.serving.wire import RerankRequest

FEATURES = np.array([[5.0, 1.0], [5.0, 0.0], [5.0, np.nan], [5.0, 1.0]])


def cold_of(ranked: Ranked, *names: str) -> list[int] | None:
    schema = FeatureSchema(tuple(Feature(name, "item") for name in names))
    bundle: Any = SimpleNamespace(
        version="v",
        policy=UpliftPolicy(),
        uplift=SimpleNamespace(plan=SimpleNamespace(schema=schema)),
    )
    made = Slate.of(ranked, k=2).decision(
        RerankRequest(user_id=1),
        draws=None,
        decision_id="a",
        at_ms=0,
        bundle=bundle,
        canary=False,
    )
    return made.cold


def ranked(features: Any, **columns: Any) -> Ranked:
    listed = base_list(list("abcd"), np.arange(4.0))
    lists = CandidateLists(
        request=np.zeros(4),
        base_score=listed.base_score,
        base_rank=listed.base_rank,
        uplift=np.zeros(4),
        columns={name: SideColumn(np.array(values)) for name, values in columns.items()},
    )
    fields = {**vars(listed), "features": features, "lists": lists}
    return Ranked(**fields)


@pytest.mark.parametrize(
    ("features", "columns", "names", "cold"),
    [
        (FEATURES, {}, ("price", "is_cold"), [0, 3]),
        (FEATURES, {"is_cold": [0.0, 1.0, 1.0, np.nan]}, ("price", "is_cold"), [1, 2]),
        (FEATURES, {"is_cold": [0.0] * 4}, ("price", "is_cold"), []),
        (FEATURES, {}, ("price", "age"), None),
        (None, {}, ("price", "is_cold"), None),
    ],
)
def test_rules_know_better_than_the_model_which_knows_better_than_nobody(
    features: Any, columns: Any, names: Any, cold: list[int] | None
) -> None:
    assert cold_of(ranked(features, **columns), *names) == cold
