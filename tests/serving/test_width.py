"""Intervals of the uplift in served lists, and lists that are drawn from them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from causal_ranker.errors import BundleError, ConfigError
from causal_ranker.reranking.draws import Thompson
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.decisions.chances import Chances, chances
from causal_ranker.serving.files import encode
from causal_ranker.serving.intake import take
from causal_ranker.serving.manifest import MANIFEST, Manifest, sha256
from causal_ranker.serving.ranking import rank_request
from causal_ranker.serving.service import Service
from causal_ranker.serving.verify import verify_bundle
from causal_ranker.serving.width import WidthModel, WidthPart
from causal_ranker.serving.wire import ExplainRequest, RerankAnswer
from tests.serving.fakes import (
    BASE_ORDER,
    SENT,
    MemoryLog,
    Versions,
    explode,
    not_a_number,
    request,
    running,
    too_many,
    until,
    value,
)
from tests.serving.shop import Shop, StubModel, with_width

PATIENT = ServeConfig(deadline_ms=20_000, poll_ms=5)


@pytest.fixture(scope="module")
def wide(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, lightgbm.Booster]:
    contents, booster = with_width(shop)
    return write_bundle(tmp_path_factory.mktemp("wide") / "shop", contents=contents), booster


def told(bundle: Bundle, answer: Callable[[Any], Any]) -> Bundle:
    """The bundle with a model of the widths that says what a test wants."""
    return replace(bundle, width=WidthModel(StubModel(answer), 0.95))  # type: ignore[arg-type]


def drawing(level: float = 0.95) -> ServeConfig:
    drawn = Exploration(draw=Thompson(level=level), slots=2)
    return PATIENT.model_copy(update={"exploration": drawn, "seed": 11})


def test_the_interval_is_the_uplift_and_half_its_width_to_both_sides(
    wide: tuple[Path, lightgbm.Booster],
) -> None:
    bundle = load_bundle(wide[0])
    got = rerank(bundle, 105)
    assert got.interval is not None
    low, high = got.interval
    ranked = rank_request(bundle, take(bundle, request(sent=None)))
    assert ranked.interval is None  # nobody asked
    order = np.argsort(ranked.rank)
    half = np.asarray(wide[1].predict(ranked.features, num_threads=1))[order]
    np.testing.assert_array_equal(low, got.uplift - half)
    np.testing.assert_array_equal(high, got.uplift + half)
    assert np.unique(half).size > 3
    records = got.records()
    assert [each["uplift_low"] for each in records] == low.tolist()
    assert [each["uplift_high"] for each in records] == high.tolist()
    head = rerank(bundle, 105, k=2)
    assert head.records() == records[:2]


def test_the_service_says_them_and_leaves_them_out_where_there_are_none(
    bundle: Bundle, wide: tuple[Path, lightgbm.Booster]
) -> None:
    async def ask(which: Bundle) -> RerankAnswer:
        async with running(Service(which, config=PATIENT)) as service:
            return await service.rerank(request(105, sent=None, k=5))

    got = asyncio.run(ask(load_bundle(wide[0])))
    ends = ("item_id", "uplift_low", "uplift_high")
    said = [{name: getattr(each, name) for name in ends} for each in got.items]
    mine = rerank(load_bundle(wide[0]), 105, k=5).records()
    assert said == [{name: each[name] for name in ends} for each in mine]
    bare = asyncio.run(ask(bundle))
    assert b"uplift_low" in msgspec.json.encode(got)
    assert b"uplift_low" not in msgspec.json.encode(bare)
    assert b'"uplift"' in msgspec.json.encode(bare)
    assert "uplift_low" not in rerank(bundle, 105).records()[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (explode, "model_error"),
        (not_a_number, "interval_error"),
        (too_many, "interval_error"),
        (lambda X: np.full(len(X), np.inf), "interval_error"),
        (lambda X: np.zeros(len(X)), "interval_error"),
        (lambda X: np.full(len(X), 1e-300), "interval_error"),  # too narrow to draw from
    ],
)
def test_a_model_of_widths_that_fails_leaves_the_base_order(
    wide: tuple[Path, lightgbm.Booster], answer: Any, reason: str
) -> None:
    bundle = told(load_bundle(wide[0]), answer)
    got = rerank(bundle, 105, candidates=SENT)
    assert (got.fallback, list(got.items), got.interval) == (reason, BASE_ORDER, None)
    assert bundle.counts.fallbacks == {reason: 1}
    log = MemoryLog()

    async def run() -> None:
        async with running(Service(bundle, config=drawing(), log=log)) as service:
            answer = await service.rerank(request())
            assert (answer.fallback, answer.explored) == (reason, False)
            assert [each.item_id for each in answer.items] == BASE_ORDER
            # whoever does not need the widths does not ask for them
            asked = ExplainRequest(user_id=105, item_id="item-07", candidates=request().candidates)
            assert (await service.explain(asked)).fallback is None

    asyncio.run(run())
    assert [each.score for each in log.decisions] == [None]


def test_thompson_draws_come_with_their_chances(wide: tuple[Path, lightgbm.Booster]) -> None:
    log, n = MemoryLog(), 300

    async def run() -> list[RerankAnswer]:
        async with running(Service(load_bundle(wide[0]), config=drawing(), log=log)) as service:
            return [await service.rerank(request(105, k=4)) for _ in range(n)]

    answers = asyncio.run(run())
    mean = {each.item_id: each.uplift for each in answers[0].items}
    sd = {
        each.item_id: (each.uplift_high - each.uplift_low) / (2 * norm.ppf(0.975))  # type: ignore[operator]
        for each in answers[0].items
    }

    def chance(item: Any, above: Any = None) -> float:
        """Of `above` to be the largest and of `item` to be the next, or of it to be the largest."""
        others = set(mean) - {item, above}
        step = min(sd.values())
        lowest, highest = min(mean.values()) - 9 * max(sd.values()), max(mean.values())  # type: ignore[type-var, operator]
        found = quad(
            lambda x: (
                norm.pdf(x, mean[item], sd[item])
                * (1.0 if above is None else norm.sf(x, mean[above], sd[above]))
                * np.prod([norm.cdf(x, mean[other], sd[other]) for other in others])
            ),
            lowest,
            highest + 9 * max(sd.values()),
            points=list(mean.values()),
            epsabs=1e-10,
            limit=int(200 + 1 / step),
        )
        return float(found[0])

    known = {item: chance(item) for item in mean}
    pairs: dict[tuple[Any, Any], float] = {}
    for answer, found, told in zip(answers, log.decisions, chances(log.decisions), strict=True):
        assert answer.explored
        first, second = answer.items[:2]
        pair = (first.item_id, second.item_id)
        pairs[pair] = pairs.get(pair) or chance(pair[1], above=pair[0])
        assert first.propensity == pytest.approx(known[pair[0]], abs=1e-8)
        assert second.propensity == pytest.approx(pairs[pair] / known[pair[0]], abs=1e-7)
        assert found.propensity == [first.propensity, second.propensity]
        assert found.exploration == {**drawing().exploration.model_dump()}  # type: ignore[union-attr]
        assert isinstance(told, Chances)
        assert told.inclusion.tolist() == [1.0] * 4  # all four are answered
        assert told.slot[0] == pytest.approx(first.propensity, abs=1e-8)
    shorter = [msgspec.structs.replace(each, shown=each.shown[:2]) for each in log.decisions[:9]]
    for told in chances(shorter):
        assert isinstance(told, Chances)
        assert told.inclusion.sum() == pytest.approx(2)
    for item, p in known.items():
        count = sum(answer.items[0].item_id == item for answer in answers)
        assert abs(count - n * p) < 4.5 * np.sqrt(n * p * (1 - p)) + 1
    assert len({answer.items[0].item_id for answer in answers}) > 1


def test_a_version_without_such_intervals_is_not_drawn_from(
    shop: Shop, published: Path, wide: tuple[Path, lightgbm.Booster], tmp_path: Path
) -> None:
    bare, good = load_bundle(published), load_bundle(wide[0])
    with pytest.raises(ConfigError, match=r"level 0\.95.*with no intervals"):
        Service(bare, config=drawing(), log=MemoryLog())
    with pytest.raises(ConfigError, match=r"level 0\.9,.*at level 0\.95"):
        Service(good, config=drawing(0.9), log=MemoryLog())
    other = write_bundle(tmp_path / "other", contents=with_width(shop, level=0.8)[0])
    paths = {bare.version: published, good.version: wide[0]}
    paths[load_bundle(other).version] = other
    source = Versions(paths, bare.version)
    with pytest.raises(ConfigError, match="with no intervals"):
        asyncio.run(Service(source, config=drawing(), log=MemoryLog()).start())
    source.now = good.version

    async def run() -> None:
        async with running(Service(source, config=drawing(), log=MemoryLog())) as service:
            for bad, version in enumerate((bare.version, load_bundle(other).version), start=1):
                source.promote(version)
                await until(lambda bad=bad: value(service, "bad_versions_total") == bad)  # type: ignore[misc]
                answer = await service.rerank(request())
                assert (answer.version, answer.explored) == (good.version, True)

    asyncio.run(run())


def test_a_bundle_keeps_them_and_one_without_is_what_it_was(
    shop: Shop, published: Path, wide: tuple[Path, lightgbm.Booster]
) -> None:
    contents, booster = with_width(shop, level=0.8)
    with_it, without = encode(contents), encode(shop.contents)
    assert set(with_it) - set(without) == {"width.txt", "width_golden.npz"}
    assert b"width" not in without["schema.json"]
    assert json.loads(with_it["schema.json"])["width"] == {"level": 0.8}
    assert with_it["width.txt"].decode() == booster.model_to_string()
    assert load_bundle(published).width is None
    width = load_bundle(wide[0]).width
    assert width is not None
    assert width.level == 0.95
    checked = dict(verify_bundle(wide[0], timeout_s=60))
    assert checked["golden rows of width.txt"] == "scored as they were at publishing"
    assert "random rows of width.txt" in checked


def sealed(source: Path, target: Path, name: str, content: bytes) -> Path:
    """Change a file of a bundle and make the hashes fit."""
    shutil.copytree(source, target)
    (target / name).write_bytes(content)
    manifest = Manifest.from_bytes((target / MANIFEST).read_bytes())
    files = {**manifest.files, name: sha256(content)}
    (target / MANIFEST).write_bytes(replace(manifest, files=files).to_bytes())
    return target


def test_widths_that_were_changed_are_refused(
    shop: Shop, wide: tuple[Path, lightgbm.Booster], tmp_path: Path
) -> None:
    folder, text = wide[0], (wide[0] / "width.txt").read_bytes()
    plain = text.replace(b"objective=poisson", b"objective=regression")
    assert plain != text
    schema = json.loads((folder / "schema.json").read_bytes())
    cases = {
        "golden": ("width.txt", plain, r"golden predictions of width\.txt"),
        "trees": ("width.txt", b"not a model", r"LightGBM model of 9 features in width\.txt"),
        "gone": ("width_golden.npz", b"", "model of the intervals"),
    }
    for name, (file, content, message) in cases.items():
        with pytest.raises(BundleError, match=message):
            load_bundle(sealed(folder, tmp_path / name, file, content))
    for place, level in enumerate((0.0, 1.0, -3, "0.95", None)):
        changed = json.dumps({**schema, "width": {"level": level}}).encode()
        with pytest.raises(BundleError, match=r"level|model of the intervals"):
            load_bundle(sealed(folder, tmp_path / f"level{place}", "schema.json", changed))
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    (changed / "width.txt").write_bytes(text + b"\n")
    with pytest.raises(BundleError, match=r"width\.txt as it was published"):
        load_bundle(changed)
    width = with_width(shop)[0].width
    assert width is not None
    with pytest.raises(ConfigError, match="a level of the intervals"):
        WidthPart(width.model, float("nan"))
