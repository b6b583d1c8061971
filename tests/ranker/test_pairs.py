"""Scores of collaborative methods as columns of the candidate log: trained, chosen, published."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.chain.logs import connection_of, label_logs, read_logs
from causal_ranker.ranker import CausalRanker
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.collaborative.along import pair_features_along
from causal_ranker.uplift.collaborative.factory import make_pair_model
from causal_ranker.uplift.collaborative.features import PairFeatures
from causal_ranker.uplift.collaborative.pairwise import ULBPRConfig
from causal_ranker.worlds.logs import WorldLogs
from tests.ranker.season import CANDIDATES, FEATURES, KEY, config, tables
from tests.ranker.shared import offer, small

SCORE = "pairs_ulbpr"


def microseconds(moment: Any) -> Any:
    return pd.DatetimeIndex(moment).tz_convert("UTC").as_unit("us").asi8


def labelled(logs: WorldLogs) -> pd.DataFrame:
    connection = connection_of()
    given = tables(logs)
    end = given.pop("log_end")
    checked = read_logs(connection, **given)
    made = label_logs(connection, checked, log_end=end, horizon_hours=None, config=config())
    return made.dataset.table.to_pandas().sort_values(KEY, ignore_index=True)


def with_scores(
    logs: WorldLogs, pairs: PairFeatures, *, moments: list[datetime]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    rows = labelled(logs)
    found, names = pair_features_along(
        pairs,
        rows["user_id"].to_numpy(),
        rows["item_id"].to_numpy(),
        t0=microseconds(rows["t0"]),
        horizon_end=microseconds(rows["horizon_end"]),
        treatment=rows["treatment"].to_numpy(),
        outcome=rows["outcome"].to_numpy(),
        propensity=np.full(len(rows), np.nan),  # ULBPR asks for none
        moments=[int(microseconds([each])[0]) for each in moments],
    )
    columns = rows[KEY].assign(**dict(zip(names, found.T.astype(np.float64), strict=True)))
    return logs.candidates.merge(columns, on=KEY, how="left"), names


def test_a_score_in_the_candidate_log_trains_competes_and_serves(tmp_path: Path) -> None:
    past, later = small()
    start = past.candidates["t0"].min().to_pydatetime()
    pairs = PairFeatures(
        {"ulbpr": make_pair_model("ulbpr", config=ULBPRConfig(factors=8, epochs=5))}
    )
    moments = [start + timedelta(days=each) for each in (2, 3, 4)]
    candidates, names = with_scores(past, pairs, moments=moments)
    assert SCORE in names
    score = candidates[SCORE]
    assert score[candidates["t0"] < moments[0]].isna().all()
    assert score[candidates["t0"] >= moments[0]].notna().mean() > 0.5

    features = FEATURES.model_copy(update={"row_numbers": (*FEATURES.row_numbers, *names)})
    league = (CANDIDATES[0], Candidate(learner="score", column=SCORE), *CANDIDATES[1:])
    given = tables(past) | {"candidates": candidates, "users": past.users, "items": past.items}
    ranker = CausalRanker(k=5, config=config(features=features, candidates=league), seed=1)
    ranker.fit(**given)
    found = ranker.trained_.league
    assert found is not None
    assert [each.name for each in found.entries] == [each.name for each in league]

    # Later rows get theirs from the last fit, which ended before all of them.
    now = later.candidates
    block, also = pairs.block(
        now["user_id"].to_numpy(), now["item_id"].to_numpy(), at=microseconds(now["t0"])
    )
    assert also == names
    now = now.assign(**dict(zip(names, block.T.astype(np.float64), strict=True)))
    ranker.evaluate(**(tables(later) | {"candidates": now}))
    ranker.save(tmp_path / "registry")
    loaded = CausalRanker.load(tmp_path / "registry")
    user = now["user_id"].iloc[0]
    asked = offer(now, user)
    one, other = (each.rerank(user, asked) for each in (ranker, loaded))
    np.testing.assert_array_equal(one.items, other.items)
    bundle = loaded._bundle
    assert bundle is not None
    assert SCORE in bundle.snapshot.pairs.names
