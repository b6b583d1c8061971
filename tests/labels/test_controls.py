"""Controls where there is no candidate log: at their rate, by nothing but the request, weighed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.attribution.attribute import attribute
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.controls import ControlConfig, sample_controls
from causal_ranker.labels.report import describe_labels
from causal_ranker.labels.sampling import draw, uniform_index
from causal_ranker.logs.contract import check_candidates
from causal_ranker.logs.sources import read_table
from tests.labels.builders import ENGINE, at
from tests.structure.public import documented_defaults

REQUESTS, ITEMS, SLATE = 400, 60, 4
IDS: dict[str, Any] = {"integers": int, "strings": "n{}".format}


def shown_log(name: Any = int, *, requests: int = REQUESTS, seed: int = 0) -> pd.DataFrame:
    """Slates of four of the first ten items: what is shown is not drawn evenly."""
    rng = np.random.default_rng(seed)
    rows = [
        {"user_id": name(r % 97), "item_id": name(int(i)), "t0": at(r / 7), "hour": r % 24}
        for r in range(requests)
        for i in rng.choice(10, SLATE, replace=False)
    ]
    return pd.DataFrame(rows).assign(impression_id=range(len(rows)))


def catalogue(name: Any = int, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [name(i) for i in range(ITEMS)], **columns})


def sampled(
    shown: pd.DataFrame, items: pd.DataFrame, *, per_request: int = 15, seed: int = 0
) -> pd.DataFrame:
    tables = [read_table(frame, ENGINE, name="logs") for frame in (shown, items)]
    config = ControlConfig(per_request=per_request, seed=seed)
    table = check_candidates(sample_controls(*tables, config=config))
    return table.to_pyarrow().to_pandas().sort_values(["user_id", "t0", "item_id"])


@pytest.mark.parametrize("ids", IDS)
def test_controls_come_at_their_rate_and_carry_its_inverse(ids: str) -> None:
    shown = shown_log(IDS[ids])
    rows = sampled(shown, catalogue(IDS[ids]))
    placed, controls = rows[rows["shown"]], rows[~rows["shown"]]
    key = ["user_id", "item_id", "t0"]
    assert not rows.duplicated(key).any()
    assert set(map(tuple, placed[key].to_numpy())) == set(map(tuple, shown[key].to_numpy()))
    assert (placed["sampling_weight"] == 1).all()
    rate = 1 - (1 - 1 / ITEMS) ** 15
    np.testing.assert_allclose(controls["sampling_weight"], 1 / rate, rtol=1e-6)
    others = REQUESTS * (ITEMS - SLATE)
    assert len(controls) == pytest.approx(
        others * rate, abs=4 * np.sqrt(others * rate * (1 - rate))
    )
    # Even over the items: each is drawn by about so many of the requests that did not show it.
    possible = REQUESTS - placed.groupby("item_id").size().reindex(catalogue(IDS[ids])["item_id"])
    possible = possible.fillna(REQUESTS)
    found = controls.groupby("item_id").size().reindex(possible.index).fillna(0)
    chi = ((found - possible * rate) ** 2 / (possible * rate * (1 - rate))).sum()
    assert abs(chi - ITEMS) < 4.5 * np.sqrt(2 * ITEMS)
    assert (
        rows["hour"] == rows["t0"].map(dict(zip(shown["t0"], shown["hour"], strict=True)))
    ).all()


def test_neither_what_was_shown_nor_the_order_of_rows_decides_who_is_drawn() -> None:
    shown, items = shown_log(), catalogue()
    key = ["user_id", "item_id", "t0"]

    def controls(*tables: pd.DataFrame, **settings: Any) -> set[Any]:
        rows = sampled(*tables, **settings)
        return set(map(tuple, rows.loc[~rows["shown"], key].to_numpy()))

    before = controls(shown, items)
    mixed = shown.sample(frac=1, random_state=1), items.sample(frac=1, random_state=2)
    assert controls(*mixed) == before
    other = shown.assign(item_id=(shown["item_id"] + 30) % ITEMS)
    taken = [set(map(tuple, frame[key].to_numpy())) for frame in (shown, other)]
    assert controls(other, items) - taken[0] == before - taken[1]
    assert controls(shown, items, seed=1) != before


def test_only_items_that_were_there_become_controls() -> None:
    middle = at(REQUESTS / 14)
    early, late = range(0, ITEMS, 3), range(1, ITEMS, 3)
    items = catalogue(
        available_from=[middle if i in late else None for i in range(ITEMS)],
        available_until=[middle if i in early else None for i in range(ITEMS)],
    )
    everything = sampled(shown_log(), catalogue())
    rows = sampled(shown_log(), items)
    gone = rows["item_id"].isin(early) & (rows["t0"] >= middle)
    to_come = rows["item_id"].isin(late) & (rows["t0"] < middle)
    assert rows["shown"][gone | to_come].all()  # what was shown stays, whatever the catalogue says
    left = everything["shown"] | ~(
        (everything["item_id"].isin(early) & (everything["t0"] >= middle))
        | (everything["item_id"].isin(late) & (everything["t0"] < middle))
    )
    pd.testing.assert_frame_equal(
        rows.reset_index(drop=True), everything[left].reset_index(drop=True)
    )
    assert (~left).sum() > 100


def test_weighed_controls_stand_for_all_that_could_have_been_shown() -> None:
    """Plays that nobody was shown are as many, weighed, as with every candidate logged."""
    rng = np.random.default_rng(3)
    shown = shown_log(requests=2_000)
    requests = shown[["user_id", "t0"]].drop_duplicates()
    whole = requests.merge(catalogue(), how="cross").merge(
        shown[["user_id", "item_id", "t0"]].assign(shown=True), how="left"
    )
    whole["shown"] = whole["shown"].notna()
    plays = whole[rng.random(len(whole)) < np.where(whole["shown"], 0.2, 0.05)]
    plays = pd.DataFrame(
        {
            "play_id": range(len(plays)),
            "user_id": plays["user_id"],
            "item_id": plays["item_id"],
            "played_at": plays["t0"] + pd.Timedelta(seconds=60),
        }
    )
    tables = {
        name: read_table(frame, ENGINE, name=name)
        for name, frame in {
            "impressions": shown,
            "plays": plays,
            "items": catalogue(),
            "whole": whole,
        }.items()
    }
    logs = tables["impressions"], tables["plays"]
    controls = sample_controls(
        tables["impressions"], tables["items"], config=ControlConfig(per_request=12)
    )
    config = LabelConfig(log_end=at(10_000), horizon_hours=0.1)

    def rows(candidates: Any) -> pd.DataFrame:
        found = collect_labels(candidates, *logs, credits=attribute(*logs), config=config)
        return found.table.to_pyarrow().to_pandas()

    truth, sample = rows(tables["whole"]), rows(controls)
    assert (sample["analysis_weight"] == sample["sampling_weight"]).all()
    for arm in (0, 1):
        all_of, some = truth[truth["treatment"] == arm], sample[sample["treatment"] == arm]
        y, w = some["outcome"], some["analysis_weight"]
        rate = (w * y).sum() / w.sum()
        spread = np.sqrt(rate * (1 - rate) / len(some)) * (arm == 0) + 1e-12
        assert rate == pytest.approx(all_of["outcome"].mean(), abs=4 * spread)
        total = np.sqrt(len(some)) * w.max() * (arm == 0) + 1e-9
        assert w.sum() == pytest.approx(len(all_of), abs=4 * total)
    with pytest.raises(ConfigError, match="sampled controls"):
        collect_labels(controls, *logs, credits=attribute(*logs), config=config).thin()
    # A sample of zeros on top of it multiplies the weights.
    found = collect_labels(controls, *logs, credits=attribute(*logs), config=config)
    twice = found.sample_training(0.5, 0).table.to_pyarrow().to_pandas()
    described = describe_labels(found.sample_training(0.5, 0))
    assert described.control_rate == pytest.approx(1 - (1 - 1 / ITEMS) ** 12, rel=0.02)
    organic = truth[truth["outcome"] == 1]["label_kind"] == "organic_play"
    assert described.share_organic == pytest.approx(organic.mean(), abs=0.02)
    merged = twice.merge(sample, on=["user_id", "item_id", "t0"], suffixes=("", "_before"))
    assert len(merged) == len(twice) < len(sample)
    factor = np.where(twice["outcome"] == 1, 1.0, 2.0)
    merged = merged.set_index(["user_id", "item_id", "t0"]).loc[
        list(map(tuple, twice[["user_id", "item_id", "t0"]].to_numpy()))
    ]
    np.testing.assert_allclose(
        twice["analysis_weight"], merged["analysis_weight_before"].to_numpy() * factor
    )


def test_numbers_are_even_whatever_the_ids() -> None:
    for name in IDS.values():
        ids = pd.DataFrame({"user_id": [name(i) for i in range(20_000)]})
        table = read_table(ids.assign(item_id=ids["user_id"], t0=at(0)), ENGINE, name="rows")
        lots = draw(table, salt="even")
        numbers = uniform_index(lots["sampling_draw"], 7).name("n").to_pyarrow().to_pandas()
        counts = numbers.value_counts()
        assert sorted(counts.index) == list(range(7))
        assert counts.to_numpy() == pytest.approx(20_000 / 7, abs=4.5 * np.sqrt(20_000 / 7))


def test_controls_are_as_many_as_documented_unless_said() -> None:
    tables = [read_table(frame, ENGINE, name="logs") for frame in (shown_log(), catalogue())]
    said = documented_defaults(ControlConfig)
    assert set(said) == {"per_request", "seed"}
    drawn = [
        sample_controls(*tables, config=config).to_pandas().sort_values(["t0", "item_id"])
        for config in (ControlConfig(), ControlConfig(**said))
    ]
    pd.testing.assert_frame_equal(*drawn, check_like=True)
    for wrong in ({"per_request": 0}, {"per_request": 10_001}, {"seed": -1}):
        with pytest.raises(ConfigError):
            ControlConfig(**wrong)
    assert ControlConfig(per_request=1).per_request == 1


def test_what_cannot_be_drawn_from_is_told() -> None:
    shown = read_table(shown_log(requests=3), ENGINE, name="impressions")
    config = ControlConfig()
    with pytest.raises(EmptyError, match="items to draw controls from; got an empty table"):
        sample_controls(shown, read_table(catalogue()[:0], ENGINE, name="items"), config=config)
    naive = catalogue(available_from=at(0).replace(tzinfo=None))
    with pytest.raises(SchemaError, match="'available_from' of the items as instants with a time"):
        sample_controls(shown, read_table(naive, ENGINE, name="items"), config=config)
    never = catalogue(available_from=[None] * ITEMS, available_until=pd.NaT)
    tables = shown, read_table(never, ENGINE, name="items")
    assert sample_controls(*tables, config=config).count().execute() > 0
    with pytest.raises(SchemaError, match="one type of 'item_id'"):
        sample_controls(shown, read_table(catalogue(str), ENGINE, name="items"), config=config)
    with pytest.raises(ConfigError, match="at most 2,097,152 items"):
        uniform_index(shown["item_id"], 2**21 + 1)
