"""Why an item moved: figures that sum up, and a sentence that says what the figures say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, EmptyError, OverloadedError, UnknownUserError
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import Candidate, ExplainAnswer, ExplainRequest, RerankAnswer
from tests.serving.fakes import SENT, Hang, MemoryLog, explode, request, running, stubbed, until
from tests.serving.shop import GENRES, ITEM_IDS, ITEMS, Shop

PATIENT = ServeConfig(deadline_ms=20_000, explain_ms=20_000)
ALL = [(item, 1.0 - place / 100) for place, item in enumerate(ITEM_IDS.tolist())]


def asked(item: str, *, user: int = 105, sent: Any = ALL, **more: Any) -> ExplainRequest:
    candidates = None if sent is None else [Candidate(item_id=i, base_score=s) for i, s in sent]
    return ExplainRequest(user_id=user, candidates=candidates, item_id=item, **more)


def explain(
    bundle: Bundle, *requests: ExplainRequest, config: ServeConfig = PATIENT, **more: Any
) -> list[ExplainAnswer]:
    async def run() -> list[ExplainAnswer]:
        async with running(Service(bundle, config=config, **more)) as service:
            return [await service.explain(each) for each in requests]

    return asyncio.run(run())


def rerank(bundle: Bundle, *, user: int = 105) -> RerankAnswer:
    async def run() -> RerankAnswer:
        async with running(Service(bundle, config=PATIENT)) as service:
            return await service.rerank(request(user, sent=ALL))

    return asyncio.run(run())


def test_influences_sum_to_the_uplift_and_speak_raw_values(shop: Shop, bundle: Bundle) -> None:
    listed = {each.item_id: each for each in rerank(bundle).items}
    items = np.arange(ITEMS)
    X = shop.uplift_features(5, items, 1 - items / 100, items + 1)
    parts = np.asarray(shop.uplift.predict(X, num_threads=1, pred_contrib=True))
    found = explain(bundle, *(asked(str(item)) for item in ITEM_IDS))
    for place, got in enumerate(found):
        assert got.item == listed[got.item.item_id]
        assert got.average is not None
        total = got.average + sum(each.uplift for each in got.influences)
        assert total == pytest.approx(got.item.uplift, abs=1e-12)
        by_name = {each.feature: each for each in got.influences}
        for column, feature in enumerate(bundle.uplift.plan.schema.features):
            assert by_name[feature.name].uplift == pytest.approx(parts[place, column], abs=1e-12)
        assert by_name["genre"].value == GENRES[int(shop.genre[place])]
        assert by_name["device"].value == "phone"
        assert by_name["price"].value == shop.price[place]
        days = shop.days[5, place]
        assert by_name["days_since"].value == (None if np.isnan(days) else days)
        sizes = [abs(each.uplift) for each in got.influences]
        assert sizes == sorted(sizes, reverse=True)


def test_the_sentence_says_from_where_to_where_and_why(bundle: Bundle) -> None:
    for got in explain(bundle, *(asked(str(item)) for item in ITEM_IDS)):
        before, after = got.item.base_rank, got.item.rank
        if before == after:
            assert f"stays at rank {after} of 12" in got.words
        else:
            way = "up" if after < before else "down"
            assert f"moves {way} from rank {before} to rank {after} of 12" in got.words
        assert "ordered by uplift." in got.words
        for each in got.influences[:2]:
            assert f"{each.feature} = " in got.words
            assert f"({each.uplift:+.3g})" in got.words
        assert "a rule" not in got.words


def test_a_rule_that_moved_it_is_named(bundle: Bundle) -> None:
    by_uplift = [each.item_id for each in rerank(bundle).items]
    rule = ChainedPolicy(UpliftPolicy(), (Constrained(slots=ITEMS, max_moves=1),))
    held = replace(bundle, policy=rule)
    moved = 0
    for got in explain(held, *(asked(str(item)) for item in ITEM_IDS)):
        rank = by_uplift.index(got.item.item_id) + 1
        said = f"would be at rank {rank}; a rule moved it" in got.words
        assert said == (rank != got.item.rank)
        assert "by uplift, with the rule 'constrained'" in got.words
        moved += said
    assert moved > 3


def test_policies_are_named(bundle: Bundle) -> None:
    for policy, words in (
        (BasePolicy(), "by base score."),
        (BlendPolicy(0.25), "25% of it uplift"),
    ):
        (got,) = explain(replace(bundle, policy=policy), asked("item-03"))
        assert words in got.words


def test_nothing_is_drawn_and_nothing_logged(bundle: Bundle) -> None:
    log = MemoryLog()
    drawn = Exploration(draw=PlackettLuce(temperature=50.0), slots=6, holdout_share=0.5)
    config = PATIENT.model_copy(update={"exploration": drawn})
    plain = {each.item_id: each for each in rerank(bundle).items}
    users = range(100, 120)
    found = explain(bundle, *(asked("item-03", user=u) for u in users), config=config, log=log)
    assert log.records == []
    held = [got for got in found if "always gets the base list" in got.words]
    assert 2 <= len(held) <= 18
    for got in held:
        assert got.item.rank == got.item.base_rank == 4
        assert got.influences == []
    mine = found[5]  # of user 105
    assert mine in held or mine.item == plain["item-03"]


def test_moment_and_context_are_explained_as_they_came(bundle: Bundle) -> None:
    (got,) = explain(bundle, asked("item-03", moment={"week": 3.0}, context={"age": 71.0}))
    values = {each.feature: each.value for each in got.influences}
    assert (values["week"], values["age"]) == (3.0, 71.0)


def test_whatever_fails_is_said_in_base_order(bundle: Bundle) -> None:
    (got,) = explain(stubbed(bundle, explode), asked("item-03"))
    assert (got.fallback, got.item.rank, got.average, got.influences) == (
        "model_error",
        4,
        None,
        [],
    )
    assert "in base order, because the model failed." in got.words
    (got,) = explain(bundle, asked("item-03", user=99))
    assert "does not know the user" in got.words
    hang = Hang()
    config = PATIENT.model_copy(update={"explain_ms": 30})
    (got,) = explain(stubbed(bundle, hang), asked("item-03"), config=config)
    hang.released.set()
    assert (got.fallback, got.item.rank) == ("deadline", 4)
    assert "did not answer in time" in got.words
    # a model whose predictions cannot be split is ranked all the same
    (got,) = explain(stubbed(bundle, lambda X: np.arange(float(len(X)))), asked("item-03"))
    assert (got.fallback, got.item.rank, got.average) == (None, 9, None)
    assert "What matters most" not in got.words


def test_an_open_circuit_is_not_asked(bundle: Bundle) -> None:
    calls = []

    def failing(X: Any) -> Any:
        calls.append(X)
        return explode(X)

    async def run() -> ExplainAnswer:
        async with running(Service(stubbed(bundle, failing), config=PATIENT)) as service:
            for _ in range(5):
                await service.rerank(request())
            return await service.explain(asked("item-03"))

    got = asyncio.run(run())
    assert got.fallback == "circuit_open"
    assert len(calls) == 5


def test_a_slow_explanation_delays_no_list(bundle: Bundle) -> None:
    hang = Hang()

    def slow_once(X: Any) -> Any:
        return hang(X) if len(X) == ITEMS else np.zeros(len(X))

    async def run() -> None:
        config = PATIENT.model_copy(update={"queue": 1})
        async with running(Service(stubbed(bundle, slow_once), config=config)) as service:
            waiting = [asyncio.create_task(service.explain(asked("item-03")))]
            await until(lambda: hang.calls == 1)
            waiting.append(asyncio.create_task(service.explain(asked("item-03"))))
            await asyncio.sleep(0)
            assert (await service.rerank(request(sent=SENT))).fallback is None
            with pytest.raises(OverloadedError):
                await service.explain(asked("item-03"))
            hang.released.set()
            assert all(each.fallback is None for each in await asyncio.gather(*waiting))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (asked("never"), ConfigError, "among the 12 candidates"),
        (asked("item-03", sent=None, user=99), UnknownUserError, "99"),
        (asked("item-03", sent=None), EmptyError, "no base model"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    bundle: Bundle, request_: ExplainRequest, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        explain(replace(bundle, base=None), request_)
